package conversation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// Config says how much is remembered, and who is told of it. The zero value is
// good.
//
// The functions are called one after the other, by a goroutine of the
// processor's own: they may take their time, and nobody waits for them but the
// end of the run. What changes meanwhile is told as it is then, so that a slow
// one misses steps in between and never the last one.
type Config struct {
	// OnEntry is called with each entry when it is begun to be known, and again
	// when its State or its words change.
	OnEntry func(Entry)

	// OnTurn is called with each turn when it is over: when the other side has
	// begun (a caller of whom nothing but interim texts is known has not: they may
	// come to nothing), and it is known what was heard. A correction that comes
	// later is told to OnEntry only.
	OnTurn func(Turn)

	// OnToolCall is called with each call of a tool when it has returned or
	// failed, and, at the end of the run, with those that have not.
	OnToolCall func(Entry)

	// MaxEntries is how many entries are remembered; 10,000 by default, which is
	// hours of talk. Of more, the oldest are dropped, and counted.
	MaxEntries int

	// MaxBytes is how many bytes of text are remembered; 16 MiB by default. Of
	// more, the oldest entries are dropped, and counted.
	MaxBytes int

	// MaxText is how many bytes of each text, and of a tool's arguments and its
	// result, are remembered; 64 KiB by default. The rest is cut off, and
	// counted in Entry.Clipped.
	MaxText int

	// MaxGap is how far ahead of the call a position may be before it is taken
	// for an error; 1 ms at least, 1 hour by default.
	MaxGap time.Duration
}

const (
	defaultMaxEntries = 10_000
	defaultMaxBytes   = 16 << 20
	defaultMaxText    = 64 << 10
	defaultMaxGap     = time.Hour
)

// withDefaults returns c with its defaults, and what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var wrong mistakes.List
	for _, v := range []struct {
		value *int
		name  string
		def   int
	}{
		{&c.MaxEntries, "MaxEntries", defaultMaxEntries},
		{&c.MaxBytes, "MaxBytes", defaultMaxBytes},
		{&c.MaxText, "MaxText", defaultMaxText},
	} {
		if *v.value < 0 {
			wrong.Add("%s is %d: at least 1, or 0 for the default", v.name, *v.value)
		}
		if *v.value == 0 {
			*v.value = v.def
		}
	}
	wrong.Duration("MaxGap", c.MaxGap, time.Millisecond, 0)
	if c.MaxGap == 0 {
		c.MaxGap = defaultMaxGap
	}
	if err := wrong.Err(); err != nil {
		return c, fmt.Errorf("configure conversation: %w", err)
	}
	return c, nil
}

// Processor keeps the transcript. Make one with [New]; it serves one run of a
// pipeline. Its other methods may be called at any time by any goroutine.
type Processor struct {
	config Config
	broken error // of the configuration
	wake   chan struct{}

	mu    sync.Mutex // guards all below
	book  *book
	queue []*note // to be told, each once
}

// New makes a processor. A configuration that does not work is reported when the
// pipeline starts.
func New(cfg Config) *Processor {
	full, err := cfg.withDefaults()
	p := &Processor{config: full, broken: err, wake: make(chan struct{}, 1)}
	p.book = newBook(full, p.changed)
	return p
}

// Name returns "conversation".
func (p *Processor) Name() string { return "conversation" }

// Start notes when the conversation begins.
func (p *Processor) Start(context.Context, *pipeline.Port) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.book.began = time.Now()
	return p.broken
}

// Transcript returns what is known now.
func (p *Processor) Transcript() Transcript {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.book.transcript()
}

// Messages returns the conversation so far as a model is told it; see
// [Transcript.Messages].
func (p *Processor) Messages() []Message { return p.Transcript().Messages() }

// Process writes down what is to be written down, and passes everything on.
func (p *Processor) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	// Before it is passed on, so that its playout cannot be reported before.
	p.note(f, dir, atOutput)
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// place is where in a pipeline a frame is seen.
type place int

const (
	atOutput place = iota // right before the output
	atModel               // before the model
	atVoice               // before the text-to-speech service
)

// TapCaller returns a processor that shows this one what flows past a place
// right before the model. A pipeline whose model asks for [Processor.Messages]
// needs it there: what the caller said is in them when the model gets it. Where
// processors/turn decides about turns, that is behind it: what it keeps from the
// model is no part of the conversation, and its prompts are. What goes downstream
// there as [frames.Text] is for the model, and so is taken for what the caller
// has typed, or for the application's if it is an Instruction. It is for the same
// run.
func (p *Processor) TapCaller() pipeline.Processor { return &tap{p, atModel, "conversation, caller"} }

// TapAgent returns a processor that shows this one what flows past a place
// before the text-to-speech service, if that keeps the words that it speaks
// ([frames.LLMText], [frames.Text]) to itself. It is for the same run.
func (p *Processor) TapAgent() pipeline.Processor { return &tap{p, atVoice, "conversation, agent"} }

type tap struct {
	to    *Processor
	place place
	name  string
}

// Name tells the taps apart.
func (t *tap) Name() string { return t.name }

