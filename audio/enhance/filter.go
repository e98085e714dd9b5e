package enhance

import (
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/mistakes"
)

// Filter changes the sound of one stream. It belongs to one goroutine at a time.
type Filter interface {
	// Filter changes samples in place: full scale is ±1, interleaved by channel,
	// and always whole frames, of any number. It must not keep them, and should
	// not allocate. However a stream is cut into calls, the result is the same.
	Filter(samples []float32)

	// Latency is how many samples on each channel the result is late. It is the
	// same for the filter's whole life.
	Latency() int

	// Reset says that what comes next does not continue what came before: samples
	// were lost. The filter forgets the samples that it holds. What it has learnt
	// of the speaker and the room, such as a gain, it keeps.
	Reset()
}

// Stage makes a [Filter] for each stream. The configurations of this package are
// stages. Stage is called at the beginning of a stream, and again when the format
// changes; the error says what of the format or of the configuration is not
// possible. It may be called by several goroutines at once.
type Stage interface {
	Stage(f audio.Format) (Filter, error)
}

// StageFunc makes a Stage of a function.
type StageFunc func(f audio.Format) (Filter, error)

// Stage calls fn.
func (fn StageFunc) Stage(f audio.Format) (Filter, error) { return fn(f) }

// Chain is filters one behind the other. It is a [Filter] itself.
//
// It is also where bad samples end: NaN becomes 0 and what is infinite full scale
// before a filter sees it, since filters remember, and one NaN would otherwise
// make all that follows NaN. They are counted.
type Chain struct {
	filters []Filter
	bad     int64
}

// NewChain makes a Chain of a filter of each stage. The error tells of all stages
// that cannot work.
func NewChain(f audio.Format, stages ...Stage) (*Chain, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	c := &Chain{}
	var wrong mistakes.List
	for i, s := range stages {
		if mistakes.IsNil(s) {
			wrong.Add("stage %d of %d is nil: give it a configuration or a function, or leave it out", i+1, len(stages))
			continue
		}
		filter, err := s.Stage(f)
		if err != nil {
			wrong.Join(err)
			continue
		}
		if mistakes.IsNil(filter) {
			wrong.Add("stage %d of %d, %T, made neither a filter nor an error: return one of them", i+1, len(stages), s)
			continue
		}
		if n := filter.Latency(); n < 0 {
			wrong.Add("stage %d, %T, has a latency of %d samples", i+1, filter, n)
		}
		c.filters = append(c.filters, filter)
	}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Filter passes samples through all filters.
func (c *Chain) Filter(samples []float32) {
	c.mend(samples)
	for _, f := range c.filters {
		f.Filter(samples)
	}
}

// mend replaces what is not a number.
func (c *Chain) mend(samples []float32) {
	if finite(samples) {
		return
	}
	for i, s := range samples {
		if s-s == 0 {
			continue
		}
		c.bad++
		switch {
		case s > 0:
			samples[i] = 1
		case s < 0:
			samples[i] = -1
		default:
			samples[i] = 0
		}
	}
}

// finite reports whether all samples are numbers.
func finite(samples []float32) bool {
	var sum float32
	for _, s := range samples {
		sum += s - s // NaN as soon as s is NaN or infinite
	}
	return sum == 0
}

// Bad returns how many samples that were no numbers it was given.
func (c *Chain) Bad() int64 { return c.bad }

// Latency is the sum of its filters'.
func (c *Chain) Latency() int {
	n := 0
	for _, f := range c.filters {
		n += f.Latency()
	}
	return n
}

// Reset resets all filters.
func (c *Chain) Reset() {
	for _, f := range c.filters {
		f.Reset()
	}
}
