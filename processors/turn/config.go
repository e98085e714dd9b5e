package turn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// Config says who may speak when. The zero value is good where a detector of
// voice and a recogniser come before the turn: the voice takes the turn and
// interrupts, and the turn ends 600 ms after the voice, when its transcript has
// come; or when the detector tells the end of the voice, if that is later (see
// [Silence]).
type Config struct {
	// Name is the processor's name. Default: "turn".
	Name string

	// Track is the caller's track. What is of others is passed on and not looked
	// at, muted neither; what is of no track is the caller's. Default: the first of
	// which there is audio, a voice or a transcript; if more follow, ErrTracks is
	// reported. A Processor is for one caller.
	Track string

	// Start is when the caller takes the turn. After a turn it must first cease
	// to hold. Default: Any(Voice(), Words(1)), the voice or, where the
	// detector missed it, words.
	Start Condition

	// End is when the caller's turn is over. Default: All(Silence(600 ms),
	// Transcript(200 ms, 1500 ms)). Without a recogniser before the turn, use
	// Silence.
	End Condition

	// Interrupt is when a turn may interrupt what the agent says or does. It is
	// asked while the agent speaks or a function runs. An answer that is still
	// awaited is given up without asking, but not for a cough: when there are the
	// words that Recovery asks for or, where nobody transcribes, that length of
	// speech. Default: Always().
	Interrupt Condition

	// Barred is what becomes of speech that may not interrupt. Default: Keep.
	Barred Barred

	// Recovery holds the agent's voice while it is not sure that the caller
	// barges in. Default: no; a turn interrupts at once.
	Recovery Recovery

	// Mute is when the caller is not heard: their audio is replaced by silence,
	// and what detectors and recognisers before the turn make of it goes no
	// further; a turn in progress ends. [Processor.Mute] and [SetMute] mute as well.
	// It is not filter.Mute, which changes audio and nothing else, for pipelines
	// without turns. Default: Never().
	Mute Condition

	// Idle is what is done when neither says anything, one after the other.
	// Default: nothing.
	Idle []Reminder

	// MaxTurn is how long a turn may last. Then it is ended, and ErrEndless
	// reported. No shorter than the silence that End waits for. Default: 2 min.
	MaxTurn time.Duration

	// MaxQuiet is for how long no audio may come while the detector says that
	// there is a voice. Then the voice is taken to have ended with the audio, and
	// ErrStuckVoice reported. Where no audio comes by at all, MaxTurn takes its
	// place. Default: 3 s.
	MaxQuiet time.Duration

	// MaxTool is how long a function may run. Then it is taken to have ended,
	// and ErrStuckTool reported. Default: 5 min.
	MaxTool time.Duration
}

// Barred is what becomes of speech that may not interrupt.
type Barred uint8

const (
	// Keep makes a turn of it, without an interruption: it is answered after
	// what the agent says or does now. If interruption becomes possible before it
	// ends, it interrupts.
	Keep Barred = iota

	// Ignore forgets it: there is no turn, and its transcripts go no further.
	// If interruption becomes possible before it ends, it is a turn after all.
	Ignore
)

// Recovery is how a false interruption is told from a real one: the agent's voice
// is held at once (PausePlayout), and goes on (ResumePlayout) if it was nothing.
// While an answer is awaited or a function runs there is no voice to hold, but it is
// told in the same way.
type Recovery struct {
	// On makes the agent's voice wait, and the turn with it. Default: off; a turn
	// interrupts the agent's voice at once, and what cannot be heard yet when it
	// is real.
	On bool

	// Words is how many words make it real, on or off. Default: 1.
	Words int

	// Speech is how long speech makes it real where nobody transcribes: as long
	// as no transcript was seen in the call, on or off. Default: 700 ms.
	Speech time.Duration

	// Wait is how long the agent's voice is held at most, and how long after the
	// caller was heard last it is held at most. What is said so late
	// that the agent goes on already interrupts it like any other. Default: 2 s.
	Wait time.Duration
}

// confirm returns the condition that makes a barge-in real.
func (r Recovery) confirm() Condition {
	return Func(func(f *Facts) (bool, time.Duration) {
		if f.Transcripts {
			return f.Words >= r.Words, 0
		}
		return f.spoken(r.Speech)
	})
}

// Reminder is something to be done when it has been quiet for a while.
type Reminder struct {
	// After is how long neither has said anything since the caller last did. The
	// time does not count in which the agent speaks, a function runs, an answer
	// is awaited (10 s at most), the caller is muted, or a handler is at work.
	After time.Duration

	// Do is the handler.
	Do Handler
}

