package playout_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// phone plays what it is given, in order and in real time, from a buffer that can
// be flushed. A write takes a while, as to a socket.
type phone struct {
	write time.Duration

	mu      sync.Mutex
	start   time.Time
	free    time.Time // when everything that it was given will have been played
	heard   []int16   // and will be heard, if it is not flushed
	flushes int
}

func (p *phone) Play(_ context.Context, c playout.Chunk) error {
	time.Sleep(p.write)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.start.IsZero() {
		p.start, p.free = now, now
	}
	if p.free.Before(now) { // it had run dry
		p.heard = audio.AppendSilence(p.heard, int(c.Format.Rate.Samples(now.Sub(p.free))))
		p.free = now
	}
	p.heard = append(p.heard, c.Samples...)
	p.free = p.free.Add(c.Format.Rate.Duration(int64(len(c.Samples))))
	return nil
}

func (p *phone) Flush(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushes++
	if now := time.Now(); p.free.After(now) {
		p.heard = p.heard[:len(p.heard)-int(audio.Rate24k.Samples(p.free.Sub(now)))]
		p.free = now
	}
	return nil
}

func (p *phone) behind() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.free)
}

func TestAPeerIsNotGivenSilenceTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &phone{}
		upstream(t, playout.New(playout.Config{}, peer), func(ctx context.Context, out *pipeline.Port) error {
			for range 10 {
				time.Sleep(time.Second)
				out.Interrupt("user turn")
				if d := peer.behind(); d > 125*time.Millisecond {
					t.Fatalf("the peer is %v behind after %d interruptions", d, peer.flushes)
				}
			}
			return out.Send(ctx, end(), frames.Downstream)
		})
		if peer.flushes != 0 {
			t.Errorf("silence was flushed %d times", peer.flushes)
		}
	})
}

func TestAChunkThatArrivesBehindTheFlushIsFlushed(t *testing.T) {
	for _, at := range []time.Duration{711, 719, 720, 721, 723, 724} {
		synctest.Test(t, func(t *testing.T) {
			peer := &phone{write: 5 * time.Millisecond}
			upstream(t, playout.New(playout.Config{}, peer), func(ctx context.Context, out *pipeline.Port) error {
				time.Sleep(210 * time.Millisecond)
				if err := out.Send(out.Generation(), speech(0, 20_000), frames.Downstream); err != nil {
					return err
				}
				time.Sleep((at - 210) * time.Millisecond)
				out.Interrupt("barge-in")
				time.Sleep(300 * time.Millisecond)
				return out.Send(ctx, end(), frames.Downstream)
			})
			last := int16(0)
			for i, s := range peer.heard {
				if s != 0 && s != last+1 {
					t.Fatalf("interrupted at %v: sample %d follows %d, at %v", at*time.Millisecond, s, last, audio.Rate24k.Duration(int64(i)))
				}
				last = max(last, s)
			}
			// It is given from 220 ms on, 100 ms ahead, and each write takes 5 ms.
			if want := audio.Rate24k.Samples((at - 325) * time.Millisecond); int64(last) < want-30*24 || int64(last) > want+30*24 {
				t.Errorf("interrupted at %v, %d samples were heard, want about %d", at*time.Millisecond, last, want)
			}
		})
	}
}

func TestTheBackgroundSurvivesAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &phone{}
		rising := make([]int16, 3*24_000)
		for i := range rising {
			rising[i] = int16(10 + i/3)
		}
		upstream(t, playout.New(playout.Config{}, peer), func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(10 * time.Millisecond)
			if err := out.Send(ctx, &frames.PlayBackground{Format: mono24k, Samples: rising, Track: "music"}, frames.Downstream); err != nil {
				return err
			}
			for range 2 {
				if err := out.Send(out.Generation(), muted(24_000), frames.Downstream); err != nil {
					return err
				}
				time.Sleep(507 * time.Millisecond)
				out.Interrupt("barge-in")
				out.Interrupt("and again")
			}
			time.Sleep(time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		})
		if peer.flushes != 2 {
			t.Errorf("it was flushed %d times, want 2", peer.flushes)
		}
		last := int16(0)
		for i, s := range peer.heard {
			// The clock goes back to a whole chunk, so up to one less may be lost.
			if d := int(s) - int(last); s != 0 && last != 0 && (d < 0 || d > 160) {
				t.Fatalf("at %v the music jumps from %d to %d", audio.Rate24k.Duration(int64(i)), last, s)
			}
			last = max(last, s)
		}
		if last < 10_000 {
			t.Errorf("it was heard up to %d only", last)
		}
	})
}

