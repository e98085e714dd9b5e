package hearplot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// picture has speech from 2 to 5 s of ten.
func picture() Picture {
	p := Picture{
		Title: "caller.wav <heard> & drawn", Length: 10 * time.Second, Confidence: 0.7, MinVolume: -50,
		Segments: []Span{{2 * time.Second, 5 * time.Second}}, Turns: []Span{{2 * time.Second, 5 * time.Second}},
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
