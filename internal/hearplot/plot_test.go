package hearplot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// picture has speech from 2 to 5 s of ten.
func picture() Picture {
	p := Picture{
		Title: "caller.wav <heard> & drawn", Length: 10 * time.Second, Confidence: 0.7, MinVolume: -50,
		Segments: []Span{{From: 2 * time.Second, To: 5 * time.Second}}, Turns: []Span{{From: 2 * time.Second, To: 5 * time.Second}},
	}
	for i := range 1000 {
		e := Extent{Low: -0.1, High: 0.1}
		if i >= 200 && i < 500 {
			e = Extent{Low: -0.9, High: 0.9}
		}
		p.Wave = append(p.Wave, e)
	}
	for i := range 300 {
		w := Window{At: time.Duration(i+1) * 32 * time.Millisecond, Volume: math.Inf(-1)}
		if i > 62 && i < 156 {
			w.Probability, w.Volume = 0.99, -20
		}
		p.Heard = append(p.Heard, w)
	}
	return p
}

func written(t *testing.T, f Format, p Picture) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnSVGIsWellFormedAndSaysWhatItShows(t *testing.T) {
	got := written(t, SVG, picture())
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(got)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			text.Write(s)
		}
	}
	for _, want := range []string{"caller.wav <heard> & drawn", "waveform", "speech, probability", "volume, dBFS", "segments", "turns", "0:02", "0:10"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// TestAnSVGIsReadableWithoutTheFont wants a width for each text, and a font that every
// viewer has: without both, labels run over the axis.
func TestAnSVGIsReadableWithoutTheFont(t *testing.T) {
	svg := string(written(t, SVG, picture()))
	texts := strings.Count(svg, "<text ")
	if n := len(regexp.MustCompile(`<text textLength="[1-9][0-9.]*"[^>]*,serif[;"]`).FindAllString(svg, -1)); texts == 0 || n != texts {
		t.Errorf("%d of %d texts have a width and a generic font", n, texts)
	}
}

// TestAPictureShowsSpeechWhereItWas counts the colours of a picture's columns: the
// segment must be drawn over three tenths of the axis, beginning at two tenths.
func TestAPictureShowsSpeechWhereItWas(t *testing.T) {
	img, err := png.Decode(bytes.NewReader(written(t, PNG, picture())))
	if err != nil {
		t.Fatal(err)
	}
	has := func(x int, c color.RGBA) bool {
		for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
			if r, g, b, _ := img.At(x, y).RGBA(); uint8(r>>8) == c.R && uint8(g>>8) == c.G && uint8(b>>8) == c.B {
				return true
			}
		}
		return false
	}
	extent := func(c color.RGBA) (first, last int) {
		first = -1
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if has(x, c) {
				if first < 0 {
					first = x
				}
				last = x
			}
		}
		return first, last
	}
	left, right := extent(waveColor) // all ten seconds
	axis := float64(right - left)
	for name, c := range map[string]color.RGBA{"segment": segmentColor, "turn": turnColor} {
		first, last := extent(c)
		if from, to := float64(first-left)/axis, float64(last-left)/axis; math.Abs(from-0.2) > 0.01 || math.Abs(to-0.5) > 0.01 {
			t.Errorf("the %s is drawn from %.3f to %.3f of the axis, want 0.2 to 0.5", name, from, to)
		}
	}
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// paths are the points of all paths whose style begins so.
func paths(t *testing.T, svg, style string) (all [][][2]float64) {
	t.Helper()
	for _, path := range regexp.MustCompile(`d="([^"]*)" style="`+style+`[;"]`).FindAllStringSubmatch(svg, -1) {
		var points [][2]float64
		for _, p := range strings.FieldsFunc(path[1], func(r rune) bool { return strings.ContainsRune("MLZ", r) }) {
			var x, y float64
			if _, err := fmt.Sscanf(p, "%g,%g", &x, &y); err != nil {
				t.Fatalf("%q: %v", p, err)
			}
			points = append(points, [2]float64{x, y})
		}
		all = append(all, points)
	}
	if all == nil {
		t.Fatalf("nothing is drawn with %q", style)
	}
	return all
}

