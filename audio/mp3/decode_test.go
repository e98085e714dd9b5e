package mp3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/parley-go/parley/audio"
)

var formats = []audio.Format{
	audio.Mono(audio.Rate16k), audio.Stereo(audio.Rate16k), audio.Mono(audio.Rate22k), audio.Mono(audio.Rate24k),
	audio.Mono(audio.Rate32k), audio.Stereo(audio.Rate44k), audio.Mono(audio.Rate48k),
}

func TestWhatWasWrittenIsReadInNumberAndInPlace(t *testing.T) {
	for _, f := range formats {
		samples := hum(f, int(f.Rate)+123)
		b := written(t, f, 0, samples)
		for how, src := range map[string]io.Reader{"file": bytes.NewReader(b), "pipe": pipe(b)} {
			r, err := NewReader(src)
			if err != nil {
				t.Fatal(f, err)
			}
			got, err := readAll(r)
			if err != nil || r.Format() != f || r.Damaged() != 0 {
				t.Fatalf("%v, %s: %v, %v, %d damaged", f, how, err, r.Format(), r.Damaged())
			}
			if want := int64(len(samples) / f.Channels); len(got) != len(samples) || r.Frames() != want {
				t.Errorf("%v, %s: %d values, %d frames, want %d", f, how, len(got), r.Frames(), want)
			}
			// A sample too early or too late would leave less than nothing of it.
			if d := snr(samples, got); d < 12 {
				t.Errorf("%v, %s: %.1f dB", f, how, d)
			}
		}
	}
}

func TestMPEG25IsDecodedLikeTheMPEG2ThatItIs(t *testing.T) {
	// Frames of 16 kHz at 64 kbit/s, with headers that say 12 kHz at 48: as
	// long, and in all else the same.
	f := audio.Mono(audio.Rate16k)
	b := written(t, f, 64000, hum(f, 20000))
	want, _ := NewReader(pipe(b))
	wantSamples, err := readAll(want)
	if err != nil {
		t.Fatal(err)
	}
	slow := bytes.Clone(b)
	for _, frame := range cut(t, slow) {
		if parseHeader(frame).bitrate() != 64000 {
			t.Fatal("the writer chose another bit rate")
		}
		frame[1] &^= 0x10                   // MPEG-2.5
		frame[2] = 6<<4 | 1<<2 | frame[2]&3 // 48 kbit/s, 12 kHz
	}
	r, got := decode(t, slow)
	if r.Format() != audio.Mono(12000) || r.Coding() != "MPEG-2.5 layer III" || r.Damaged() != 0 {
		t.Errorf("%v, %s, %d damaged", r.Format(), r.Coding(), r.Damaged())
	}
	if !slices.Equal(got, wantSamples) {
		t.Errorf("%d samples differ from the %d of MPEG-2, %.1f dB", len(got), len(wantSamples), snr(wantSamples, got))
	}
}

func TestFfmpegDecodesTheSame(t *testing.T) {
	ffmpeg := needTool(t, "ffmpeg")
	dir := t.TempDir()
	for _, rate := range []audio.SampleRate{audio.Rate11k, 12000, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate32k, audio.Rate44k, audio.Rate48k} {
		for channels := 1; channels <= 2; channels++ {
			for _, options := range []string{"-b:a 32k", "-b:a 160k -joint_stereo 0", "-q:a 4"} {
				f := audio.Format{Rate: rate, Channels: channels}
				t.Run(f.String()+" "+options, func(t *testing.T) {
					pcm := hum(f, int(rate))
					name := filepath.Join(dir, "a.mp3")
					args := fmt.Sprintf("-v error -f s16le -ar %d -ac %d -i - -c:a libmp3lame %s -y %s", int(rate), channels, options, name)
					run(t, audio.EncodePCM(nil, pcm), ffmpeg, strings.Fields(args)...)
					b, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					want := audio.DecodePCM(nil, run(t, nil, ffmpeg, "-v", "error", "-i", name, "-f", "s16le", "-"))
					r, got := decode(t, b)
					if len(got) != len(want) || r.Frames() != int64(len(want)/channels) || r.Damaged() != 0 {
						t.Errorf("%d values, %d frames, %d damaged; ffmpeg has %d values", len(got), r.Frames(), r.Damaged(), len(want))
					}
					// go-mp3 cuts fractions off, 78 dB below this signal. It leaves some
					// lines of joint stereo as they are. At 24 kHz, ffmpeg has a scale
					// factor band boundary at 330 where LAME and libmad have 332.
					limit := 75.0
					if channels == 2 && !strings.Contains(options, "-joint_stereo 0") {
						limit = 45
					}
					if rate == audio.Rate24k {
						limit = 20
					}
					if d := snr(want, got); d < limit {
						t.Errorf("differs from ffmpeg by %.1f dB, want -%.0f", -d, limit)
					}
				})
			}
		}
	}
}

