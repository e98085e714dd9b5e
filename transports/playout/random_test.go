package playout_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// deed is one thing that a service does in the random test.
type deed struct {
	wait      time.Duration
	samples   int // of audio; 0 for none
	interrupt bool
	jam       bool // or the end of one
}

// heardOf is what the output reports, in the order in which it does.
type heardOf struct {
	mu      sync.Mutex
	reports []*frames.Playout
	heard   audio.Position
	talking int // +1 for each start, -1 for each stop
	wrong   string
}

func (h *heardOf) see(f frames.Frame, dir frames.Direction) {
	if dir != frames.Upstream {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch f := f.(type) {
	case *frames.Playout:
		h.reports = append(h.reports, f)
		if f.Heard > h.heard && h.talking != 1 {
			h.wrong = "was heard while it did not speak"
		}
		h.heard = max(h.heard, f.Heard, f.Queued)
	case *frames.BotStartedSpeaking:
		if h.talking++; h.talking != 1 {
			h.wrong = "started to speak while it spoke"
		}
	case *frames.BotStoppedSpeaking:
		if h.talking--; h.talking != 0 {
			h.wrong = "stopped speaking while it did not speak"
		}
	}
}

// Whatever a service sends, and whenever it is interrupted: what was not
// interrupted is heard once, in order and whole; after an interruption nothing
// old leaves but the chunk that was leaving; and the reports say exactly what
// the sink has got, where it has got it, and only while the agent speaks.
func TestWhateverHappensTheReportsSayWhatWasHeard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			d := deed{wait: time.Duration(rapid.IntRange(0, 150).Draw(t, "ms")) * time.Millisecond}
			if d.interrupt = rapid.IntRange(0, 4).Draw(t, "interrupt") == 0; !d.interrupt {
				d.samples = rapid.IntRange(1, 1500).Draw(t, "samples")
			}
			return d
		}), 1, 20).Draw(rt, "deeds")
		lead := rapid.SampledFrom([]time.Duration{0, 20 * time.Millisecond, 150 * time.Millisecond, time.Second}).Draw(rt, "lead")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = checkDeeds(t, deeds, lead) })
		if wrong != "" {
			rt.Fatal(wrong) // which must not be called within the bubble
		}
	})
}

const chunk8k = 160 // samples of 20 ms at 8 kHz

// checkDeeds says what is wrong, or nothing.
func checkDeeds(t *testing.T, deeds []deed, lead time.Duration) string {
	format := audio.Mono(audio.Rate8k)
	sink, told := &tape{}, &heardOf{}
	output := playout.New(playout.Config{Format: format, Lead: lead, StopDelay: 100 * time.Millisecond, Fade: -1}, sink)

	type cut struct{ sent, left int } // by then sent; what may have left the output at most
	var cuts []cut
	sent := 0
	start := time.Now()
	err := play(t, output, nil, script{
		run: func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(5500 * time.Microsecond) // never at a chunk's beginning
			for _, d := range deeds {
				time.Sleep(d.wait)
				if d.interrupt {
					out.Interrupt("test")
					synctest.Wait()
					now := int(audio.Rate8k.Samples(time.Since(start) + lead))
					cuts = append(cuts, cut{sent, (now + chunk8k - 1) / chunk8k * chunk8k})
					continue
				}
				f := &frames.AudioOutput{Audio: frames.Audio{Format: format, Samples: ramp(sent+1, d.samples), Track: "v", Position: audio.Position(sent)}, Response: "r"}
				sent += d.samples
				if err := out.Send(out.Generation(), f, frames.Downstream); err != nil {
					return err
				}
				synctest.Wait()
			}
			return out.Send(ctx, end(), frames.Downstream)
		},
		seen: told.see,
	})
	if err != nil {
		return fmt.Sprintf("Run: %v", err)
	}

	// What the sink has got, sample by sample, each known by its value.
	lost := map[int]bool{} // by position: never heard
	last := -1
	for at, v := range sink.samples {
		if v == 0 {
			continue
		}
		position := int(v) - 1
		if position <= last {
			return fmt.Sprintf("sample %d is heard after %d", position, last)
		}
		for p := last + 1; p < position; p++ {
			lost[p] = true
		}
		last = position
		for _, c := range cuts {
			if position < c.sent && at >= c.left {
				return fmt.Sprintf("sample %d is heard at %d, after an interruption that let nothing old out after %d", position, at, c.left)
			}
		}
	}
	for p := last + 1; p < sent; p++ {
		lost[p] = true
	}
	for p := range lost {
		if !slices.ContainsFunc(cuts, func(c cut) bool { return p < c.sent }) {
			return fmt.Sprintf("sample %d was lost without an interruption", p)
		}
	}
	if len(sink.did) > 0 {
		return fmt.Sprint(sink.did)
	}
	return checkReports(sink.samples, sent, lost, told, output)
}

