package pipeline_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// numbered is an ordered frame that remembers who made it, to check the order
// on every edge of a random pipeline, and how often it was turned around.
type numbered struct {
	frames.Data
	source, n, turns int
}

type numberedLasting struct {
	frames.Data
	frames.Uninterruptible
	source, n int
}

// member is a processor of a random pipeline: it checks the order in which
// frames come, turns some around, makes some of its own, and takes its time.
type member struct {
	id         int
	turnEvery  int
	makeEvery  int
	urgency    int
	delay      time.Duration
	interrupts int
	anyOrder   bool // branches may overtake each other

	seen  int
	last  [2]map[int]int // by direction and source
	lastU [2]map[int]int
	busy  atomic.Int32
}

func newMember(t *rapid.T, id int, anyOrder bool) *member {
	m := &member{
		id: id, anyOrder: anyOrder,
		turnEvery:  rapid.SampledFrom([]int{0, 0, 2, 3, 7}).Draw(t, "turn every"),
		makeEvery:  rapid.SampledFrom([]int{0, 0, 3, 5}).Draw(t, "make every"),
		urgency:    rapid.SampledFrom([]int{0, 4}).Draw(t, "system frame every"),
		delay:      rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond, time.Millisecond}).Draw(t, "delay"),
		interrupts: rapid.SampledFrom([]int{0, 0, 0, 97}).Draw(t, "interrupt every"),
	}
	for d := range 2 {
		m.last[d], m.lastU[d] = map[int]int{}, map[int]int{}
	}
	return m
}

func (m *member) Name() string { return fmt.Sprintf("m%d", m.id) }

func (m *member) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if m.busy.Add(1) != 1 {
		return pipeline.Fatal(fmt.Errorf("two calls at once"))
	}
	defer m.busy.Add(-1)
	if m.delay > 0 {
		time.Sleep(m.delay)
	}
	switch f := f.(type) {
	case *numbered:
		if prev, ok := m.last[dir][f.source]; ok && f.n <= prev && f.turns == 0 && !m.anyOrder {
			return pipeline.Fatal(fmt.Errorf("frame %d of %d came %v after %d", f.n, f.source, dir, prev))
		}
		if f.turns == 0 {
			m.last[dir][f.source] = f.n
		}
		if m.seen++; m.turnEvery > 0 && m.seen%m.turnEvery == 0 && f.turns < 3 {
			return out.Send(ctx, &numbered{source: f.source, n: f.n, turns: f.turns + 1}, dir.Opposite())
		}
		if m.makeEvery > 0 && m.seen%m.makeEvery == 0 {
			if err := out.Send(ctx, &urgent{}, dir); err != nil {
				return err
			}
		}
		if m.urgency > 0 && m.seen%m.urgency == 0 {
			if err := out.Send(ctx, &live{}, dir.Opposite()); err != nil {
				return err
			}
		}
		if m.interrupts > 0 && m.seen%m.interrupts == 0 {
			out.Interrupt("random")
		}
	case *numberedLasting:
		if want := m.lastU[dir][f.source] + 1; f.n != want {
			return pipeline.Fatal(fmt.Errorf("uninterruptible frame %d of %d came %v, want %d", f.n, f.source, dir, want))
		}
		m.lastU[dir][f.source] = f.n
	}
	return out.Send(ctx, f, dir)
}

// randomRow makes a random structure of members.
func randomRow(t *rapid.T, depth int, next *int, parallel bool) []pipeline.Processor {
	var row []pipeline.Processor
	for range rapid.IntRange(1, 3).Draw(t, "length") {
		one := func() pipeline.Processor { *next++; return newMember(t, *next, parallel) }
		kind := rapid.SampledFrom([]string{"plain", "plain", "lanes", "on", "inline", "chain", "parallel", "switch"}).Draw(t, "kind")
		if depth == 0 && (kind == "chain" || kind == "parallel" || kind == "switch") {
			kind = "plain"
		}
		if kind == "parallel" && !parallel {
			kind = "lanes"
		}
		switch kind {
		case "plain":
			row = append(row, one())
		case "lanes":
			*next++
			m := newMember(t, *next, parallel)
			row = append(row, &twoLaned{parts: parts{name: m.Name(), process: m.Process}})
		case "on":
			row = append(row, pipeline.On(func(ctx context.Context, f *live, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, f, dir)
			}))
		case "inline":
			row = append(row, pipeline.Inline(pass()))
		case "chain":
			row = append(row, pipeline.Chain(randomRow(t, depth-1, next, parallel)...))
		case "parallel":
			row = append(row, pipeline.Parallel(pipeline.Chain(randomRow(t, depth-1, next, parallel)...), pipeline.Chain(randomRow(t, depth-1, next, parallel)...)))
		case "switch":
			row = append(row, pipeline.Switch(pipeline.SwitchConfig{}, pipeline.Chain(randomRow(t, depth-1, next, parallel)...), one()))
		}
	}
	return row
}

// Whatever the structure, the sizes of the queues and the flows both ways:
// nothing deadlocks, nothing comes out of order, no uninterruptible frame is
// lost or doubled, no call overlaps another, and the run ends.
func TestRandomPipelinesNeitherDeadlockNorReorder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { runRandomPipeline(t, rt) })
}

// The same, with the fuzzer's coverage to guide it.
func FuzzPipelines(f *testing.F) {
	f.Add([]byte("a pipeline of some kind"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rapid.MakeFuzz(func(rt *rapid.T) { runRandomPipeline(t, rt) })(t, data)
	})
}

func runRandomPipeline(t *testing.T, rt *rapid.T) {
	next := 0
	// A frame which one branch drops may come out of another one late.
	row := randomRow(rt, 2, &next, rapid.Bool().Draw(rt, "parallel branches"))
	cfg := pipeline.Config{QueueSize: rapid.SampledFrom([]int{1, 2, 64}).Draw(rt, "queue size"), HeartbeatInterval: 10 * time.Millisecond}
	n := rapid.IntRange(1, 300).Draw(rt, "frames")
	every := rapid.SampledFrom([]int{0, 50}).Draw(rt, "interrupt every")
	var failed string
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(cfg, row...)
		done := make(chan error, 1)
		go func() { done <- p.Run(context.Background()) }()
		sources := make(chan error, 2)
		for source := range 2 {
			go func() {
				var err error
				for i := 1; i <= n && err == nil; i++ {
					err = p.Send(context.Background(), &numbered{source: source, n: i})
					if err == pipeline.ErrInterrupted {
						err = nil
					}
					if err == nil {
						err = p.Send(context.Background(), &numberedLasting{source: source, n: i})
					}
					if every > 0 && i%every == 0 {
						p.Interrupt("random")
					}
					if i%20 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
				sources <- err
			}()
		}
		for range 2 {
			select {
			case err := <-sources:
				if err != nil {
					failed = fmt.Sprintf("a source got %v", err)
				}
			case <-time.After(time.Hour):
				failed = fmt.Sprintf("deadlock: %+v", p.Stats())
				p.Cancel("deadlock", nil)
			}
		}
		p.End("done")
		if err := <-done; err != nil {
			failed = fmt.Sprintf("Run returned %v; %s", err, failed)
		}
		time.Sleep(time.Hour)
	})
	if failed != "" {
		rt.Fatal(failed)
	}
}
