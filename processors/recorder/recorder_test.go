package recorder_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/file"
	"github.com/parley-go/parley/transports/playout"
)

const rate = audio.Rate24k

// voice returns n samples, none of them silent, that differ from one another.
func voice(seed, n int) []int16 {
	s := make([]int16, n)
	x := uint32(seed)
	for i := range s {
		x = x*1664525 + 1013904223
		s[i] = int16(x>>18) | 1
	}
	return s
}

func save(t *testing.T, f audio.Format, samples []int16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "caller.wav")
	w, err := audiofile.Create(path, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(samples), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) []int16 {
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
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// agent does things at places of the caller's audio.
type agent struct {
	at   map[audio.Position]func(ctx context.Context, out *pipeline.Port) error
	said audio.Position
}

func (a *agent) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if in, ok := f.(*frames.AudioInput); ok {
		if do := a.at[in.End()]; do != nil {
			if err := do(ctx, out); err != nil {
				return err
			}
		}
	}
	return out.Send(ctx, f, dir)
}

// say answers with samples, in pieces, all at once.
func (a *agent) say(f audio.Format, response string, samples []int16) func(context.Context, *pipeline.Port) error {
	return func(_ context.Context, out *pipeline.Port) error {
		gen := out.Generation()
		for len(samples) > 0 {
			n := min(len(samples), 1000*f.Channels)
			o := &frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: samples[:n], Track: "agent", Position: a.said}, Response: response}
			a.said = o.End()
			if err := out.Send(gen, o, frames.Downstream); err != nil {
				return err
			}
			samples = samples[n:]
		}
		return nil
	}
}

func interrupt(_ context.Context, out *pipeline.Port) error { out.Interrupt("barge-in"); return nil }

// hold runs a conversation with the recorder before the output of a file
// transport, and returns what the two have recorded. The output takes in no more
// than queue, so that the rest waits in front of it.
func hold(t *testing.T, caller []int16, a *agent, cfg recorder.Config, queue time.Duration, tapped bool) (byRecorder, byTransport []int16) {
	t.Helper()
	dir := t.TempDir()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(dir, "recorder.wav")
	}
	call, err := file.New(file.Config{Input: save(t, audio.Mono(rate), caller), Output: filepath.Join(dir, "transport.wav"), HangUpAfter: time.Second, Playout: playout.Config{MaxQueued: queue}})
	if err != nil {
		t.Fatal(err)
	}
	rec := recorder.New(cfg)
	ps := []pipeline.Processor{call.Input(), a, rec, call.Output()}
	if tapped {
		ps = []pipeline.Processor{call.Input(), rec.Tap(), a, rec, call.Output()}
	}
	if err := pipeline.New(pipeline.Config{}, ps...).Run(t.Context()); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return load(t, cfg.Path), load(t, filepath.Join(dir, "transport.wav"))
}

