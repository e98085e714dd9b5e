package playout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Run plays, chunk by chunk, until the run is over.
func (o *Output) Run(ctx context.Context, out *pipeline.Port) error {
	ctx, cancel := context.WithCancel(ctx)
	var passer sync.WaitGroup
	defer passer.Wait()
	defer cancel()
	passer.Go(func() { o.pass(ctx, out) })

	start := o.config.Clock.Start()
	o.mu.Lock()
	o.playing = true
	o.unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if err := o.step(ctx, start, out); err != nil {
			return err
		}
		timer.Reset(time.Until(o.deadline(start)))
	}
}

// deadline returns when the next thing is to be done: to build a chunk or to
// tell an event.
func (o *Output) deadline(start time.Time) time.Time {
	o.mu.Lock()
	defer o.unlock()
	rate := o.config.Format.Rate
	next := rate.Duration(int64(o.player.position)) - o.config.Lead
	if e := o.player.events; len(e) > 0 && (!o.far.tells || e[0].due <= o.far.limit(rate)) {
		due := rate.Duration(int64(e[0].due)) + o.far.behind
		if o.player.awaits(e[0]) { // nobody tells when the sink lets go of a chunk
			due = max(due, time.Since(start)-o.slipped+lookAgain)
		}
		next = min(next, due)
	}
	return start.Add(o.slipped + next)
}

// lookAgain is how long it takes at most to notice that nothing waits behind the sink any
// more.
const lookAgain = 5 * time.Millisecond

// step tells what has happened by now and plays the next chunk if it is due.
func (o *Output) step(ctx context.Context, start time.Time, out *pipeline.Port) error {
	now := time.Since(start)
	o.mu.Lock()
	defer signal(o.changed)
	o.tell(ctx, o.heard(now), out)
	late := now - o.slipped - (o.config.Format.Rate.Duration(int64(o.player.position)) - o.config.Lead)
	if late < 0 {
		o.unlock()
		return nil
	}
	// What was taken back by a flush is behind, and not late; nor is what is due
	// before the beginning, for a Lead.
	late -= o.config.Format.Rate.Duration(int64(max(0, o.reached-o.player.position)))
	if o.config.MaxLate > 0 && late > o.config.MaxLate {
		o.slipped += late
		o.player.stats.Slipped = o.slipped
	}
	flushes := o.flushes
	chunk, err := o.player.build(o.chunk)
	o.reached = max(o.reached, o.player.position)
	o.handing, o.handed = true, chunk.Position
	chunk.Background = o.mixer.mix(chunk.Samples, len(chunk.Spans) > 0)
	o.tell(ctx, o.heard(now), out)
	o.unlock()
	if err != nil {
		out.Report(fmt.Errorf("play audio: %w", err))
	}
	if err := o.sink.Play(ctx, chunk); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("play audio: %w", err)
	}
	if len(chunk.Spans) > 0 {
		out.Progress()
	}
	o.mu.Lock()
	defer o.unlock()
	o.handing = false
	o.tell(ctx, o.heard(time.Since(start)), out)
	if flusher, ok := o.sink.(Flusher); ok && o.flushes != flushes {
		o.flushSink(ctx, flusher, out) // the chunk may have arrived behind the flush
	}
	return nil
}

func (o *Output) flushSink(ctx context.Context, sink Flusher, out *pipeline.Port) {
	if err := sink.Flush(ctx); err != nil && ctx.Err() == nil {
		out.Report(fmt.Errorf("flush audio: %w", err))
	}
}

// heard returns the position on the output's clock that is reached at now, a
// time since the start, and finds out what never will be. o.mu is held.
func (o *Output) heard(now time.Duration) audio.Position {
	at := o.far.heard(o.config.Format.Rate, now-o.slipped)
	s, ok := o.sink.(Backlogger)
	if !ok {
		return at
	}
	first, waits, dropped := s.Backlog()
	for _, from := range dropped {
		o.player.drop(from, from+audio.Position(o.player.chunk))
	}
	if o.handing && (!waits || o.handed < first) {
		first, waits = o.handed, true
	}
	o.player.backlog, o.player.unsent = waits, first
	if waits {
		at = max(min(at, first), o.player.passed) // what is sent once more may have been told
	}
	return at
}

// tell reports all events up to now. Only system frames are sent from here, and
// those never wait. o.mu is held, so that nothing is told after an interruption
// which happened before it.
func (o *Output) tell(ctx context.Context, now audio.Position, out *pipeline.Port) {
	for {
		e, ok := o.player.next(now)
		if !ok {
			return
		}
		o.tellOne(ctx, e, out)
	}
}

