package file_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/demo"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/file"
)

const rate = audio.Rate24k

// voice is what somebody says in the tests.
var voice = noise.Samples

// record makes a WAV or MP3 file.
func record(t *testing.T, name string, f audio.Format, samples []int16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := audiofile.Create(path, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(samples), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a file and returns its channels.
func load(t *testing.T, path string) (f audio.Format, left, right []int16) {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []int16
	block := make([]int16, 4800)
	for {
		n, err := r.Read(block)
		all = append(all, block[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f = r.Format()
	return f, audio.Channel(nil, all, f.Channels, 0), audio.Channel(nil, all, f.Channels, 1)
}

// agent answers when it has heard so much of the caller.
type agent struct {
	at        map[audio.Position][]int16 // the end of the audio heard, and the answer
	interrupt audio.Position             // where it lets itself be interrupted
	heard     atomic.Int64
	lost      atomic.Int64 // samples of the caller that never came
	said      audio.Position
}

func (a *agent) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	in, ok := f.(*frames.AudioInput)
	if !ok {
		return out.Send(ctx, f, dir)
	}
	a.lost.Add(int64(in.Position) - a.heard.Load())
	a.heard.Store(int64(in.End()))
	if a.interrupt > 0 && in.End() >= a.interrupt {
		a.interrupt = 0
		out.Interrupt("barge-in")
	}
	answer := a.at[in.End()]
	gen := out.Generation()
	for len(answer) > 0 { // as a service sends it: in pieces, all at once
		n := min(len(answer), 1920)
		f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: answer[:n], Track: "agent", Position: a.said}, Response: "r"}
		if err := out.Send(gen, f, frames.Downstream); err != nil {
			return err
		}
		answer, a.said = answer[n:], a.said+audio.Position(n)
	}
	return nil
}

func run(t *testing.T, call *file.Transport, ps ...pipeline.Processor) error {
	t.Helper()
	all := append([]pipeline.Processor{call.Input()}, ps...)
	return pipeline.New(pipeline.Config{}, append(all, call.Output())...).Run(t.Context())
}

func open(t *testing.T, cfg file.Config) *file.Transport {
	t.Helper()
	call, err := file.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { call.Close() })
	return call
}

func TestConversationIsWrittenAsBothHaveHeardIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller := voice(1, 24000+100) // one second and a bit
		answer := voice(2, 12000)
		out := filepath.Join(t.TempDir(), "conversation.wav")
		start := time.Now()
		call := open(t, file.Config{Input: record(t, "caller.wav", audio.Mono(rate), caller), Output: out})
		a := &agent{at: map[audio.Position][]int16{24000: answer}}
		if err := run(t, call, a); err != nil {
			t.Fatalf("Run: %v", err)
		}
		f, left, right := load(t, out)
		if f != audio.Stereo(rate) {
			t.Fatalf("the conversation is %v", f)
		}
		if !slices.Equal(left[:len(caller)], caller) || !audio.IsSilent(left[len(caller):]) {
			t.Error("on the left there is not the caller from the first sample on, and then silence")
		}
		// The agent answers when it has heard the first second. By then the chunk that
		// begins there has been played: always, though both are due at that instant.
		at := 0
		for right[at] == 0 {
			at++
		}
		if at != 24480 {
			t.Errorf("the agent begins at %d, want 24480", at)
		}
		if !slices.Equal(right[at:at+12000], answer) || !audio.IsSilent(right[at+12000:]) {
			t.Error("on the right there is not the whole answer, and then silence")
		}
		// The caller hangs up three seconds after the last word.
		want := time.Duration(at+12000)*time.Second/24000 + 3*time.Second
		if took := time.Since(start); took < want || took > want+60*time.Millisecond {
			t.Errorf("the call took %v, want %v", took, want)
		}
		if got := rate.Duration(int64(len(left))); got < want-20*time.Millisecond || got > want+60*time.Millisecond || len(left) != len(right) {
			t.Errorf("the recording is %v long, want %v", got, want)
		}
		if s := call.Stats(); s.Gaps != 0 || s.Speech != 12000 || a.lost.Load() != 0 {
			t.Errorf("stats %+v, %d samples lost", s, a.lost.Load())
		}
	})
}

