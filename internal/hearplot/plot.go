package hearplot

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is how a picture is written.
type Format int

// The formats.
const (
	SVG Format = iota
	PNG
)

// Picture is what is drawn. Times are since the beginning of the recording.
type Picture struct {
	Title  string
	Length time.Duration

	// Wave is the extent of the waveform in stretches of equal length: full
	// scale is ±1.
	Wave []Extent

	// Heard is what the detector made of each of its windows.
	Heard      []Window
	Confidence float64 // from which on one counts
	MinVolume  float64 // in dBFS, below which none does

	Segments, Turns []Span
}

// Extent is the lowest and the highest sample of a stretch.
type Extent struct{ Low, High float64 }

// Window is one of the detector's windows.
type Window struct {
	At          time.Duration // its end
	Probability float64
	Volume      float64 // in dBFS
}

// Span is a stretch of time.
type Span struct{ From, To time.Duration }

const (
	point  = vg.Length(1)
	margin = 6 * point

	// A second is so wide, as long as the picture is of a size that can be
	// looked at.
	second   = 30 * point
	minWidth = 800 * point
	maxWidth = 12000 * point
	height   = 460 * point

	quietest = -90.0 // dBFS
)

var (
	waveColor    = color.RGBA{R: 0x4a, G: 0x6f, B: 0xa5, A: 0xff}
	likelyColor  = color.RGBA{R: 0xc0, G: 0x5a, B: 0x2b, A: 0xff}
	volumeColor  = color.RGBA{R: 0x6a, G: 0x6a, B: 0x6a, A: 0xff}
	segmentColor = color.RGBA{R: 0x5b, G: 0x9a, B: 0x68, A: 0xff}
	turnColor    = color.RGBA{R: 0x7b, G: 0x5e, B: 0xa7, A: 0xff}
	gridColor    = color.RGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

// Write draws a picture.
func Write(w io.Writer, f Format, p Picture) error {
	rows := []struct {
		share float64 // of the height
		plot  *plot.Plot
	}{
		{0.30, p.wave()}, {0.26, p.likely()}, {0.22, p.volume()}, {0.22, p.spans()},
	}
	rows[0].plot.Title.Text = p.Title
	rows[len(rows)-1].plot.X.Label.Text = "time, min:s"
	width := min(max(minWidth, second*vg.Length(p.Length.Seconds())), maxWidth)

	canvas, write := newCanvas(f, width)
	whole := draw.New(canvas)
	top := whole.Max.Y
	// Of all rows, the widest labels say where the axis of time begins.
	left := vg.Length(0)
	for _, r := range rows {
		left = max(left, r.plot.DataCanvas(whole).Min.X-whole.Min.X)
	}
	for _, r := range rows {
		bottom := top - height*vg.Length(r.share)
		row := draw.Crop(whole, 0, 0, bottom-whole.Min.Y, top-whole.Max.Y)
		row = draw.Crop(row, margin+left-(r.plot.DataCanvas(row).Min.X-row.Min.X), -8*point, 4*point, -4*point)
		r.plot.Draw(row)
		top = bottom
	}
	_, err := write.WriteTo(w)
	return err
}

func newCanvas(f Format, width vg.Length) (vg.CanvasSizer, io.WriterTo) {
	if f == PNG {
		c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(96))
		return c, vgimg.PngCanvas{Canvas: c}
	}
	c := vgsvg.New(width, height)
	return c, c
}

// newPlot is a row.
func (p Picture) newPlot(label string, low, high float64) *plot.Plot {
	r := plot.New()
	r.Y.Label.Text = label
	r.X.Min, r.X.Max = 0, max(p.Length.Seconds(), 0.001)
	r.Y.Min, r.Y.Max = low, high
	r.X.Tick.Marker = plot.TickerFunc(ticks)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColor, gridColor
	r.Add(grid)
	return r
}

func (p Picture) wave() *plot.Plot {
	r := p.newPlot("waveform", -1, 1)
	step := p.Length.Seconds() / float64(max(1, len(p.Wave)))
	outline := make(plotter.XYs, 0, 2*len(p.Wave))
	for i, e := range p.Wave {
		outline = append(outline, plotter.XY{X: (float64(i) + 0.5) * step, Y: e.High})
	}
	for i := len(p.Wave) - 1; i >= 0; i-- {
		outline = append(outline, plotter.XY{X: (float64(i) + 0.5) * step, Y: p.Wave[i].Low})
	}
	fill(r, outline, waveColor)
	return r
}

func (p Picture) likely() *plot.Plot {
	r := p.newPlot("speech, probability", 0, 1)
	p.line(r, likelyColor, func(w Window) float64 { return w.Probability })
	p.threshold(r, p.Confidence, likelyColor)
	return r
}

func (p Picture) volume() *plot.Plot {
	r := p.newPlot("volume, dBFS", quietest, 0)
	p.line(r, volumeColor, func(w Window) float64 { return max(quietest, w.Volume) })
	p.threshold(r, p.MinVolume, volumeColor)
	return r
}

func (p Picture) spans() *plot.Plot {
	r := p.newPlot("", 0, 2)
	r.Y.Tick.Marker = plot.ConstantTicks{{Value: 0.5, Label: "turns"}, {Value: 1.5, Label: "segments"}}
	for _, s := range p.Segments {
		fill(r, box(s, 1.2, 1.8), segmentColor)
	}
	for _, s := range p.Turns {
		fill(r, box(s, 0.2, 0.8), turnColor)
	}
	return r
}

func box(s Span, low, high float64) plotter.XYs {
	from, to := s.From.Seconds(), s.To.Seconds()
	return plotter.XYs{{X: from, Y: low}, {X: to, Y: low}, {X: to, Y: high}, {X: from, Y: high}}
}

func fill(r *plot.Plot, outline plotter.XYs, c color.Color) {
	polygon, err := plotter.NewPolygon(outline)
	if err != nil {
		return // there is nothing to draw
	}
	polygon.Color = c
	polygon.LineStyle.Width = 0
	r.Add(polygon)
}

func (p Picture) line(r *plot.Plot, c color.Color, value func(Window) float64) {
	points := make(plotter.XYs, 0, len(p.Heard))
	for _, w := range p.Heard {
		points = append(points, plotter.XY{X: w.At.Seconds(), Y: value(w)})
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return // there is nothing to draw
	}
	line.Color, line.Width = c, 1
	r.Add(line)
}

// threshold draws the value that counts, if it is on the picture.
func (p Picture) threshold(r *plot.Plot, value float64, c color.Color) {
	if math.IsInf(value, 0) || value < r.Y.Min || value > r.Y.Max {
		return
	}
	line, err := plotter.NewLine(plotter.XYs{{X: 0, Y: value}, {X: r.X.Max, Y: value}})
	if err != nil {
		return
	}
	line.Color, line.Width, line.Dashes = c, 0.7, []vg.Length{4, 3}
	r.Add(line)
}

// ticks are whole seconds, or minutes, as people read them.
func ticks(low, high float64) (marks []plot.Tick) {
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600} {
		if step = s; (high-low)/s <= 400 && s*float64(second) >= 60 {
			break
		}
	}
	for at := math.Ceil(low/step) * step; at <= high; at += step {
		marks = append(marks, plot.Tick{Value: at, Label: fmt.Sprintf("%d:%02d", int(at)/60, int(at)%60)})
	}
	return marks
}