// Process shows the processor what it needs, and passes everything on.
func (t *tap) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	t.to.note(f, dir, t.place)
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// note writes down what a frame tells. What comes by twice is noted once.
func (p *Processor) note(f frames.Frame, dir frames.Direction, at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.book
	switch f := f.(type) {
	case *frames.AudioInput:
		if dir == frames.Downstream {
			if !b.tick(f.Format.Rate, f.End()) {
				b.issue(BadPosition, fmt.Sprintf("the caller's audio at %d of %d Hz", f.Position, int(f.Format.Rate)))
			}
			b.forgetStale()
		}
		return
	case *frames.AudioOutput:
		if dir == frames.Downstream && at == atOutput {
			b.audioSent(f)
		}
		return
	case *frames.Interruption:
		b.interrupted(f)
		return
	case *frames.PausePlayout:
		b.held = b.held || at == atOutput && dir == frames.Downstream
		return
	case *frames.ResumePlayout:
		b.held = b.held && !(at == atOutput && dir == frames.Downstream)
		return
	case *frames.Playout:
		if at == atOutput { // it has come by there
			b.playout(f)
		}
		return
	case *frames.BotStartedSpeaking, *frames.BotStoppedSpeaking:
		if at != atOutput {
			return
		}
	case *frames.Text:
		if at == atOutput || dir != frames.Downstream {
			return
		}
	case *frames.Transcription, *frames.InterimTranscription,
		*frames.UserStartedSpeaking, *frames.UserStoppedSpeaking, *frames.VADStarted, *frames.VADStopped,
		*frames.LLMResponseStart, *frames.LLMText, *frames.LLMResponseEnd, *frames.SpokenText, *frames.TTSStop,
		*frames.FunctionCall, *frames.FunctionCallInProgress, *frames.FunctionCallResult, *frames.FunctionCallCancel:
	default:
		return
	}
	if b.seen.first(f) {
		b.note(f, at)
	}
}

// note writes down what a frame tells that is seen for the first time.
func (b *book) note(f frames.Frame, at place) {
	b.forgetStale()
	switch f := f.(type) {
	case *frames.BotStartedSpeaking:
		b.tick(f.OutputRate, f.Output)
	case *frames.BotStoppedSpeaking:
		b.silenced(f)
	case *frames.Text:
		if at == atVoice {
			b.announced("", f.Text)
		} else {
			b.written(f)
		}
	case *frames.Transcription:
		b.heardFinal(f)
	case *frames.InterimTranscription:
		b.heardInterim(f)
	case *frames.UserStartedSpeaking:
		b.callerOf(f.Track).turns = true
		b.speechStarted(f.Track, f.Position, f.Rate)
	case *frames.UserStoppedSpeaking:
		b.speechStopped(f.Track, f.Position, f.Rate)
	case *frames.VADStarted:
		if !b.callerOf(f.Track).turns {
			b.speechStarted(f.Track, f.Position, f.Rate)
		}
	case *frames.VADStopped:
		if !b.callerOf(f.Track).turns {
			b.speechStopped(f.Track, f.Position, f.Rate)
		}
	case *frames.LLMResponseStart:
		b.answerBegun(f.Response)
	case *frames.LLMText:
		b.announced(f.Response, f.Text)
	case *frames.LLMResponseEnd:
		b.answerEnded(f)
	case *frames.SpokenText:
		b.wasSpoken(f)
	case *frames.TTSStop:
		b.voiceEnded(f.Response)
	case *frames.FunctionCall:
		b.called(f)
	case *frames.FunctionCallInProgress:
		b.started(f)
	case *frames.FunctionCallResult:
		b.returned(f)
	case *frames.FunctionCallCancel:
		b.cancelled(f)
	}
}

// ---- who is told

func (p *Processor) listens() bool {
	return p.config.OnEntry != nil || p.config.OnTurn != nil || p.config.OnToolCall != nil
}

// changed queues an entry to be told. p.mu is held.
func (p *Processor) changed(n *note) {
	if n.queued || !p.listens() {
		return
	}
	if len(p.queue) >= 2*p.config.MaxEntries {
		p.book.issue(TooMuch, "entries that wait to be told")
		p.queue[0].queued = false
		p.queue = p.queue[1:]
	}
	n.queued = true
	p.queue = append(p.queue, n)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run tells, beside the conversation.
func (p *Processor) Run(ctx context.Context, out *pipeline.Port) error {
	for {
		select {
		case <-p.wake:
		case <-ctx.Done():
			return nil
		}
		for ctx.Err() == nil {
			more, err := p.tellNext(false)
			if err != nil {
				out.Report(err)
			}
			if !more {
				break
			}
		}
	}
}

// Close ends the transcript: what was not heard by now never is. It then tells
// what nobody was told of yet.
func (p *Processor) Close(context.Context) error {
	p.mu.Lock()
	p.book.finish()
	for _, n := range p.book.calls {
		if !n.gone {
			p.changed(n)
		}
	}
	p.mu.Unlock()
	var errs []error
	for {
		more, err := p.tellNext(true)
		if err != nil {
			errs = append(errs, err)
		}
		if !more {
			return errors.Join(errs...)
		}
	}
}

// tellNext calls the hooks for one entry, or for one turn if there is none. It
// reports whether there was something to tell.
func (p *Processor) tellNext(end bool) (more bool, err error) {
	p.mu.Lock()
	if len(p.queue) > 0 {
		n := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		n.queued = false
		if n.dropped {
			p.mu.Unlock()
			return true, nil
		}
		e := n.clone()
		call := e.Who == Tool && !n.asked && (end || e.State.Over())
		n.asked = n.asked || call
		p.mu.Unlock()
		if p.config.OnEntry != nil {
			err = shield("OnEntry", func() { p.config.OnEntry(e) })
		}
		if call && p.config.OnToolCall != nil {
			err = errors.Join(err, shield("OnToolCall", func() { p.config.OnToolCall(e) }))
		}
		return true, err
	}
	var turn Turn
	if p.config.OnTurn != nil {
		turn, more = p.book.nextTurn(end)
	}
	p.mu.Unlock()
	if more {
		err = shield("OnTurn", func() { p.config.OnTurn(turn) })
	}
	return more, err
}

// shield makes an error of a panic: it costs what was told and nothing more.
func shield(name string, call func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("tell of the conversation: %s panicked: %v", name, v)
		}
	}()
	call()
	return nil
}
