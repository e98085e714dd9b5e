package turn

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// lookBack is how much audio before a turn a model gets.
const lookBack = 500 * time.Millisecond

// question is one that a model is asked.
type question struct {
	semantic *semantic
	ticket   int
	over     func() error // not nil when its deadline has passed
	cancel   context.CancelFunc
}

// stillAsked returns the questions whose answers are still awaited, and cancels
// the others.
func stillAsked(list []question) []question {
	kept := list[:0]
	for _, q := range list {
		if q.semantic.opinion == asked && q.semantic.ticket == q.ticket && q.over() == nil {
			kept = append(kept, q)
			continue
		}
		q.cancel()
	}
	return kept
}

// ask asks a model. p.mu is held.
func (p *Processor) ask(e effect) {
	s, heard := e.semantic, p.recent.since(e.from, lookBack)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Deadline)
	p.asking = append(p.asking, question{semantic: s, ticket: e.ticket, over: ctx.Err, cancel: cancel})
	p.start(func(run context.Context, out *pipeline.Port) {
		defer cancel()
		run, end := context.WithCancel(run)
		defer end()
		defer context.AfterFunc(ctx, end)()
		u := Utterance{Text: e.text}
		u.Format, u.Samples = joined(heard, s.cfg.Audio)
		var probability float64
		err := guarded(func() (err error) {
			probability, err = s.cfg.Model.EndOfTurn(run, u)
			return err
		})
		if ctx.Err() != nil || run.Err() != nil {
			return // it is too late, or nobody asks any more
		}
		if err != nil {
			out.Report(fmt.Errorf("%w: %w", ErrEndOfTurn, err))
		}
		p.on(func(*machine) { s.answer(e.ticket, probability, err) })
	})
}

// longest returns how much audio the models want.
func (m *machine) longest() time.Duration {
	d := time.Duration(0)
	for _, s := range m.semantics {
		d = max(d, s.cfg.Audio)
	}
	return d
}

// recording keeps the caller's latest audio, without copying it.
type recording struct{ frames []*frames.AudioInput }

func (r *recording) forget() { r.frames = nil }

// add keeps a frame, and those of the last d before it that it goes on from.
func (r *recording) add(f *frames.AudioInput, d time.Duration) {
	if n := len(r.frames); n > 0 && (r.frames[n-1].Format != f.Format || r.frames[n-1].Position > f.Position) {
		r.frames = nil // positions may begin anew
	}
	r.frames = append(r.frames, f)
	from := f.End() - audio.Position(f.Format.Rate.Samples(d))
	for len(r.frames) > 1 && r.frames[0].End() <= from {
		r.frames[0] = nil
		r.frames = r.frames[1:]
	}
}

// since returns the frames from a while before a mark on.
func (r *recording) since(at mark, before time.Duration) []*frames.AudioInput {
	for i, f := range r.frames {
		from := at.pos.At(at.rate, f.Format.Rate) - audio.Position(f.Format.Rate.Samples(before))
		if at.rate == 0 || f.End() > from {
			return append([]*frames.AudioInput(nil), r.frames[i:]...)
		}
	}
	return nil
}

// joined returns the samples of frames, the last d of them.
func joined(list []*frames.AudioInput, d time.Duration) (audio.Format, []int16) {
	if len(list) == 0 {
		return audio.Format{}, nil
	}
	format := list[0].Format
	var samples []int16
	for _, f := range list {
		samples = append(samples, f.Samples...)
	}
	if most := int(format.Rate.Samples(d)) * format.Channels; len(samples) > most {
		samples = samples[len(samples)-most:]
	}
	return format, samples
}
