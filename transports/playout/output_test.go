package playout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

var mono24k = audio.Mono(audio.Rate24k)

// tape is a sink that remembers what it was given and when.
type tape struct {
	mu      sync.Mutex
	start   time.Time
	samples []int16
	chunks  []time.Duration
	did     []string
}

func (s *tape) Play(_ context.Context, c playout.Chunk) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.chunks = append(s.chunks, time.Since(s.start))
	if int(c.Position) != len(s.samples) {
		s.did = append(s.did, fmt.Sprintf("chunk at %d after %d samples", c.Position, len(s.samples)))
	}
	s.samples = append(s.samples, c.Samples...)
	return nil
}

func (s *tape) Message(_ context.Context, m any) error { s.note("message %v", m); return nil }

func (s *tape) Press(_ context.Context, digit byte) error { s.note("key %c", digit); return nil }

func (s *tape) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, fmt.Sprintf(format, args...)+fmt.Sprintf(" at %v", time.Since(s.start)))
}

// script is a processor that does what the test says, before the output.
type script struct {
	run  func(ctx context.Context, out *pipeline.Port) error
	seen func(f frames.Frame, dir frames.Direction)
}

func (s script) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if s.seen != nil {
		s.seen(f, dir)
	}
	return out.Send(ctx, f, dir)
}

func (s script) Run(ctx context.Context, out *pipeline.Port) error { return s.run(ctx, out) }

// log collects what flows past, with the time since it was made.
type log struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (l *log) add(f frames.Frame, _ frames.Direction) {
	switch f.(type) {
	case *frames.Start:
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%v %v", time.Since(l.start), f)
	if stop, ok := f.(*frames.BotStoppedSpeaking); ok {
		line += fmt.Sprintf(" of %q", stop.Response)
		if stop.Interrupted {
			line += ", interrupted"
		}
		if stop.Held {
			line += ", held"
		}
	}
	l.lines = append(l.lines, line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func ramp(first, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(first + i)
	}
	return s
}

func speech(position, n int) *frames.AudioOutput {
	return &frames.AudioOutput{
		Audio:    frames.Audio{Format: mono24k, Samples: ramp(position+1, n), Track: "voice", Position: audio.Position(position)},
		Response: "r",
	}
}

// play runs a pipeline of a script and the output, and returns its error.
func play(t *testing.T, output *playout.Output, tail pipeline.Processor, s script) error {
	t.Helper()
	ps := []pipeline.Processor{s, output}
	if tail != nil {
		ps = append(ps, tail)
	}
	return pipeline.New(pipeline.Config{}, ps...).Run(t.Context())
}

func end() *frames.End { return &frames.End{Reason: "test"} }

func TestAudioSentAtOnceIsPlayedInRealTimeAndWholeBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		output := playout.New(playout.Config{}, sink)
		start := time.Now()
		err := play(t, output, nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			for i := range 10 {
				if err := out.Send(ctx, speech(i*2400, 2400), frames.Downstream); err != nil {
					return err
				}
			}
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		if took := time.Since(start); took < time.Second || took > time.Second+40*time.Millisecond {
			t.Errorf("a second of audio took %v", took)
		}
		for i, at := range sink.chunks {
			if at != time.Duration(i)*20*time.Millisecond {
				t.Fatalf("chunk %d was played after %v", i, at)
			}
		}
		if len(sink.samples) < 24000 {
			t.Fatalf("%d samples were played", len(sink.samples))
		}
		// The audio begins at a chunk's beginning, and nothing is missing in it.
		at := 0
		for sink.samples[at] == 0 {
			at++
		}
		if at%480 != 0 || !slices.Equal(sink.samples[at:at+24000], ramp(1, 24000)) || !audio.IsSilent(sink.samples[at+24000:]) {
			t.Errorf("what was played, from %d on, is not what was sent", at)
		}
		if s := output.Stats(); s.Gaps != 0 || s.Speech != 24000 || s.Queued != 0 || s.Speaking || len(sink.did) > 0 {
			t.Errorf("stats %+v, sink %q", s, sink.did)
		}
	})
}

func TestPlayoutAndSpeakingAreReportedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := &log{start: time.Now()}, &log{start: time.Now()}
		output := playout.New(playout.Config{}, &tape{})
		err := play(t, output,
			pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				down.add(f, dir)
				return out.Send(ctx, f, dir)
			}),
			script{
				run: func(ctx context.Context, out *pipeline.Port) error {
					time.Sleep(50 * time.Millisecond) // between two chunks
					for _, f := range []frames.Frame{&frames.TTSStart{Response: "r"}, speech(0, 700), &frames.TTSStop{Response: "r"}, &frames.Text{Text: "x"}} {
						if err := out.Send(ctx, f, frames.Downstream); err != nil {
							return err
						}
					}
					time.Sleep(150 * time.Millisecond)
					return out.Send(ctx, end(), frames.Downstream)
				},
				seen: func(f frames.Frame, dir frames.Direction) {
					if dir == frames.Upstream {
						up.add(f, dir)
					}
				},
			})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		wantUp := `60ms BotStartedSpeaking(@1440)
80ms Playout(voice heard 480)
89.166667ms Playout(voice heard 700)
89.166667ms BotStoppedSpeaking(@2140) of "r"`
		if diff := cmp.Diff(wantUp, up.String()); diff != "" {
			t.Errorf("upstream (-want +got):\n%s", diff)
		}
		for _, want := range []string{"50ms TTSStart(r)", "60ms BotStartedSpeaking", "80ms Playout", "89.166667ms BotStopped", "89.166667ms TTSStop(r)", `89.166667ms Text("x")`, "220ms End"} {
			if !strings.Contains(down.String(), want) {
				t.Errorf("downstream lacks %q:\n%s", want, down)
			}
		}
	})
}

func TestInterruptionStopsTheAudioWithinOneChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		up := &log{start: time.Now()}
		output := playout.New(playout.Config{}, sink)
		err := play(t, output, nil, script{
			run: func(ctx context.Context, out *pipeline.Port) error {
				gen := out.Generation()
				for i := range 100 {
					if err := out.Send(gen, speech(i*240, 240), frames.Downstream); err != nil {
						return err
					}
				}
				time.Sleep(105 * time.Millisecond)
				out.Interrupt("barge-in")
				time.Sleep(200 * time.Millisecond)
				return out.Send(ctx, end(), frames.Downstream)
			},
			seen: func(f frames.Frame, dir frames.Direction) {
				if dir == frames.Upstream {
					up.add(f, dir)
				}
			},
		})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		spoken := 0
		for _, s := range sink.samples {
			if s != 0 {
				spoken++
			}
		}
		if at := 105 * 24; spoken < at-480 || spoken > at+480 {
			t.Errorf("%d samples were spoken by an interruption after 105ms", spoken)
		}
		spoken++ // the last sample has faded to nothing
		want := fmt.Sprintf("105ms Playout(voice heard %d, flushed %d)", spoken, 24000-spoken)
		if !strings.Contains(up.String(), want) {
			t.Errorf("upstream lacks %q:\n%s", want, up)
		}
		if !strings.Contains(up.String(), "105ms BotStoppedSpeaking") {
			t.Errorf("upstream lacks the end of speech:\n%s", up)
		}
		if s := output.Stats(); s.Gaps != 0 || s.Queued != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestMessagesAndKeysAreGivenToTheSinkWhenTheAudioBeforeHasBeenPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		err := play(t, playout.New(playout.Config{}, sink), nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			for _, f := range []frames.Frame{
				speech(0, 2400), &frames.TransportMessage{Message: "one"}, speech(2400, 2400), &frames.DTMFOutput{Digit: '5'},
				&frames.TransportMessageUrgent{Message: "now"}, end(),
			} {
				if err := out.Send(ctx, f, frames.Downstream); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		// It starts with the chunk after the one that is being played.
		var offset time.Duration
		for i := 0; sink.samples[i] == 0; i += 480 {
			offset += 20 * time.Millisecond
		}
		want := []string{"message now at 0s", fmt.Sprintf("message one at %v", offset+100*time.Millisecond), fmt.Sprintf("key 5 at %v", offset+200*time.Millisecond)}
		got := sink.did
		if len(got) > 0 && strings.HasPrefix(got[0], "message now") { // at once: before or after the first chunk
			got[0] = want[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the sink did (-want +got):\n%s", diff)
		}
	})
}

func TestAFullBufferMakesTheSenderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent time.Duration
		output := playout.New(playout.Config{MaxQueued: time.Second}, &tape{})
		err := play(t, output, nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			start := time.Now()
			for i := range 1000 { // 10 s; the queue between the processors holds little of it
				if err := out.Send(ctx, speech(i*240, 240), frames.Downstream); err != nil {
					return err
				}
				if q := output.Stats().Queued; q > time.Second+20*time.Millisecond {
					t.Errorf("%v are queued", q)
				}
			}
			sent = time.Since(start)
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		if sent < 7*time.Second || sent > 9*time.Second {
			t.Errorf("10s of audio were taken within %v, want all but the second that fits, and what the queue holds", sent)
		}
		if s := output.Stats(); s.Speech != 240_000 || s.Gaps != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAudioThatComesTooLateIsReportedAsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &log{start: time.Now()}
		output := playout.New(playout.Config{}, &tape{})
		err := play(t, output, nil, script{
			run: func(ctx context.Context, out *pipeline.Port) error {
				// The first two are heard from 20 to 220 ms, the third from 280 ms on.
				for i, wait := range []time.Duration{10, 50, 205} {
					time.Sleep(wait * time.Millisecond)
					if err := out.Send(ctx, speech(i*2400, 2400), frames.Downstream); err != nil {
						return err
					}
				}
				time.Sleep(200 * time.Millisecond)
				return out.Send(ctx, end(), frames.Downstream)
			},
			seen: func(f frames.Frame, dir frames.Direction) {
				if dir == frames.Upstream {
					up.add(f, dir)
				}
			},
		})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		if want := "280ms Metrics(output [{parley.playout.gap 0.06 s}])"; !strings.Contains(up.String(), want) {
			t.Errorf("upstream lacks %q:\n%s", want, up)
		}
		if s := output.Stats(); s.Gaps != 1 || s.GapSamples != 1440 || s.Speech != 7200 {
			t.Errorf("stats %+v, want one gap of 1440 samples", s)
		}
	})
}

func TestChunksStayOnTimeForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Duration
		var n int
		start := time.Now()
		sink := playout.SinkFunc(func(ctx context.Context, c playout.Chunk) error {
			// A sink that is slow, in a way that changes, but not too slow.
			time.Sleep(time.Duration(n%19) * time.Millisecond)
			last, n = time.Since(start)-time.Duration(n%19)*time.Millisecond, n+1
			return nil
		})
		// 11.025 kHz: a chunk is no whole number of nanoseconds.
		output := playout.New(playout.Config{Format: audio.Mono(audio.Rate11k)}, sink)
		err := play(t, output, nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(time.Hour)
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil {
			t.Fatal(err)
		}
		chunk := audio.Rate11k.Samples(20 * time.Millisecond)
		if want := audio.Rate11k.Duration(chunk * int64(n-1)); last != want {
			t.Errorf("chunk %d came after %v, want %v", n-1, last, want)
		}
	})
}