// The file transport sees the chunks that the caller hears. The recorder sees
// frames and reports. That both come to the same recording, to the sample, is
// the proof of either.
func TestRecorderAgreesWithTheTransportToTheSample(t *testing.T) {
	mono := audio.Mono(rate)
	for name, build := range map[string]func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error{
		"an answer": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{12000: a.say(mono, "r", voice(2, 15_000))}
		},
		"two answers at once": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{
				4800: a.say(mono, "r", voice(2, 5_000)), 5280: a.say(mono, "s", voice(3, 7_001)),
			}
		},
		"a barge-in": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{
				4800: a.say(mono, "r", voice(2, 100_000)), 24_000: interrupt, 36_000: a.say(mono, "s", voice(3, 9_999)),
			}
		},
		"a barge-in before the first word": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{4800: func(ctx context.Context, out *pipeline.Port) error {
				if err := a.say(mono, "r", voice(2, 100_000))(ctx, out); err != nil {
					return err
				}
				out.Interrupt("at once")
				return a.say(mono, "s", voice(3, 3_000))(ctx, out)
			}}
		},
		"an answer that comes in bursts, too late": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{
				4800: a.say(mono, "r", voice(2, 5_000)), 24_000: a.say(mono, "r", voice(3, 1)), 26_400: a.say(mono, "r", voice(4, 479)),
			}
		},
		"stereo audio": func(a *agent) map[audio.Position]func(context.Context, *pipeline.Port) error {
			return map[audio.Position]func(context.Context, *pipeline.Port) error{4800: a.say(audio.Stereo(rate), "r", voice(2, 20_000))}
		},
	} {
		for _, queue := range []time.Duration{0, 100 * time.Millisecond} {
			tapped := queue == 0
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := &agent{}
					a.at = build(a)
					caller := voice(1, 2*24_000)
					got, want := hold(t, caller, a, recorder.Config{}, queue, tapped)
					if n := len(got) - len(want); n < -2*960 || n > 2*960 {
						t.Errorf("the recorder has %d values, the transport %d", len(got), len(want))
					}
					n := min(len(got), len(want))
					for i := range n {
						if got[i] != want[i] {
							t.Fatalf("sample %d of channel %d is %d in the recorder's file and %d in the transport's", i/2, i%2, got[i], want[i])
						}
					}
					if audio.IsSilent(audio.Channel(nil, got, 2, 1)) {
						t.Error("the agent was not recorded")
					}
					if left := audio.Channel(nil, got, 2, 0); !slices.Equal(left[:len(caller)], caller) {
						t.Error("the caller was not recorded")
					}
				})
			})
		}
	}
}

func TestRecorderAgreesWithTheTransportWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type deed struct {
			chunk, samples int // samples of 0 mean an interruption
			response       string
		}
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			return deed{rapid.IntRange(1, 60).Draw(t, "chunk"), max(0, rapid.IntRange(-4000, 12_000).Draw(t, "samples")), rapid.SampledFrom([]string{"", "r", "s"}).Draw(t, "response")}
		}), 1, 12).Draw(rt, "deeds")
		queue := rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}).Draw(rt, "queue")
		var got, want []int16
		synctest.Test(t, func(t *testing.T) {
			a := &agent{at: make(map[audio.Position]func(context.Context, *pipeline.Port) error)}
			for i, d := range deeds {
				at := audio.Position(d.chunk * 480)
				before := a.at[at]
				a.at[at] = func(ctx context.Context, out *pipeline.Port) error {
					if before != nil {
						if err := before(ctx, out); err != nil {
							return err
						}
					}
					if d.samples == 0 {
						return interrupt(ctx, out)
					}
					return a.say(audio.Mono(rate), d.response, voice(i+2, d.samples))(ctx, out)
				}
			}
			got, want = hold(t, voice(1, 24_000), a, recorder.Config{}, queue, false)
		})
		if d := len(got) - len(want); d < -2*960 || d > 2*960 {
			rt.Fatalf("the recorder has %d values, the transport %d", len(got), len(want))
		}
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				rt.Fatalf("sample %d of channel %d is %d in the recorder's file and %d in the transport's", i/2, i%2, got[i], want[i])
			}
		}
	})
}

