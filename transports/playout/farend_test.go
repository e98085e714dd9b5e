package playout_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// peer is the far end of a network: it plays what it is given in order, each
// thing as much later than it was due as it is behind, and tells when it has.
type peer struct {
	wire
	output *playout.Output
	behind time.Duration
	silent time.Duration // when it stops telling; zero: never
	start  time.Time
}

func (p *peer) Play(ctx context.Context, c playout.Chunk) error {
	if p.start.IsZero() {
		p.start = time.Now()
	}
	end := c.Position + audio.Position(len(c.Samples))
	played := p.start.Add(c.Format.Rate.Duration(int64(end)) + p.behind)
	time.AfterFunc(time.Until(played), func() {
		if p.silent == 0 || time.Since(p.start) < p.silent {
			p.output.Confirm(end)
		}
	})
	return p.wire.Play(ctx, c)
}

// upstream runs a script before an output, and returns what it was told.
func upstream(t *testing.T, output *playout.Output, run func(ctx context.Context, out *pipeline.Port) error) string {
	t.Helper()
	up := &log{start: time.Now()}
	err := play(t, output, nil, script{run: run, seen: func(f frames.Frame, dir frames.Direction) {
		if _, ok := f.(*frames.Playout); ok && dir == frames.Upstream {
			up.add(f, dir)
			return
		}
		switch f.(type) {
		case *frames.BotStartedSpeaking, *frames.BotStoppedSpeaking:
			if dir == frames.Upstream {
				up.add(f, dir)
			}
		}
	}})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return up.String()
}

func TestWhatTheFarEndConfirmsIsWhatWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &peer{behind: 150 * time.Millisecond}
		far.output = playout.New(playout.Config{Lead: -1}, far)
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(410 * time.Millisecond) // in which it has told how far behind it is
			if err := out.Send(out.Generation(), speech(0, 2*480), frames.Downstream); err != nil {
				return err
			}
			if err := out.Send(ctx, &frames.TTSStop{Response: "r"}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(400 * time.Millisecond)
			return out.Send(ctx, end(), frames.Downstream)
		})
		// Handed over at 420 and 440 ms, and heard 150 ms later.
		want := "570ms BotStartedSpeaking(@10080)\n590ms Playout(voice heard 480)\n610ms Playout(voice heard 960)\n610ms BotStoppedSpeaking(@11040) of \"r\""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("upstream (-want +got):\n%s", diff)
		}
	})
}

func TestAFarEndThatConfirmsWhatItGetsIsNotTakenToHavePlayedIt(t *testing.T) {
	for _, lead := range []time.Duration{-1, 60 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			far := &hasty{}
			far.output = playout.New(playout.Config{Lead: lead}, far)
			got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
				time.Sleep(210 * time.Millisecond)
				if err := out.Send(out.Generation(), speech(0, 480), frames.Downstream); err != nil {
					return err
				}
				time.Sleep(time.Second)
				return out.Send(ctx, end(), frames.Downstream)
			})
			// It is given at 220 ms, and no peer can have played it before 240 ms.
			if want := "220ms BotStartedSpeaking"; !strings.HasPrefix(got, want) {
				t.Errorf("lead %v: want %q:\n%s", lead, want, got)
			}
			if want := "240ms Playout(voice heard 480)"; !strings.Contains(got, want) {
				t.Errorf("lead %v: upstream lacks %q:\n%s", lead, want, got)
			}
		})
	}
}

// hasty confirms each chunk when it gets it.
type hasty struct {
	wire
	output *playout.Output
}

func (h *hasty) Play(ctx context.Context, c playout.Chunk) error {
	h.output.Confirm(c.Position + audio.Position(len(c.Samples)))
	return h.wire.Play(ctx, c)
}

func TestAFarEndIsNoFurtherBehindForAMachineThatWasAsleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &sleeper{}
		far.output = playout.New(playout.Config{Lead: -1, MaxLate: time.Second}, far)
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(9 * time.Second) // of which five were slept
			if err := out.Send(out.Generation(), speech(0, 480), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		})
		if !strings.Contains(got, "9.02s BotStartedSpeaking") && !strings.Contains(got, "9s BotStartedSpeaking") {
			t.Errorf("it is heard as soon as it is given:\n%s", got)
		}
	})
}

// sleeper takes five seconds over a chunk, once, and confirms each as it is due.
type sleeper struct {
	wire
	output *playout.Output
	slept  bool
}

func (s *sleeper) Play(ctx context.Context, c playout.Chunk) error {
	if c.Position >= 24_000 && !s.slept {
		s.slept = true
		time.Sleep(5 * time.Second)
	}
	s.output.Confirm(c.Position)
	return s.wire.Play(ctx, c)
}

func TestAnInterruptionCutsWhereTheFarEndIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &peer{behind: 150 * time.Millisecond}
		far.output = playout.New(playout.Config{Lead: -1}, far)
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(410 * time.Millisecond)
			if err := out.Send(out.Generation(), speech(0, 24_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(245 * time.Millisecond) // it is 655 ms, and 85 ms of it have been heard
			out.Interrupt("barge-in")
			time.Sleep(300 * time.Millisecond)
			return out.Send(ctx, end(), frames.Downstream)
		})
		if want := "655ms Playout(voice heard 2040, flushed 21960)"; !strings.Contains(got, want) {
			t.Errorf("upstream lacks %q:\n%s", want, got)
		}
	})
}

