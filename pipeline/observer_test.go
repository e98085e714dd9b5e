package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// collector is an observer which remembers all events.
type collector struct {
	mu     sync.Mutex
	events []pipeline.Event
	delay  time.Duration
}

func (c *collector) Observe(events []pipeline.Event) {
	time.Sleep(c.delay)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, events...)
}

func (c *collector) framesOf(kind pipeline.EventKind) []frames.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []frames.Frame
	for _, e := range c.events {
		if e.Kind == kind {
			out = append(out, e.Frame)
		}
	}
	return out
}

func TestObserversSeeEveryHopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &collector{}
		r := start(t, pipeline.Config{Observers: []pipeline.Observer{watch}}, &parts{name: "a"}, pipeline.Inline(&parts{name: "b"}), &parts{name: "c"})
		time.Sleep(time.Second)
		begin := time.Now()
		r.send(&probe{n: 7})
		r.finish()
		var hops []string
		for _, e := range watch.events {
			if _, ok := e.Frame.(*probe); ok && e.Kind == pipeline.Hop {
				hops = append(hops, e.From+">"+e.To)
				if !e.Time.Equal(begin) || e.Direction != frames.Downstream {
					t.Errorf("event %+v, want it at %v, downstream", e, begin)
				}
			}
		}
		expect(t, "hops", hops, []string{">a", "a>b", "b>c", "c>"})
	})
}

func TestAFramesFirstHopIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &collector{}
		answer := &parts{name: "answer", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*probe); ok {
				out.Report(errors.New("no"))
				if err := out.Send(ctx, &frames.Metrics{}, frames.Upstream); err != nil {
					return err
				}
			}
			return out.Send(ctx, f, dir)
		}}
		r := start(t, pipeline.Config{Observers: []pipeline.Observer{watch}, ObserverBuffer: 1 << 16, OnError: func(*frames.Error) {}},
			&parts{name: "a"}, pipeline.Parallel(pipeline.Chain(&parts{name: "b"}, pipeline.Inline(&parts{name: "c"})), &parts{name: "d"}), answer, &parts{name: "z"})
		for n := range 200 { // more than have room
			r.send(&probe{n: n})
		}
		r.finish()
		firsts := map[frames.Frame]int{}
		for _, e := range watch.events {
			if e.Kind != pipeline.Hop {
				if e.First {
					t.Errorf("%+v is no hop", e)
				}
				continue
			}
			n, seen := firsts[e.Frame]
			if e.First == seen {
				t.Errorf("hop %+v, of which there were some before: %v", e, seen)
			}
			if e.First {
				n++
			}
			firsts[e.Frame] = n
		}
		if len(firsts) < 3*200+2 {
			t.Errorf("%d frames were seen, want Start, End, and 200 probes, errors and metrics", len(firsts))
		}
	})
}

func TestASlowObserverLosesTheOldestEventsAndTheirNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &collector{delay: time.Second}
		var last recorder
		r := start(t, pipeline.Config{Observers: []pipeline.Observer{watch}, ObserverBuffer: 10}, &last)
		begin := time.Now()
		const n = 500
		for i := range n {
			r.send(&probe{n: i})
		}
		synctest.Wait()
		if took := time.Since(begin); took != 0 || len(last.names()) != n+1 {
			t.Errorf("the call was held up: %v, %d frames", took, len(last.names()))
		}
		r.finish()
		var lost, seen uint64
		for _, e := range watch.events {
			if e.Kind == pipeline.Lost {
				lost += e.Count
			} else {
				seen++
			}
		}
		// Start, n probes and End make two hops each; and the run begins and ends.
		if lost == 0 || lost+seen != 2*(n+2)+2 {
			t.Errorf("%d events lost and %d seen, want %d together", lost, seen, 2*(n+2)+2)
		}
		last2 := watch.events[len(watch.events)-2:]
		if frames.Name(last2[0].Frame)[:4] != "End#" || last2[1].Kind != pipeline.Ended {
			t.Errorf("the last events are %+v, want that of End and that of the end", last2)
		}
	})
}