// Handler does something about a caller who says nothing. It is called on a
// goroutine of its own, one at a time; ctx ends when the caller speaks, and with
// the run. Its error is reported.
type Handler func(ctx context.Context, out *pipeline.Port) error

// Say makes a handler that sends a Text downstream, for the model to answer or to
// be spoken.
func Say(text string) Handler {
	return func(ctx context.Context, out *pipeline.Port) error {
		return out.Send(ctx, &frames.Text{Text: text, Instruction: true}, frames.Downstream)
	}
}

// HangUp makes a handler that ends the call, in order.
func HangUp(reason string) Handler {
	return func(ctx context.Context, out *pipeline.Port) error {
		return out.Send(ctx, &frames.End{Reason: reason}, frames.Upstream)
	}
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "turn"
	}
	if c.Start == nil {
		c.Start = Any(Voice(), Words(1))
	}
	if c.End == nil {
		c.End = All(Silence(600*time.Millisecond), Transcript(200*time.Millisecond, 1500*time.Millisecond))
	}
	if c.Interrupt == nil {
		c.Interrupt = Always()
	}
	if c.Mute == nil {
		c.Mute = Never()
	}
	if c.Recovery.Words == 0 {
		c.Recovery.Words = 1
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.Recovery.Speech, 700 * time.Millisecond},
		{&c.Recovery.Wait, 2 * time.Second},
		{&c.MaxTurn, 2 * time.Minute},
		{&c.MaxQuiet, 3 * time.Second},
		{&c.MaxTool, 5 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	return c
}

// validate tells what is wrong in a configuration as it was given, and how to mend
// it. tapped says that there is a Tap.
func (c Config) validate(tapped bool) error {
	var mistaken mistakes.List
	wrong := mistaken.Add
	if (c.Start == nil) != (c.End == nil) || c.Start != nil {
		if start, end := c.Start != nil && isExternal(c.Start), c.End != nil && isExternal(c.End); start != end {
			wrong("Start and End: a service that decides turns decides both; set both to External(), or neither")
		} else if start && (c.Interrupt != nil || c.Recovery.On) {
			wrong("Interrupt and Recovery: with External() the service interrupts by itself; leave them out")
		}
	}
	for _, f := range []struct {
		name string
		is   Condition
	}{{"Start", c.Start}, {"End", c.End}, {"Interrupt", c.Interrupt}, {"Mute", c.Mute}} {
		mistaken.Join(check(f.name, f.is, tapped))
	}
	if c.End != nil && uses(c.End, "Released") && !(c.Start != nil && uses(c.Start, "Pressed")) {
		wrong("End: Released() ends every turn at once that no button has begun; use Pressed() in Start")
	} else if c.Start != nil && c.End != nil && unpressed(c.Start) && released(c.End) {
		wrong("Start and End: Released() ends at once what begins without the button; use All(Released(), Silence(d)) in End, or Pressed() alone in Start")
	}
	if c.Barred > Ignore {
		wrong("Barred: %d is neither Keep nor Ignore", c.Barred)
	}
	if c.Recovery.Words < 0 {
		wrong("Recovery.Words: %d words are fewer than none; use 1 or more", c.Recovery.Words)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Recovery.Speech", c.Recovery.Speech}, {"Recovery.Wait", c.Recovery.Wait},
		{"MaxTurn", c.MaxTurn}, {"MaxQuiet", c.MaxQuiet}, {"MaxTool", c.MaxTool},
	} {
		mistaken.Duration(d.name, d.value, leastTime, 0)
	}
	if full := c.withDefaults(); full.MaxTurn >= leastTime && soonest(full.End) > full.MaxTurn {
		wrong("End: it cannot hold before %v, and MaxTurn has ended every turn after %v; make MaxTurn longer, or what End waits for shorter", soonest(full.End), full.MaxTurn)
	}
	last := time.Duration(0)
	for i, p := range c.Idle {
		if p.After <= last {
			wrong("Idle[%d].After: %v does not come after %v; times count from the caller's last word on, so each must be longer than the one before it", i, p.After, last)
		} else {
			mistaken.Duration(fmt.Sprintf("Idle[%d].After", i), p.After, leastTime, 0)
		}
		if p.Do == nil {
			wrong("Idle[%d].Do: there is no handler; use Say, HangUp or a function", i)
		}
		last = max(last, p.After)
	}
	return mistaken.Err()
}

// leastTime is the shortest that anything may last: less was meant in other units.
const leastTime = time.Millisecond