func TestAnEndWaitsForALongAnswerAndNotForASinkThatIsStuck(t *testing.T) {
	for name, stuckAt := range map[string]time.Duration{"": 0, "stuck": 100 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard int
				start := time.Now()
				sink := playout.SinkFunc(func(ctx context.Context, c playout.Chunk) error {
					if stuckAt > 0 && time.Since(start) >= stuckAt {
						<-ctx.Done()
						return ctx.Err()
					}
					for _, s := range c.Spans {
						heard += int(s.End - s.Begin)
					}
					return nil
				})
				const long = 5 * 60 * 24_000
				err := play(t, playout.New(playout.Config{}, sink), nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
					for i := 0; i < long; i += 24_000 {
						if err := out.Send(ctx, speech(i, 24_000), frames.Downstream); err != nil {
							return err
						}
					}
					return out.Send(ctx, end(), frames.Downstream)
				}})
				if stuckAt == 0 {
					if err != nil || heard != long {
						t.Errorf("%d of %d samples were heard, then %v", heard, long, err)
					}
					return
				}
				var stuck *pipeline.StuckError
				if !errors.Is(err, pipeline.ErrEndTimeout) || !errors.As(err, &stuck) || stuck.Processors[0].Processor != "output" {
					t.Errorf("Run: %v, want the output to be named", err)
				}
				if took := time.Since(start); took < 2*time.Minute || took > 131*time.Second {
					t.Errorf("it took %v, want 30s from when the sink was stuck", took)
				}
			})
		})
	}
}

func TestASinkThatFailsEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the line is dead")
		output := playout.New(playout.Config{}, playout.SinkFunc(func(context.Context, playout.Chunk) error { return broken }))
		err := play(t, output, nil, script{run: func(ctx context.Context, out *pipeline.Port) error { <-ctx.Done(); return nil }})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "play audio: the line is dead") {
			t.Errorf("Run: %v, want %v", err, broken)
		}
	})
}

func TestAConfigurationThatMakesNoSenseIsRefusedAtTheStart(t *testing.T) {
	for want, cfg := range map[string]playout.Config{
		"0 channels":                 {Format: audio.Format{Rate: 8000}},
		"holds no sample":            {Format: audio.Format{Rate: 5, Channels: 1}},
		"Chunk is 2s: 1ms to 1s":     {Chunk: 2 * time.Second},
		"Chunk is -1s":               {Chunk: -time.Second},
		"Lead is 11s: 1ms to 10s":    {Lead: 11 * time.Second},
		"Fade is 30ms":               {Fade: 30 * time.Millisecond},
		"EndSilence is -1s":          {EndSilence: -time.Second},
		"MaxQueued is -1s":           {MaxQueued: -time.Second},
		"StopDelay is -1s":           {StopDelay: -time.Second},
		"write 20*time.Millisecond":  {Chunk: 20},
		"write 100*time.Millisecond": {Lead: 100},
		"write 5*time.Millisecond":   {Fade: 5},
		"write 200*time.Millisecond": {EndSilence: 200},
		"write 600*time.Millisecond": {MaxQueued: 600},
		"write 500*time.Millisecond": {StopDelay: 500},
		"write 1*time.Millisecond":   {MaxLate: 1},
		"0 channels is not between 1 and 64\nChunk is 2s: 1ms to 1s, or 0 for the default\nEndSilence is -1s": {Format: audio.Format{Rate: 8000}, Chunk: 2 * time.Second, EndSilence: -time.Second},
		"configure playout: there is no sink: give New something to play to":                                  {},
		"configure playout: there is no sink: give New":                                                       {},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sink playout.Sink = &tape{}
			switch want {
			case "configure playout: there is no sink: give New something to play to":
				sink = nil
			case "configure playout: there is no sink: give New":
				sink = playout.SinkFunc(nil)
			}
			err := play(t, playout.New(cfg, sink), nil, script{run: func(ctx context.Context, out *pipeline.Port) error { <-ctx.Done(); return nil }})
			if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") != strings.Count(want, "\n") {
				t.Errorf("Run: %v, want %q and no more", err, want)
			}
		})
	}
}

// wire is a sink at the end of a network: it holds what it was given until it is
// due, and can be told to forget it.
type wire struct {
	mu      sync.Mutex
	held    []playout.Chunk
	flushed int
	at      []audio.Position
}

func (w *wire) Play(_ context.Context, c playout.Chunk) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = append(w.at, c.Position)
	if !c.Silent() {
		w.held = append(w.held, c)
	}
	return nil
}