func TestAgentOfAnotherRateIsInItsPlace(t *testing.T) {
	for _, in := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate22k, audio.Rate48k} {
		t.Run(in.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &agent{}
				slow := make([]int16, int(in)) // one second of a wave whose phase tells the time
				for i := range slow {
					slow[i] = int16(8000 * (float64(i*20%int(in))/float64(in) - 0.5))
				}
				a.at = map[audio.Position]func(context.Context, *pipeline.Port) error{4800: a.say(audio.Mono(in), "r", slow)}
				got, want := hold(t, voice(1, 24_000), a, recorder.Config{}, 0, false)
				r, w := audio.Channel(nil, got, 2, 1), audio.Channel(nil, want, 2, 1)
				// The output's filter delays the audio, and its reports allow for that:
				// the recorder must place it where it was heard.
				best, least := 0, 1e18
				for shift := -100; shift <= 100; shift++ {
					sum := 0.0
					for i := 12_000; i < 20_000; i++ {
						d := float64(r[i]) - float64(w[i+shift])
						sum += d * d
					}
					if sum < least {
						best, least = shift, sum
					}
				}
				if best < -2 || best > 2 {
					t.Errorf("the recorder's agent is %d samples before the transport's", best)
				}
				if rms := audio.RMS(r[12_000:20_000]) - audio.RMS(w[12_000:20_000]); rms < -0.2 || rms > 0.2 {
					t.Errorf("the level differs by %.2f dB", rms)
				}
			})
		})
	}
}

func TestTurnsAreHandedOutWholeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		user := func(f frames.Frame) func(context.Context, *pipeline.Port) error {
			return func(ctx context.Context, out *pipeline.Port) error { return out.Send(ctx, f, frames.Downstream) }
		}
		answer := voice(2, 100_000)
		a.at = map[audio.Position]func(context.Context, *pipeline.Port) error{
			4800:  user(&frames.UserStartedSpeaking{Position: 800, Rate: audio.Rate8k}), // where it has been for a while
			9600:  user(&frames.UserStoppedSpeaking{Position: 8000, Rate: rate}),
			12000: a.say(audio.Mono(rate), "r", answer),
			24000: user(&frames.UserStartedSpeaking{}), // whoever tells does not know the place
			24480: interrupt,
			33600: user(&frames.UserStoppedSpeaking{Position: 33_700, Rate: rate}), // which is not there yet
		}
		var mu sync.Mutex
		var got []recorder.Turn
		folder := filepath.Join(t.TempDir(), "turns")
		caller := voice(1, 2*24_000)
		hold(t, caller, a, recorder.Config{TurnFolder: folder, OnTurn: func(turn recorder.Turn) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, turn)
		}}, 0, false)
		if len(got) != 3 {
			t.Fatalf("%d turns, want 3: %+v", len(got), got)
		}
		if c := got[0]; c.Number != 1 || c.Voice != recorder.Caller || c.Start != 2400 || c.End != 8000 || !slices.Equal(c.Samples, caller[2400:8000]) {
			t.Errorf("the caller's first turn is %d to %d with %d samples", c.Start, c.End, len(c.Samples))
		}
		// What was being said when it was cut fades out in 5 ms.
		const fade = 120
		audio.FadeOut(answer[len(got[1].Samples)-fade:][:fade], 1, 0, fade)
		if b := got[1]; b.Voice != recorder.Agent || b.Response != "r" || !b.Interrupted || b.Duration() < 480*time.Millisecond || !slices.Equal(b.Samples, answer[:len(b.Samples)]) || len(b.Samples) != int(b.End-b.Start) {
			t.Errorf("the agent's turn is %d to %d with %d samples, interrupted %v", b.Start, b.End, len(b.Samples), b.Interrupted)
		}
		if c := got[2]; c.Voice != recorder.Caller || c.End != 33_700 || !slices.Equal(c.Samples, caller[c.Start:33_700]) {
			t.Errorf("the caller's second turn is %d to %d with %d samples", c.Start, c.End, len(c.Samples))
		}
		for i, name := range []string{"0001-caller.wav", "0002-agent.wav", "0003-caller.wav"} {
			if s := load(t, filepath.Join(folder, name)); !slices.Equal(s, got[i].Samples) {
				t.Errorf("%s holds %d samples, want %d", name, len(s), len(got[i].Samples))
			}
		}
	})
}