func TestAfterABargeInTheConversationHoldsOnlyWhatWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, answer := voice(1, 2*24000), voice(2, 5*24000)
		out := filepath.Join(t.TempDir(), "conversation.wav")
		call := open(t, file.Config{Input: record(t, "caller.wav", audio.Mono(rate), caller), Output: out})
		a := &agent{at: map[audio.Position][]int16{4800: answer, 36000: voice(3, 2400)}, interrupt: 30240}
		if err := run(t, call, a); err != nil {
			t.Fatalf("Run: %v", err)
		}
		_, left, right := load(t, out)
		if !slices.Equal(left[:len(caller)], caller) {
			t.Error("on the left there is not the caller")
		}
		at := 4800
		for right[at] == 0 {
			at++
		}
		n := 0
		for right[at+n] != 0 {
			n++
		}
		const fade = 120 // 5 ms, of which the last samples round to nothing
		whole := (n - fade/2) / 480 * 480
		if !slices.Equal(right[at:at+whole], answer[:whole]) {
			t.Error("what was heard of the answer is not its beginning")
		}
		faded := slices.Clone(answer[whole : whole+fade])
		audio.FadeOut(faded, 1, 0, fade)
		if !slices.Equal(right[at+whole:at+whole+fade], faded) {
			t.Error("it does not fade out")
		}
		if end := at + whole; end != 30240+480 { // the chunk that has been played by then is heard
			t.Errorf("the answer goes on until %d, want one chunk after 30240", end)
		}
		next := at + n
		for right[next] == 0 {
			next++
		}
		if next != 36480 || !slices.Equal(right[next:next+2400], voice(3, 2400)) {
			t.Errorf("the next answer begins at %d, want 36000 or 36480, and whole", next)
		}
	})
}

func TestRecordingOfAnotherRateIsAlignedAndWhole(t *testing.T) {
	for name, f := range map[string]audio.Format{"a.wav": audio.Mono(audio.Rate8k), "b.wav": audio.Stereo(audio.Rate44k), "c.mp3": audio.Mono(audio.Rate16k), "d.wav": audio.Mono(audio.Rate11k)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// A click each quarter of a second.
				n := int(f.Rate)
				samples := make([]int16, n*f.Channels)
				for i := n / 4; i < n-n/8; i += n / 4 {
					for d := range int(f.Rate) / 1000 { // one millisecond
						for ch := range f.Channels {
							samples[(i+d)*f.Channels+ch] = 20000
						}
					}
				}
				out := filepath.Join(t.TempDir(), "out.wav")
				call := open(t, file.Config{Input: record(t, name, f, samples), Output: out, HangUpAfter: 100 * time.Millisecond})
				a := &agent{}
				if err := run(t, call, a); err != nil {
					t.Fatal(err)
				}
				_, left, _ := load(t, out)
				for i := 1; i < 4; i++ {
					at := i * (n / 4) * 24000 / n
					if rms := audio.RMS(left[at+2 : at+22]); rms < -10 {
						t.Errorf("the click at %d ms has %.1f dB", i*250, rms)
					}
					if rms := audio.RMS(left[at-200 : at-60]); rms > -40 {
						t.Errorf("before the click at %d ms there are %.1f dB", i*250, rms)
					}
				}
				if a.lost.Load() != 0 || a.heard.Load() < int64(n) {
					t.Errorf("the agent heard %d of %d samples, %d were lost", a.heard.Load(), n, a.lost.Load())
				}
			})
		})
	}
}

func TestCallerHangsUpInTheEnd(t *testing.T) {
	endless := func() *agent { return &agent{at: map[audio.Position][]int16{480: voice(1, 20*24000)}} }
	for name, c := range map[string]struct {
		cfg  file.Config
		a    *agent
		want time.Duration // of a recording of one second
	}{
		"when the agent says nothing":       {file.Config{HangUpAfter: 700 * time.Millisecond}, &agent{}, 1700 * time.Millisecond},
		"when it has listened long enough":  {file.Config{MaxTail: 5 * time.Second}, endless(), 6 * time.Second},
		"when the call has lasted too long": {file.Config{MaxDuration: 600 * time.Millisecond}, endless(), 600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var last file.Progress
				cfg := c.cfg
				cfg.Input = record(t, "a.wav", audio.Mono(rate), voice(1, 24000))
				cfg.Progress = func(p file.Progress) { last = p }
				call := open(t, cfg)
				if call.Duration() != time.Second {
					t.Errorf("Duration %v, want 1s", call.Duration())
				}
				if err := run(t, call, c.a); err != nil {
					t.Fatal(err)
				}
				if d := last.Position - c.want; d < 0 || d > 40*time.Millisecond || last.Total != time.Second || last.Tail != (c.want > time.Second) {
					t.Errorf("the last progress is %+v, want %v", last, c.want)
				}
			})
		})
	}
}

func TestWhatCannotWorkIsRefusedBeforeTheCall(t *testing.T) {
	good := record(t, "good.wav", audio.Mono(rate), voice(1, 24000))
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cut := filepath.Join(dir, "cut.wav")
	if err := os.WriteFile(cut, whole[:30000], 0o600); err != nil {
		t.Fatal(err)
	}
	shortened := filepath.Join(dir, "cut.mp3")
	if compressed, err := demo.Files().Open(demo.Order); err != nil {
		t.Fatal(err)
	} else if half, err := io.ReadAll(io.LimitReader(compressed, 20_000)); err != nil || os.WriteFile(shortened, half, 0o600) != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]file.Config{
		"mp3: file is truncated":                          {Input: shortened},
		"there is no recording to play":                   {},
		"would be written over":                           {Input: good, Output: good},
		"open none.wav: no such file":                     {Input: "none.wav"},
		"wav: file is truncated":                          {Input: cut},
		"create out.ogg: the extension is not known":      {Input: good, Output: "out.ogg"},
		"make the folder nowhere first":                   {Input: good, Output: "nowhere/out.wav"},
		"a chunk of 1h0m0s":                               {Input: good, Chunk: time.Hour},
		"sample rate -1 Hz":                               {Input: good, Rate: -1},
		"there is no layout 7":                            {Input: good, Layout: recorder.Layout(7)},
		"HangUpAfter, MaxTail and MaxDuration cannot be ": {Input: good, MaxTail: -1},
	} {
		call, err := file.New(cfg)
		if err == nil {
			call.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %q in one line", err, want)
		}
	}
	if _, err := file.New(file.Config{Input: "none.wav"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one that is fs.ErrNotExist", err)
	}
}