// checkReports says what is wrong with the reports, or nothing.
func checkReports(samples []int16, sent int, lost map[int]bool, told *heardOf, output *playout.Output) string {
	// Heard up to, and thrown away from there.
	reported := map[int]bool{}
	heard := audio.Position(0)
	for _, r := range told.reports {
		if r.Heard < heard {
			return fmt.Sprintf("%v after %d had been heard", r, heard)
		}
		if i := int(r.Output) - 1; r.Heard > heard && samples[i] != int16(r.Heard) {
			return fmt.Sprintf("%v at %d, where the sink has sample %d", r, r.Output, samples[i]-1)
		}
		// Between two reports there is no pause.
		if n := int(r.Heard - heard); n > 0 && !slices.Equal(samples[int(r.Output)-n:r.Output], ramp(int(heard)+1, n)) {
			return fmt.Sprintf("%v at %d, before which the sink has not got the %d samples since the last report", r, r.Output, n)
		}
		heard = r.Heard
		if r.Flushed {
			for p := r.Heard; p < r.Queued; p++ {
				reported[int(p)] = true
			}
			heard = r.Queued
		} else if r.Dropped {
			return fmt.Sprintf("%v, and not flushed", r)
		}
	}
	for p := range sent {
		if lost[p] != reported[p] {
			return fmt.Sprintf("sample %d was lost: %v; reported as lost: %v", p, lost[p], reported[p])
		}
	}
	if told.wrong != "" || told.talking != 0 {
		return fmt.Sprintf("it %s (%d)", told.wrong, told.talking)
	}
	if s := output.Stats(); int(s.Speech)+len(lost) != sent || s.Queued != 0 {
		return fmt.Sprintf("%d samples of speech and %d lost of %d: %+v", s.Speech, len(lost), sent, s)
	}
	return ""
}

// jam is a sink behind which chunks wait while the network is jammed, and the oldest
// of more than three is dropped. What has left is heard from its place on.
type jam struct {
	mu      sync.Mutex
	start   time.Time
	jammed  bool
	queue   []waiting
	dropped []audio.Position
	samples []int16 // that have left, by position
}

type waiting struct {
	at      audio.Position
	samples []int16
}

func (s *jam) Play(_ context.Context, c playout.Chunk) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.queue = append(s.queue, waiting{c.Position, slices.Clone(c.Samples)})
	if !s.jammed {
		s.leave()
	}
	if len(s.queue) > 3 {
		s.dropped = append(s.dropped, s.queue[0].at)
		s.queue = s.queue[1:]
	}
	return nil
}

func (s *jam) leave() {
	for _, w := range s.queue {
		if n := int(w.at) + len(w.samples); n > len(s.samples) {
			s.samples = append(s.samples, make([]int16, n-len(s.samples))...)
		}
		copy(s.samples[w.at:], w.samples)
	}
	s.queue = nil
}

func (s *jam) set(jammed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jammed = jammed; !jammed {
		s.leave()
	}
}

func (s *jam) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := int(audio.Rate8k.Samples(time.Since(s.start)))
	if now < len(s.samples) {
		clear(s.samples[now:])
	}
	s.queue, s.dropped = nil, nil
	return nil
}

