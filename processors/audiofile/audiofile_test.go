package audiofile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/processors/audiofile"
)

func readAll(t *testing.T, path string) (*audiofile.Reader, []int16) {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { r.Close() })
	var all []int16
	block := make([]int16, 777)
	for {
		n, err := r.Read(block)
		all = append(all, block[:n]...)
		if err == io.EOF {
			return r, all
		}
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
	}
}

func TestWAVComesBackAsItWasWritten(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate24k), audio.Mono(96000)} {
		want := tone(f, 10_000)
		r, got := readAll(t, write(t, "a.WAV", f, want))
		if !slices.Equal(want, got) || r.Format() != f || r.Kind() != "WAV" || r.Duration() != f.Rate.Duration(10_000) {
			t.Errorf("%v: got %d samples of %v, %v long, want %d of %v", r.Kind(), len(got), r.Format(), r.Duration(), len(want), f)
		}
	}
}

func TestMP3ComesBackAsLongAndAsLoudAndInPlace(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(audio.Rate16k), audio.Stereo(audio.Rate24k), audio.Stereo(audio.Rate48k)} {
		want := tone(f, 20_000)
		r, got := readAll(t, write(t, "a.mp3", f, want))
		if len(got) != len(want) || r.Format() != f || r.Kind() != "MP3" {
			t.Fatalf("%v: got %d samples of %v, want %d of %v", r.Kind(), len(got), r.Format(), len(want), f)
		}
		var noise, signal float64
		for i := range want {
			d := float64(want[i]) - float64(got[i])
			noise, signal = noise+d*d, signal+float64(want[i])*float64(want[i])
		}
		if snr := 10 * math.Log10(signal/noise); snr < 20 {
			t.Errorf("%v: %.1f dB signal to noise", f, snr)
		}
	}
}

func TestFfmpegReadsWhatWasWritten(t *testing.T) {
	needTool(t, "ffprobe")
	for _, name := range []string{"a.wav", "a.mp3"} {
		path := write(t, name, audio.Stereo(audio.Rate24k), tone(audio.Stereo(audio.Rate24k), 48_000))
		out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=sample_rate,channels:format=duration", "-of", "csv=p=0", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ffprobe: %v\n%s", err, out)
		}
		lines := strings.Fields(string(out))
		if len(lines) != 2 || lines[0] != "24000,2" {
			t.Errorf("%s: ffprobe says %q", name, out)
			continue
		}
		if d, err := strconv.ParseFloat(lines[1], 64); err != nil || math.Abs(d-2) > 0.1 {
			t.Errorf("%s: ffprobe says that it lasts %s", name, lines[1])
		}
	}
}

func TestTheContentDecidesWhatIsRead(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	for from, to := range map[string]string{"a.wav": "b.mp3", "a.mp3": "b.wav", "b.wav": "noname"} {
		path := write(t, from, f, tone(f, 5000))
		renamed := filepath.Join(filepath.Dir(path), to)
		if err := os.Rename(path, renamed); err != nil {
			t.Fatal(err)
		}
		r, got := readAll(t, renamed)
		if want := strings.ToUpper(from[2:]); r.Kind() != want || len(got) != 5000 {
			t.Errorf("%s named %s is read as %s with %d samples", from, to, r.Kind(), len(got))
		}
	}
}