func TestACallThatFailsHalfWayKeepsWhatWasRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the service is gone")
		out := filepath.Join(t.TempDir(), "out.wav")
		caller := voice(1, 10*24000)
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), caller), Output: out})
		err := run(t, call, pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if in, ok := f.(*frames.AudioInput); ok && in.Position > 5*24000 {
				return pipeline.Fatal(broken)
			}
			return out.Send(ctx, f, dir)
		}))
		if !errors.Is(err, broken) {
			t.Fatalf("Run: %v, want %v", err, broken)
		}
		_, left, _ := load(t, out)
		if n := len(left); n < 5*24000 || n > 5*24000+3*480 || !slices.Equal(left[:5*24000], caller[:5*24000]) {
			t.Errorf("%d samples were kept, want the first five seconds", n)
		}
	})
}

func TestARecordingThatBreaksOffIsHeardToItsLastSample(t *testing.T) {
	for _, good := range []int{24_000, 24_137} {
		synctest.Test(t, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.wav")
			caller := voice(1, 3*24_000)
			in := record(t, "a.wav", audio.Mono(rate), caller)
			call := open(t, file.Config{Input: in, Output: out})
			info, err := os.Stat(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(in, info.Size()-int64(2*(len(caller)-good))); err != nil { // behind the back of New, which has looked
				t.Fatal(err)
			}
			if err := run(t, call, &agent{}); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "play recording") {
				t.Fatalf("Run: %v", err)
			}
			if _, left, _ := load(t, out); len(left) < good || !slices.Equal(left[:good], caller[:good]) {
				t.Errorf("the conversation has %d samples, want the %d of the recording", len(left), good)
			}
		})
	}
}

func TestTheSameCallGivesTheSameConversation(t *testing.T) {
	var first []int16
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.wav")
			call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), voice(1, 48000)), Output: out})
			// It answers in the middle of a chunk, so that nothing depends on which
			// of two things that happen at one instant comes first.
			a := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if in, ok := f.(*frames.AudioInput); ok && in.End() == 24000 {
					time.Sleep(10 * time.Millisecond)
					return out.Send(out.Generation(), &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: voice(2, 7777), Track: "agent"}}, frames.Downstream)
				}
				return out.Send(ctx, f, dir)
			})
			if err := run(t, call, a); err != nil {
				t.Fatal(err)
			}
			_, _, right := load(t, out)
			if first == nil {
				first = right
			}
			n := min(len(first), len(right))
			if !slices.Equal(first[:n], right[:n]) || !slices.Equal(right[24480:24480+7777], voice(2, 7777)) {
				t.Error("the agent is not where it was the first time")
			}
		})
	}
}

func TestSoxAndFfmpegReadTheConversation(t *testing.T) {
	for _, tool := range []string{"sox", "ffmpeg"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
				t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", tool)
			}
			t.Skipf("%s is not installed: the second opinion on this file is not asked for", tool)
		}
	}
	dir := t.TempDir()
	wav, mp3 := filepath.Join(dir, "out.wav"), filepath.Join(dir, "out.mp3")
	in := record(t, "a.wav", audio.Mono(rate), voice(1, 24000))
	for _, out := range []string{wav, mp3} {
		synctest.Test(t, func(t *testing.T) {
			call := open(t, file.Config{Input: in, Output: out, HangUpAfter: time.Second})
			if err := run(t, call, &agent{at: map[audio.Position][]int16{12000: voice(2, 24000)}}); err != nil {
				t.Fatal(err)
			}
		})
	}
	_, left, right := load(t, wav)
	want := audio.EncodePCM(nil, audio.Interleave(nil, left, right))
	got, err := exec.Command("sox", wav, "-t", "raw", "-e", "signed", "-b", "16", "-L", "-").Output()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("sox reads %d bytes (%v), want the %d that we do", len(got), err, len(want))
	}
	raw, err := exec.Command("ffmpeg", "-v", "error", "-i", mp3, "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	samples := audio.DecodePCM(nil, raw)
	l := audio.Channel(nil, samples, 2, 0)
	r := audio.Channel(nil, samples, 2, 1)
	if audio.RMS(l[2400:21600]) < -30 || audio.RMS(r[2400:11000]) > -50 || audio.RMS(r[14400:33600]) < -30 || audio.RMS(l[26400:36000]) > -50 {
		t.Errorf("in the MP3 file the voices are not where they belong")
	}
}