// check tells what is wrong with the condition of one field.
func check(field string, c Condition, tapped bool) error {
	if c == nil {
		return nil
	}
	var errs []error
	walkNamed(field, c, func(name string, c Condition) {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
		}
		if c == nil {
			wrong("there is no condition; leave it out")
			return
		}
		if mistakes.IsNil(c) {
			wrong("a nil %T is no condition; give it something to ask, or leave it out", c)
			return
		}
		if p, ok := c.(parent); ok && len(p.members()) == 0 {
			wrong("%v() of nothing; give it conditions", c)
		}
		if k, ok := c.(checker); ok {
			for _, err := range k.check() {
				wrong("%w", err)
			}
		}
		if b, ok := c.(*builtin); ok {
			switch {
			case b.end && field != "End":
				wrong("%s tells when a turn has ended; use it in End, or Not(…) of what it is about", b.name)
			case b.tap && !tapped:
				wrong("%s needs to see what the service behind sends; put the processor's Tap() behind the service", b.name)
			}
		}
		if _, ok := c.(*semantic); ok && field != "End" {
			wrong("Semantic tells when a turn has ended; use it in End")
		}
		if isExternal(c) && (name != field || field != "Start" && field != "End") {
			wrong("External() cannot be combined with anything, nor used for anything but Start and End")
		}
	})
	return errors.Join(errs...)
}

// walkNamed visits c and all that it is made of, nil included, with the name of
// its place.
func walkNamed(name string, c Condition, visit func(name string, c Condition)) {
	visit(name, c)
	if p, ok := c.(parent); ok {
		for i, m := range p.members() {
			walkNamed(fmt.Sprintf("%s: %v[%d]", name, c, i), m, visit)
		}
	}
}

// uses reports whether a condition is among those that c is made of.
func uses(c Condition, name string) bool {
	found := false
	walk(c, func(c Condition) {
		if b, ok := c.(*builtin); ok && b.name == name {
			found = true
		}
	})
	return found
}

// unpressed reports whether a start may hold while no button is held.
func unpressed(c Condition) bool {
	switch c := c.(type) {
	case all:
		return !slices.ContainsFunc(c, func(c Condition) bool { return !unpressed(c) })
	case anyOf:
		return slices.ContainsFunc(c, unpressed)
	case *builtin:
		return c.name != "Pressed" && c.name != "Never"
	}
	return true
}

// released reports whether an end holds as soon as no button is held, whatever
// else is.
func released(c Condition) bool {
	switch c := c.(type) {
	case all:
		return len(c) > 0 && !slices.ContainsFunc(c, func(c Condition) bool { return !released(c) })
	case anyOf:
		return slices.ContainsFunc(c, released)
	case *builtin:
		return c.name == "Released"
	}
	return false
}

// soonest returns how long after the beginning of a turn an end may hold at the
// earliest, as far as that can be told.
func soonest(c Condition) (from time.Duration) {
	switch c := c.(type) {
	case all:
		for _, c := range c {
			from = max(from, soonest(c))
		}
	case anyOf:
		for i, c := range c {
			if s := soonest(c); i == 0 || s < from {
				from = s
			}
		}
	case *builtin:
		from = c.from
	case *semantic:
		from = c.cfg.Pause
	}
	return from
}

// Settings changes, in mid-call, how turns are taken. It is what a
// frames.UpdateSettings carries for this processor:
//
//	p.Send(ctx, &frames.UpdateSettings{Settings: turn.Settings{Interrupt: turn.Never()}})
//
// Nil fields stay as they are; what is known of the conversation is not lost. A
// turn that External has begun, or is to take over, ends with the change. Settings
// that cannot work are reported and change nothing.
type Settings struct {
	Start, End, Interrupt, Mute Condition

	Barred   *Barred
	Recovery *Recovery
	Idle     *[]Reminder
	MaxTurn  *time.Duration
	MaxQuiet *time.Duration
	MaxTool  *time.Duration
}

// apply returns c with the changes made.
func (s Settings) apply(c Config) Config {
	for _, f := range []struct{ field, value *Condition }{
		{&c.Start, &s.Start}, {&c.End, &s.End}, {&c.Interrupt, &s.Interrupt}, {&c.Mute, &s.Mute},
	} {
		if *f.value != nil {
			*f.field = *f.value
		}
	}
	if c.Start != nil && c.End != nil && isExternal(c.Start) && isExternal(c.End) {
		c.Interrupt, c.Recovery = nil, Recovery{} // the service's own business now
	}
	set(&c.Barred, s.Barred)
	set(&c.Recovery, s.Recovery)
	set(&c.Idle, s.Idle)
	set(&c.MaxTurn, s.MaxTurn)
	set(&c.MaxQuiet, s.MaxQuiet)
	set(&c.MaxTool, s.MaxTool)
	return c
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