func TestTagsAndJunkAroundTheFramesAreNotAudio(t *testing.T) {
	f := audio.Mono(audio.Rate24k)
	b := written(t, f, 0, hum(f, 12000))
	_, want := decode(t, b)
	id3 := append([]byte("ID3\x04\x00\x00\x00\x00\x02\x00"), make([]byte, 256)...)
	copy(id3[100:], "\xFF\xF3\x84\xC4") // like a header
	id3v1 := append([]byte("TAG"), make([]byte, 125)...)
	ape := append([]byte("APETAGEX\xd0\x07\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 32)...)
	junk := bytes.Repeat([]byte("\xFF\xFB\x90 not a frame "), 1000)
	for name, file := range map[string][]byte{
		"ID3 before":         slices.Concat(id3, b),
		"two ID3 before":     slices.Concat(id3, id3, b),
		"ID3v1 behind":       slices.Concat(b, id3v1),
		"APE and ID3 behind": slices.Concat(b, ape, id3v1),
		"zeros before":       slices.Concat(make([]byte, 5000), b),
		"junk before":        slices.Concat(junk, b),
		"junk behind":        slices.Concat(b, junk),
		"ID3 in between":     slices.Concat(b[:frameEnd(t, b, 9)], id3, b[frameEnd(t, b, 9):]),
	} {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := readAll(r)
		if err != nil || !slices.Equal(got, want) || r.Frames() != 12000 {
			t.Errorf("%s: %d samples, want %d, %v", name, len(got), len(want), err)
		}
	}
}

// frameEnd returns where the n-th frame of a file ends.
func frameEnd(t testing.TB, b []byte, n int) int {
	end := 0
	for _, frame := range cut(t, b)[:n] {
		end += len(frame)
	}
	return end
}

func TestOneFileAfterAnotherIsOneStream(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	b := written(t, f, 0, hum(f, 10000))
	_, one := decode(t, b)
	_, two := decode(t, append(bytes.Clone(b), b...))
	if !slices.Equal(two[:len(one)], one) || len(two) < 2*len(one) || len(two) > 2*len(one)+5*576 {
		t.Errorf("%d samples, then %d", len(one), len(two))
	}
}

func TestWithoutAnInfoFrameFilesAreCountedAndPipesAreNot(t *testing.T) {
	f := audio.Stereo(audio.Rate44k)
	b := written(t, f, 0, hum(f, 44100))
	frames := cut(t, b)
	bare := bytes.Join(frames[1:], nil)
	want := int64(len(frames)-1) * 1152

	if r, got := decode(t, bare); r.Frames() != -1 || int64(len(got)/2) != want {
		t.Errorf("pipe: %d frames announced, %d read, want %d", r.Frames(), len(got)/2, want)
	}
	src := bytes.NewReader(append([]byte("before"), bare...))
	src.Seek(6, io.SeekStart)
	r, err := NewReader(src)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || r.Frames() != want || int64(len(got)/2) != want {
		t.Errorf("file: %d frames announced, %d read, want %d, %v", r.Frames(), len(got)/2, want, err)
	}
}

func TestATruncatedFileGivesItsSamplesAndThenSaysSo(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	b := written(t, f, 0, hum(f, 16000))
	_, whole := decode(t, b)
	frames := cut(t, b)
	bare := b[len(frames[0]):]
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"within a frame", b[:frameEnd(t, b, 11)-1], fmt.Sprintf("mp3: file is truncated: unexpected EOF: it has 9 of the %d frames that it announces", len(frames)-1)},
		{"after a frame", b[:frameEnd(t, b, 11)], fmt.Sprintf("mp3: file is truncated: unexpected EOF: it has 10 of the %d frames that it announces", len(frames)-1)},
		{"not announced", bare[:frameEnd(t, bare, 10)-1], "mp3: file is truncated: unexpected EOF: it ends within a frame, after 9 whole ones"},
	} {
		r, err := NewReader(pipe(c.b))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if v := Verify(pipe(c.b)); v == nil || v.Error() != err.Error() {
			t.Errorf("%s: Verify says %v, and Read %v", c.name, v, err)
		}
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != c.want {
			t.Errorf("%s: %q, want %q", c.name, err, c.want)
		}
		if c.name == "not announced" {
			continue // nor is what the encoder added
		}
		if n := len(got); n < 8*576-2000 || !slices.Equal(got, whole[:n]) {
			t.Errorf("%s: %d samples differ from the whole file's", c.name, n)
		}
		if _, again := r.Read(make([]int16, 9)); again != err {
			t.Errorf("%s: the next Read says %v", c.name, again)
		}
	}
}

