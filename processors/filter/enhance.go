package filter

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// enhancer is the filter Enhance.
type enhancer struct {
	delayed
	stages []enhance.Stage
}

// Enhance makes a processor that applies filters to one side's audio, one behind
// the other; package audio/enhance has some, and says how to write one. Each track
// has filters of its own.
//
// Positions are kept right: the latency of the filters is taken out, so that each
// sample is where its position says. For that, as much audio is held back until
// more of its track arrives, or End, or the TTSStop of the agent's response. A gap in the
// positions remains one, and the filters are reset there. Where the format
// changes they are made anew. Audio of a format which they refuse passes as it is.
// That, and filters that do not make numbers, is reported once in ten seconds of a
// track's audio. Of more than 64 tracks, the one that has been quiet for longest is
// finished.
func Enhance(side Side, stages ...enhance.Stage) pipeline.Processor {
	e := &enhancer{stages: stages}
	e.delayed = delayed{side: side, verb: "filter", open: e.chain}
	return e
}

// Name returns "enhance".
func (e *enhancer) Name() string { return "enhance" }

// Start makes the filters once, for a usual format, to refuse a configuration
// that makes no sense before the call rather than in it.
func (e *enhancer) Start(context.Context, *pipeline.Port) error {
	var wrong mistakes.List
	e.side.check(&wrong)
	wrong.Join(e.suits())
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("configure enhance: %w", err)
	}
	return nil
}

// suits returns nil if there is a usual rate that the filters work at, and
// otherwise what is wrong.
func (e *enhancer) suits() error {
	var first error
	for _, rate := range []audio.SampleRate{audio.Rate16k, audio.Rate48k, audio.Rate8k, audio.Rate24k} {
		_, err := enhance.NewChain(audio.Mono(rate), e.stages...)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// chain makes the filters for a track.
func (e *enhancer) chain(f audio.Format) (work, error) {
	c, err := enhance.NewChain(f, e.stages...)
	if err != nil {
		return nil, err
	}
	return &filtering{in: f, chain: c}, nil
}

// filtering is the work of filters.
type filtering struct {
	in     audio.Format
	chain  *enhance.Chain
	skip   int // frames to leave out at the beginning: the filters' latency
	memory []float32
}

func (w *filtering) format() audio.Format { return w.in }

func (w *filtering) reset() {
	w.chain.Reset()
	w.skip = w.chain.Latency()
}

func (w *filtering) do(samples []int16) ([]int16, error) {
	w.memory = audio.ToFloat32(w.memory[:0], samples)
	return w.run()
}

func (w *filtering) rest() ([]int16, error) {
	w.memory = append(w.memory[:0], make([]float32, w.chain.Latency()*w.in.Channels)...)
	samples, err := w.run()
	w.reset()
	return samples, err
}

// run passes what is in memory through the filters.
func (w *filtering) run() ([]int16, error) {
	w.chain.Filter(w.memory)
	var bad error
	for _, x := range w.memory {
		if x-x != 0 {
			bad = errors.New("the filters made no numbers; they are reset")
			w.chain.Reset() // NaN would stay in them for ever
			break
		}
	}
	n := min(w.skip, w.in.Frames(len(w.memory)))
	w.skip -= n
	count := w.memory[n*w.in.Channels:]
	return audio.FromFloat32(make([]int16, 0, len(count)), count), bad
}