func (w *wire) Flush(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushed++
	return nil
}

func TestASinkWithALeadIsFilledAheadAndFlushedByAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &wire{}
		up := &log{start: time.Now()}
		output := playout.New(playout.Config{Lead: 200 * time.Millisecond}, sink)
		err := play(t, output, nil, script{
			run: func(ctx context.Context, out *pipeline.Port) error {
				time.Sleep(10 * time.Millisecond)
				gen := out.Generation()
				for i := range 100 {
					if err := out.Send(gen, speech(i*240, 240), frames.Downstream); err != nil {
						return err
					}
				}
				time.Sleep(401 * time.Millisecond) // until 411 ms
				out.Interrupt("barge-in")
				time.Sleep(300 * time.Millisecond)
				return out.Send(ctx, end(), frames.Downstream)
			},
			seen: func(f frames.Frame, dir frames.Direction) {
				if dir == frames.Upstream {
					up.add(f, dir)
				}
			},
		})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		// Handed over from 20 ms on, it is heard from 220 ms on, so that by 411 ms
		// 191 ms of it have been heard: 4584 samples.
		for _, want := range []string{
			"220ms BotStartedSpeaking(@5280)",
			"240ms Playout(voice heard 480)",
			"411ms Playout(voice heard 4584, flushed 19416)",
			"411ms BotStoppedSpeaking(@9864)",
		} {
			if !strings.Contains(up.String(), want) {
				t.Errorf("upstream lacks %q:\n%s", want, up)
			}
		}
		if sink.flushed != 1 {
			t.Errorf("the sink was flushed %d times", sink.flushed)
		}
		// The clock went back to the chunk that was not begun, and on from there.
		back := 0
		for i := 1; i < len(sink.at); i++ {
			switch sink.at[i] - sink.at[i-1] {
			case 480:
			default:
				back++
				if sink.at[i] != 10_080 {
					t.Errorf("chunk %d follows %d, want 10080", sink.at[i], sink.at[i-1])
				}
			}
		}
		if back != 1 {
			t.Errorf("the clock jumped %d times", back)
		}
		if s := output.Stats(); s.Speech != 4584 || s.SpeechEnd != 9864 {
			t.Errorf("%d samples of speech up to %d, want 4584 up to 9864", s.Speech, s.SpeechEnd)
		}
	})
}

func TestAClockThatAFlushHasPutBackIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Of two seconds that are ahead all are taken back, which is more than MaxLate.
		output := playout.New(playout.Config{Lead: 2 * time.Second}, &wire{})
		got := upstream(t, output, func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(10 * time.Millisecond)
			if err := out.Send(out.Generation(), speech(0, 240_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(3 * time.Second)
			out.Interrupt("barge-in")
			if err := out.Send(out.Generation(), speech(240_000, 480), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(3 * time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		})
		if s := output.Stats(); s.Slipped != 0 {
			t.Errorf("the clock was put back by %v", s.Slipped)
		}
		// What is said next is given at once, and so heard at once.
		if want := "3.02s BotStartedSpeaking(@72480)"; !strings.Contains(got, want) {
			t.Errorf("upstream lacks %q:\n%s", want, got)
		}
	})
}

