package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// Call is one call: a peer's to a [Server], or one that was begun with [Dial]. Its
// two ends go into a pipeline, which is run once.
type Call struct {
	// ID names the call in logs, and to the peer. It is the server's; of a call
	// that was dialled it is empty if the server has told none.
	ID string

	// Request is the HTTP request that began a peer's call, and nil of one that was
	// dialled. Its context and its body are not of use.
	Request *http.Request

	config  Config
	formats Formats
	link    *link
	clock   *playout.Clock
	input   *Input
	output  *playout.Output
	marks   marks
	left    atomic.Bool // the peer has hung up
	dialled bool
}

func newCall(id string, r *http.Request, l *link, formats Formats) *Call {
	cfg := l.config
	c := &Call{ID: id, Request: r, config: cfg, formats: formats, link: l, clock: &playout.Clock{}, dialled: l.ear != nil}
	c.input = &Input{call: c}
	p := cfg.Playout
	p.Name, p.Format, p.Clock = "websocket output", formats.Output, c.clock
	if _, clears := l.serializer.(Clearer); clears || !c.dialled {
		c.output = playout.New(p, flushSink{sink{c}})
	} else {
		c.output = playout.New(p, sink{c})
	}
	return c
}

// Input returns the caller: the first processor of the pipeline.
func (c *Call) Input() *Input { return c.input }

// Output returns the agent's voice: the last processor of the pipeline.
func (c *Call) Output() *playout.Output { return c.output }

// Serializer returns what speaks with the peer. A telephone provider's knows
// the numbers and parameters of the call.
func (c *Call) Serializer() Serializer { return c.link.serializer }

// Formats returns what the peer sends, and what it is sent.
func (c *Call) Formats() Formats { return c.formats }

// Stats counts what has gone over the connection so far. It is safe for
// concurrent use.
func (c *Call) Stats() LinkStats { return c.link.Stats() }

// Err returns why the call ended, when it has: nil if one of the sides hung up, a
// [*Refusal] with the code and the reason that the peer has given, or what befell
// the connection.
func (c *Call) Err() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.dialled && c.link.stats.MessagesIn <= 1 && misunderstood(c.link.cause) {
		return doubt(ended(c.link.cause)) // there is no handshake in which it would have been found out
	}
	return ended(c.link.cause)
}

// ended returns the error in the end of a connection.
func ended(cause error) error {
	if r, ok := errors.AsType[*Refusal](cause); ok && r.Code == ws.StatusNormalClosure {
		return nil // we have
	}
	if e, ok := errors.AsType[ws.CloseError](cause); ok {
		if e.Code == ws.StatusNormalClosure || e.Code == ws.StatusNoStatusRcvd {
			return nil
		}
		return &Refusal{Code: e.Code, Reason: e.Reason}
	}
	return cause
}

// Interrupt asks the other side for silence, as somebody does who presses a
// button, and discards what of its audio has not been played. It is an error if the
// serializer is no [Interrupter]. It is safe for concurrent use.
func (c *Call) Interrupt() error {
	i, ok := c.link.serializer.(Interrupter)
	if !ok {
		return fmt.Errorf("interrupt: %T cannot: %w", c.link.serializer, errors.ErrUnsupported)
	}
	m, err := i.Interrupt()
	if err != nil {
		return fmt.Errorf("interrupt: %w", err)
	}
	c.link.ear.discard()
	c.link.send(m)
	return nil
}

// Close hangs up a call that was dialled and whose pipeline is not run: of one that
// is, the end does it. A server's calls it does not touch.
func (c *Call) Close(ctx context.Context) error {
	if c.dialled {
		c.link.end(ctx, ws.StatusNormalClosure, "")
	}
	return nil
}

// Input is the processor that hears the peer. See [Server] and [Dial].
type Input struct {
	call *Call

	// Run's own: the end of the audio so far, at a rate that is 0 before any.
	next audio.Position
	rate audio.SampleRate

	waiting []frames.Frame // were read already; none but the last is audio
	away    bool           // the peer is
	returns int            // how many times it has come back
	ahead   bool           // the next audio does not continue what was before it

	holds atomic.Bool // the output has been asked to wait
}

// Name returns "websocket input".
func (in *Input) Name() string { return "websocket input" }

// Exclusive says that a pipeline hears one caller on a track.
func (in *Input) Exclusive() string {
	return fmt.Sprintf("input of the track %q", in.call.config.Track)
}

// Process passes everything on.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		if in.holds.Load() { // which an interruption has ended
			return out.Send(ctx, &frames.PausePlayout{}, frames.Downstream)
		}
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Close hangs up, if the call was dialled.
func (in *Input) Close(ctx context.Context) error { return in.call.Close(ctx) }

