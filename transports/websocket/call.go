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

// Call is one peer's call. Its two ends go into a pipeline, which is run once.
type Call struct {
	// ID names the call in logs, and to the peer.
	ID string

	// Request is the HTTP request that began it. Its context and its body are
	// not of use.
	Request *http.Request

	config  Config
	formats Formats
	link    *link
	clock   *playout.Clock
	input   *Input
	output  *playout.Output
	marks   marks
	left    atomic.Bool // the peer has hung up
}

func newCall(id string, r *http.Request, l *link, formats Formats) *Call {
	cfg := l.config
	c := &Call{ID: id, Request: r, config: cfg, formats: formats, link: l, clock: &playout.Clock{}}
	c.input = &Input{call: c}
	p := cfg.Playout
	p.Name, p.Format, p.Clock = "websocket output", formats.Output, c.clock
	c.output = playout.New(p, sink{c})
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

// Input is the processor that hears the peer. See [Server].
type Input struct {
	call *Call

	// Run's own: the end of the audio so far, at a rate that is 0 before any.
	next audio.Position
	rate audio.SampleRate

	waiting frames.Frame // was read already
}

// Name returns "websocket input".
func (in *Input) Name() string { return "websocket input" }

// Process passes everything on.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run sends what the peer says, until it hangs up.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	in.call.clock.Start()
	if err := in.call.link.listen(); err != nil {
		return err
	}
	for {
		f, ok := in.hear(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !ok {
			reason, left := in.call.link.why()
			in.call.left.Store(left)
			return in.hangUp(ctx, reason, out)
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
		case *Reply:
			in.call.link.send(f.Message)
			continue
		case *Played:
			if at, ok := in.call.marks.played(f.Mark); ok {
				in.call.output.Confirm(at)
			}
			continue
		case *frames.AudioInput:
			if err := in.place(ctx, f); err != nil {
				in.call.link.fail(err)
				continue // until the connection has ended
			}
		}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
}

// hear returns what the peer says next; nothing when it is gone, or ctx ends.
func (in *Input) hear(ctx context.Context) (frames.Frame, bool) {
	if f := in.waiting; f != nil {
		in.waiting = nil
		return f, true
	}
	select {
	case f, ok := <-in.call.link.said:
		return f, ok
	case <-ctx.Done():
		return nil, false
	}
}

// burst reports whether more comes right behind: then what is late was held up,
// and the peer was not silent.
func (in *Input) burst(ctx context.Context) bool {
	pause := time.NewTimer(burstPause)
	defer pause.Stop()
	select {
	case f, ok := <-in.call.link.said:
		if ok {
			in.waiting = f
		}
		return ok
	case <-pause.C:
	case <-ctx.Done():
	}
	return false
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
	case first, late > in.call.config.MaxGap && !in.burst(ctx):
		in.next = max(in.next, now-n)
	case -late > in.call.config.MaxAhead:
		return refuse(ws.StatusPolicyViolation, "audio came %v earlier than it can have been spoken", -late.Round(time.Millisecond))
	}
	f.Track, f.Position = in.call.config.Track, in.next
	in.next += n
	return nil
}

// sink lets the peer hear the agent.
type sink struct{ call *Call }

func (s sink) Play(_ context.Context, c playout.Chunk) error {
	l := s.call.link
	if !c.Silent() || s.call.config.SendSilence {
		if err := l.sendAudio(func(dst []byte) (Message, error) { return l.serializer.Audio(dst, c) }); err != nil {
			return err
		}
	}
	m, ok := l.serializer.(Marker)
	if !ok {
		return nil
	}
	name := s.call.marks.after(c)
	if name == "" {
		return nil
	}
	encoded, err := m.Mark(name)
	if err == nil && len(encoded.Data) > 0 {
		l.queueUp(encoded, true)
	}
	return err
}

func (s sink) Flush(context.Context) error {
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