func TestAFileWhoseMiddleIsMissingIsDamagedAndNotTruncated(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	b := written(t, f, 0, hum(f, 16000))
	frames := cut(t, b)
	torn := slices.Concat(b[:frameEnd(t, b, 5)+7], b[frameEnd(t, b, 8)-9:])
	r, err := NewReader(pipe(torn))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if v := Verify(pipe(torn)); !errors.Is(v, ErrDamaged) {
		t.Errorf("Verify says %v", v)
	}
	if err := Verify(pipe(b)); err != nil {
		t.Errorf("Verify of the whole file: %v", err)
	}
	const want = "frames that it announces, and something else between them"
	if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if least := (len(frames) - 6) * 576; len(got) < least {
		t.Errorf("%d samples are left, want at least %d", len(got), least)
	}
}

func TestDamageIsSilentAndEverythingElseStaysInPlace(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(audio.Rate16k), audio.Mono(audio.Rate22k), audio.Stereo(audio.Rate44k)} {
		b := written(t, f, 0, hum(f, 2*int(f.Rate)))
		_, want := decode(t, b)
		frames := cut(t, b)
		bad := bytes.Clone(b)
		at := frameEnd(t, b, 20)
		h := parseHeader(frames[20])
		// It says that it needs more bits than there are.
		for i := range h.sideSize() {
			bad[at+h.overhead()-h.sideSize()+i] = 0xFF
		}
		r, got := decode(t, bad)
		if len(got) != len(want) || r.Damaged() == 0 || r.Damaged() > 3 {
			t.Fatalf("%v: %d values, want %d; %d damaged", f, len(got), len(want), r.Damaged())
		}
		size := h.samples() * f.Channels
		// The Info frame is none of the 20, and two more are the delay of the codec.
		from, to := 17*size, 24*size
		if !slices.Equal(got[:from], want[:from]) {
			t.Errorf("%v: what comes before the damage differs", f)
		}
		if !slices.Equal(got[to:], want[to:]) {
			t.Errorf("%v: what comes after the damage differs by %.1f dB", f, -snr(want[to:], got[to:]))
		}
		if slices.Equal(got[from:to], want[from:to]) {
			t.Errorf("%v: the damage has no effect", f)
		}
	}
}

