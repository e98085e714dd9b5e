package audio

import (
	"bytes"
	"os/exec"
	"slices"
	"testing"
)

// laws are both kinds of G.711, with what sox and ffmpeg call them.
var laws = []struct {
	name        string
	encode      func([]byte, []int16) []byte
	decode      func([]int16, []byte) []int16
	sox, ffmpeg string
}{
	{"µ-law", EncodeULaw, DecodeULaw, "u-law", "mulaw"},
	{"A-law", EncodeALaw, DecodeALaw, "a-law", "alaw"},
}

func everyCode() []byte {
	codes := make([]byte, 256)
	for i := range codes {
		codes[i] = byte(i)
	}
	return codes
}

func TestEveryG711CodeSurvivesDecodingAndEncoding(t *testing.T) {
	for _, law := range laws {
		back := law.encode(nil, law.decode(nil, everyCode()))
		for code, got := range back {
			want := byte(code)
			// µ-law has two codes for 0.
			if law.name == "µ-law" && want == 0x7F {
				want = 0xFF
			}
			if got != want {
				t.Errorf("%s code %#02x comes back as %#02x", law.name, code, got)
			}
		}
	}
}

func TestEverySampleIsWithinHalfAStepOfItsG711Code(t *testing.T) {
	// G.711 puts each value that the decoder knows in the middle of the interval
	// that is encoded to it, whose width doubles from segment to segment.
	halfStep := func(law int, code byte) int {
		if law == 0 {
			return 4 << (^code >> 4 & 7)
		}
		return 8 << (max((code^0x55)>>4&7, 1) - 1)
	}
	all := everySample()
	for i, law := range laws {
		codes := law.encode(nil, all)
		values := law.decode(nil, codes)
		for j, s := range all {
			off := max(int(s)-int(values[j]), int(values[j])-int(s))
			clipped := values[j] == 32124 && s > 0 || values[j] == -32124 && s < 0
			if off > halfStep(i, codes[j]) && !clipped {
				t.Fatalf("%s: %d becomes %d, which is more than half a step off", law.name, s, values[j])
			}
		}
	}
}

func TestG711TreatsBothHalvesOfTheRangeAlike(t *testing.T) {
	all := everySample()
	mirrored := make([]int16, len(all))
	for i, s := range all {
		mirrored[i] = ^s
	}
	for _, law := range laws {
		a, b := law.encode(nil, all), law.encode(nil, mirrored)
		for i := range a {
			if a[i] != b[i]^0x80 {
				t.Fatalf("%s: %d is %#02x, %d is %#02x", law.name, all[i], a[i], mirrored[i], b[i])
			}
		}
	}
}

func TestG711HasTheKnownValues(t *testing.T) {
	// The ends of the segments, from the tables of ITU-T G.711 (scaled from 14
	// and 13 to 16 bits).
	for _, c := range []struct {
		law  int
		code byte
		want int16
	}{
		{0, 0x80, 32124}, {0, 0x00, -32124}, {0, 0xFF, 0}, {0, 0x7F, 0}, {0, 0x8F, 16764}, {0, 0xEF, 132}, {0, 0xF0, 120}, {0, 0xFE, 8},
		{1, 0xAA, 32256}, {1, 0x2A, -32256}, {1, 0xD5, 8}, {1, 0x55, -8}, {1, 0xC5, 264}, {1, 0xDA, 248},
	} {
		if got := laws[c.law].decode(nil, []byte{c.code})[0]; got != c.want {
			t.Errorf("%s code %#02x is %d, want %d", laws[c.law].name, c.code, got, c.want)
		}
	}
}

// run pipes input through a program.
func run(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(needTool(t, name), args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.Bytes())
	}
	return out
}

func TestSoxDecodesEveryG711CodeToTheSameSample(t *testing.T) {
	for _, law := range laws {
		b := run(t, everyCode(), "sox", "-D", "-t", "raw", "-r", "8000", "-c", "1", "-e", law.sox, "-b", "8", "-",
			"-t", "raw", "-e", "signed", "-b", "16", "-")
		if got := law.decode(nil, everyCode()); !slices.Equal(got, DecodePCM(nil, b)) {
			t.Errorf("%s: %v\nsox: %v", law.name, got, DecodePCM(nil, b))
		}
	}
}

func TestFfmpegDecodesEveryG711CodeToTheSameSample(t *testing.T) {
	for _, law := range laws {
		b := run(t, everyCode(), "ffmpeg", "-v", "error", "-f", law.ffmpeg, "-ar", "8000", "-ac", "1", "-i", "-", "-f", "s16le", "-")
		if got := law.decode(nil, everyCode()); !slices.Equal(got, DecodePCM(nil, b)) {
			t.Errorf("%s: %v\nffmpeg: %v", law.name, got, DecodePCM(nil, b))
		}
	}
}

func TestSoxEncodesTheSamplesThatG711CanTellApartToTheSameCodes(t *testing.T) {
	// The recommendation is about 14-bit (µ-law) and 13-bit (A-law) samples, and
	// sox rounds to those first. So compare samples that need no rounding; the
	// negative ones are the mirror of these.
	var grid []int16
	for s := 0; s <= 32767; s += 16 {
		grid = append(grid, int16(s))
	}
	for _, law := range laws {
		theirs := run(t, EncodePCM(nil, grid), "sox", "-D", "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-",
			"-t", "raw", "-e", law.sox, "-b", "8", "-")
		if ours := law.encode(nil, grid); !bytes.Equal(ours, theirs) {
			t.Errorf("%s: % x\nsox: % x", law.name, ours, theirs)
		}
	}
}