func save(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wavBytes(t *testing.T, f audio.Format, samples []int16) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := wav.NewWriter(&b, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	// The header of a pipe tells no length; that of a file does.
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	binary.LittleEndian.PutUint32(out[bytes.Index(out, []byte("data"))+4:], uint32(2*len(samples)))
	return out
}

func TestWhatCannotBeReadIsSaidInOneLine(t *testing.T) {
	surround := audio.Format{Rate: 96000, Channels: 8}
	whole := wavBytes(t, audio.Mono(audio.Rate16k), tone(audio.Mono(audio.Rate16k), 1000))
	for name, c := range map[string]struct {
		path string
		want string
		is   error
	}{
		"no path":            {"", `open "": there is no path: name a file`, nil},
		"missing":            {filepath.Join(t.TempDir(), "none.wav"), "none.wav: no such file or directory: check the path", fs.ErrNotExist},
		"missing and odd":    {filepath.Join(t.TempDir(), "none.xyz"), "none.xyz: no such file or directory", fs.ErrNotExist},
		"a folder":           {t.TempDir(), "it is a folder", nil},
		"unknown extension":  {save(t, "a.ogg", whole), "the extension is not known: .ogg is neither .wav nor .mp3: convert it first, for instance with: ffmpeg -i DIR/a.ogg DIR/a-converted.wav", audiofile.ErrExtension},
		"no bytes":           {save(t, "a.wav", nil), "a.wav: it holds no audio: the file has no bytes", audiofile.ErrEmpty},
		"no samples":         {save(t, "a.wav", wavBytes(t, audio.Mono(audio.Rate16k), nil)), "a.wav: it holds no audio: its length is zero", audiofile.ErrEmpty},
		"text named WAV":     {save(t, "a.wav", []byte("Hello, this is not audio at all, is it?")), "a.wav: wav: not a WAV file: it is a text file: name a WAV or MP3 file", nil},
		"text named MP3":     {save(t, "a.mp3", []byte("Hello, this is not audio at all, is it?")), "a.mp3: mp3: not an MP3 file: it is a text file: name a WAV or MP3 file", nil},
		"text without name":  {save(t, "a", []byte("Hello, this is not audio at all, is it?")), "a: wav: not a WAV file: it is a text file", nil},
		"FLAC named WAV":     {save(t, "my call.wav", []byte("fLaC\x00\x00\x00\x22 and much more of it")), "not a WAV file: it is a FLAC file: convert it, for instance with: ffmpeg -i 'DIR/my call.wav' -c:a pcm_s16le 'DIR/my call-converted.wav'", nil},
		"raw samples":        {save(t, "a.wav", []byte("\x01\x02\x03\x04\x80\x81\x01\x02\x03\x04\x80\x81\x00\x00\x00\x00")), "if it is audio of another kind, convert it, for instance with: ffmpeg -i DIR/a.wav DIR/a-converted.wav", nil},
		"ADPCM":              {save(t, "a.wav", with(whole, 20, 2)), "Microsoft ADPCM (format tag 0x0002); convert it to 16-bit PCM: for instance with: ffmpeg -i DIR/a.wav -c:a pcm_s16le DIR/a-converted.wav", nil},
		"a damaged header":   {save(t, "a.wav", with(whole, 16, 8)), "copy it again, or see what can be saved with: ffmpeg -i DIR/a.wav DIR/a-saved.wav", nil},
		"part of a header":   {save(t, "a.wav", whole[:30]), "it ends before its audio begins: there is no audio in it: copy it again, or record it again", wav.ErrTruncated},
		"only a header":      {save(t, "a.wav", whole[:44]), "it has 0 of the 1000 samples that its header announces: there is no audio in it: copy it again, or record it again", wav.ErrTruncated},
		"96 kHz 7.1":         {save(t, "a.wav", wavBytes(t, surround, tone(surround, 100))), "it has 8 channels at 96 kHz, more than left and right: mix it down, for instance with: ffmpeg -i DIR/a.wav -ac 1 -ar 48000 DIR/a-mono.wav", nil},
		"an impossible rate": {save(t, "a.wav", wavBytes(t, audio.Mono(384000), tone(audio.Mono(384000), 100))), "its rate of 384 kHz is not between 4 kHz and 192 kHz", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := audiofile.Open(c.path)
			if err == nil {
				r.Close()
				t.Fatal("it was opened")
			}
			want := strings.ReplaceAll(c.want, "DIR", filepath.Dir(c.path))
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "open ") {
				t.Errorf("error %q, want %q", err, want)
			}
			var typed *audiofile.Error
			if !errors.As(err, &typed) || typed.Path == "" || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %#v, want an *Error that is %v", err, c.is)
			}
		})
	}
}

// with is a copy of b in which one byte is another.
func with(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

func TestATruncatedFileGivesItsSamplesAndThenSaysSo(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	want := tone(f, 1000)
	path := save(t, "a.wav", wavBytes(t, f, want)[:44+1500])
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	got := make([]int16, 2000)
	n, err := io.ReadAtLeast(reader16{r}, make([]byte, 1500), 1500)
	if n != 1500 || err != nil {
		t.Errorf("read %d bytes, %v; want the 1500 that there are", n, err)
	}
	if _, err := r.Read(got); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "read "+path+": wav: ") {
		t.Errorf("then %v, want that it is truncated", err)
	}
	if err := audiofile.Check(path); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Check: %v, want that it is truncated", err)
	}
	if err := audiofile.Check(save(t, "b.wav", wavBytes(t, f, want))); err != nil {
		t.Errorf("Check of a whole file: %v", err)
	}
}

func TestAFileWithNaNsIsReadAndThenSaidToBeDamaged(t *testing.T) {
	float := func(values ...float32) []byte { // at 16 kHz
		data := binary.LittleEndian.AppendUint32([]byte("data"), uint32(4*len(values)))
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		b := []byte("WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x80\x3e\x00\x00\x00\xfa\x00\x00\x04\x00\x20\x00")
		b = append(b, data...)
		return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(b))), b...)
	}
	path := save(t, "a.wav", float(0.5, float32(math.NaN()), 0.5))
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]int16, 10)
	if n, err := r.Read(got); err != nil || !slices.Equal(got[:n], []int16{16384, 0, 16384}) {
		t.Errorf("it reads %v, %v", got[:n], err)
	}
	_, readErr := r.Read(got)
	for what, err := range map[string]error{"Read": readErr, "Check": audiofile.Check(path)} {
		var bad *audiofile.Error
		if !errors.As(err, &bad) || !errors.Is(err, wav.ErrDamaged) || !strings.Contains(bad.Mend, "ffmpeg") || !strings.Contains(err.Error(), "(sample 1)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := audiofile.Check(save(t, "b.wav", float(0.5, -2, 0.5))); err != nil {
		t.Errorf("Check of a loud file: %v", err)
	}
}

// reader16 gives samples as bytes.
type reader16 struct{ r *audiofile.Reader }

