package hearplot

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
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

	columns int // how many pixels the axis of time has, about
}

// Extent is the lowest and the highest sample of a stretch.
type Extent struct{ Low, High float64 }

// Window is one of the detector's windows.
type Window struct {
	At          time.Duration // its end
	Probability float64
	Volume      float64 // in dBFS
}

// Span is a stretch of time. Its end was known at Told; 0 if it never was.
type Span struct{ From, To, Told time.Duration }

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

	dpi = 96 // of a PNG, and of an SVG at its own size

	// piece is how many points are drawn as one path. What rasterising a path
	// takes grows with the square of its width.
	piece = 1000
)

var (
	waveColor    = color.RGBA{R: 0x4a, G: 0x6f, B: 0xa5, A: 0xff}
	likelyColor  = color.RGBA{R: 0xc0, G: 0x5a, B: 0x2b, A: 0xff}
	volumeColor  = color.RGBA{R: 0x6a, G: 0x6a, B: 0x6a, A: 0xff}
	segmentColor = color.RGBA{R: 0x5b, G: 0x9a, B: 0x68, A: 0xff}
	turnColor    = color.RGBA{R: 0x7b, G: 0x5e, B: 0xa7, A: 0xff}
	toldColor    = color.RGBA{R: 0x20, G: 0x20, B: 0x20, A: 0xff}
	gridColor    = color.RGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

// Write draws a picture.
func Write(w io.Writer, f Format, p Picture) error {
	width := min(max(minWidth, second*vg.Length(p.Length.Seconds())), maxWidth)
	p.columns = int(width.Points() / vg.Inch.Points() * dpi)
	rows := []struct {
		share float64 // of the height
		plot  *plot.Plot
	}{
		{0.30, p.wave()}, {0.26, p.likely()}, {0.22, p.volume()}, {0.22, p.spans()},
	}
	rows[0].plot.Title.Text = p.Title
	rows[len(rows)-1].plot.X.Label.Text = "time, min:s (a line behind a bar leads to when its end was told)"

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
		c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
		return c, vgimg.PngCanvas{Canvas: c}
	}
	c := &svgCanvas{Canvas: vgsvg.New(width, height)}
	return c, c
}

// svgCanvas is one whose texts are as wide as was reckoned, whatever serif font the
// viewer has: they are placed by their left ends.
type svgCanvas struct {
	*vgsvg.Canvas
	widths []vg.Length // of the texts, in the order in which they are drawn
}

func (c *svgCanvas) FillString(f font.Face, at vg.Point, text string) {
	c.widths = append(c.widths, f.Width(text))
	c.Canvas.FillString(f, at, text)
}

func (c *svgCanvas) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if _, err := c.Canvas.WriteTo(&b); err != nil {
		return 0, err
	}
	var out strings.Builder
	for i, part := range strings.Split(b.String(), "<text ") { // escaped in texts
		if i > 0 {
			part = strings.Replace(part, "font-family:Liberation Serif", "font-family:Liberation Serif,Times New Roman,serif", 1)
			fmt.Fprintf(&out, `<text textLength="%.4g" lengthAdjust="spacingAndGlyphs" `, c.widths[i-1].Points())
		}
		out.WriteString(part)
	}
	n, err := io.WriteString(w, out.String())
	return int64(n), err
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
	var wave []Extent // at most one a column
	for i := 0; i < len(p.Wave); {
		e := p.Wave[i]
		column := i * p.columns / len(p.Wave)
		for i++; i < len(p.Wave) && i*p.columns/len(p.Wave) == column; i++ {
			e.Low, e.High = min(e.Low, p.Wave[i].Low), max(e.High, p.Wave[i].High)
		}
		wave = append(wave, e)
	}
	if len(wave) > 0 {
		step *= float64(len(p.Wave)) / float64(len(wave))
	}
	for from := 0; from < len(wave); from += piece {
		to := min(from+piece+1, len(wave)) // with the next piece's first: no gap is seen
		outline := make(plotter.XYs, 0, 2*(to-from))
		for i := from; i < to; i++ {
			outline = append(outline, plotter.XY{X: (float64(i) + 0.5) * step, Y: wave[i].High})
		}
		for i := to - 1; i >= from; i-- {
			outline = append(outline, plotter.XY{X: (float64(i) + 0.5) * step, Y: wave[i].Low})
		}
		fill(r, outline, waveColor)
	}
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
	for _, row := range []struct {
		spans []Span
		base  float64
		color color.Color
	}{{p.Segments, 1, segmentColor}, {p.Turns, 0, turnColor}} {
		for _, s := range row.spans {
			fill(r, box(s, row.base+0.2, row.base+0.8), row.color)
		}
		for _, s := range row.spans { // over all bars: the next may have begun
			if s.Told > 0 {
				to, told := s.To.Seconds(), s.Told.Seconds()
				stroke(r, plotter.XYs{{X: to, Y: row.base + 0.5}, {X: told, Y: row.base + 0.5}}, toldColor, 1)
				stroke(r, plotter.XYs{{X: told, Y: row.base + 0.1}, {X: told, Y: row.base + 0.9}}, toldColor, 1.5)
			}
		}
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

// line draws a value of each window; where several fall into one column of pixels,
// the least and the greatest of them.
func (p Picture) line(r *plot.Plot, c color.Color, value func(Window) float64) {
	column := func(w Window) int { return int(w.At.Seconds() / r.X.Max * float64(p.columns)) }
	var points plotter.XYs
	for from := 0; from < len(p.Heard); {
		least, most, to := from, from, from+1
		for ; to < len(p.Heard) && column(p.Heard[to]) == column(p.Heard[from]); to++ {
			if value(p.Heard[to]) < value(p.Heard[least]) {
				least = to
			}
			if value(p.Heard[to]) > value(p.Heard[most]) {
				most = to
			}
		}
		for _, i := range slices.Compact([]int{min(least, most), max(least, most)}) {
			points = append(points, plotter.XY{X: p.Heard[i].At.Seconds(), Y: value(p.Heard[i])})
		}
		from = to
	}
	for from := 0; from < len(points); from += piece {
		stroke(r, points[from:min(from+piece+1, len(points))], c, 1)
	}
}

func stroke(r *plot.Plot, points plotter.XYs, c color.Color, width vg.Length) {
	line, err := plotter.NewLine(points)
	if err != nil {
		return // there is nothing to draw
	}
	line.Color, line.Width = c, width
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
