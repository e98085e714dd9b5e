package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/fifo/fifotest"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/file"
)

// pcm is raw audio at the tests' rate.
var pcm = file.Format{Coding: file.S16LE, Rate: rate, Channels: 1}

// listener is a processor that keeps what the caller says.
type listener struct{ samples []int16 }

func (l *listener) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if in, ok := f.(*frames.AudioInput); ok {
		if int(in.Position) != len(l.samples) {
			return pipeline.Fatal(errors.New("the caller's audio is not contiguous"))
		}
		l.samples = append(l.samples, in.Samples...)
	}
	return out.Send(ctx, f, dir)
}

// heard is what the caller said, without the silence behind.
func (l *listener) heard() []int16 {
	n := len(l.samples)
	for n > 0 && l.samples[n-1] == 0 {
		n--
	}
	return l.samples[:n]
}

// loud is noise without a zero in it.
func loud(seed, n int) []int16 {
	s := voice(seed, n)
	for i := range s {
		if s[i] == 0 {
			s[i] = 1
		}
	}
	return s
}

// streamWAV is a WAV file as it comes out of a pipe: with the lengths that a
// program writes which does not know them.
func streamWAV(samples []int16, riff, data uint32) []byte {
	var b bytes.Buffer
	w, err := wav.NewWriter(&b, audio.Mono(rate)) // a Buffer cannot seek
	if err == nil {
		err = w.Write(samples)
	}
	if err != nil {
		panic(err)
	}
	binary.LittleEndian.PutUint32(b.Bytes()[4:], riff)
	binary.LittleEndian.PutUint32(b.Bytes()[40:], data)
	return b.Bytes()
}

func streamMP3(t *testing.T, samples []int16) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := mp3.NewWriter(&b, audio.Mono(rate), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(samples), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// produced is a pipe with something in it, written in pieces.
func produced(b []byte) io.Reader {
	r, w := io.Pipe()
	go func() {
		for len(b) > 0 {
			n, err := w.Write(b[:min(len(b), 1000)])
			if err != nil {
				return
			}
			b = b[n:]
		}
		w.Close()
	}()
	return r
}

func TestAPipeIsPlayedToItsLastSampleWhateverItSaysOfItsLength(t *testing.T) {
	said := loud(1, 5*24_000+77)
	var raw []byte
	for _, s := range said {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
	}
	n := uint32(2 * len(said))
	for name, c := range map[string]struct {
		bytes  []byte
		format file.Format
	}{
		"WAV":                        {streamWAV(said, 36+n, n), file.Format{}},
		"WAV of ffmpeg":              {streamWAV(said, 0xFFFFFFFF, 0xFFFFFFFF), file.Format{}},
		"WAV that was not completed": {streamWAV(said, 0, 0), file.Format{}},
		"WAV of sox":                 {streamWAV(said, 0x7FFFF024, 0x7FFFF000), file.Format{}},
		"WAV of arecord":             {streamWAV(said, 0x80000024, 0x80000000), file.Format{}},
		"raw":                        {raw, pcm},
		"raw and half a sample":      {append(slices.Clone(raw), 7), pcm},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l listener
				call := open(t, file.Config{Reader: produced(c.bytes), InputFormat: c.format})
				if err := run(t, call, &l); err != nil {
					t.Fatal(err)
				}
				if s := call.Stats(); !slices.Equal(l.heard(), said) || s.Stalls != 0 || s.Starved != 0 {
					t.Errorf("%d samples were heard of %d, with %d stalls", len(l.heard()), len(said), s.Stalls)
				}
			})
		})
	}
	t.Run("MP3", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := streamMP3(t, said)
			r, err := mp3.NewReader(struct{ io.Reader }{bytes.NewReader(b)})
			if err != nil {
				t.Fatal(err)
			}
			want := make([]int16, 0, len(said))
			block := make([]int16, 1000)
			for err == nil {
				var n int
				n, err = r.Read(block)
				want = append(want, block[:n]...)
			}
			var l listener
			if err := run(t, open(t, file.Config{Reader: produced(b)}), &l); err != nil {
				t.Fatal(err)
			}
			if got := l.samples; len(got) < len(want) || !slices.Equal(got[:len(want)], want) || !audio.IsSilent(got[len(want):]) {
				t.Errorf("%d samples were heard, not those %d that there are", len(got), len(want))
			}
		})
	})
}