// Run sends what the peer says, until it hangs up.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	l := in.call.link
	defer l.deafen()
	in.call.clock.Start()
	if in.call.dialled {
		l.ear.begin()
	} else if err := l.listen(); err != nil {
		return err
	}
	p := newPacer(in.call.clock.Start(), l.ear)
	defer p.stop()
	for {
		if err := in.attend(ctx, out); err != nil {
			return err
		}
		f, state := in.hear(ctx, p)
		switch state {
		case cancelled:
			return nil
		case gone:
			return in.gone(ctx, p, out)
		case turned:
			continue
		case ticked:
			if err := in.play(ctx, p, false, out); err != nil {
				return err
			}
			continue
		}
		switch f := f.(type) {
		case *frames.End:
			in.call.left.Store(true)
			return in.hangUp(ctx, f.Reason, out)
		case *frames.Interruption:
			out.Interrupt(f.Reason)
			continue
		case *frames.Error:
			out.Report(f.Err)
			continue
		case *Played:
			if at, ok := in.call.marks.played(f.Mark); ok {
				in.call.output.Confirm(at)
			}
			continue
		case *frames.AudioInput:
			if err := in.place(ctx, f); err != nil {
				l.fail(err)
				continue // until the connection has ended
			}
		}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
}

// news is what Run has waited for.
type news uint8

const (
	said      news = iota // the peer has said something
	ticked                // the next piece is due
	turned                // the peer was lost, or has come back
	gone                  // it does not come back
	cancelled             // the run is over
)

// hear waits for what happens next.
func (in *Input) hear(ctx context.Context, p *pacer) (frames.Frame, news) {
	if len(in.waiting) > 0 {
		f := in.waiting[0]
		in.waiting = in.waiting[1:]
		return f, said
	}
	l := in.call.link
	select {
	case f := <-l.said:
		return f, said
	case <-p.due():
		return nil, ticked
	case <-l.turned:
		return nil, turned
	case <-ctx.Done():
		return nil, cancelled
	case <-l.over:
	}
	select {
	case f := <-l.said: // before the end
		return f, said
	default:
	}
	if ctx.Err() != nil {
		return nil, cancelled
	}
	return nil, gone
}

// attend tells the pipeline when the peer was lost, and when it is back. What the
// agent says meanwhile waits: somebody who comes back wants to hear it.
func (in *Input) attend(ctx context.Context, out *pipeline.Port) error {
	l := in.call.link
	l.mu.Lock()
	a := l.absence
	over := l.cause != nil
	l.mu.Unlock()
	if over {
		return nil
	}
	away := !a.since.IsZero()
	if !in.away && (away || a.returns > in.returns) {
		in.away = true
		if err := out.Send(ctx, &Lost{Err: a.cause, Grace: a.grace}, frames.Downstream); err != nil {
			return err
		}
		if away && !in.call.dialled {
			in.holds.Store(true)
			if err := out.Send(ctx, &frames.PausePlayout{}, frames.Downstream); err != nil {
				return err
			}
		}
	}
	if in.away && !away {
		in.away, in.returns, in.ahead = false, a.returns, true
		if in.holds.Swap(false) {
			if err := out.Send(ctx, &frames.ResumePlayout{}, frames.Downstream); err != nil {
				return err
			}
		}
		return out.Send(ctx, &Resumed{Away: a.last}, frames.Downstream)
	}
	return nil
}

// gone ends the call when the connection has ended, and what came over it has been
// heard.
func (in *Input) gone(ctx context.Context, p *pacer, out *pipeline.Port) error {
	for in.call.dialled && !in.call.link.ear.empty() {
		select {
		case <-p.due():
		case <-ctx.Done():
			return nil
		}
		if err := in.play(ctx, p, true, out); err != nil {
			return err
		}
	}
	reason, left := in.call.link.why(in.call.dialled)
	in.call.left.Store(left)
	return in.hangUp(ctx, reason, out)
}

// play sends the piece that is due of what the ear has, and what the peer wants to
// be told when it has been played.
func (in *Input) play(ctx context.Context, p *pacer, all bool, out *pipeline.Port) error {
	from, to := p.next()
	a, replies := in.call.link.ear.piece(from, to, all)
	a.Track = in.call.config.Track
	if err := out.Send(ctx, &frames.AudioInput{Audio: a}, frames.Downstream); err != nil {
		return err
	}
	for _, m := range replies {
		in.call.link.send(m)
	}
	return nil
}

// pacer says when the next piece of what the ear plays is due: when it has been
// spoken, as a microphone gives it. Without an ear none ever is.
type pacer struct {
	start time.Time
	from  time.Duration // the beginning of the next piece
	timer *time.Timer
}

const (
	pace    = 20 * time.Millisecond
	maxLate = time.Second // more is left out: the machine was asleep
)

func newPacer(start time.Time, e *ear) *pacer {
	p := &pacer{start: start}
	if e != nil {
		p.timer = time.NewTimer(time.Until(start.Add(pace)))
	}
	return p
}

func (p *pacer) due() <-chan time.Time {
	if p.timer == nil {
		return nil
	}
	return p.timer.C
}

