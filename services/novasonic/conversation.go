package novasonic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
	"github.com/parley-go/parley/tool"
)

const (
	// inboxSize is how many events may wait for the conversation, which handles
	// each in microseconds and never waits itself.
	inboxSize = 256

	// maxAhead is the most audio that may wait to be taken by the pipeline. The
	// service speaks faster than anybody listens, and its answers are bounded
	// by their tokens.
	maxAhead = 10 * time.Minute

	// replayMargin is how much audio from before a stream's death its successor
	// hears where nobody was known to speak: a beginning of speech is not
	// reported until some of it was heard.
	replayMargin = 1500 * time.Millisecond

	// A stream that dies younger than healthyAge counts towards maxQuickDeaths.
	healthyAge     = 20 * time.Second
	maxQuickDeaths = 3
)

// conversation is what a Service does: one goroutine that owns all state, is
// told everything through its inbox, and never waits for anybody.
//
//	pipeline ──▶ inbox ──▶ conversation ──▶ send queue ──▶ writer ──▶ stream
//	readers, tools, timers ──▶ ↑      └──▶ outbox ──▶ pipeline
type conversation struct {
	cfg    *Config
	dialer bedrock.Dialer
	out    *pipeline.Port
	log    *slog.Logger

	inbox  chan any
	box    *outbox
	tasks  sync.WaitGroup // openers, tools, and streams that say goodbye
	first  chan error     // capacity 1: how the first open went
	failed chan error     // capacity 1: why the conversation cannot go on

	// The goroutine of run owns the following.
	input     *intake
	ring      *ring
	listening *connection // nil while none can hear
	opening   bool
	streams   int
	deaths    int
	replayed  audio.Position // everything before was answered or needs no answer
	unheard   bool           // an utterance begun at replayed has had no answer yet
	lastAudio time.Time      // up to when the stream's input is accounted for

	track      audio.Position // end of the agent's audio that was sent
	heard      audio.Position // the first sample of it that was not heard
	heardUntil audio.Position // audio before it was played or thrown away
	seen       bool           // somebody reports playout
	lastCut    *reply         // the answer that was interrupted last
	replies    int
	past       transcript
	calls      map[string]*call
	asked      []string // texts that have had no answer yet
	digits     []byte
	dtmf       *time.Timer
	ending     []chan struct{} // closed when no answer is in progress
	shared     *shared
}

// What the inbox takes, beside frames that the pipeline sent.
type (
	fromStream struct {
		c     *connection
		event wire.Output
	}
	streamEnded  struct{ c *connection }
	streamOpened struct {
		c    *connection
		from audio.Position
		err  error
	}
	toolReturned struct {
		call   *call
		result tool.Result
	}
	keysPressed struct{}
	drain       struct{ done chan struct{} }
)

func newConversation(cfg *Config, dialer bedrock.Dialer, out *pipeline.Port, log *slog.Logger, sh *shared) *conversation {
	return &conversation{
		cfg:    cfg,
		dialer: dialer,
		out:    out,
		log:    log,
		inbox:  make(chan any, inboxSize),
		box:    newOutbox(maxAhead),
		first:  make(chan error, 1),
		failed: make(chan error, 1),
		input:  newIntake(cfg.InputRate),
		ring:   newRing(cfg.InputRate, cfg.Keep),
		calls:  make(map[string]*call),
		past:   newTranscript(cfg.History),
		shared: sh,
	}
}

