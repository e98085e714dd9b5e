package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

// extension is what follows the first 16 bytes of an EXTENSIBLE format.
func extension(tag uint16, validBits uint16) []byte {
	b := binary.LittleEndian.AppendUint16(nil, 22)
	b = binary.LittleEndian.AppendUint16(b, validBits)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint16(b, tag)
	return append(b, subFormat...)
}

func float32s(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func float64s(values ...float64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func TestEveryCodingIsReadAs16Bits(t *testing.T) {
	for _, c := range []struct {
		name   string
		format []byte
		data   []byte
		coding string
		want   []int16
	}{
		{"unsigned 8-bit", fmtChunk(1, 1, 8000, 8), []byte{0, 127, 128, 255}, "8-bit PCM", []int16{-32768, -256, 0, 32512}},
		{"16-bit", fmtChunk(1, 2, 16000, 16), []byte{1, 0, 0xFF, 0xFF}, "16-bit PCM", []int16{1, -1}},
		{"12 bits in 16", fmtChunk(1, 1, 16000, 12), []byte{0x10, 0x00, 0xF0, 0xFF}, "16-bit PCM", []int16{16, -16}},
		{"24-bit, rounded", fmtChunk(1, 1, 48000, 24),
			[]byte{0x80, 1, 0, 0x7F, 1, 0, 0x80, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0x80},
			"24-bit PCM", []int16{2, 1, 0, -1, 32767, -32768}},
		{"32-bit, rounded", fmtChunk(1, 1, 48000, 32), []byte{0, 0x80, 1, 0, 0xFF, 0x7F, 1, 0, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0x80},
			"32-bit PCM", []int16{2, 1, 32767, -32768}},
		{"float", fmtChunk(3, 1, 48000, 32), float32s(0, 0.5, -1, 1, 7, 3e38), "32-bit float", []int16{0, 16384, -32768, 32767, 32767, 32767}},
		{"double", fmtChunk(3, 1, 48000, 64), float64s(0, 0.5, -1, 1, -1e300), "64-bit float", []int16{0, 16384, -32768, 32767, -32768}},
		{"A-law", fmtChunk(6, 1, 8000, 8, 0, 0), []byte{0xD5, 0x2A}, "A-law", []int16{8, -32256}},
		{"µ-law", fmtChunk(7, 1, 8000, 8, 0, 0), []byte{0xFF, 0x00}, "µ-law", []int16{0, -32124}},
		{"extensible 16-bit", fmtChunk(0xFFFE, 2, 8000, 16, extension(1, 16)...), []byte{1, 0, 2, 0}, "16-bit PCM", []int16{1, 2}},
		{"extensible float", fmtChunk(0xFFFE, 1, 8000, 32, extension(3, 32)...), float32s(-0.25), "32-bit float", []int16{-8192}},
		{"extensible µ-law", fmtChunk(0xFFFE, 1, 8000, 8, extension(7, 8)...), []byte{0x80, 0x80}, "µ-law", []int16{32124, 32124}},
		{"20 valid bits of 24", fmtChunk(0xFFFE, 1, 8000, 24, extension(1, 20)...), []byte{0, 2, 0}, "24-bit PCM", []int16{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, got := decode(t, riffFile(c.format, chunk("data", c.data)))
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if r.Coding() != c.coding {
				t.Errorf("the coding is %q, want %q", r.Coding(), c.coding)
			}
			if want := int64(len(c.want) / r.Format().Channels); r.Frames() != want {
				t.Errorf("%d frames, want %d", r.Frames(), want)
			}
		})
	}
}

func TestChunksAroundTheAudioAreNotAudio(t *testing.T) {
	samples := noise(100)
	format, data := fmtChunk(tagPCM, 1, 8000, 16), chunk("data", audio.EncodePCM(nil, samples))
	list, odd := chunk("LIST", []byte("INFOISFT\x04\x00\x00\x00abc\x00")), chunk("bext", []byte("odd"))
	big := chunk("JUNK", make([]byte, 100_001))
	for name, file := range map[string][]byte{
		"before and after":     riffFile(list, odd, format, big, odd, data, list, odd),
		"fmt first":            riffFile(format, odd, data, odd),
		"a chunk called ds64":  riffFile(chunk("ds64", []byte("short")), format, data),
		"a second format":      riffFile(format, fmtChunk(tagPCM, 2, 44100, 24), data),
		"no pad after the end": riffFile(format, data, []byte("odd \x01\x00\x00\x00x")),
	} {
		if _, got := decode(t, file); !slices.Equal(got, samples) {
			t.Errorf("%s: %d samples, want %d", name, len(got), len(samples))
		}
	}
}

func TestThePadByteOfOddAudioIsNotAudio(t *testing.T) {
	for _, bits := range []int{8, 24} {
		data := bytes.Repeat([]byte{0x90}, 3)
		_, got := decode(t, riffFile(fmtChunk(tagPCM, 1, 8000, bits), chunk("data", data), chunk("LIST", nil)))
		if want := 3 / (bits / 8); len(got) != want {
			t.Errorf("%d bits: %v, want %d samples", bits, got, want)
		}
	}
}

func TestUnknownLengthMeansToTheEnd(t *testing.T) {
	samples := noise(1000)
	for _, size := range []struct{ riff, data uint32 }{
		{0xFFFFFFFF, 0xFFFFFFFF}, // ffmpeg
		{0x7FFFF024, 0x7FFFF000}, // sox, espeak-ng
		{0, 0},                   // never filled in
		{0xFFFFFFFF, 0},          // nor these
		{0, 0xFFFFFFFF - 44 + 1}, // counted down from the largest
	} {
		file := pcmFile(audio.Stereo(audio.Rate8k), samples)
		binary.LittleEndian.PutUint32(file[4:], size.riff)
		binary.LittleEndian.PutUint32(file[40:], size.data)
		r, got := decode(t, file)
		if !slices.Equal(got, samples) || r.Frames() != -1 {
			t.Errorf("%#x from a pipe: %d of %d samples, %d frames", size, len(got), len(samples), r.Frames())
		}

		seekable, err := NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(seekable); err != nil || !slices.Equal(got, samples) || seekable.Frames() != 500 {
			t.Errorf("%#x from a file: %d samples, %d frames, %v", size, len(got), seekable.Frames(), err)
		}
	}
}

func TestAudioBehindALengthOfZeroIsPlayed(t *testing.T) {
	samples := noise(500)
	for name, outer := range map[string]int{
		"the file is said to have nothing":       0,
		"the file is said to be as at its start": 36,
		"only the file's length was filled in":   36 + 1000,
	} {
		t.Run(name, func(t *testing.T) {
			file := pcmFile(audio.Mono(8000), samples)
			binary.LittleEndian.PutUint32(file[4:], uint32(outer))
			binary.LittleEndian.PutUint32(file[40:], 0)
			r, err := NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(r); err != nil || !slices.Equal(got, samples) || r.Frames() != 500 {
				t.Errorf("%d samples, %d frames, %v", len(got), r.Frames(), err)
			}
		})
	}
	empty := append(pcmFile(audio.Mono(8000), nil), "LIST\x04\x00\x00\x00INFO"...)
	binary.LittleEndian.PutUint32(empty[4:], uint32(len(empty)-8))
	if _, got := decode(t, empty); len(got) != 0 {
		t.Errorf("a description behind no audio is played: %v", got)
	}
}

func TestAChunkThatClaimsMoreThanThereIsIsNamed(t *testing.T) {
	file := riffFile(fmtChunk(tagPCM, 1, 8000, 16), chunk("LIST", make([]byte, 100)), chunk("data", make([]byte, 200)))
	binary.LittleEndian.PutUint32(file[40:], 200<<20)
	_, err := NewReader(bytes.NewReader(file))
	want := fmt.Sprintf(`wav: the file is damaged: its chunk "LIST" claims to have %d bytes, and 308 follow`, 200<<20)
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := NewReader(bytes.NewReader(file[:60])); !errors.Is(err, ErrTruncated) {
		t.Errorf("a file that was cut in it: error %v", err)
	}
}

func TestAFileThatIsMeantToBeEmptyIsEmpty(t *testing.T) {
	if r, got := decode(t, pcmFile(audio.Mono(8000), nil)); len(got) != 0 || r.Frames() != 0 {
		t.Errorf("%v, %d frames", got, r.Frames())
	}
}

func TestRF64TellsLengthsBeyond4GiB(t *testing.T) {
	samples := noise(64)
	ds64 := make([]byte, 28)
	binary.LittleEndian.PutUint64(ds64[8:], 2*64)
	file := riffFile(chunk("ds64", ds64), fmtChunk(tagPCM, 1, 8000, 16), chunk("data", audio.EncodePCM(nil, samples)), chunk("LIST", []byte("not audio")))
	copy(file, "RF64\xFF\xFF\xFF\xFF")
	binary.LittleEndian.PutUint32(file[bytes.Index(file, []byte("data"))+4:], 0xFFFFFFFF)
	if r, got := decode(t, file); !slices.Equal(got, samples) || r.Frames() != 64 {
		t.Errorf("%d samples, %d frames", len(got), r.Frames())
	}
}

func TestATruncatedFileGivesItsSamplesAndThenSaysSo(t *testing.T) {
	samples := noise(1000)
	whole := pcmFile(audio.Stereo(audio.Rate16k), samples)
	for _, keep := range []int{0, 1, 2, 3, 4, 5, 399, 400, 1999} {
		r, err := NewReader(pipe(whole[:44+keep]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: error %v", keep, err)
		}
		if want := samples[:keep/4*2]; !slices.Equal(got, want) {
			t.Errorf("%d bytes: %d samples, want %d", keep, len(got), len(want))
		}
		want := fmt.Sprintf("wav: file is truncated: unexpected EOF: it has %d of the 500 samples that its header announces", keep/4)
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		if _, again := r.Read(make([]int16, 2)); again != err {
			t.Errorf("the next Read says %v", again)
		}
	}
}

func TestWhatIsNoNumberIsReadAndThenSaid(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for bits, encode := range map[int]func([]float64) []byte{
		32: func(values []float64) (b []byte) {
			for _, v := range values {
				b = append(b, float32s(float32(v))...)
			}
			return b
		},
		64: func(values []float64) []byte { return float64s(values...) },
	} {
		for channels := 1; channels <= 2; channels++ {
			values, want := make([]float64, 20_000), make([]int16, 20_000)
			file := func() []byte { return riffFile(fmtChunk(3, channels, 8000, bits), chunk("data", encode(values))) }
			decode(t, file()) // without an error
			for i, c := range []struct {
				v    float64
				want int16
			}{{nan, 0}, {-inf, -32768}, {inf, 32767}, {math.Copysign(nan, -1), 0}} {
				values[12_001+i*1001], want[12_001+i*1001] = c.v, c.want
			}
			first := 12_001 / channels
			r, err := NewReader(pipe(file()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if !slices.Equal(got, want) {
				t.Errorf("%d bits: other samples", bits)
			}
			says := fmt.Sprintf("wav: file is damaged: 4 of its samples are NaN or infinite, the first at %v (sample %d)", audio.SampleRate(8000).Duration(int64(first)), first)
			if !errors.Is(err, ErrDamaged) || err.Error() != says {
				t.Errorf("%d bits: the error is %v, want %q", bits, err, says)
			}
			if _, again := r.Read(make([]int16, 2)); again != err {
				t.Errorf("the next Read says %v", again)
			}
		}
	}
}

func TestAStreamThatBreaksWithinASampleSaysSo(t *testing.T) {
	file := pcmFile(audio.Mono(8000), noise(10))
	binary.LittleEndian.PutUint32(file[40:], 0xFFFFFFFF)
	r, err := NewReader(pipe(file[:len(file)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); len(got) != 9 || !errors.Is(err, ErrTruncated) {
		t.Errorf("%d samples, %v", len(got), err)
	}
}

func TestAHeaderThatIsCutOffAnywhereIsTruncated(t *testing.T) {
	whole := pcmFile(audio.Mono(8000), noise(10))
	for n := 1; n < 44; n++ {
		_, err := NewReader(pipe(whole[:n]))
		var bad *FormatError
		if !errors.Is(err, ErrTruncated) || !errors.As(err, &bad) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestWhatCannotBeReadIsSaidInOneLine(t *testing.T) {
	data := chunk("data", make([]byte, 64))
	wideFmt := func(bits int, blockAlign uint16) []byte {
		b := fmtChunk(1, 1, 8000, bits)
		binary.LittleEndian.PutUint16(b[20:], blockAlign)
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "wav: not a WAV file: it is an empty file"},
		{"MP3", []byte("ID3\x03\x00\x00\x00\x00\x00\x00"), "wav: not a WAV file: it is an MP3 file"},
		{"FLAC", []byte("fLaC\x00\x00\x00\x22"), "wav: not a WAV file: it is a FLAC file"},
		{"text", []byte("hello, world\n"), "wav: not a WAV file: it is a text file"},
		{"zeros", make([]byte, 100), "wav: not a WAV file: it does not begin with RIFF and WAVE"},
		{"AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "wav: not a WAV file: it is an AVI video"},
		{"big-endian", []byte("RIFX\x00\x00\x00\x00WAVEfmt "), "wav: it is a big-endian WAV file (RIFX), which is not supported; convert it to 16-bit PCM"},
		{"no format", riffFile(data), "wav: the file is damaged: its audio comes before the description of its format"},
		{"no audio", riffFile(fmtChunk(1, 1, 8000, 16)), "wav: file is truncated: it ends before its audio begins"},
		{"short format", riffFile(chunk("fmt ", make([]byte, 14)), data), "wav: the file is damaged: the description of its format has 14 bytes"},
		{"huge format", riffFile(chunk("fmt ", make([]byte, 5000)), data), "wav: the file is damaged: the description of its format has 5000 bytes"},
		{"no channels", riffFile(fmtChunk(1, 0, 8000, 16), data), "wav: the file cannot be played: 0 channels at 8000 Hz (1 to 64 channels at 1 to 768000 Hz can)"},
		{"too many channels", riffFile(fmtChunk(1, 65, 8000, 16), data), "wav: the file cannot be played: 65 channels at 8000 Hz (1 to 64 channels at 1 to 768000 Hz can)"},
		{"no rate", riffFile(fmtChunk(1, 1, 0, 16), data), "wav: the file cannot be played: 1 channels at 0 Hz (1 to 64 channels at 1 to 768000 Hz can)"},
		{"absurd rate", riffFile(fmtChunk(1, 1, 4e9, 16), data), "wav: the file cannot be played: 1 channels at 4000000000 Hz (1 to 64 channels at 1 to 768000 Hz can)"},
		{"ADPCM", riffFile(fmtChunk(2, 1, 8000, 4), data), "wav: unsupported coding: Microsoft ADPCM (format tag 0x0002); convert it to 16-bit PCM"},
		{"unheard of", riffFile(fmtChunk(0x7777, 1, 8000, 16), data), "wav: unsupported coding: unknown to Parley (format tag 0x7777); convert it to 16-bit PCM"},
		{"64-bit PCM", riffFile(fmtChunk(1, 1, 8000, 64), data), "wav: unsupported coding: 64-bit PCM (format tag 0x0001); convert it to 16-bit PCM"},
		{"no bits", riffFile(wideFmt(0, 0), data), "wav: unsupported coding: 0-bit PCM (format tag 0x0001); convert it to 16-bit PCM"},
		{"16-bit float", riffFile(fmtChunk(3, 1, 8000, 16), data), "wav: unsupported coding: 16-bit float (format tag 0x0003); convert it to 16-bit PCM"},
		{"32-bit A-law", riffFile(fmtChunk(6, 1, 8000, 32), data), "wav: unsupported coding: 32-bit G.711 (format tag 0x0006); convert it to 16-bit PCM"},
		{"impossible frames", riffFile(wideFmt(16, 1), data), "wav: the file is damaged: its frames have 1 bytes, but 1 channels of 16-bit PCM need 2"},
		{"ambisonics", riffFile(fmtChunk(0xFFFE, 1, 8000, 16, make([]byte, 24)...), data),
			"wav: unsupported coding: an extensible format that is neither PCM, float nor G.711; convert it to 16-bit PCM"},
		{"extension missing", riffFile(fmtChunk(0xFFFE, 1, 8000, 16), data),
			"wav: unsupported coding: an extensible format that is neither PCM, float nor G.711; convert it to 16-bit PCM"},
		{"endless junk", bytes.Repeat(chunk("JUNK", make([]byte, 1<<20)), 65), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "endless junk" {
				c.file, c.want = riffFile(c.file), "wav: more than 64 MiB come before the audio"
			}
			_, err := NewReader(pipe(c.file))
			var bad *FormatError
			if !errors.As(err, &bad) || err.Error() != c.want {
				t.Errorf("%q, want %q", err, c.want)
			}
		})
	}
}

func TestFailuresOfTheFileArePassedOn(t *testing.T) {
	broken := errors.New("disk on fire")
	file := pcmFile(audio.Mono(8000), noise(100))
	for n := range len(file) {
		r, err := NewReader(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)))
		if err == nil {
			_, err = readAll(r)
		}
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "wav: read") || errors.Is(err, ErrTruncated) {
			t.Fatalf("failure after %d bytes: %v", n, err)
		}
	}
}

func TestHowTheFileArrivesMakesNoDifference(t *testing.T) {
	samples := noise(3 * 500)
	file := pcmFile(audio.Format{Rate: 48000, Channels: 3}, samples)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"byte by byte":          iotest.OneByteReader,
		"in halves":             iotest.HalfReader,
		"with the end attached": iotest.DataErrReader,
	} {
		r, err := NewReader(wrap(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := readAll(r); err != nil || !slices.Equal(got, samples) {
			t.Errorf("%s: %d samples, %v", name, len(got), err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		r, err := NewReader(pipe(file))
		if err != nil {
			rt.Fatal(err)
		}
		var got []int16
		for {
			buf := make([]int16, rapid.IntRange(3, 70).Draw(rt, "room"))
			n, err := r.Read(buf)
			if n%3 != 0 {
				rt.Fatalf("%d values are not whole frames", n)
			}
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if !slices.Equal(got, samples) {
			rt.Fatalf("%d samples", len(got))
		}
	})
}

func TestSamplesOfAPipeComeWithoutWaitingForMore(t *testing.T) {
	file := pcmFile(audio.Mono(8000), noise(1000))
	in, out := io.Pipe()
	defer in.Close()
	go func() { out.Write(file[:44+320]) }() // and no more
	r, err := NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for got < 160 {
		n, err := r.Read(make([]int16, 1000))
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
}

func TestAReaderThatNeverReadsAnythingIsGivenUp(t *testing.T) {
	file := pcmFile(audio.Mono(8000), noise(1000))
	stuck := readerFunc(func([]byte) (int, error) { return 0, nil })
	r, err := NewReader(io.MultiReader(bytes.NewReader(file[:44]), stuck))
	if err == nil {
		_, err = readAll(r)
	}
	if !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestRoomForNoFrameIsAnError(t *testing.T) {
	r, err := NewReader(pipe(pcmFile(audio.Stereo(8000), noise(4))))
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

func TestReadingDoesNotAllocate(t *testing.T) {
	for _, bits := range []int{8, 16, 24, 32} {
		r, err := NewReader(pipe(riffFile(fmtChunk(tagPCM, 1, 8000, bits), chunk("data", make([]byte, 1<<20)))))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]int16, 160)
		if n := testing.AllocsPerRun(100, func() { r.Read(buf) }); n != 0 {
			t.Errorf("%d bits: %v allocations", bits, n)
		}
	}
}

func TestFfmpegAndSoxWriteWhatWeRead(t *testing.T) {
	// A file to begin with that has every kind of sample.
	samples := noise(2 * 4001)
	source := pcmFile(audio.Stereo(audio.Rate22k), samples)
	lossless := func(got []int16) bool { return slices.Equal(got, samples) }
	law := func(encode func([]byte, []int16) []byte, decode func([]int16, []byte) []int16) func([]int16) bool {
		return func(got []int16) bool {
			// The decoder's values are a fixed point of any encoder.
			return len(got) == len(samples) && slices.Equal(decode(nil, encode(nil, got)), got)
		}
	}
	eightBit := func(got []int16) bool {
		for i, s := range got {
			if d := int(s) - int(samples[i]); d < -256 || d > 256 {
				return false
			}
		}
		return len(got) == len(samples)
	}
	for _, c := range []struct {
		coding string
		ffmpeg string
		sox    []string
		right  func([]int16) bool
	}{
		{"8-bit PCM", "pcm_u8", []string{"-e", "unsigned", "-b", "8"}, eightBit},
		{"16-bit PCM", "pcm_s16le", []string{"-e", "signed", "-b", "16"}, lossless},
		{"24-bit PCM", "pcm_s24le", []string{"-e", "signed", "-b", "24"}, lossless},
		{"32-bit PCM", "pcm_s32le", []string{"-e", "signed", "-b", "32"}, lossless},
		{"32-bit float", "pcm_f32le", []string{"-e", "float", "-b", "32"}, lossless},
		{"64-bit float", "pcm_f64le", []string{"-e", "float", "-b", "64"}, lossless},
		{"A-law", "pcm_alaw", []string{"-e", "a-law"}, law(audio.EncodeALaw, audio.DecodeALaw)},
		{"µ-law", "pcm_mulaw", []string{"-e", "u-law"}, law(audio.EncodeULaw, audio.DecodeULaw)},
	} {
		dir := t.TempDir()
		files := map[string]func(t *testing.T) []byte{
			"ffmpeg into a pipe": func(t *testing.T) []byte {
				return run(t, source, "ffmpeg", "-v", "error", "-i", "-", "-c:a", c.ffmpeg, "-f", "wav", "-")
			},
			"ffmpeg into a file": func(t *testing.T) []byte {
				name := filepath.Join(dir, "ffmpeg.wav")
				run(t, source, "ffmpeg", "-v", "error", "-y", "-i", "-", "-c:a", c.ffmpeg, name)
				return load(t, name)
			},
			"ffmpeg as RF64": func(t *testing.T) []byte {
				name := filepath.Join(dir, "rf64.wav")
				run(t, source, "ffmpeg", "-v", "error", "-y", "-i", "-", "-c:a", c.ffmpeg, "-rf64", "always", name)
				return load(t, name)
			},
			"sox into a pipe": func(t *testing.T) []byte {
				return run(t, source, "sox", append(append([]string{"-D", "-t", "wav", "-"}, c.sox...), "-t", "wav", "-")...)
			},
			"sox into a file": func(t *testing.T) []byte {
				name := filepath.Join(dir, "sox.wav")
				run(t, source, "sox", append(append([]string{"-D", "-t", "wav", "-"}, c.sox...), name)...)
				return load(t, name)
			},
		}
		for how, write := range files {
			t.Run(c.coding+" by "+how, func(t *testing.T) {
				r, got := decode(t, write(t))
				if r.Coding() != c.coding || r.Format() != audio.Stereo(audio.Rate22k) {
					t.Errorf("%s, %v", r.Coding(), r.Format())
				}
				if !c.right(got) {
					t.Errorf("the %d samples differ from the %d that it was given", len(got), len(samples))
				}
			})
		}
	}
}

func load(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSpeechFromEspeakIsReadFromItsPipe(t *testing.T) {
	r, got := decode(t, run(t, nil, "espeak-ng", "--stdout", "hello"))
	if r.Frames() != -1 || len(got) < int(r.Format().Rate)/4 || audio.RMS(got) < -40 {
		t.Errorf("%d frames, %d samples of %.0f dBFS", r.Frames(), len(got), audio.RMS(got))
	}
}

func TestSoxRoundsWiderSamplesTheSame(t *testing.T) {
	random := noise(8000)
	for name, file := range map[string][]byte{
		"24-bit": riffFile(fmtChunk(1, 1, 8000, 24), chunk("data", audio.EncodePCM(nil, random)[:15999])),
		"32-bit": riffFile(fmtChunk(1, 1, 8000, 32), chunk("data", audio.EncodePCM(nil, random))),
	} {
		want := audio.DecodePCM(nil, run(t, file, "sox", "-D", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-"))
		if _, got := decode(t, file); !slices.Equal(got, want) {
			t.Errorf("%s: %v\nsox: %v", name, got[:20], want[:20])
		}
	}
}

func FuzzReader(f *testing.F) {
	samples := noise(20)
	f.Add(pcmFile(audio.Stereo(8000), samples))
	f.Add(riffFile(chunk("LIST", []byte("odd")), fmtChunk(3, 1, 48000, 32), chunk("data", float32s(1, 2))))
	f.Add(riffFile(fmtChunk(3, 1, 48000, 32), chunk("data", float32s(1, float32(math.NaN())))))
	f.Add(riffFile(fmtChunk(0xFFFE, 2, 44100, 24, extension(1, 24)...), chunk("data", make([]byte, 9))))
	f.Add(riffFile(fmtChunk(7, 1, 8000, 8), chunk("data", []byte{1, 2, 3})))
	rf64 := riffFile(chunk("ds64", make([]byte, 28)), fmtChunk(1, 1, 8000, 8), chunk("data", []byte{1, 2, 3}))
	copy(rf64, "RF64")
	f.Add(rf64)
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		fromPipe, err := NewReader(iotest.OneByteReader(bytes.NewReader(file)))
		fromFile, fileErr := NewReader(bytes.NewReader(file))
		if (err == nil) != (fileErr == nil) {
			t.Fatalf("from a pipe %v, from a file %v", err, fileErr)
		}
		if err != nil {
			var bad *FormatError
			if !errors.As(err, &bad) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := fromPipe.Format().Validate(); err != nil {
			t.Fatal(err)
		}
		a, aErr := readAll(fromPipe)
		b, bErr := readAll(fromFile)
		if !slices.Equal(a, b) || (aErr == nil) != (bErr == nil) {
			t.Fatalf("from a pipe %d samples, %v; from a file %d, %v", len(a), aErr, len(b), bErr)
		}
		if aErr != nil && !errors.Is(aErr, ErrTruncated) && !errors.Is(aErr, ErrDamaged) {
			t.Fatal(aErr)
		}
		if aErr == nil && fromFile.Frames() != int64(len(a)/fromPipe.Format().Channels) {
			t.Fatalf("%d frames announced, %d read", fromFile.Frames(), len(a)/fromPipe.Format().Channels)
		}
	})
}