// muted is speech as soft as can be, so that only the background is heard.
func muted(n int) *frames.AudioOutput {
	f := speech(0, n)
	clear(f.Samples)
	return f
}

func TestTheEndOfASoundSurvivesAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &phone{}
		rising := make([]int16, 24_000)
		for i := range rising {
			rising[i] = int16(10 + i/3)
		}
		upstream(t, playout.New(playout.Config{}, peer), func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(10 * time.Millisecond)
			if err := out.Send(ctx, &frames.PlayBackground{Format: mono24k, Samples: rising, Track: "music"}, frames.Downstream); err != nil {
				return err
			}
			if err := out.Send(out.Generation(), muted(72_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(1050 * time.Millisecond) // it is mixed to its end, and not heard
			out.Interrupt("barge-in")
			time.Sleep(time.Second)
			return out.Send(ctx, end(), frames.Downstream)
		})
		if peer.flushes != 1 {
			t.Errorf("it was flushed %d times", peer.flushes)
		}
		last := int16(10)
		for i, s := range peer.heard {
			if s == 0 {
				continue
			}
			// The clock goes back to a whole chunk, so up to one less may be lost.
			if s < last || s > last+160 {
				t.Fatalf("at %v it jumps from %d to %d", audio.Rate24k.Duration(int64(i)), last, s)
			}
			last = s
		}
		if want := rising[len(rising)-1]; last != want {
			t.Errorf("it was heard up to %d, want %d", last, want)
		}
	})
}

func TestASoundThatIsStoppedByABargeInIsSilentAtOnce(t *testing.T) {
	for name, do := range map[string]func(interrupt func(), stop func() error) error{
		"behind the interruption": func(interrupt func(), stop func() error) error { interrupt(); return stop() },
		"before the interruption": func(interrupt func(), stop func() error) error { defer interrupt(); return stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peer := &phone{}
				var stopped time.Time
				upstream(t, playout.New(playout.Config{}, peer), func(ctx context.Context, out *pipeline.Port) error {
					time.Sleep(10 * time.Millisecond)
					hum := &frames.PlayBackground{Format: mono24k, Samples: []int16{1000}, Loop: true, Track: "thinking"}
					if err := out.Send(ctx, hum, frames.Downstream); err != nil {
						return err
					}
					if err := out.Send(out.Generation(), muted(72_000), frames.Downstream); err != nil {
						return err
					}
					time.Sleep(497 * time.Millisecond)
					stopped = time.Now()
					err := do(func() { out.Interrupt("barge-in") }, func() error {
						return out.Send(ctx, &frames.StopBackground{Track: "thinking"}, frames.Downstream)
					})
					if err != nil {
						return err
					}
					time.Sleep(time.Second)
					return out.Send(ctx, end(), frames.Downstream)
				})
				if peer.flushes != 1 {
					t.Errorf("it was flushed %d times", peer.flushes)
				}
				at := int(audio.Rate24k.Samples(stopped.Sub(peer.start)))
				if audio.IsSilent(peer.heard[at-480 : at]) {
					t.Error("it was not heard before it was stopped")
				}
				for i, v := range slices.Backward(peer.heard[at:]) {
					if v != 0 {
						t.Fatalf("it was heard up to %v after that", audio.Rate24k.Duration(int64(i)))
					}
				}
			})
		})
	}
}

func TestWhatIsHeldAndThenInterruptedIsToldToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := upstream(t, playout.New(playout.Config{Fade: -1}, &tape{}), func(ctx context.Context, out *pipeline.Port) error {
			time.Sleep(10 * time.Millisecond) // the first chunk is due at 0, and is silent
			if err := out.Send(out.Generation(), speech(0, 24_000), frames.Downstream); err != nil {
				return err
			}
			time.Sleep(80 * time.Millisecond)
			if err := out.Send(ctx, &frames.PausePlayout{}, frames.Downstream); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
			out.Interrupt("barge-in")
			return out.Send(ctx, end(), frames.Downstream)
		})
		want := "BotStoppedSpeaking(@2400) of \"r\", held\n190ms Playout(voice heard 1920, flushed 22080)\n190ms BotStoppedSpeaking(@2400) of \"r\", interrupted"
		if !strings.Contains(got, want) {
			t.Errorf("upstream lacks\n%s:\n%s", want, got)
		}
	})
}