func TestARecordingOfAStreamBeginsWithSilence(t *testing.T) {
	// From the middle of a file, whose frames need what came before.
	f := audio.Mono(audio.Rate24k)
	b := written(t, f, 0, hum(f, 24000))
	start := 0
	frames := cut(t, b)
	for i, raw := range frames[5:] {
		if h := parseHeader(raw); (frame{h, raw}).mainBegin() > 0 {
			start = 5 + i
			break
		}
	}
	if start == 0 {
		t.Fatal("the writer no longer uses the reservoir: the test has nothing to lose, and needs another source")
	}
	r, got := decode(t, bytes.Join(frames[start:], nil))
	if r.Damaged() == 0 || !audio.IsSilent(got[:576]) {
		t.Errorf("%d damaged, first frame at %.0f dBFS", r.Damaged(), audio.RMS(got[:576]))
	}
	if r.Damaged() > 5 || audio.RMS(got[6*576:8*576]) < -40 {
		t.Errorf("%d damaged, then %.0f dBFS", r.Damaged(), audio.RMS(got[6*576:8*576]))
	}
}

func TestHowTheFileArrivesMakesNoDifference(t *testing.T) {
	f := audio.Stereo(audio.Rate24k)
	b := written(t, f, 0, hum(f, 12000))
	_, want := decode(t, b)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"byte by byte": iotest.OneByteReader, "in halves": iotest.HalfReader, "with the end attached": iotest.DataErrReader,
	} {
		r, err := NewReader(wrap(pipe(b)))
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := readAll(r); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d values, %v", name, len(got), err)
		}
	}
	// And how much is asked for.
	random := rand.New(rand.NewPCG(5, 6))
	r, err := NewReader(pipe(b))
	if err != nil {
		t.Fatal(err)
	}
	var got []int16
	for err == nil {
		buf := make([]int16, 2+random.IntN(5000))
		var n int
		n, err = r.Read(buf)
		if n%2 != 0 {
			t.Fatalf("half a frame: %d values", n)
		}
		got = append(got, buf[:n]...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d values", len(got))
	}
}

func TestFailuresOfTheFileArePassedOn(t *testing.T) {
	broken := errors.New("disk on fire")
	f := audio.Mono(audio.Rate16k)
	b := written(t, f, 0, hum(f, 3000))
	for n := 0; n < len(b); n += 7 {
		r, err := NewReader(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)))
		if err == nil {
			_, err = readAll(r)
		}
		if !errors.Is(err, broken) || err.Error() != "mp3: read: disk on fire" {
			t.Fatalf("failure after %d bytes: %v", n, err)
		}
	}
}

func TestRoomForNoFrameIsAnError(t *testing.T) {
	f := audio.Stereo(audio.Rate16k)
	r, err := NewReader(pipe(written(t, f, 0, hum(f, 2000))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]int16, 1)); !errors.Is(err, io.ErrShortBuffer) {
		t.Error(err)
	}
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestWhatCannotBeReadIsSaidInOneLine(t *testing.T) {
	const convert = "; convert it to WAV"
	header := func(h ...byte) []byte { return append(h, make([]byte, 3000)...) }
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "mp3: not an MP3 file: it is an empty file"},
		{"WAV", []byte("RIFF\x24\x00\x00\x00WAVEfmt "), "mp3: not an MP3 file: it is a WAV file"},
		{"text", []byte("hello\n"), "mp3: not an MP3 file: it is a text file"},
		{"AAC", header(0xFF, 0xF1, 0x50, 0x80), "mp3: not an MP3 file: it is an AAC (ADTS) file"},
		{"zeros", make([]byte, 5000), "mp3: not an MP3 file: it has no frame of MPEG audio"},
		{"endless zeros", make([]byte, 2<<20), "mp3: not an MP3 file: no frame was found in 1024 KiB"},
		{"layer II", header(0xFF, 0xFD, 0x84, 0xC4), "mp3: it is MPEG audio of layer II (MP2), not MP3" + convert},
		{"layer I", header(0xFF, 0xFF, 0x84, 0xC4), "mp3: it is MPEG audio of layer I (MP1), not MP3" + convert},
		{"free bit rate", header(0xFF, 0xFB, 0x04, 0xC4), "mp3: MP3 of free bit rate is not supported" + convert},
		{"8 kHz", header(0xFF, 0xE3, 0x48, 0xC4), "mp3: MP3 at 8 kHz (MPEG-2.5) is not supported" + convert},
		{"8 kHz after ID3", append([]byte("ID3\x03\x00\x00\x00\x00\x00\x04four"), header(0xFF, 0xE3, 0x48, 0xC4)...),
			"mp3: MP3 at 8 kHz (MPEG-2.5) is not supported" + convert},
		{"half a frame", header(0xFF, 0xFB, 0x90, 0xC4)[:100], "mp3: file is truncated: it ends within its first frame"},
		{"half a tag", []byte("ID3\x03\x00\x00\x00\x00\x10\x04four"), "mp3: file is truncated: it ends within its description (ID3)"},
		{"a tag and nothing", []byte("ID3\x03\x00\x00\x00\x00\x00\x04four"), "mp3: file is truncated: it ends within its first frame"},
		{"an enormous tag", []byte("ID3\x03\x00\x00\x7F\x7F\x7F\x7F"), "mp3: the file has a description (ID3) of more than 64 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewReader(pipe(c.file))
			var bad *FormatError
			if !errors.As(err, &bad) || err.Error() != c.want {
				t.Errorf("%q, want %q", err, c.want)
			}
			if strings.Contains(c.want, "truncated") != errors.Is(err, ErrTruncated) {
				t.Errorf("wraps ErrTruncated: %v", errors.Is(err, ErrTruncated))
			}
		})
	}
}