func TestOnlyTheCallersTrackHasTurns(t *testing.T) {
	for name, c := range map[string]struct{ configured, caller, other string }{
		"when told":                {"a", "a", "b"},
		"of the first audio":       {"", "a", "b"},
		"of the first without one": {"", "", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []recorder.Turn // told by one goroutine at a time, before Run returns
				rec := recorder.New(recorder.Config{CallerTrack: c.configured, OnTurn: func(turn recorder.Turn) { got = append(got, turn) }})
				p := pipeline.New(pipeline.Config{}, rec)
				done := make(chan error, 1)
				go func() { done <- p.Run(t.Context()) }()
				said := voice(1, 9600)
				heard := func(track string, at audio.Position, samples []int16) frames.Frame {
					return &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: samples, Track: track, Position: at}}
				}
				for _, f := range []frames.Frame{
					heard(c.caller, 0, said[:2500]), heard(c.other, 0, voice(2, 9600)), heard(c.caller, 2500, said[2500:]),
					&frames.UserStartedSpeaking{Track: c.other, Position: 100, Rate: rate},
					&frames.UserStartedSpeaking{Track: c.caller, Position: 1000, Rate: rate},
					&frames.UserStoppedSpeaking{Track: c.other, Position: 2000, Rate: rate},
					&frames.UserStoppedSpeaking{Track: c.caller, Position: 3000, Rate: rate},
					&frames.UserStartedSpeaking{Position: 4000, Rate: rate}, // of nobody else
					&frames.UserStoppedSpeaking{Position: 5000, Rate: rate},
					&frames.End{},
				} {
					if err := p.Send(t.Context(), f); err != nil {
						t.Error(err)
					}
					synctest.Wait() // or a frame that is urgent would overtake the others
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				want := [][2]audio.Position{{1000, 3000}, {4000, 5000}}
				if len(got) != len(want) {
					t.Fatalf("%d turns, want %d: %+v", len(got), len(want), got)
				}
				for i, w := range want {
					if turn := got[i]; turn.Voice != recorder.Caller || turn.Start != w[0] || turn.End != w[1] || !slices.Equal(turn.Samples, said[w[0]:w[1]]) {
						t.Errorf("turn %d is the %v's from %d to %d with %d samples, want what the caller said from %d to %d", i+1, turn.Voice, turn.Start, turn.End, len(turn.Samples), w[0], w[1])
					}
				}
			})
		})
	}
}

func TestRecorderThatCannotRecordStopsThePipelineAtTheStart(t *testing.T) {
	for want, cfg := range map[string]recorder.Config{
		"create x.ogg: the extension is not known": {Path: "x.ogg"},
		"make the folder none first":               {Path: "none/x.wav"},
		"there is no layout 9":                     {Layout: 9},
		"turns of at most -1s":                     {MaxTurn: -time.Second},
		"a gap of at most 1ms is less than":        {MaxGap: time.Millisecond},
		"record turns: mkdir":                      {TurnFolder: "/dev/null/turns"},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := pipeline.New(pipeline.Config{}, recorder.New(cfg)).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want %q", err, want)
			}
		})
	}
}

func TestAFullDiskIsReportedOnceAndTheConversationGoesOn(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full to play a full disk")
	}
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "full.mp3")
		if err := os.Symlink("/dev/full", link); err != nil {
			t.Fatal(err)
		}
		call, err := file.New(file.Config{Input: save(t, audio.Mono(rate), voice(1, 10*24_000)), HangUpAfter: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		reports, heard := 0, audio.Position(0)
		listen := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if in, ok := f.(*frames.AudioInput); ok {
				heard = in.End()
			}
			return out.Send(ctx, f, dir)
		})
		cfg := pipeline.Config{OnError: func(e *frames.Error) { reports++ }}
		// The failure to complete the file is told again by Run.
		_ = pipeline.New(cfg, call.Input(), recorder.New(recorder.Config{Path: link}), listen, call.Output()).Run(t.Context())
		if reports != 1 || heard < 10*24_000 {
			t.Errorf("%d reports, want 1; %d samples got through", reports, heard)
		}
	})
}
