package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gowav "github.com/go-audio/wav"

	"github.com/parley-go/parley/audio"
)

// memory is a file in memory.
type memory struct {
	bytes []byte
	at    int64
}

func (m *memory) Write(p []byte) (int, error) {
	if need := int(m.at) + len(p); need > len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, need-len(m.bytes))...)
	}
	n := copy(m.bytes[m.at:], p)
	m.at += int64(n)
	return n, nil
}

func (m *memory) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.at
	case io.SeekEnd:
		offset += int64(len(m.bytes))
	}
	m.at = offset
	return offset, nil
}

// write writes samples in pieces of 20 ms and closes the Writer.
func write(t testing.TB, w io.Writer, f audio.Format, samples []int16) *Writer {
	t.Helper()
	out, err := NewWriter(w, f)
	if err != nil {
		t.Fatal(err)
	}
	size := int(f.Rate) / 50 * f.Channels
	for piece := range slices.Chunk(samples, size) {
		if err := out.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

var writtenFormats = []audio.Format{
	audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate16k), audio.Mono(audio.Rate44k), {Rate: audio.Rate48k, Channels: 6},
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, f := range writtenFormats {
		samples := noise(int(f.Rate) * f.Channels * 5 / 2)

		var file memory
		w := write(t, &file, f, samples)
		r, got := decode(t, file.bytes)
		if r.Format() != f || r.Frames() != w.Frames() || !slices.Equal(got, samples) {
			t.Errorf("%v, file: %v, %d samples", f, r.Format(), len(got))
		}
		var pipe bytes.Buffer
		write(t, &pipe, f, samples)
		r, got = decode(t, pipe.Bytes())
		if r.Format() != f || r.Frames() != -1 || !slices.Equal(got, samples) {
			t.Errorf("%v, pipe: %v, %d samples", f, r.Format(), len(got))
		}
	}
}

func TestThePlainHeaderIsTheOneEverybodyKnows(t *testing.T) {
	var file memory
	write(t, &file, audio.Stereo(audio.Rate16k), []int16{1, 2, 3, 4})
	want := "RIFF\x2c\x00\x00\x00WAVE" +
		"fmt \x10\x00\x00\x00\x01\x00\x02\x00\x80\x3e\x00\x00\x00\xfa\x00\x00\x04\x00\x10\x00" +
		"data\x08\x00\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00"
	if string(file.bytes) != want {
		t.Errorf("%q\nwant %q", file.bytes, want)
	}
}

func TestAFileMayBeginInsideOfAnother(t *testing.T) {
	file := memory{bytes: []byte("before"), at: 6}
	samples := noise(9000)
	write(t, &file, audio.Mono(audio.Rate8k), samples)
	if string(file.bytes[:6]) != "before" {
		t.Errorf("%q was overwritten", file.bytes[:6])
	}
	if r, got := decode(t, file.bytes[6:]); !slices.Equal(got, samples) || r.Frames() != 9000 {
		t.Errorf("%d samples", len(got))
	}
}

func TestFfmpegAndSoxReadWhatWeWrite(t *testing.T) {
	dir := t.TempDir()
	for i, f := range writtenFormats {
		samples := noise(int(f.Rate) / 4 * f.Channels)
		var pipe bytes.Buffer
		write(t, &pipe, f, samples)

		name := filepath.Join(dir, string(rune('a'+i))+".wav")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, f, samples)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		for how, got := range map[string][]byte{
			"ffmpeg, pipe": run(t, pipe.Bytes(), "ffmpeg", "-v", "error", "-i", "-", "-f", "s16le", "-"),
			"ffmpeg, file": run(t, nil, "ffmpeg", "-v", "error", "-i", name, "-f", "s16le", "-"),
			"sox, pipe":    run(t, pipe.Bytes(), "sox", "-t", "wav", "-", "-t", "raw", "-"),
			"sox, file":    run(t, nil, "sox", name, "-t", "raw", "-"),
		} {
			if !slices.Equal(audio.DecodePCM(nil, got), samples) {
				t.Errorf("%v, %s: %d bytes, want %d", f, how, len(got), 2*len(samples))
			}
		}
	}
}

func TestAnotherGoLibraryReadsWhatWeWrite(t *testing.T) {
	samples := noise(20000)
	var file memory
	write(t, &file, audio.Stereo(audio.Rate16k), samples)
	d := gowav.NewDecoder(bytes.NewReader(file.bytes))
	buf, err := d.FullPCMBuffer()
	if err != nil || d.SampleRate != 16000 || d.NumChans != 2 || d.BitDepth != 16 {
		t.Fatal(err, d)
	}
	for i, v := range buf.Data {
		if v != int(samples[i]) {
			t.Fatalf("sample %d is %d, want %d", i, v, samples[i])
		}
	}
	if len(buf.Data) != len(samples) {
		t.Errorf("%d samples, want %d", len(buf.Data), len(samples))
	}
}