func (s *jam) Backlog() (first audio.Position, waits bool, dropped []audio.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped, s.dropped = s.dropped, nil
	if len(s.queue) == 0 {
		return 0, false, dropped
	}
	return s.queue[0].at, true, dropped
}

// Where nothing waits behind the sink, everything is told when it would be otherwise.
func TestASinkThatKeepsUpDelaysNoReport(t *testing.T) {
	times := func(lead time.Duration, sink playout.Sink) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			output := playout.New(playout.Config{Format: audio.Mono(audio.Rate8k), Lead: lead}, sink)
			var mu sync.Mutex
			err := play(t, output, nil, script{
				run: func(ctx context.Context, out *pipeline.Port) error {
					time.Sleep(5500 * time.Microsecond) // never at a chunk's beginning
					f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: ramp(1, 250), Track: "v"}, Response: "r"}
					for _, f := range []frames.Frame{f, &frames.TTSStop{Response: "r"}, end()} {
						if err := out.Send(ctx, f, frames.Downstream); err != nil {
							return err
						}
					}
					return nil
				},
				seen: func(f frames.Frame, dir frames.Direction) {
					mu.Lock()
					defer mu.Unlock()
					if dir == frames.Upstream {
						all = append(all, fmt.Sprintf("%v after %v", f, time.Since(began)))
					}
				},
			})
			if err != nil {
				t.Error(err)
			}
		})
		return all
	}
	for _, lead := range []time.Duration{-1, 100 * time.Millisecond} {
		want, got := times(lead, &phone{}), times(lead, &jam{})
		if !slices.Equal(got, want) || len(got) < 4 {
			t.Errorf("with a lead of %v it is told\n%q, want\n%q", lead, got, want)
		}
	}
}

// What waits behind the sink is not told to be heard, and what was dropped there is told
// never to be: whatever a service sends, whenever it is interrupted, and however the
// network is jammed.
func TestWhateverIsDroppedTheReportsSayWhatWasHeard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			d := deed{wait: time.Duration(rapid.IntRange(0, 150).Draw(t, "ms")) * time.Millisecond}
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				d.interrupt = true
			case 1, 2:
				d.jam = true
			default:
				d.samples = rapid.IntRange(1, 1500).Draw(t, "samples")
			}
			return d
		}), 1, 20).Draw(rt, "deeds")
		lead := rapid.SampledFrom([]time.Duration{-1, 20 * time.Millisecond, 100 * time.Millisecond}).Draw(rt, "lead")
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = checkJams(t, deeds, lead) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// checkJams says what is wrong, or nothing.
func checkJams(t *testing.T, deeds []deed, lead time.Duration) string {
	format := audio.Mono(audio.Rate8k)
	sink, told := &jam{}, &heardOf{}
	output := playout.New(playout.Config{Format: format, Lead: lead, StopDelay: 100 * time.Millisecond, Fade: -1}, sink)
	sent, jammed := 0, false
	err := play(t, output, nil, script{
		run: func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(5500 * time.Microsecond) // never at a chunk's beginning
			for _, d := range deeds {
				time.Sleep(d.wait)
				switch {
				case d.interrupt:
					out.Interrupt("test")
				case d.jam:
					jammed = !jammed
					sink.set(jammed)
				default:
					f := &frames.AudioOutput{Audio: frames.Audio{Format: format, Samples: ramp(sent+1, d.samples), Track: "v", Position: audio.Position(sent)}, Response: "r"}
					sent += d.samples
					if err := out.Send(out.Generation(), f, frames.Downstream); err != nil {
						return err
					}
				}
				synctest.Wait()
			}
			time.Sleep(5500 * time.Microsecond)
			sink.set(false)
			return out.Send(ctx, end(), frames.Downstream)
		},
		seen: told.see,
	})
	if err != nil {
		return fmt.Sprintf("Run: %v", err)
	}
	lost := map[int]bool{}
	for p := range sent {
		lost[p] = true
	}
	for _, v := range sink.samples {
		delete(lost, int(v)-1)
	}
	return checkReports(sink.samples, sent, lost, told, output)
}
