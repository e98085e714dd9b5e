package turn

import (
	"context"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// deliver does what is to be done, in order, and releases p.mu. Nothing is sent
// with it held: whoever gets a frame may call the methods. What somebody else is
// sending, they send to the end.
func (p *Processor) deliver() {
	if p.sending {
		p.mu.Unlock()
		return
	}
	p.sending = true
	for len(p.outbox) > 0 {
		e := p.outbox[0]
		p.outbox = p.outbox[1:]
		send := p.perform(e)
		if send == nil {
			continue
		}
		p.mu.Unlock()
		send(p.port)
		p.mu.Lock()
	}
	p.outbox = nil
	p.sending = false
	p.sent.Broadcast()
	p.mu.Unlock()
}

// delivered waits until what is to be done has been, whoever does it.
func (p *Processor) delivered() {
	p.mu.Lock()
	for p.sending {
		p.sent.Wait()
	}
	p.mu.Unlock()
}

// perform does what needs p.mu, which is held, and returns what must be done
// without it, or nil.
func (p *Processor) perform(e effect) func(out *pipeline.Port) {
	switch e.kind {
	case doInterrupt:
		if e.reason == bargeIn {
			p.stats.Interruptions++
		}
		return func(out *pipeline.Port) { out.Interrupt(e.reason) }
	case doStarted:
		track := p.track
		return both(func() frames.Frame {
			return &frames.UserStartedSpeaking{Track: track, Position: e.mark.pos, Rate: e.mark.rate}
		})
	case doStopped:
		track := p.track
		return both(func() frames.Frame {
			return &frames.UserStoppedSpeaking{Track: track, Position: e.mark.pos, Rate: e.mark.rate}
		})
	case doPause:
		p.stats.Doubts++
		return down(&frames.PausePlayout{})
	case doResume:
		p.stats.Resumed++
		return down(&frames.ResumePlayout{})
	case doRelease:
		p.released, p.kept = append(p.released, p.kept...), nil
		signal(p.pass)
	case doDrop:
		p.forget()
	case doMute:
		p.recall()
		if p.told {
			p.told = false
			return down(&frames.VADStopped{Track: p.track, Position: e.mark.pos, Rate: e.mark.rate})
		}
	case doUnmute:
		if p.machine.voice.on {
			p.told = true
			return down(&frames.VADStarted{Track: p.track, Position: e.mark.pos, Rate: e.mark.rate})
		}
	case doVoice:
		_, p.told = e.frame.(*frames.VADStarted)
		return func(out *pipeline.Port) { _ = out.Send(context.Background(), e.frame, e.dir) }
	case doKeep:
		p.keep(e.frame)
	case doRemind:
		p.stats.Reminders++
		p.remind(e.handler)
	case doCalm:
		if p.calm != nil {
			p.calm()
		}
	case doAsk:
		p.ask(e)
	case doReport:
		p.stats.Watchdogs++
		return func(out *pipeline.Port) { out.Report(pipeline.Classify(frames.ErrorApplication, e.err)) }
	}
	return nil
}

// both tells both neighbours. System frames never wait, and what is said of them
// is only that the run is over.
func both(make func() frames.Frame) func(out *pipeline.Port) {
	return func(out *pipeline.Port) { _ = out.SendBoth(context.Background(), make) }
}

func down(f frames.Frame) func(out *pipeline.Port) {
	return func(out *pipeline.Port) { _ = out.Send(context.Background(), f, frames.Downstream) }
}