func (o *Output) tellOne(ctx context.Context, e event, out *pipeline.Port) {
	rate := o.config.Format.Rate
	switch e.kind {
	case eventStarted:
		o.both(ctx, out, func() frames.Frame {
			return &frames.BotStartedSpeaking{Response: e.span.Response, Output: e.span.Begin, OutputRate: rate}
		})
	case eventStopped:
		o.both(ctx, out, func() frames.Frame {
			return &frames.BotStoppedSpeaking{Response: e.span.Response, Output: e.span.End, OutputRate: rate, Interrupted: e.cut, Held: e.held}
		})
	case eventPlayout:
		queued := e.span.To
		if e.cut {
			queued = e.queued
		}
		o.both(ctx, out, func() frames.Frame {
			return &frames.Playout{
				Track: e.span.Track, Rate: e.span.Rate, Heard: e.span.To, Response: e.span.Response,
				Output: e.span.End, OutputRate: rate, Flushed: e.cut, Dropped: e.dropped, Queued: queued, Fade: e.fade,
			}
		})
	case eventGap:
		o.check(out.Send(ctx, &frames.Metrics{Processor: out.Name(), Values: []frames.Metric{
			{Name: "parley.playout.gap", Value: rate.Duration(e.gap).Seconds(), Unit: "s"},
		}}, frames.Upstream), out)
	case eventMark:
		o.letGo(e.mark)
	}
}

// both tells both neighbours.
func (o *Output) both(ctx context.Context, out *pipeline.Port, make func() frames.Frame) {
	o.check(out.SendBoth(ctx, make), out)
}

func (o *Output) check(err error, out *pipeline.Port) {
	if err != nil && !over(err) {
		out.Report(fmt.Errorf("report playout: %w", err))
	}
}

// over reports whether err only says that the run, or what was being said, is
// over.
func over(err error) bool {
	return errors.Is(err, pipeline.ErrInterrupted) || errors.Is(err, pipeline.ErrCancelled) || errors.Is(err, context.Canceled)
}

// interrupt throws away what has not been heard and says so.
func (o *Output) interrupt(ctx context.Context, out *pipeline.Port) {
	o.mu.Lock()
	defer signal(o.changed)
	defer o.unlock()
	// Without a way to take it back, what was handed over will be heard.
	flusher, takeBack := o.sink.(Flusher)
	heard := o.player.position
	if o.playing {
		now := o.heard(time.Since(o.config.Clock.Start()))
		o.tell(ctx, now, out)
		if takeBack {
			heard = max(0, min(heard, now))
		}
	}
	// Silence is not taken back: the peer would be given it again.
	takeBack = takeBack && o.player.inFlight(heard)
	from := o.player.position
	settled, survivors := o.player.flush(heard, takeBack)
	if takeBack {
		o.flushes++
		o.mixer.rewind(int(int64(from-o.player.position) / o.player.chunk))
		o.flushSink(ctx, flusher, out)
	}
	for _, e := range settled {
		o.tellOne(ctx, e, out)
	}
	for _, m := range survivors {
		o.letGo(m)
	}
}

// pass sends on, in order, the frames whose time has come. It may have to wait
// for a slow processor behind, which the audio must not.
func (o *Output) pass(ctx context.Context, out *pipeline.Port) {
	for {
		o.mu.Lock()
		var m mark
		if len(o.released) > 0 {
			m = o.released[0]
			o.released[0] = mark{}
			o.released = o.released[1:]
		} else {
			o.released = nil
		}
		o.passing = m.frame != nil
		o.unlock()
		signal(o.changed)
		if m.frame == nil {
			select {
			case <-o.sendOn:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := o.deliver(m, out); err != nil && !over(err) {
			out.Report(err)
		}
	}
}

// deliver gives a frame to the sink, if it is for it, or sends it on.
func (o *Output) deliver(m mark, out *pipeline.Port) error {
	if m.ctx.Err() != nil {
		return nil // interrupted after its time had come, before it got away
	}
	switch f := m.frame.(type) {
	case *frames.TransportMessage:
		if s, ok := o.sink.(Messenger); ok {
			if err := s.Message(m.ctx, f.Message); err != nil {
				return fmt.Errorf("send message: %w", err)
			}
			return nil
		}
	case *frames.DTMFOutput:
		if s, ok := o.sink.(Keypad); ok {
			if err := s.Press(m.ctx, f.Digit); err != nil {
				return fmt.Errorf("press key %c: %w", f.Digit, err)
			}
			return nil
		}
	}
	return out.Send(m.ctx, m.frame, frames.Downstream)
}