// TestAWindowIsDrawnWhereItEnds measures in the SVG, on the axis that the segment
// from 2 to 5 s gives: the windows that are likely and loud end at 2.048 s to
// 4.992 s.
func TestAWindowIsDrawnWhereItEnds(t *testing.T) {
	svg := string(written(t, SVG, picture()))
	box := paths(t, svg, "fill:"+hex(segmentColor))[0]
	two, five := box[0][0], box[1][0]
	for row, c := range map[string]color.RGBA{"probability": likelyColor, "volume": volumeColor} {
		line := paths(t, svg, "fill:none;stroke:"+hex(c))[0]
		if len(line) != 300 {
			t.Fatalf("%s: %d of 300 windows are drawn", row, len(line))
		}
		first, last := math.Inf(1), 0.0
		for _, p := range line {
			if p[1] > line[0][1] { // the first is silent; upwards is more
				at := 2 + 3*(p[0]-two)/(five-two)
				first, last = min(first, at), max(last, at)
			}
		}
		if math.Abs(first-2.048) > 0.002 || math.Abs(last-4.992) > 0.002 {
			t.Errorf("%s is drawn from %.3f to %.3f s, want 2.048 to 4.992", row, first, last)
		}
	}
}

func TestThereIsAPictureOfNothingAndOfALongCall(t *testing.T) {
	written(t, SVG, Picture{})
	long := picture()
	long.Length = 3 * time.Hour
	img, err := png.DecodeConfig(bytes.NewReader(written(t, PNG, long)))
	if err != nil {
		t.Fatal(err)
	}
	if img.Width > 16100 {
		t.Errorf("three hours are %d pixels wide", img.Width)
	}
}

// TestTheInstantAtWhichAnEndWasToldIsDrawn looks for a stroke at 5.5 s, and at 6 s.
func TestTheInstantAtWhichAnEndWasToldIsDrawn(t *testing.T) {
	p := picture()
	p.Segments[0].Told, p.Turns[0].Told = 5500*time.Millisecond, 6*time.Second
	p.Turns = append(p.Turns, Span{From: 9 * time.Second, To: 10 * time.Second}) // whose end was not told
	svg := string(written(t, SVG, p))
	box := paths(t, svg, "fill:"+hex(segmentColor))[0]
	at := func(x float64) float64 { return 2 + 3*(x-box[0][0])/(box[1][0]-box[0][0]) }
	var told []float64
	for _, line := range paths(t, svg, "fill:none;stroke:"+hex(toldColor)) {
		if line[0][0] == line[1][0] {
			told = append(told, at(line[0][0]))
		} else if from := at(line[0][0]); math.Abs(from-5) > 0.002 {
			t.Errorf("a line begins at %.3f s, want 5, behind its bar", from)
		}
	}
	if len(told) != 2 || math.Abs(told[0]-5.5) > 0.002 || math.Abs(told[1]-6) > 0.002 {
		t.Errorf("strokes are at %.3f s, want 5.5 and 6", told)
	}
}

// TestALongCallIsDrawnByThePixel draws three hours, in which one window is likely and
// one stretch of 10 ms is loud: what no pixel has room for is left out, and they are not.
func TestALongCallIsDrawnByThePixel(t *testing.T) {
	p := Picture{Length: 3 * time.Hour, Confidence: 0.7, MinVolume: -50, Segments: []Span{{From: time.Hour, To: 2 * time.Hour}}}
	for i := range 3 * 3600 * 50 {
		w := Window{At: time.Duration(i+1) * 20 * time.Millisecond, Probability: 0.1 * float64(i%2), Volume: -60}
		if w.At == time.Hour {
			w.Probability = 1
		}
		p.Heard = append(p.Heard, w)
	}
	p.Wave = make([]Extent, 3*3600*100)
	p.Wave[2*3600*100] = Extent{Low: -0.5, High: 1}
	svg := string(written(t, SVG, p))
	if len(svg) > 3<<20 {
		t.Errorf("it is of %d bytes, for 12,000 points of width", len(svg))
	}
	box := paths(t, svg, "fill:"+hex(segmentColor))[0]
	highest := func(style string) (at float64) {
		y, n := 0.0, 0
		for _, path := range paths(t, svg, style) {
			n = max(n, len(path))
			for _, p := range path {
				if p[1] > y {
					at, y = 1+(p[0]-box[0][0])/(box[1][0]-box[0][0]), p[1]
				}
			}
		}
		if n > 2500 {
			t.Errorf("a path of %q has %d points: to rasterise it takes for ever", style, n)
		}
		return at
	}
	const pixel = 3. / 15_000 // in hours
	for what, got := range map[string]float64{"likely window": highest("fill:none;stroke:"+hex(likelyColor)) - 1, "loud stretch": highest("fill:"+hex(waveColor)) - 2} {
		if math.Abs(got) > pixel {
			t.Errorf("the %s is drawn %.5f hours from where it is", what, got)
		}
	}
}
