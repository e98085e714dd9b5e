package bench

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/observers/metrics"
	"github.com/parley-go/parley/pipeline"
)

// BenchmarkMetricsThroughFiveProcessors measures what it costs a frame that its call
// is measured, beside an observer that looks at nothing and no observer at all.
func BenchmarkMetricsThroughFiveProcessors(b *testing.B) {
	b.Run("64 in flight", func(b *testing.B) { compareObservers(b, stream) })
	b.Run("one at a time", func(b *testing.B) { compareObservers(b, rounds) })
}

func compareObservers(b *testing.B, fn func(hops, []frames.Text)) {
	measured, err := metrics.New(metrics.Config{Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	through := func(observers ...pipeline.Observer) hops {
		return run(b, pipeline.Config{Observers: observers}, &pass{}, &pass{}, &pass{}, &pass{})
	}
	took := takeTurns(b, fn, through(), through(nobody{}), through(measured.Call("bench")))
	for i, who := range []string{"unobserved", "observed", "measured"} {
		b.ReportMetric(took[i], who+"-ns")
	}
}
