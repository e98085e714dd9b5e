package file

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/noise"
)

// everySample is one of each.
func everySample() []int16 {
	all := make([]int16, 0, 1<<16)
	for v := -1 << 15; v < 1<<15; v++ {
		all = append(all, int16(v))
	}
	return all
}

func TestEveryLinearSampleSurvivesEveryLinearCoding(t *testing.T) {
	all := everySample()
	for _, c := range []Coding{S16LE, S16BE, F32LE} {
		b := encodeRaw(nil, all, c)
		if len(b) != len(all)*c.bytes() || !slices.Equal(decodeRaw(nil, b, c), all) {
			t.Errorf("%s changes samples", c)
		}
	}
	if b := encodeRaw(nil, []int16{0x0102}, S16BE); !bytes.Equal(b, []byte{1, 2}) {
		t.Errorf("s16be is % x", b)
	}
	if b := encodeRaw(nil, []int16{-32768}, F32LE); !bytes.Equal(b, []byte{0, 0, 0x80, 0xBF}) {
		t.Errorf("-1 in f32le is % x", b)
	}
}

func readSamples(t *testing.T, r *rawReader, room int) []int16 {
	t.Helper()
	var all []int16
	p := make([]int16, room)
	for {
		n, err := r.Read(p)
		if n%r.format.Channels != 0 {
			t.Fatalf("%d values of %d channels", n, r.format.Channels)
		}
		all = append(all, p[:n]...)
		if err != nil {
			if n > 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("%d values and %v", n, err)
			}
			return all
		}
	}
}

func TestRawAudioIsTheSameInWhateverPiecesItComes(t *testing.T) {
	samples := noise.Samples(1, 5000)
	for _, c := range []Coding{S16LE, S16BE, F32LE, ULaw, ALaw} {
		b := encodeRaw(nil, samples, c)
		want := decodeRaw(nil, b, c)
		for _, channels := range []int{1, 2} {
			f := Format{c, 8000, channels}
			for name, src := range map[string]io.Reader{
				"at once": bytes.NewReader(b), "byte by byte": iotest.OneByteReader(bytes.NewReader(b)),
				"half of what is asked": iotest.HalfReader(bytes.NewReader(b)), "with the end": iotest.DataErrReader(bytes.NewReader(b)),
			} {
				if got := readSamples(t, newRawReader(src, f, -1), 3*channels+1); !slices.Equal(got, want) {
					t.Errorf("%v, %s: %d samples, or others, of %d", f, name, len(got), len(want))
				}
			}
		}
	}
}

func TestBytesThatAreNoWholeFrameAreIgnoredAtTheEnd(t *testing.T) {
	r := newRawReader(bytes.NewReader([]byte{1, 0, 2, 0, 3}), Format{S16LE, 8000, 2}, 5)
	if got := readSamples(t, r, 8); !slices.Equal(got, []int16{1, 2}) || r.frames != 1 {
		t.Errorf("read %v, announced %d", got, r.frames)
	}
}

func TestASourceThatFailsOrStandsStillIsAnError(t *testing.T) {
	broken := errors.New("the cable is out")
	r := newRawReader(io.MultiReader(bytes.NewReader([]byte{1, 0}), iotest.ErrReader(broken)), Format{S16LE, 8000, 1}, -1)
	p := make([]int16, 4)
	if n, err := r.Read(p); n != 1 || err != nil {
		t.Errorf("%d samples, %v", n, err)
	}
	for range 2 {
		if n, err := r.Read(p); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%d samples, %v", n, err)
		}
	}
	r = newRawReader(readerFunc(func([]byte) (int, error) { return 0, nil }), Format{S16LE, 8000, 1}, -1)
	if _, err := r.Read(p); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzDecode opens whatever comes through a pipe: it is read to an end, in whole
// frames, or refused in one line.
func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	w, err := newEncoder(&b, WAV, audio.Stereo(audio.Rate16k))
	if err == nil {
		err = w.Write(noise.Samples(1, 200))
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:50])
	f.Add(b.Bytes()[:43])
	f.Add([]byte("ID3\x04"))
	f.Add([]byte{0xFF, 0xFB, 0x90, 0x64})
	f.Fuzz(func(t *testing.T, content []byte) {
		s := &source{Reader: iotest.HalfReader(bytes.NewReader(content)), name: "the pipe", size: -1}
		oneLine := func(err error) {
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "the pipe") {
				t.Fatalf("error %q", err)
			}
		}
		d, err := decode(s, Format{})
		if err != nil {
			oneLine(err)
			return
		}
		block := make([]int16, 1000)
		for total := 0; ; {
			n, err := d.Read(block)
			if n%d.Format().Channels != 0 || n > 0 && err != nil {
				t.Fatalf("%d values of %v, and %v", n, d.Format(), err)
			}
			if total += n; total > 1<<26 {
				t.Fatalf("%d values from %d bytes", total, len(content))
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					oneLine(err)
				}
				return
			}
		}
	})
}

// FuzzRaw reads whatever bytes in whatever pieces: as many whole frames come as
// there are, and the same samples as at once.
func FuzzRaw(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5}, uint8(0), uint8(1))
	f.Add(bytes.Repeat([]byte{0xFF, 0x7F, 0x80}, 100), uint8(2), uint8(7))
	f.Fuzz(func(t *testing.T, b []byte, coding, room uint8) {
		c := []Coding{S16LE, S16BE, F32LE, ULaw, ALaw}[coding%5]
		channels := 1 + int(coding/5)%2
		frame := c.bytes() * channels
		whole := b[:len(b)/frame*frame]
		got := readSamples(t, newRawReader(iotest.HalfReader(bytes.NewReader(b)), Format{c, 8000, channels}, int64(len(b))), channels+int(room))
		if want := decodeRaw(nil, whole, c); !slices.Equal(got, want) {
			t.Errorf("%s in %d channels: %d samples of %d, or others", c, channels, len(got), len(want))
		}
	})
}