func TestAFarEndThatNoLongerTellsIsNotTakenToPlayOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &peer{silent: time.Second}
		far.output = playout.New(playout.Config{Lead: -1}, far)
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(out.Generation(), speech(0, 10*24_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(6 * time.Second)
			out.Interrupt("it has hung up, it seems")
			return out.Send(ctx, end(), frames.Downstream)
		})
		// It told up to 0.98 s, and two seconds more are taken on trust. Speech
		// begins with the second chunk at the latest.
		lines := strings.Split(got, "\n")
		last := lines[len(lines)-2]
		if !strings.Contains(last, "flushed") || !strings.HasPrefix(last, "6s Playout(voice heard 7") {
			t.Errorf("%q: want it heard for nearly three seconds, and no longer", last)
		}
	})
}

func TestWhoIsGoneIsNotPlayedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A caller hangs up; the answer to his last words comes all the same, and
		// nobody tells any more that it is heard.
		far := &peer{silent: time.Second}
		far.output = playout.New(playout.Config{}, far)
		began := time.Now()
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(out.Generation(), speech(0, 24_000/2), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			out.Interrupt("the caller has hung up")
			if err := out.Send(out.Generation(), speech(24_000/2, 10*24_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(time.Second)
			return out.Send(ctx, &frames.End{Gone: true}, frames.Downstream)
		})
		if d := time.Since(began); d > 3*time.Second+100*time.Millisecond {
			t.Errorf("it took %v to the end, for somebody who was gone after 2 s", d)
		}
		if !strings.Contains(got, "flushed") {
			t.Errorf("what was not heard is not said to be lost:\n%s", got)
		}
	})
}

func TestAnEndDoesNotWaitForAFarEndThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// It stops telling in the middle of what is said, and the call is ended in order.
		far := &peer{silent: time.Second}
		far.output = playout.New(playout.Config{}, far)
		began := time.Now()
		got := upstream(t, far.output, func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(out.Generation(), speech(0, 10*24_000), frames.Downstream); err != nil {
				return err
			}
			return out.Send(ctx, end(), frames.Downstream)
		})
		// It told up to a second, and two more are taken on trust.
		if d := time.Since(began); d < 7*time.Second || d > 9*time.Second {
			t.Errorf("it took %v to the end", d)
		}
		if !strings.Contains(got, "flushed") {
			t.Errorf("what was not heard is not said to be lost:\n%s", got)
		}
	})
}

func TestASinkThatCanFlushHasALead(t *testing.T) {
	for _, tc := range []struct {
		name string
		lead time.Duration
		sink playout.Sink
		want time.Duration
	}{
		{"it can", 0, &wire{}, 120 * time.Millisecond},
		{"it can, and shall not", -1, &wire{}, 20 * time.Millisecond},
		{"it cannot", 0, &tape{}, 20 * time.Millisecond},
		{"it cannot, and shall all the same", 60 * time.Millisecond, &tape{}, 80 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := upstream(t, playout.New(playout.Config{Lead: tc.lead}, tc.sink), func(ctx context.Context, out *pipeline.Port) error {
					time.Sleep(time.Millisecond)
					if err := out.Send(ctx, speech(0, 480), frames.Downstream); err != nil {
						return err
					}
					return out.Send(ctx, end(), frames.Downstream)
				})
				if want := tc.want.String() + " BotStartedSpeaking"; !strings.HasPrefix(got, want) {
					t.Errorf("want %q:\n%s", want, got)
				}
			})
		})
	}
}

func TestSilenceFollowsTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		start := time.Now()
		upstream(t, playout.New(playout.Config{EndSilence: 2 * time.Second}, sink), func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(ctx, speech(0, 480), frames.Downstream); err != nil {
				return err
			}
			return out.Send(ctx, end(), frames.Downstream)
		})
		if took := time.Since(start); took < 2020*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("the run took %v", took)
		}
		if n := len(sink.samples); n < 24000*202/100 {
			t.Errorf("%d samples were played", n)
		}
	})
}

func TestSpeechIsHeldUntilTheUserIsKnownToHaveSaidNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		output := playout.New(playout.Config{Fade: -1}, sink)
		got := upstream(t, output, func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(ctx, speech(0, 2400), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
			if err := out.Send(ctx, &frames.PausePlayout{}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(500 * time.Millisecond)
			if err := out.Send(ctx, &frames.ResumePlayout{}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
			if err := out.Send(ctx, &frames.PausePlayout{}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
			return out.Send(ctx, end(), frames.Downstream) // which lets it go on
		})
		if n := strings.Count(got, "BotStarted"); n != 3 || n != strings.Count(got, "BotStopped") || !strings.Contains(got, "voice heard 2400") {
			t.Errorf("upstream:\n%s", got)
		}
		var said []int16
		for _, s := range sink.samples {
			if s != 0 {
				said = append(said, s)
			}
		}
		if diff := cmp.Diff(ramp(1, 2400), said); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
		if s := output.Stats(); s.Gaps != 0 || s.Flushed != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestTheBackgroundGoesOnThroughAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &tape{}
		tone := make([]int16, 2400)
		for i := range tone {
			tone[i] = 7
		}
		upstream(t, playout.New(playout.Config{}, sink), func(ctx context.Context, out *pipeline.Port) error {
			if err := out.Send(ctx, &frames.PlayBackground{Track: "office", Format: mono24k, Samples: tone, Loop: true}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(110 * time.Millisecond)
			out.Interrupt("barge-in")
			time.Sleep(100 * time.Millisecond)
			if err := out.Send(ctx, &frames.StopBackground{Track: "office"}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
			return out.Send(ctx, end(), frames.Downstream)
		})
		n := 0
		for _, s := range sink.samples[480:] {
			if s != 7 {
				break
			}
			n++
		}
		if n < 24*190 || n > 24*230 {
			t.Errorf("it was heard for %d samples, want about 210 ms", n)
		}
		if !audio.IsSilent(sink.samples[480+n:]) {
			t.Error("it was not stopped")
		}
	})
}