// post puts an event into the inbox, unless ctx ends first.
func (v *conversation) post(ctx context.Context, event any) error {
	select {
	case v.inbox <- event:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run handles events until ctx ends, and then says goodbye to the service. It
// returns when everything that the conversation started has ended.
func (v *conversation) run(ctx context.Context) {
	defer v.tasks.Wait()
	defer func() {
		if p := recover(); p != nil {
			v.fail(&pipeline.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	v.lastAudio = time.Now()
	v.open(ctx, 0)

	keepAlive := time.NewTimer(max(v.cfg.KeepAlive, time.Second/10))
	defer keepAlive.Stop()
	for {
		select {
		case <-ctx.Done():
			v.settleAll()
			for _, c := range v.calls {
				c.cancel(context.Canceled)
			}
			if c := v.listening; c != nil {
				v.listening = nil
				v.retire(c)
			}
			return
		case e := <-v.inbox:
			v.handle(ctx, e)
		case <-keepAlive.C:
			keepAlive.Reset(v.keepAlive())
		}
		v.drained()
	}
}

func (v *conversation) handle(ctx context.Context, event any) {
	switch e := event.(type) {
	case *frames.AudioInput:
		v.userAudio(e)
	case fromStream:
		v.serviceEvent(ctx, e.c, e.event)
	case streamEnded:
		v.streamEnded(ctx, e.c)
	case streamOpened:
		v.streamOpened(ctx, e)
	case *frames.Playout:
		v.playout(e)
	case *frames.Interruption:
		v.interrupted()
	case *frames.Text:
		v.say(e.Text)
	case *frames.DTMFInput:
		v.key(ctx, e.Digit)
	case keysPressed:
		v.keysDone()
	case toolReturned:
		v.toolReturned(e)
	case *frames.FunctionCallCancel:
		v.cancelCalls(e)
	case drain:
		v.ending = append(v.ending, e.done)
	}
}

// emit hands a frame to the pipeline.
func (v *conversation) emit(f frames.Frame) { v.emitTo(f, frames.Downstream) }

func (v *conversation) emitTo(f frames.Frame, dir frames.Direction) bool {
	return v.box.put(parcel{frame: f, dir: dir, gen: v.out.Generation()})
}

// report tells the pipeline of a failure that the conversation survives.
func (v *conversation) report(err error) { v.out.Report(err) }

// fail ends the conversation.
func (v *conversation) fail(err error) {
	select {
	case v.failed <- err:
	default:
	}
	select {
	case v.first <- err:
	default:
	}
}

// drained tells those who wait that no answer is in progress.
func (v *conversation) drained() {
	if len(v.ending) == 0 {
		return
	}
	if c := v.listening; c != nil && c.reply != nil && !c.reply.done && !c.reply.cut {
		return
	}
	if len(v.calls) > 0 {
		return
	}
	for _, done := range v.ending {
		close(done)
	}
	v.ending = nil
}

// ---- streams

// open opens a stream in the background. It will hear the user from position
// from on.
func (v *conversation) open(ctx context.Context, from audio.Position) {
	if v.opening {
		return
	}
	v.opening = true
	history := shapeHistory(v.past.messages(), v.unheard || len(v.asked) > 0)
	number := v.streams + 1
	attempts := v.cfg.OpenAttempts
	v.tasks.Go(func() {
		c, err := v.dialWithRetries(ctx, number, history, attempts)
		if v.post(ctx, streamOpened{c: c, from: from, err: err}) != nil && c != nil {
			c.close(context.WithoutCancel(ctx))
		}
	})
}

func (v *conversation) dialWithRetries(ctx context.Context, number int, history []Message, attempts int) (*connection, error) {
	wait := 250 * time.Millisecond
	for attempt := 1; ; attempt++ {
		c, err := dial(ctx, v.dialer, v.cfg, number, history, func(c *connection, e wire.Output) {
			_ = v.post(ctx, fromStream{c, e})
		})
		if err == nil {
			return c, nil
		}
		if attempt == attempts || ctx.Err() != nil || judge(err).Action != bedrock.Retry {
			return nil, err
		}
		// Full jitter: conversations that failed together try again apart.
		pause := wait/2 + rand.N(wait/2)
		v.log.Warn("open stream failed, trying again", "stream", number, "attempt", attempt, "of", attempts, "in", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		wait = min(2*wait, 4*time.Second)
	}
}

// judge says what a stream's failure means. What we ended ourselves because the
// service did not keep up is the service's failure.
func judge(err error) bedrock.Verdict {
	if errors.Is(err, ErrStalled) || errors.Is(err, ErrNotAccepted) || errors.Is(err, errConfused) {
		return bedrock.Verdict{Class: frames.ErrorConnectivity, Reason: bedrock.ReasonConnection, Action: bedrock.Retry}
	}
	return bedrock.Classify(err)
}

func (v *conversation) streamOpened(ctx context.Context, e streamOpened) {
	v.opening = false
	if e.err != nil {
		if v.streams > 0 {
			e.err = fmt.Errorf("%w: %w", ErrGaveUp, e.err)
		}
		v.fail(pipeline.Classify(judge(e.err).Class, e.err))
		return
	}
	c := e.c
	v.streams++
	v.listening = c
	v.shared.update(func(s *Stats) { s.Streams++ })
	v.log.Info("stream opened", "stream", c.number, "took", time.Since(c.opened).Round(time.Millisecond))

	c.listen()
	replay, from := v.ring.since(e.from)
	c.hear(replay, from)
	v.lastAudio = time.Now()
	if v.streams == 1 && v.cfg.SpeakFirst != "" {
		v.asked = append([]string{v.cfg.SpeakFirst}, v.asked...)
	}
	for _, text := range v.asked {
		c.say(text, v.ring.end)
	}
	v.watch(ctx, c)
	select {
	case v.first <- nil:
	default:
	}
}

// watch reports the end of a stream.
func (v *conversation) watch(ctx context.Context, c *connection) {
	v.tasks.Go(func() {
		select {
		case <-c.ended:
			_ = v.post(ctx, streamEnded{c})
		case <-ctx.Done():
		}
	})
}

// retire closes a stream in the background.
func (v *conversation) retire(c *connection) {
	v.tasks.Go(func() { c.close(context.Background()) })
}

// streamEnded follows a stream that died with another one.
func (v *conversation) streamEnded(ctx context.Context, c *connection) {
	if c != v.listening {
		return
	}
	v.listening = nil
	v.retire(c)
	age := time.Since(c.opened)
	err := c.endErr
	if err == nil {
		err = errors.New("the service ended the stream without a reason")
	}
	verdict := judge(err)
	v.log.Warn("stream ended", "stream", c.number, "age", age.Round(time.Millisecond), "reason", verdict.Reason.String(), "error", err)
	v.settle(c)
	if r := c.reply; r != nil {
		v.endReply(r, true)
	}
	if age < healthyAge {
		v.deaths++
	} else {
		v.deaths = 0
	}
	if verdict.Action == bedrock.GiveUp && verdict.Reason != bedrock.ReasonUnknown || v.deaths > maxQuickDeaths {
		v.fail(pipeline.Classify(verdict.Class, fmt.Errorf("%w: %w", ErrGaveUp, err)))
		return
	}
	if verdict.Action == bedrock.FixAndRetry {
		// The service minds something that it was told, and does not say what.
		v.past.forgetHalf()
	}
	v.report(pipeline.Classify(verdict.Class, fmt.Errorf("%v ended after %v, continuing on another: %w", c, age.Round(time.Millisecond), err)))
	from := max(v.replayed, v.ring.end-audio.Position(v.cfg.InputRate.Samples(replayMargin)))
	if v.unheard {
		from = v.replayed
	}
	v.open(ctx, from)
}

// ---- the user

func (v *conversation) userAudio(f *frames.AudioInput) {
	samples, err := v.input.convert(f)
	if err != nil {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, err))
		return
	}
	if len(samples) == 0 {
		return
	}
	from := v.ring.end
	v.ring.write(samples)
	v.lastAudio = time.Now()
	if c := v.listening; c != nil {
		c.hear(samples, from)
	}
}

// keepAlive fills in for a microphone that sends nothing, and returns when to
// look again.
func (v *conversation) keepAlive() time.Duration {
	if v.cfg.KeepAlive < 0 {
		return time.Hour
	}
	missing := time.Since(v.lastAudio)
	if missing < v.cfg.KeepAlive {
		return v.cfg.KeepAlive - missing
	}
	if c := v.listening; c != nil {
		c.silence(v.cfg.InputRate.Samples(missing), v.ring.end)
	}
	v.lastAudio = time.Now()
	return min(v.cfg.KeepAlive, 100*time.Millisecond)
}

func (v *conversation) say(text string) {
	if v.cfg.Model == ModelV1 {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("%w: %s", ErrTextUnsupported, v.cfg.Model)))
		return
	}
	v.past.add(User, text)
	v.asked = append(v.asked, text)
	if c := v.listening; c != nil {
		c.say(text, v.ring.end)
	}
}

// maxDigits bounds a sequence of keys; card numbers have 19.
const maxDigits = 64

func (v *conversation) key(ctx context.Context, digit byte) {
	if v.cfg.DTMF.Ignore {
		return
	}
	v.digits = append(v.digits, digit)
	if v.dtmf != nil {
		v.dtmf.Stop()
	}
	if digit == '#' || len(v.digits) == maxDigits {
		v.keysDone()
		return
	}
	v.dtmf = time.AfterFunc(v.cfg.DTMF.Timeout, func() { _ = v.post(ctx, keysPressed{}) })
}

func (v *conversation) keysDone() {
	if len(v.digits) == 0 {
		return
	}
	text := v.cfg.DTMF.Format(string(v.digits))
	v.digits = v.digits[:0]
	v.say(text)
}

// ---- what was heard

func (v *conversation) playout(p *frames.Playout) {
	if p.Track != v.cfg.Track {
		return
	}
	v.seen = true
	v.heard = max(v.heard, p.Heard.At(p.Rate, v.cfg.OutputRate))
	if p.Flushed && v.lastCut != nil {
		v.lastCut.heard = v.heard
	}
}

// playing reports whether audio of the agent waits to be heard.
func (v *conversation) playing() bool { return v.seen && max(v.heard, v.heardUntil) < v.track }