// late is a producer that is late in the world of the bubble: it says a second,
// nothing for a while, and the rest.
func late(t *testing.T, said []int16, pause time.Duration) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := audio.EncodePCM(nil, said)
		w.Write(b[:2*24_000])
		time.Sleep(pause)
		w.Write(b[2*24_000:])
		w.Close()
	}()
	return r
}

func TestALateProducerIsReplacedBySilenceAndNothingOfItIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := loud(1, 3*24_000)
		var l listener
		call := open(t, file.Config{Reader: late(t, said, 2500*time.Millisecond), InputFormat: pcm})
		began := time.Now()
		if err := run(t, call, &l); err != nil {
			t.Fatal(err)
		}
		// A second is said and then, 2.5 s after the first was there, the rest. Half
		// of that time the caller is silent, at least: the clock goes on.
		s := call.Stats()
		silence := int(rate.Samples(s.Starved))
		heard := l.heard()
		if len(heard) != len(said)+silence || silence < 24_000 || silence > 2*24_000 || s.Stalls != 1 {
			t.Fatalf("%d samples of %d, %d of silence, %d stalls", len(heard), len(said), silence, s.Stalls)
		}
		if !slices.Equal(heard[:24_000], said[:24_000]) || !audio.IsSilent(heard[24_000:24_000+silence]) || !slices.Equal(heard[24_000+silence:], said[24_000:]) {
			t.Error("the caller was not heard as they spoke")
		}
		want := 3*time.Second + s.Starved + 3*time.Second
		if took := time.Since(began); took < want || took > want+60*time.Millisecond {
			t.Errorf("the call took %v, want %v", took, want)
		}
	})
}

func TestFastWaitsForALateProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := loud(1, 3*24_000)
		var l listener
		call := open(t, file.Config{Reader: late(t, said, time.Minute), InputFormat: pcm, Pace: file.Fast})
		if err := run(t, call, &l); err != nil {
			t.Fatal(err)
		}
		if s := call.Stats(); !slices.Equal(l.heard(), said) || s.Stalls != 0 {
			t.Errorf("%d samples were heard of %d", len(l.heard()), len(said))
		}
	})
}

// stuck is a pipe whose producer has begun, and says nothing more.
func stuck(t *testing.T) *io.PipeReader {
	r, w := io.Pipe()
	go w.Write(streamWAV(loud(1, 1000), 1<<20, 1<<20-36)) // which announces more
	return r
}

func TestAnEndComesThroughWhileAProducerSaysNothing(t *testing.T) {
	for name, end := range map[string]func(*pipeline.Pipeline, context.CancelFunc){
		"an end":          func(p *pipeline.Pipeline, _ context.CancelFunc) { p.End("enough") },
		"a cancellation":  func(p *pipeline.Pipeline, _ context.CancelFunc) { p.Cancel("enough", nil) },
		"that of reading": func(_ *pipeline.Pipeline, stop context.CancelFunc) { stop() },
	} {
		for _, pace := range []file.Pace{file.RealTime, file.Fast} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					call, err := file.NewContext(ctx, file.Config{Reader: stuck(t), Pace: pace})
					if err != nil {
						t.Fatal(err)
					}
					p := pipeline.New(pipeline.Config{}, call.Input(), call.Output())
					time.AfterFunc(10*time.Second, func() { end(p, stop) })
					began := time.Now()
					if err := p.Run(t.Context()); err != nil {
						t.Error(err)
					}
					if took := time.Since(began); took < 10*time.Second || took > 13*time.Second+60*time.Millisecond {
						t.Errorf("it took %v", took)
					}
				}) // which waits for every goroutine
			})
		}
	}
}

func TestAPipeIsNotReadInAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		endless := readerFunc(func(p []byte) (int, error) {
			asked.Add(int64(len(p)))
			return copy(p, bytes.Repeat([]byte{1}, len(p))), nil
		})
		call := open(t, file.Config{Reader: endless, InputFormat: pcm, MaxDuration: 10 * time.Second})
		if err := run(t, call); err != nil {
			t.Fatal(err)
		}
		// A second ahead, and what is asked of a pipe and decoded at a time.
		read := asked.Load()
		if most := int64(2*24_000*(10+1) + 100_000); read < 2*24_000*10 || read > most {
			t.Errorf("%d bytes were read in 10s, want at most %d", read, most)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWhoWaitsForAPipeToBeginCanStopWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := io.Pipe()
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(enough) })
		if call, err := file.NewContext(ctx, file.Config{Reader: r}); !errors.Is(err, enough) {
			t.Errorf("%v, %v", call, err)
		}
	})
}

// deaf closes, which ends nothing.
type deaf struct{ read chan struct{} }

func (d deaf) Read([]byte) (int, error) { <-d.read; return 0, io.EOF }

func (d deaf) Write(p []byte) (int, error) { <-d.read; return len(p), nil }

func (d deaf) Close() error { return nil }

func TestAPipeThatDoesNotLetGoIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := file.NewContext(ctx, file.Config{Reader: d}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("New: %v", err)
		}
		began := time.Now()
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), voice(1, 24_000)), Writer: d, HangUpAfter: time.Second})
		if err := run(t, call); err == nil || !strings.Contains(err.Error(), "does not go on") {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
		close(d.read) // and so the goroutines end, which the bubble waits for
	})
}

func TestABadPlaceForTheConversationIsRefusedBeforeAPipeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := io.Pipe()
		if _, err := file.New(file.Config{Reader: r, Output: "nowhere/out.wav"}); err == nil || !strings.Contains(err.Error(), "make the folder nowhere first") {
			t.Errorf("New: %v", err)
		}
	})
}

func TestAPipeThatBreaksOffIsAnErrorBehindItsLastSample(t *testing.T) {
	said := loud(1, 24_000)
	for name, c := range map[string]struct {
		reader func() io.Reader
		want   string
	}{
		"shorter than it says": {func() io.Reader { return produced(streamWAV(said, 1<<20, 1<<20-36)) }, "read the recording in Config.Reader: wav: file is truncated"},
		"that fails": {func() io.Reader {
			r, w := io.Pipe()
			go func() {
				w.Write(streamWAV(said, 0xFFFFFFFF, 0xFFFFFFFF))
				w.CloseWithError(errors.New("the cable is out"))
			}()
			return r
		}, "the cable is out"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l listener
				err := run(t, open(t, file.Config{Reader: c.reader()}), &l)
				if err == nil || !strings.Contains(err.Error(), "play recording") || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Run: %v", err)
				}
				if !slices.Equal(l.heard(), said) {
					t.Errorf("%d of %d samples were heard", len(l.heard()), len(said))
				}
			})
		})
	}
}