func (r reader16) Read(p []byte) (int, error) {
	s := make([]int16, len(p)/2)
	n, err := r.r.Read(s)
	return copy(p, audio.EncodePCM(nil, s[:n])), err
}

func TestWhatCannotBeWrittenIsSaidInOneLine(t *testing.T) {
	mono := audio.Mono(audio.Rate24k)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		path   string
		format audio.Format
		want   string
	}{
		"no path":            {"", mono, "there is no path"},
		"no folder":          {filepath.Join(dir, "none", "a.wav"), mono, "no such file or directory: make the folder " + filepath.Join(dir, "none") + " first"},
		"unknown extension":  {filepath.Join(dir, "a.flac"), mono, ".flac is neither .wav nor .mp3: name a .wav or .mp3 file"},
		"no extension":       {filepath.Join(dir, "a"), mono, "there is none: name a .wav or .mp3 file"},
		"no channels":        {filepath.Join(dir, "a.wav"), audio.Format{Rate: 8000}, "0 channels"},
		"too many channels":  {filepath.Join(dir, "a.wav"), audio.Format{Rate: 8000, Channels: 6}, "6 channels are more than left and right"},
		"no MP3 rate":        {filepath.Join(dir, "a.mp3"), audio.Mono(96000), "96"},
		"a folder":           {mkdir(t, dir, "b.wav"), mono, "it is a folder"},
		"below a file":       {filepath.Join(save(t, "call.wav", nil), "a.wav"), mono, "call.wav is a file, not a folder: check the path"},
		"a device with none": {"/dev/full/x.wav", mono, "not a directory: /dev/full is a file, not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := audiofile.Create(c.path, c.format)
			if err == nil {
				w.Close()
				t.Fatal("it was created")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "create ") {
				t.Errorf("error %q, want %q", err, c.want)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "a*")); len(left) > 0 {
		t.Errorf("files were left behind: %v", left)
	}
}

func TestAPathThatMayNotBeUsedIsSaid(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the superuser may read and write everything")
	}
	path := save(t, "secret.wav", wavBytes(t, audio.Mono(audio.Rate8k), tone(audio.Mono(audio.Rate8k), 10)))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := audiofile.Open(path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "ask for the right to read it") {
		t.Errorf("Open: %v", err)
	}
	if _, err := audiofile.Create(path, audio.Mono(audio.Rate8k)); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "choose a place where you may write") {
		t.Errorf("Create: %v", err)
	}
}

func mkdir(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFullDiskIsSaidAndStays(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full to play a full disk")
	}
	link := filepath.Join(t.TempDir(), "full.wav")
	if err := os.Symlink("/dev/full", link); err != nil {
		t.Fatal(err)
	}
	w, err := audiofile.Create(link, audio.Mono(audio.Rate8k))
	if err == nil {
		err = w.Write(make([]int16, 80))
		if again := w.Write(make([]int16, 80)); !errors.Is(again, err) {
			t.Errorf("the next Write: %v, want the same error", again)
		}
		w.Close()
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room; what was written is kept") {
		t.Errorf("error %v, want that the disk is full", err)
	}
}

func TestARecordingThatWasNotClosedCanBePlayed(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	for _, name := range []string{"a.wav", "a.mp3"} {
		path := filepath.Join(t.TempDir(), name)
		w, err := audiofile.Create(path, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(tone(f, 5*8000)); err != nil {
			t.Fatal(err)
		}
		// No Close: the program has crashed.
		r, err := audiofile.Open(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n := 0
		block := make([]int16, 1000)
		for {
			got, err := r.Read(block)
			n += got
			if err != nil {
				break
			}
		}
		if kept := r.Format().Rate.Duration(int64(n)); kept < 4*time.Second {
			t.Errorf("%s: %v of 5s are left", name, kept)
		}
		r.Close()
		w.Close()
	}
}

func TestWriterRefusesHalfFramesAndWhatComesAfterClose(t *testing.T) {
	w, err := audiofile.Create(filepath.Join(t.TempDir(), "a.wav"), audio.Stereo(audio.Rate8k))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]int16, 3)); err == nil || !strings.Contains(err.Error(), "3 values are not whole frames of 2 channels") {
		t.Errorf("half a frame: %v", err)
	}
	if err := errors.Join(w.Write(make([]int16, 16)), w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if err := w.Write(make([]int16, 2)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if got := w.Duration(); got != time.Millisecond {
		t.Errorf("Duration %v, want 1ms", got)
	}
}

func TestAReservedFileIsLeftAloneUntilSomethingIsWritten(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	fresh := filepath.Join(t.TempDir(), "fresh.wav")
	old := filepath.Join(t.TempDir(), "old.mp3")
	if err := os.WriteFile(old, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fresh, old} {
		w, err := audiofile.Reserve(path, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left behind: %v", err)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "precious" {
		t.Errorf("the old file now holds %q (%v)", b, err)
	}
	w, err := audiofile.Reserve(old, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(make([]int16, 16000)), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := audiofile.Open(old)
	if err != nil {
		t.Fatalf("the new file: %v", err)
	}
	r.Close()
}
