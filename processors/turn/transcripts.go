package turn

import (
	"context"
	"slices"
	"strings"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// maxKept bounds the transcripts that are kept back; the oldest give way.
const maxKept = maxFinals

// words takes in a transcript, and sends it on if it is to go on: after what
// begins with it, and before what ends with it.
func (p *Processor) words(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port, t transcript) error {
	p.mu.Lock()
	p.seen.add(f.ID())
	var v verdict
	before := len(p.outbox)
	p.take(func(m *machine) { v = m.hearWords(t) }, false)
	interrupts := slices.ContainsFunc(p.outbox[before:], func(e effect) bool { return e.kind == doInterrupt })
	if dir == frames.Upstream && v == hold {
		v = pass // it comes from behind, where it has gone on already
	}
	switch {
	case v == hold:
		p.outbox = append(p.outbox, effect{kind: doKeep, frame: f})
	case v == pass && interrupts && dir == frames.Downstream && !t.final:
		// The interruption would throw it away with all that came before it.
		p.outbox = append(p.outbox, effect{kind: doKeep, frame: f}, effect{kind: doRelease})
		v = hold
	case v == drop && t.final:
		p.stats.Ignored++
		p.recall()
	}
	p.deliver()
	var err error
	if v == pass {
		p.delivered()
		err = p.sendBehind(ctx, f, dir, out)
	}
	p.on(nil)
	return err
}

// keep keeps a transcript back, in the place of an interim one that came before
// it. p.mu is held.
func (p *Processor) keep(f frames.Frame) {
	if n := len(p.kept); n > 0 && isInterim(p.kept[n-1]) {
		p.kept = p.kept[:n-1]
	}
	if i, ok := f.(*frames.InterimTranscription); ok && strings.TrimSpace(i.Text) == "" {
		p.recall() // the recogniser has taken it back
		return
	}
	if len(p.kept) == maxKept {
		p.kept = p.kept[1:]
		p.stats.Ignored++
	}
	p.kept = append(p.kept, f)
}

// forget lets go of what is kept back. p.mu is held.
func (p *Processor) forget() {
	for _, f := range p.kept {
		if !isInterim(f) {
			p.stats.Ignored++
		}
	}
	p.kept = nil
	p.recall()
}

// recall has an interim transcript withdrawn that went on, and that no final one
// will follow. p.mu is held.
func (p *Processor) recall() {
	p.recalled = true
	signal(p.pass)
}

func isInterim(f frames.Frame) bool {
	_, ok := f.(*frames.InterimTranscription)
	return ok
}

// passLast sends a frame on behind everything else.
func (p *Processor) passLast(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	p.delivered()
	return p.sendBehind(ctx, f, dir, out)
}

// sendBehind sends a frame on behind the transcripts that were released before.
func (p *Processor) sendBehind(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	select {
	case p.passing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.passing }()
	if err := p.sendReleased(ctx, out); err != nil {
		return err
	}
	if err := out.Send(ctx, f, dir); err != nil {
		return err
	}
	if dir == frames.Downstream {
		p.mu.Lock()
		p.show(f)
		p.mu.Unlock()
	}
	return nil
}

// sendReleased sends what was released. p.passing is held.
func (p *Processor) sendReleased(ctx context.Context, out *pipeline.Port) error {
	for {
		p.mu.Lock()
		f := p.nextReleased()
		p.mu.Unlock()
		if f == nil {
			return nil
		}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
}

// nextReleased returns what is to be sent next, or nil. p.mu is held.
func (p *Processor) nextReleased() frames.Frame {
	if len(p.released) > 0 {
		f := p.released[0]
		p.released = p.released[1:]
		p.show(f)
		return f
	}
	p.released = nil
	shown := p.shown
	if !p.recalled || shown == nil {
		p.recalled = false
		return nil
	}
	p.recalled, p.shown = false, nil
	return &frames.InterimTranscription{Track: shown.Track} // it has no words: nothing was said
}

// show notes what is known behind of what the caller seems to be saying. p.mu is
// held.
func (p *Processor) show(f frames.Frame) {
	switch f := f.(type) {
	case *frames.InterimTranscription:
		p.shown = f
		if p.machine.facts.Muted {
			p.recall() // the mute began while it was on its way
		}
	case *frames.Transcription:
		p.shown = nil
	}
}

// passReleased sends what was released when nothing else comes. It may have to
// wait for a slow processor behind, which turns must not.
func (p *Processor) passReleased(ctx context.Context, out *pipeline.Port) {
	for {
		select {
		case <-p.pass:
		case <-ctx.Done():
			return
		}
		select {
		case p.passing <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := p.sendReleased(ctx, out)
		<-p.passing
		if err != nil {
			return // the run is over
		}
	}
}

// seen remembers the transcripts that were seen last, by identity.
type seen struct {
	ids [64]uint64
	n   int
}

func (s *seen) add(id uint64) {
	s.ids[s.n%len(s.ids)] = id
	s.n++
}

func (s *seen) has(id uint64) bool {
	for _, seen := range s.ids {
		if seen == id {
			return true
		}
	}
	return false
}

// Tap returns a processor that shows p what flows past another place of the
// pipeline, and passes everything on: behind the service, that functions run and
// sentences were heard; behind a recogniser that comes after p, what the caller
// said. It is for the same run.
//
//	turns := turn.New(turn.Config{Interrupt: turn.Not(turn.ToolRunning())})
//	pipeline.Run(ctx, call.Input(), vad, turns, service, turns.Tap(), call.Output())
//
// A transcript that p only sees through a tap it cannot keep back.
func (p *Processor) Tap() pipeline.Processor {
	p.tapped.Store(true)
	return pipeline.Inline(&tap{p})
}

type tap struct{ turns *Processor }

// Name returns "turn tap".
func (t *tap) Name() string { return t.turns.Name() + " tap" }

// Start tells that the tap is in the pipeline.
func (t *tap) Start(context.Context, *pipeline.Port) error {
	t.turns.placed.Store(true)
	return nil
}

// Process shows what is of interest, and passes everything on.
func (t *tap) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	p := t.turns
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.Transcription:
		p.overhear(f, f.Track, p.final(f))
	case *frames.InterimTranscription:
		p.overhear(f, f.Track, transcript{text: f.Text})
	case *frames.FunctionCallCancel:
		p.on(func(m *machine) { m.toolEnded(f.CallID) })
	default:
		p.watchService(f)
	}
	return out.Send(ctx, f, dir)
}

// overhear takes in a transcript that goes on whatever p decides.
func (p *Processor) overhear(f frames.Frame, track string, t transcript) {
	if !p.isCallers(track) {
		return
	}
	p.mu.Lock()
	known := p.seen.has(f.ID())
	if !known {
		p.take(func(m *machine) { m.hearWords(t) }, true)
	}
	p.deliver()
}