func TestWhatIsNoAudioIsRefusedWithWordsForAPipe(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		cfg   file.Config
		want  []string
	}{
		"nothing":         {nil, file.Config{}, []string{"it holds no audio", "whoever sends it"}},
		"no raw samples":  {nil, file.Config{InputFormat: pcm}, []string{"it holds no audio"}},
		"text":            {[]byte("arecord: main:831: audio open error: No such file or directory\n"), file.Config{}, []string{"a text file", "send WAV or MP3"}},
		"something":       {bytes.Repeat([]byte{1, 2, 3, 0x80}, 50), file.Config{}, []string{"if it is raw audio, say of which format, as in s16le:8000:1"}},
		"an Ogg file":     {[]byte("OggS" + strings.Repeat("\x00", 100)), file.Config{}, []string{"an Ogg file", "ffmpeg"}},
		"a header":        {streamWAV(nil, 0xFFFFFFFF, 0xFFFFFFFF), file.Config{}, []string{"it holds no audio"}},
		"half a header":   {streamWAV(nil, 0, 0)[:30], file.Config{}, []string{"truncated"}},
		"no rate":         {nil, file.Config{InputFormat: file.Format{Coding: file.S16LE}}, []string{"InputFormat: the rate of raw s16le is in the bytes nowhere: say it, as in s16le:8000:1"}},
		"repeated":        {streamWAV(loud(1, 10), 0, 0), file.Config{Repeat: 2}, []string{"a pipe cannot be played again: save it to a file first"}},
		"repeated always": {streamWAV(loud(1, 10), 0, 0), file.Config{Repeat: file.Forever}, []string{"a pipe cannot be played again"}},
		"backwards":       {nil, file.Config{Repeat: -2}, []string{"use Forever"}},
		"fast with file":  {nil, file.Config{Pace: file.Fast, Output: "x.wav"}, []string{"in virtual time"}},
		"fast for ever":   {nil, file.Config{Pace: file.Fast, Repeat: file.Forever}, []string{"set MaxDuration"}},
		"a gap":           {nil, file.Config{RepeatGap: -1}, []string{"RepeatGap"}},
		"two rates":       {nil, file.Config{Rate: 8000, OutputFormat: file.Format{Coding: file.S16LE, Rate: 16000}}, []string{"two rates, 8 kHz and 16 kHz"}},
		"one channel":     {nil, file.Config{OutputFormat: file.Format{Coding: file.S16LE, Rate: 16000, Channels: 1}}, []string{"1 channels and the layout of the conversation 2"}},
		"an odd coding":   {nil, file.Config{OutputFormat: file.Format{Coding: "flac"}}, []string{`OutputFormat: there is no coding "flac"`}},
		"two inputs":      {nil, file.Config{Input: "a.wav"}, []string{"set Input or Reader"}},
		"two outputs":     {nil, file.Config{Output: "a.wav", Writer: io.Discard}, []string{"set Output or Writer"}},
		"raw output":      {streamWAV(loud(1, 10), 0, 0), file.Config{Output: "a.pcm"}, []string{"create a.pcm: it is raw audio, and nothing says of which format: say it with OutputFormat"}},
		"an MP3 rate":     {streamWAV(loud(1, 10), 0, 0), file.Config{Writer: io.Discard, Rate: 12345, OutputFormat: file.Format{Coding: file.MP3}}, []string{"12345"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.cfg.Reader = produced(c.bytes)
				call, err := file.New(c.cfg)
				if err == nil {
					call.Close()
					t.Fatal("it is taken")
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
						t.Errorf("%v; want %q in one line", err, want)
					}
				}
				c.cfg.Reader.(io.Closer).Close() // where it was not looked at
			})
		})
	}
}

func TestRawFilesAreReadIfTheirFormatIsGiven(t *testing.T) {
	said := loud(1, 24_000)
	dir := t.TempDir()
	for name, f := range map[string]file.Format{
		"caller.raw":  {Coding: file.S16LE, Rate: rate},
		"caller.ulaw": {Coding: file.ULaw},
	} {
		path := filepath.Join(dir, name)
		b, want := audio.EncodePCM(nil, said), said
		if f.Coding == file.ULaw {
			b = audio.EncodeULaw(nil, said)
			want = audio.DecodeULaw(nil, b)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := file.New(file.Config{Input: path}); !errors.Is(err, file.ErrNoFormat) || !strings.Contains(err.Error(), string(f.Coding)+":8000:1") {
			t.Errorf("without a format: %v", err)
		}
		synctest.Test(t, func(t *testing.T) {
			var l listener
			call := open(t, file.Config{Input: path, InputFormat: f, Repeat: 2})
			if want := time.Duration(len(said)) * time.Second / time.Duration(max(f.Rate, 8000)); call.Duration() != want {
				t.Errorf("%s lasts %v, want %v", name, call.Duration(), want)
			}
			if err := run(t, call, &l); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(l.heard(), append(slices.Clone(want), want...)) {
				t.Errorf("%s: %d samples were heard of twice %d", name, len(l.heard()), len(want))
			}
		})
	}
	if _, err := file.New(file.Config{Input: filepath.Join(dir, "none.raw")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a raw file that is not there: %v", err)
	}
}

func TestANamedPipeIsWaitedForUntilTheContextIsOver(t *testing.T) {
	// In real time: to open a named pipe is the operating system's own waiting.
	good := record(t, "a.wav", audio.Mono(rate), voice(1, 1000))
	pipe := fifotest.New(t, "pipe.wav")
	for name, cfg := range map[string]file.Config{"to read": {Input: pipe}, "to write": {Input: good, Output: pipe}} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		call, err := file.NewContext(ctx, cfg)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, %v", name, call, err)
		}
	}
	// Nobody is left at either end.
	if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		w.Close()
		t.Error("somebody still has the pipe open to read")
	}
	// Its beginning is waited for as well.
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if call, err := file.NewContext(ctx, file.Config{Input: pipe}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the beginning: %v, %v", call, err)
	}
}

