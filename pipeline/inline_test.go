package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// count passes probes on with their number raised by one.
func count() pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &probe{n: f.n + 1}, dir)
	})
}

func TestWhateverCanBeInlineIsAndDoesItsWork(t *testing.T) {
	for name, c := range map[string]struct {
		of   pipeline.Processor
		want []string
	}{
		"a function of one type":   {count(), []string{"Start", "p2", "End"}},
		"a chain":                  {pipeline.Chain(count(), pass(), count()), []string{"Start", "p3", "End"}},
		"a chain in a chain":       {pipeline.Chain(pipeline.Chain(count(), count()), count()), []string{"Start", "p4", "End"}},
		"an empty chain":           {pipeline.Chain(), []string{"Start", "p1", "End"}},
		"what is inline already":   {pipeline.Inline(pipeline.Chain(count())), []string{"Start", "p2", "End"}},
		"a processor of one's own": {&recorder{}, []string{"Start", "p1", "End"}},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			r := start(t, pipeline.Config{}, pass(), pipeline.Inline(c.of), &last)
			r.send(&probe{n: 1})
			synctest.Wait()
			stats := r.Stats()
			for i, s := range stats {
				if between := i > 0 && i < len(stats)-1; s.Inline != between {
					t.Errorf("processor %d, %s: inline is %v, want %v", i+1, s.Processor, s.Inline, between)
				}
			}
			r.finish()
			expect(t, "frames", last.names(), c.want)
		})
	}
}

func TestAnInlineFunctionOfOneTypeHearsOfInterruptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		r := start(t, pipeline.Config{}, pass(), pipeline.Inline(pipeline.On(
			func(ctx context.Context, f *frames.Interruption, dir frames.Direction, out *pipeline.Port) error {
				heard = append(heard, f.Reason)
				return nil
			})))
		r.Interrupt("one")
		synctest.Wait()
		r.Interrupt("two")
		r.finish()
		expect(t, "interruptions", heard, []string{"one", "two"})
	})
}

func TestWhatCannotBeInlineIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		of   pipeline.Processor
		want string
	}{
		"a parallel": {pipeline.Parallel(pass()),
			"processor 2 is Inline of branches, which need the queues where they part and meet: put Inline around processors within the branches"},
		"a switch": {pipeline.Switch(pipeline.SwitchConfig{}, pass()),
			"processor 2 is Inline of branches, which need the queues where they part and meet: put Inline around processors within the branches"},
		"a system processor": {&twoLaned{parts: parts{name: "service"}},
			"processor 2, service, is Inline of a SystemProcessor, which takes its time and needs queues of its own: leave Inline away"},
		"a system processor in a chain": {pipeline.Chain(pass(), &twoLaned{parts: parts{name: "service"}}),
			"processor 2.2, service, is Inline of a SystemProcessor, which takes its time and needs queues of its own: leave Inline away"},
		"nothing": {nil, "processor 2 is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := pipeline.New(pipeline.Config{}, pass(), pipeline.Inline(c.of), pass()).Run(ctx)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run returned %v, want %q", err, c.want)
			}
		})
	}
}