func TestAMessageThatWasInterruptedOnItsWayOutIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &slowMessenger{}
		err := play(t, playout.New(playout.Config{}, sink), nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			for _, m := range []string{"one", "two"} {
				if err := out.Send(out.Generation(), &frames.TransportMessage{Message: m}, frames.Downstream); err != nil {
					return err
				}
			}
			time.Sleep(100 * time.Millisecond) // the first is on its way, and the second waits for it
			out.Interrupt("barge-in")
			if err := out.Send(out.Generation(), &frames.TransportMessage{Message: "three"}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(5 * time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		if diff := cmp.Diff([]string{"message one at 1s", "message three at 2s"}, sink.did); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// slowMessenger takes a second over each message, whatever happens meanwhile.
type slowMessenger struct{ tape }

func (s *slowMessenger) Message(ctx context.Context, m any) error {
	time.Sleep(time.Second)
	return s.tape.Message(ctx, m)
}

// A sink that cannot flush plays what it holds, whatever happens. What it holds
// is told when the interruption comes, at its place, and so is what was lost.
func TestAnInterruptionTellsOfAllThatTheSinkWillStillPlay(t *testing.T) {
	say := func(response string, position, n int) *frames.AudioOutput {
		f := speech(position, n)
		f.Response = response
		return f
	}
	type step struct {
		wait  time.Duration
		frame frames.Frame // nil to interrupt
	}
	for name, c := range map[string]struct {
		cfg   playout.Config
		flush bool
		steps []step
		want  string
	}{
		"of speech that was not begun to be heard": {
			cfg: playout.Config{Lead: 200 * time.Millisecond},
			// Handed over from 20 ms on for 220 ms, and cut at 110 ms, when 100 ms of it are out.
			steps: []step{{10, say("r", 0, 24_000)}, {100, nil}},
			want: `110ms BotStartedSpeaking(@5280)
110ms Playout(voice heard 2400, flushed 21600)
110ms BotStoppedSpeaking(@7680) of "r", interrupted`,
		},
		"of the next answer, when the last one has not ended": {
			cfg: playout.Config{Lead: 400 * time.Millisecond, StopDelay: 40 * time.Millisecond},
			// The first is heard from 420 to 520 ms, the second from 640 ms on.
			steps: []step{{10, say("r", 0, 2400)}, {220, say("s", 2400, 24_000)}, {200, nil}},
			want: `420ms BotStartedSpeaking(@10080)
430ms Playout(voice heard 2400)
430ms BotStoppedSpeaking(@12480) of "r"
430ms BotStartedSpeaking(@15360)
430ms Playout(voice heard 7200, flushed 19200)
430ms BotStoppedSpeaking(@20160) of "s", interrupted`,
		},
		"of speech with a hole in it": {
			cfg: playout.Config{Lead: 400 * time.Millisecond},
			// Heard from 420 to 520 ms and from 560 ms on.
			steps: []step{{10, say("r", 0, 2400)}, {135, say("r", 2400, 24_000)}, {45, nil}},
			want: `190ms BotStartedSpeaking(@10080)
190ms Playout(voice heard 2400)
190ms Metrics(output [{parley.playout.gap 0.04 s}])
190ms Playout(voice heard 3360, flushed 23040)
190ms BotStoppedSpeaking(@14400) of "r", interrupted`,
		},
		"of speech that has ended by then": {
			cfg:   playout.Config{Lead: 400 * time.Millisecond, StopDelay: 40 * time.Millisecond},
			steps: []step{{10, say("r", 0, 2400)}, {200, nil}},
			want: `210ms BotStartedSpeaking(@10080)
210ms Playout(voice heard 2400)
210ms BotStoppedSpeaking(@12480) of "r"`,
		},
		"but not of what a sink that can flush has thrown away": {
			cfg:   playout.Config{Lead: 200 * time.Millisecond},
			flush: true,
			steps: []step{{10, say("r", 0, 24_000)}, {100, nil}},
			want:  `110ms Playout(voice heard 0, flushed 24000)`,
		},
		"nor of the next answer, when that was thrown away in the pause before it": {
			cfg:   playout.Config{Lead: 400 * time.Millisecond, StopDelay: 160 * time.Millisecond},
			flush: true,
			// The first has been heard at 520 ms, and ended at 700; the second would be heard from 720 ms on.
			steps: []step{{10, say("r", 0, 2400)}, {300, say("s", 2400, 24_000)}, {240, nil}},
			want: `420ms BotStartedSpeaking(@10080)
440ms Playout(voice heard 480)
460ms Playout(voice heard 960)
480ms Playout(voice heard 1440)
500ms Playout(voice heard 1920)
520ms Playout(voice heard 2400)
550ms Playout(voice heard 2400, flushed 24000)
550ms BotStoppedSpeaking(@12480) of "r", interrupted`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := &log{start: time.Now()}
				var sink playout.Sink = &tape{}
				if c.flush {
					sink = &wire{}
				}
				c.cfg.Fade = -1
				err := play(t, playout.New(c.cfg, sink), nil, script{
					run: func(ctx context.Context, out *pipeline.Port) error {
						for _, s := range c.steps {
							time.Sleep(s.wait * time.Millisecond)
							if s.frame == nil {
								out.Interrupt("barge-in")
							} else if err := out.Send(out.Generation(), s.frame, frames.Downstream); err != nil {
								return err
							}
						}
						time.Sleep(time.Second)
						return out.Send(ctx, end(), frames.Downstream)
					},
					seen: func(f frames.Frame, dir frames.Direction) {
						if dir == frames.Upstream {
							up.add(f, dir)
						}
					},
				})
				if err != nil {
					t.Fatalf("Run: %v", err)
				}
				if diff := cmp.Diff(c.want, up.String()); diff != "" {
					t.Errorf("upstream (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAnAnswerThatBeginsWhereTheLastOneEndedIsTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &log{start: time.Now()}
		output := playout.New(playout.Config{Lead: 100 * time.Millisecond, StopDelay: 40 * time.Millisecond}, &tape{})
		err := play(t, output, nil, script{
			run: func(ctx context.Context, out *pipeline.Port) error {
				// 40 ms of silence behind the first are full with the chunk that is
				// handed over at 60 ms; the second is in the one after it.
				for i, wait := range []time.Duration{10, 60} {
					time.Sleep(wait * time.Millisecond)
					if err := out.Send(ctx, speech(i*480, 480), frames.Downstream); err != nil {
						return err
					}
				}
				time.Sleep(time.Second)
				return out.Send(ctx, end(), frames.Downstream)
			},
			seen: func(f frames.Frame, dir frames.Direction) {
				if _, ok := f.(*frames.Metrics); !ok && dir == frames.Upstream {
					up.add(f, dir)
				}
			},
		})
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		want := `120ms BotStartedSpeaking(@2880)
140ms Playout(voice heard 480)
180ms BotStoppedSpeaking(@3360) of "r"
180ms BotStartedSpeaking(@4320)
200ms Playout(voice heard 960)
240ms BotStoppedSpeaking(@4800) of "r"`
		if diff := cmp.Diff(want, up.String()); diff != "" {
			t.Errorf("upstream (-want +got):\n%s", diff)
		}
	})
}

func TestAClockThatIsPutBackDoesNotPourOutSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chunks := 0
		sink := playout.SinkFunc(func(context.Context, playout.Chunk) error {
			if chunks++; chunks == 10 {
				time.Sleep(time.Hour) // the machine was asleep
			}
			return nil
		})
		output := playout.New(playout.Config{}, sink)
		err := play(t, output, nil, script{run: func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(time.Hour + time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if chunks > 65 {
			t.Errorf("%d chunks in 1.2 seconds awake", chunks)
		}
		if s := output.Stats(); s.Slipped < time.Hour-time.Second {
			t.Errorf("the clock was put back by %v, want an hour", s.Slipped)
		}
	})
}

func TestManyFramesAmongTheAudioMakeTheSenderWaitToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passed := 0
		tail := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*frames.Text); ok {
				passed++
			}
			return out.Send(ctx, f, dir)
		})
		output := playout.New(playout.Config{}, &tape{})
		err := play(t, output, tail, script{run: func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(ctx, speech(0, 24_000), frames.Downstream); err != nil {
				return err
			}
			for range 20_000 {
				if err := out.Send(ctx, &frames.Text{Text: "x"}, frames.Downstream); err != nil {
					return err
				}
				if n := output.Stats().Waiting; n > 4096 {
					t.Fatalf("%d frames wait", n)
				}
			}
			return out.Send(ctx, end(), frames.Downstream)
		}})
		if err != nil || passed != 20_000 {
			t.Errorf("%d of 20000 frames passed: %v", passed, err)
		}
	})
}