func TestACallGoesFromPipeToPipe(t *testing.T) {
	in, out := fifotest.New(t, "in.wav"), fifotest.New(t, "out.wav")
	said := loud(1, 6_000)
	go os.WriteFile(in, streamWAV(said, 0xFFFFFFFF, 0xFFFFFFFF), 0)
	var written []byte
	read := make(chan error, 1)
	go func() {
		var err error
		written, err = os.ReadFile(out)
		read <- err
	}()
	call := open(t, file.Config{Input: in, Output: out, HangUpAfter: 100 * time.Millisecond})
	if err := run(t, call); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	r, err := wav.NewReader(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int16, 2*24_000)
	n := 0
	for err == nil {
		var m int
		m, err = r.Read(all[n:])
		n += m
	}
	left := audio.Channel(nil, all[:n], 2, 0)
	if r.Format() != audio.Stereo(rate) || len(left) < len(said) || !slices.Equal(left[:len(said)], said) {
		t.Errorf("%d samples of %v came out of the pipe", len(left), r.Format())
	}
}

func TestAReaderThatGoesAwayEndsTheCall(t *testing.T) {
	in := record(t, "a.wav", audio.Mono(rate), voice(1, 60*24_000))
	check := func(t *testing.T, call *file.Transport, broken error) {
		t.Helper()
		err := run(t, call)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "its reader has gone") || strings.Count(err.Error(), "its reader has gone") != 1 {
			t.Errorf("Run: %v", err)
		}
		if d := call.Stats().Format.Rate.Duration(int64(call.Stats().Output)); d > 3*time.Second {
			t.Errorf("it went on for %v", d)
		}
	}
	t.Run("of a program", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				io.ReadFull(r, make([]byte, 100_000))
				r.Close()
			}()
			check(t, open(t, file.Config{Input: in, Writer: w}), io.ErrClosedPipe)
		})
	})
	t.Run("of the operating system", func(t *testing.T) { // in real time, as it is a real one
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.ReadFull(r, make([]byte, 10_000))
			r.Close()
		}()
		check(t, open(t, file.Config{Input: in, Writer: w}), syscall.EPIPE)
	})
}