func TestObserversAreToldOfBeginAndEnd(t *testing.T) {
	broken := errors.New("broken")
	fails := func() pipeline.Processor {
		return &parts{name: "b", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*probe); ok {
				return pipeline.Fatal(broken)
			}
			return out.Send(ctx, f, dir)
		}}
	}
	for name, c := range map[string]struct {
		processor pipeline.Processor
		end       func(*running)
		want      string // the frame of Ended
		err       error
	}{
		"an orderly end":   {pass(), func(r *running) { r.End("enough") }, "End(enough)", nil},
		"a cancellation":   {pass(), func(r *running) { r.Cancel("enough", nil) }, "Cancel(enough)", nil},
		"a failure":        {pass(), func(r *running) { r.Cancel("enough", broken) }, "", broken},
		"a fatal error":    {fails(), func(r *running) { r.send(&probe{}) }, "", broken},
		"a failed start":   {&parts{name: "b", start: func(context.Context, *pipeline.Port) error { return broken }}, func(*running) {}, "", broken},
		"a failed closing": {&parts{name: "b", close: func(context.Context) error { return broken }}, func(r *running) { r.End("") }, "", broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				watch := &collector{}
				began := time.Now()
				r := start(t, pipeline.Config{Observers: []pipeline.Observer{watch}, OnError: func(*frames.Error) {}}, c.processor)
				time.Sleep(time.Second)
				c.end(r)
				err := r.result()
				first, last := watch.events[0], watch.events[len(watch.events)-1]
				if first.Kind != pipeline.Began || !first.Time.Equal(began) || first.Frame != nil {
					t.Errorf("the first event is %+v, want the beginning at %v", first, began)
				}
				if last.Kind != pipeline.Ended {
					t.Fatalf("the last event is %+v, want the end", last)
				}
				if c.want != "" && last.Frame.String() != c.want {
					t.Errorf("it ended by %v, want %s", last.Frame, c.want)
				}
				if f, ok := last.Frame.(*frames.Cancel); c.err != nil && (!ok || !errors.Is(f.Err, c.err) || f.Err.Error() != err.Error()) {
					t.Errorf("it ended by %v, want the error that Run returned: %v", last.Frame, err)
				}
			})
		})
	}
}

type panicky struct{ calls int }

func (p *panicky) Observe([]pipeline.Event) { p.calls++; panic("observer is broken") }

func TestAnObserverThatPanicsIsReportedAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []*frames.Error
		broken := &panicky{}
		r := start(t, pipeline.Config{
			Observers: []pipeline.Observer{broken},
			OnError:   func(f *frames.Error) { reported = append(reported, f) },
		}, pass())
		r.send(&probe{})
		synctest.Wait()
		r.send(&probe{})
		r.finish()
		if broken.calls != 1 || len(reported) != 1 || !strings.Contains(reported[0].String(), "observer is broken") {
			t.Errorf("%d calls, reported %v, want one of each", broken.calls, reported)
		}
	})
}

func TestAnObserverThatHangsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		r := start(t, pipeline.Config{Observers: []pipeline.Observer{observerFunc(func([]pipeline.Event) { <-hang })}}, pass())
		r.End("")
		err := r.result()
		if err == nil || !strings.Contains(err.Error(), "observer pipeline_test.observerFunc") {
			t.Errorf("Run returned %v, want an error that names the observer", err)
		}
	})
}

type observerFunc func([]pipeline.Event)

func (fn observerFunc) Observe(events []pipeline.Event) { fn(events) }

func TestStatsShowDepthAgeAndWhatAProcessorIsBusyWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := start(t, pipeline.Config{}, &parts{name: "busy", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if f, ok := f.(*probe); ok && f.n == 1 {
				<-hold
			}
			return out.Send(ctx, f, dir)
		}}, pass())
		r.send(&probe{n: 0}, &probe{n: 1}, &probe{n: 2})
		time.Sleep(3 * time.Second)
		r.send(&probe{n: 3})
		s := r.Stats()[0]
		if s.Doing != "pipeline_test.probe#3 in Process" || s.For != 3*time.Second {
			t.Errorf("busy with %q for %v, want the second probe for 3s", s.Doing, s.For)
		}
		if s.Ordered.Depth != 2 || s.Ordered.Oldest != 3*time.Second || s.Ordered.Handled != 2 {
			t.Errorf("lane is %+v, want 2 waiting, the oldest for 3s, and 2 handled", s.Ordered)
		}
		close(hold)
		synctest.Wait()
		if s := r.Stats()[0]; s.Doing != "" || s.Ordered.Depth != 0 || s.Ordered.Handled != 4 || s.Ordered.Oldest != 0 {
			t.Errorf("afterwards %+v, want it idle with 4 handled", s)
		}
		r.finish()
		if down, up := r.Discarded(); down != 6 || up != 0 {
			t.Errorf("%d and %d frames left, want Start, 4 probes and End, and none upstream", down, up)
		}
	})
}
