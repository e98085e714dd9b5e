package mp3

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"

	gomp3 "github.com/hajimehoshi/go-mp3"

	"github.com/parley-go/parley/audio"
)

// These tests show the defects of go-mp3 that the engine works around. When one
// of them fails, a new version has mended the defect, and the work-around can
// go.

// decodeWithLibrary returns the left channel of what go-mp3 alone makes of a
// file.
func decodeWithLibrary(b []byte) ([]int16, error) {
	d, err := gomp3.NewDecoder(pipe(b))
	if err != nil {
		return nil, err
	}
	pcm, err := io.ReadAll(d)
	return audio.Channel(nil, audio.DecodePCM(nil, pcm), 2, 0), err
}

// padded returns a file with a padding byte in each frame, where it means
// nothing: right before the main data of the next.
func padded(t *testing.T, b []byte) []byte {
	frames := cut(t, b)
	var out []byte
	for i, raw := range frames {
		next := 0
		if i+1 < len(frames) {
			next = frame{parseHeader(frames[i+1]), frames[i+1]}.mainBegin()
		}
		if h := parseHeader(raw); h.padding() == 0 && next <= h.size()-h.overhead() {
			raw = slices.Insert(bytes.Clone(raw), len(raw)-next, 0)
			raw[2] |= 2
		}
		out = append(out, raw...)
	}
	return out
}

func TestDefectPaddedFramesAt22050HzLoseAByte(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(audio.Rate22k), audio.Stereo(audio.Rate22k)} {
		plain := written(t, f, 96000, hum(f, 22050))
		odd := padded(t, plain)
		if len(odd) < len(plain)+30 {
			t.Fatalf("padding added %d bytes", len(odd)-len(plain))
		}
		_, want := decode(t, plain)
		if r, got := decode(t, odd); !slices.Equal(got, want) || r.Damaged() != 0 {
			t.Errorf("%v: we read %d values, want %d, at %.1f dB; %d damaged", f, len(got), len(want), snr(want, got), r.Damaged())
		}
		// The library alone finds the next frame one byte late, or not at all.
		right, err := decodeWithLibrary(plain)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := decodeWithLibrary(odd); err == nil && slices.Equal(theirs, right) {
			t.Errorf("%v: mended", f)
		}
	}
}

func TestDefectMPEG25IsRefused(t *testing.T) {
	if _, err := decodeWithLibrary(append([]byte{0xFF, 0xE3, 0x64, 0xC4}, make([]byte, 284)...)); err == nil {
		t.Error("mended")
	}
}

// shortBlockFrame is a damaged frame of MPEG-2 at 24 kHz, mono, 64 kbit/s: its
// short blocks have scale factors of which there is no such number.
func shortBlockFrame(compress int) []byte {
	b := append([]byte{0xFF, 0xF3, 0x84, 0xC4}, make([]byte, 188)...)
	put := func(at, n, v int) {
		for i := range n {
			b[headerSize+(at+i)/8] |= byte(v >> (n - 1 - i) & 1 << (7 - (at+i)%8))
		}
	}
	put(9, 12, 100)                 // bits of main data
	put(9+12+9+8, 9, compress)      // of scale factors
	put(9+12+9+8+9, 4, 1<<3|2<<1|1) // short blocks, mixed
	return b
}

func TestDefectDamagedFramesPanic(t *testing.T) {
	panicked := 0
	for compress := range 512 {
		b := bytes.Repeat(shortBlockFrame(compress), 3)
		func() {
			defer func() {
				if recover() != nil {
					panicked++
				}
			}()
			decodeWithLibrary(b)
		}()
		// We don't.
		r, got := decode(t, b)
		if len(got) != 3*576 {
			t.Fatalf("%d samples, %d damaged", len(got), r.Damaged())
		}
	}
	if panicked == 0 {
		t.Error("mended")
	}
}

func TestDefectTheReservedEmphasisIsTakenForNoise(t *testing.T) {
	f := audio.Mono(audio.Rate24k)
	b := written(t, f, 0, hum(f, 6000))
	_, want := decode(t, b)
	odd := bytes.Clone(b)
	for _, frame := range cut(t, odd) {
		frame[3] = frame[3]&^3 | 2
	}
	if theirs, err := decodeWithLibrary(odd); err == nil && len(theirs) > 3000 {
		t.Errorf("mended: %d samples", len(theirs))
	}
	if _, got := decode(t, odd); !slices.Equal(got, want) {
		t.Errorf("we read %d samples, want %d", len(got), len(want))
	}
}

func TestDefectATagMayClaimAnyAmountOfMemory(t *testing.T) {
	const claim = 8 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decodeWithLibrary([]byte("ID3\x03\x00\x00\x04\x00\x00\x00"))
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got < claim {
		t.Errorf("mended: %d bytes for a tag of %d that is not there", got, claim)
	}
}