func TestASlowReaderDoesNotHoldTheCallUp(t *testing.T) {
	for name, c := range map[string]struct {
		pause time.Duration // of the reader, after the first bytes
		lost  bool
	}{
		"who comes back in time": {8 * time.Second, false},
		"who does not":           {30 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := loud(1, 45*24_000)
				r, w := io.Pipe()
				var written []byte
				read := make(chan struct{})
				go func() {
					defer close(read)
					io.ReadFull(r, make([]byte, 44)) // the header
					time.Sleep(c.pause)
					written, _ = io.ReadAll(r)
				}()
				call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), said), Writer: w, HangUpAfter: time.Second})
				began := time.Now()
				a := &agent{}
				if err := run(t, call, a); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 46*time.Second+60*time.Millisecond || a.lost.Load() != 0 {
					t.Errorf("the call took %v, and %d samples of the caller were lost", took, a.lost.Load())
				}
				<-read
				all := audio.DecodePCM(nil, written)
				left := audio.Channel(nil, all, 2, 0)
				lost := int(rate.Samples(call.Stats().Lost))
				if total := len(left) + lost; total < 46*24_000 || total > 46*24_000+4*480 {
					t.Errorf("%d samples were read and %d lost, which is not the call's %d", len(left), lost, 46*24_000)
				}
				if (lost > 0) != c.lost || !c.lost && !slices.Equal(left[:len(said)], said) {
					t.Errorf("%d samples were lost", lost)
				}
				if c.lost { // ten seconds are kept, then what comes behind the pause
					rest := left[10*24_000:]
					if lost < 19*24_000 || lost > 21*24_000 || !slices.Equal(left[:9*24_000], said[:9*24_000]) || !slices.Equal(rest[24_000:10*24_000], said[10*24_000+lost+24_000:][:9*24_000]) {
						t.Errorf("%d samples were lost, or others", lost)
					}
				}
			})
		})
	}
}

func TestAReaderThatNeverComesBackIsNamedAndNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w := io.Pipe()
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), voice(1, 24_000)), Writer: w, HangUpAfter: time.Second})
		err := run(t, call)
		if err == nil || !strings.Contains(err.Error(), "write the conversation to Config.Writer: its reader is 2") || !strings.Contains(err.Error(), "does not go on") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestTheConversationIsWrittenInEveryCoding(t *testing.T) {
	said := loud(1, 24_000)
	in := record(t, "a.wav", audio.Mono(rate), said)
	for _, f := range []file.Format{{Coding: file.S16LE}, {Coding: file.S16BE, Rate: rate, Channels: 2}, {Coding: file.F32LE}, {Coding: file.ULaw}, {Coding: file.ALaw}} {
		path := filepath.Join(t.TempDir(), "out."+string(f.Coding))
		if err := os.WriteFile(path, bytes.Repeat([]byte{9}, 1<<20), 0o600); err != nil { // to be written over
			t.Fatal(err)
		}
		var again listener
		synctest.Test(t, func(t *testing.T) {
			if err := run(t, open(t, file.Config{Input: in, Output: path, OutputFormat: f, HangUpAfter: time.Second})); err != nil {
				t.Fatal(err)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			g := f
			g.Rate, g.Channels = rate, 2
			if err := run(t, open(t, file.Config{Input: path, InputFormat: g, HangUpAfter: 20 * time.Millisecond}), &again); err != nil {
				t.Fatal(err)
			}
		})
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		each := map[file.Coding]int64{file.F32LE: 4, file.ULaw: 1, file.ALaw: 1}[f.Coding]
		if each == 0 {
			each = 2
		}
		if n := info.Size() / each / 2; info.Size()%(2*each) != 0 || n < 2*24_000 || n > 2*24_000+4*480 {
			t.Errorf("%s has %d bytes", f.Coding, info.Size())
		}
		want := said
		switch f.Coding {
		case file.ULaw:
			want = audio.DecodeULaw(nil, audio.EncodeULaw(nil, said))
		case file.ALaw:
			want = audio.DecodeALaw(nil, audio.EncodeALaw(nil, said))
		}
		var silence int // the right channel, in the coding
		if f.Coding == file.ALaw {
			silence = 8
		}
		for i, v := range again.samples[:24_000] { // left and right, mixed
			if mixed := (int(want[i]) + silence); int(v) < mixed/2-1 || int(v) > mixed/2+1 {
				t.Fatalf("%s: sample %d is %d, want half of %d", f.Coding, i, v, mixed)
			}
		}
	}
}

func TestACallThatNeverRunsLeavesARawFileAlone(t *testing.T) {
	in := record(t, "a.wav", audio.Mono(rate), voice(1, 1000))
	old, fresh := filepath.Join(t.TempDir(), "old.raw"), filepath.Join(t.TempDir(), "new.raw")
	if err := os.WriteFile(old, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{old, fresh} {
		if err := open(t, file.Config{Input: in, Output: path, OutputFormat: file.Format{Coding: file.S16LE}}).Close(); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}