func (p *pacer) next() (from, to time.Duration) {
	if now := time.Since(p.start); now-p.from > maxLate {
		p.from = now.Truncate(pace) - pace
	}
	from, p.from = p.from, p.from+pace
	p.timer.Reset(time.Until(p.start.Add(p.from + pace)))
	return from, p.from
}

func (p *pacer) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// burst reports whether more audio comes right behind: then what is late was held
// up, and the peer was not silent. What else comes meanwhile waits.
func (in *Input) burst(ctx context.Context) bool {
	pause := time.NewTimer(burstPause)
	defer pause.Stop()
	for {
		select {
		case f := <-in.call.link.said:
			in.waiting = append(in.waiting, f)
			if _, ok := f.(*frames.AudioInput); ok {
				return true
			}
		case <-pause.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// burstPause is what lies between messages at most that come all at once.
const burstPause = 5 * time.Millisecond

// hangUp ends the call. There is nobody who could hear the rest of what the agent
// has to say.
func (in *Input) hangUp(ctx context.Context, reason string, out *pipeline.Port) error {
	out.Interrupt(reason)
	return out.Send(ctx, &frames.End{Reason: reason, Gone: true}, frames.Downstream)
}

// place says where audio that has just arrived belongs on the call's clock.
// Audio that follows other audio continues it, however unevenly it came. Where
// the peer was silent for longer than [Config.MaxGap], as one that is muted is,
// the rest of the clock has passed without it.
func (in *Input) place(ctx context.Context, f *frames.AudioInput) error {
	n := audio.Position(f.Format.Frames(len(f.Samples)))
	first := in.rate == 0
	if !first && in.rate != f.Format.Rate { // the clock goes on at another rate
		in.next = audio.Position(int64(in.next) * int64(f.Format.Rate) / int64(in.rate))
	}
	in.rate = f.Format.Rate
	now := audio.Position(f.Format.Rate.Samples(time.Since(in.call.clock.Start())))
	switch late := f.Format.Rate.Duration(int64(now - n - in.next)); {
	case first, in.ahead, late > in.call.config.MaxGap && !in.burst(ctx):
		in.next = max(in.next, now-n)
	case -late > in.call.config.MaxAhead:
		return refuse(ws.StatusPolicyViolation, "audio came %v earlier than it can have been spoken", -late.Round(time.Millisecond))
	}
	in.ahead = false
	f.Track, f.Position = in.call.config.Track, in.next
	in.next += n
	return nil
}

// sink lets the peer hear the agent.
type sink struct{ call *Call }

func (s sink) Play(ctx context.Context, c playout.Chunk) error {
	l := s.call.link
	away := l.away()
	switch {
	case away && len(c.Spans) == 0:
		return nil // nor is music kept for somebody who is not there
	case away && !l.kept.audio:
		l.missed(c.Position)
		return nil
	case away: // it speaks in spite of the hold, as it does in the end
		l.room(ctx)
	}
	if !c.Silent() || s.call.config.SendSilence {
		if err := l.sendAudio(c.Position, func(dst []byte) (Message, error) { return l.serializer.Audio(dst, c) }); err != nil {
			return err
		}
	}
	m, ok := l.serializer.(Marker)
	if !ok || away {
		return nil
	}
	name := s.call.marks.after(c)
	if name == "" {
		return nil
	}
	encoded, err := m.Mark(name)
	if err == nil && len(encoded.Data) > 0 {
		l.queueUp(queued{Message: encoded, mark: name})
	}
	return err
}

// Backlog tells the output what has not been written, and what never will be.
func (s sink) Backlog() (first audio.Position, waits bool, dropped []audio.Position) {
	return s.call.link.waits()
}

// Close hangs up, if the call was dialled.
func (s sink) Close(ctx context.Context) error { return s.call.Close(ctx) }

// flushSink is a sink whose peer can be told to discard what it has not played.
type flushSink struct{ sink }

func (s flushSink) Flush(context.Context) error {
	s.call.marks.forget()
	return s.call.link.flush()
}

func (s sink) Message(_ context.Context, message any) error {
	m, ok := s.call.link.serializer.(Messenger)
	if !ok {
		return fmt.Errorf("send message: %T has no messages of the application's: %w", s.call.link.serializer, errors.ErrUnsupported)
	}
	encoded, err := m.Message(message)
	if err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	s.call.link.send(encoded)
	return nil
}

func (s sink) Press(_ context.Context, digit byte) error {
	k, ok := s.call.link.serializer.(Keypad)
	if !ok {
		return fmt.Errorf("press %c: %T has no keys: %w", digit, s.call.link.serializer, errors.ErrUnsupported)
	}
	encoded, err := k.Press(digit)
	if err != nil {
		return fmt.Errorf("press %c: %w", digit, err)
	}
	s.call.link.send(encoded)
	return nil
}