func TestACrashAtAnyTimeLosesLessThanASecond(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	samples := noise(5 * 8000)
	var file memory
	w, err := NewWriter(&file, f)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(samples); at += 160 {
		if err := w.Write(samples[at : at+160]); err != nil {
			t.Fatal(err)
		}
		// The program dies here.
		r, got := decode(t, file.bytes)
		if lost := at + 160 - len(got); lost < 0 || lost >= 8000 || !slices.Equal(got, samples[:len(got)]) || r.Format() != f {
			t.Fatalf("after %d samples, %d can be read", at+160, len(got))
		}
	}
}

// full is a disk with room for so many bytes.
type full struct {
	memory
	room int
}

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if room := f.room - int(f.at); len(p) > room {
		n, _ := f.memory.Write(p[:max(room, 0)])
		return n, errFull
	}
	return f.memory.Write(p)
}

func TestWhenTheDiskIsFullWhatFitsIsKept(t *testing.T) {
	samples := noise(2 * 4000)
	for _, room := range []int{44, 45, 46, 47, 48, 5000, 5001, 5002, 5003} {
		disk := &full{room: room}
		w, err := NewWriter(disk, audio.Stereo(audio.Rate8k))
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		for piece := range slices.Chunk(samples, 320) {
			if err := w.Write(piece); failed == nil {
				failed = err
			} else if err != failed {
				t.Fatalf("first %v, then %v", failed, err)
			}
		}
		if !errors.Is(failed, errFull) || failed.Error() != "wav: write: no space left on device" {
			t.Fatal(failed)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, got := decode(t, disk.bytes)
		if want := (room - 44) / 4; r.Frames() != int64(want) || !slices.Equal(got, samples[:2*want]) || w.Frames() != int64(want) {
			t.Errorf("room for %d bytes: %d frames, want %d", room, r.Frames(), want)
		}
	}
	if _, err := NewWriter(&full{room: 20}, audio.Mono(8000)); !errors.Is(err, errFull) {
		t.Errorf("no room for the header: %v", err)
	}
}

// bottomless remembers only the first bytes and the length of what it is given.
type bottomless struct {
	memory
	length int64
}

func (b *bottomless) Write(p []byte) (int, error) {
	if b.at < 100 {
		b.memory.Write(p[:min(len(p), 100)])
		b.at += int64(len(p) - min(len(p), 100))
	} else {
		b.at += int64(len(p))
	}
	b.length = max(b.length, b.at)
	return len(p), nil
}

func (b *bottomless) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return 0, errors.New("not needed")
	}
	return b.memory.Seek(offset, whence)
}

func TestAFileIsNotLargerThanItsHeaderCanTell(t *testing.T) {
	var file bottomless
	w, err := NewWriter(&file, audio.Format{Rate: 48000, Channels: 6})
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]int16, 6<<20)
	var refused error
	for refused == nil {
		refused = w.Write(piece)
	}
	if !errors.Is(refused, ErrTooLarge) {
		t.Fatal(refused)
	}
	// Less still fits, to the last frame.
	for n := len(piece); n >= 6; {
		if err := w.Write(piece[:n]); err != nil {
			n = n / 12 * 6
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	riff, data := binary.LittleEndian.Uint32(file.bytes[4:]), binary.LittleEndian.Uint32(file.bytes[64:])
	if int64(riff) != file.length-8 || int64(data) != file.length-68 || file.length <= 1<<32-12-8 || file.length > 1<<32+8 {
		t.Errorf("%d bytes, of which RIFF tells %d and data %d", file.length, riff, data)
	}
}

func TestAPipeMayCarryAnyAmount(t *testing.T) {
	w, err := NewWriter(io.Discard, audio.Mono(audio.Rate48k))
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]int16, 64<<20)
	for w.data < 5<<30 {
		if err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileOpenedForAppendingIsTreatedAsAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.wav")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	samples := noise(20000)
	write(t, file, audio.Mono(audio.Rate8k), samples)
	if _, got := decode(t, load(t, name)); !slices.Equal(got, samples) {
		t.Errorf("%d samples, want %d", len(got), len(samples))
	}
}

func TestARealPipeIsNotPositioned(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	samples := noise(2000)
	write(t, out, audio.Mono(audio.Rate8k), samples) // fits into the pipe
	out.Close()
	r, err := NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || !slices.Equal(got, samples) || r.Frames() != -1 {
		t.Errorf("%d samples, %v, %d frames", len(got), err, r.Frames())
	}
}

func TestMisuseIsRefused(t *testing.T) {
	if _, err := NewWriter(io.Discard, audio.Format{Rate: 8000}); err == nil || !strings.Contains(err.Error(), "0 channels") {
		t.Error(err)
	}
	w, err := NewWriter(&memory{}, audio.Stereo(8000))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]int16, 3)); err == nil || err.Error() != "wav: write: 3 values are not whole frames of 2 channels" {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error("closing again:", err)
	}
	if err := w.Write(make([]int16, 2)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	file := &memory{bytes: make([]byte, 1<<20)}
	w, err := NewWriter(file, audio.Mono(audio.Rate48k))
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]int16, 960)
	if n := testing.AllocsPerRun(40, func() { w.Write(piece) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