func TestFrameSizesAreThoseOfTheStandard(t *testing.T) {
	for _, c := range []struct {
		header []byte
		size   int
		rate   audio.SampleRate
		side   int
	}{
		{[]byte{0xFF, 0xFB, 0x90, 0x64}, 417, 44100, 32},  // MPEG-1, 128 kbit/s, joint stereo
		{[]byte{0xFF, 0xFB, 0x92, 0x64}, 418, 44100, 32},  // padded
		{[]byte{0xFF, 0xFB, 0xE4, 0xC4}, 960, 48000, 17},  // 320 kbit/s, mono
		{[]byte{0xFF, 0xFB, 0xE8, 0xC4}, 1440, 32000, 17}, // the largest
		{[]byte{0xFF, 0xF3, 0x40, 0xC4}, 104, 22050, 9},   // MPEG-2, 32 kbit/s, mono
		{[]byte{0xFF, 0xF3, 0x42, 0xC4}, 105, 22050, 9},   // padded
		{[]byte{0xFF, 0xF3, 0x88, 0x04}, 288, 16000, 17},  // 64 kbit/s, stereo
		{[]byte{0xFF, 0xE3, 0x64, 0xC4}, 288, 12000, 9},   // MPEG-2.5, 48 kbit/s
	} {
		h := parseHeader(c.header)
		if !h.isSync() || h.unsupported() != "" || h.size() != c.size || h.rate() != c.rate || h.sideSize() != c.side {
			t.Errorf("% x: %d bytes, %v, side %d; want %d, %v, %d", c.header, h.size(), h.rate(), h.sideSize(), c.size, c.rate, c.side)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, format := range []audio.Format{audio.Mono(audio.Rate16k), audio.Stereo(audio.Rate22k), audio.Stereo(audio.Rate44k)} {
		b := written(f, format, 0, hum(format, 1500))
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("ID3\x03\x00\x00\x00\x00\x00\x04four\xFF\xE3\x64\xC4"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fromPipe, err := NewReader(iotest.HalfReader(pipe(b)))
		fromFile, fileErr := NewReader(bytes.NewReader(b))
		if (err == nil) != (fileErr == nil) {
			t.Fatalf("from a pipe %v, from a file %v", err, fileErr)
		}
		var bad *FormatError
		if err != nil {
			if !errors.As(err, &bad) || strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			return
		}
		if err := fromPipe.Format().Validate(); err != nil {
			t.Fatal(err)
		}
		x, xErr := readAll(fromPipe)
		y, yErr := readAll(fromFile)
		if !slices.Equal(x, y) || (xErr == nil) != (yErr == nil) {
			t.Fatalf("from a pipe %d values, %v; from a file %d, %v", len(x), xErr, len(y), yErr)
		}
		if xErr != nil && !errors.Is(xErr, ErrTruncated) && !errors.As(xErr, &bad) {
			t.Fatal(xErr)
		}
	})
}
