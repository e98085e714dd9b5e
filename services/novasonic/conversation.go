package novasonic

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
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

	// answerPatience is how long an end waits for an answer that has not begun,
	// and finalPatience for the texts of record of what was heard.
	answerPatience = 4 * time.Second
	finalPatience  = time.Second

	// noteQuiet is how long nobody must have had anything to say before a text
	// that interrupts nobody is put to the service, whose idea of when an answer
	// has been heard lags a little.
	noteQuiet = 500 * time.Millisecond

	// tickEvery is how often what waits for time to pass is looked at.
	tickEvery = 50 * time.Millisecond
)

// conversation is what a Service does: one goroutine that owns all state, is
// told everything through its inbox, and never waits for anybody. See the
// package comment for the picture.
//
// Its parts are in files of their own: streams.go opens, moves to and leaves
// streams as package continuity decides, user.go is about what the user says,
// answer.go about what the agent says, calls.go about tools.
type conversation struct {
	cfg    *Config // as the application wants it now: streams have their own
	client opener
	out    *pipeline.Port
	log    *slog.Logger
	shared *shared

	inbox  chan any
	box    *outbox
	tasks  sync.WaitGroup // openers, watchers, tools, and streams that say goodbye
	first  chan error     // capacity 1: how the first open went
	failed chan error     // capacity 1: why the conversation cannot go on

	// The goroutine of run owns the following.

	// Streams.
	machine    *continuity.Machine
	wake       alarm               // when it wants to be asked again
	streams    map[int]*connection // by id: all that have not ended
	listening  *connection         // hears the user; nil while none can
	draining   *connection         // finishes what it has begun; nil if none does
	attempt    attempt             // to open a stream
	leaving    chan struct{}       // closed when the conversation ends in a hurry
	closings   *closings           // of streams
	part       func()              // leaves the client's count of conversations; nil before it was joined
	lane       int                 // of the first stream, among the client's connections
	began      time.Time           // when the first was to be opened
	startBy    time.Time           // when it must be open; zero: any time
	halved     int                 // how often the history that the next is told is halved
	accepted   int                 // streams that were
	death      error               // why the last one that died did
	orphanedAt time.Time           // when that was …
	deadFrom   audio.Position      // … which had begun to hear the ring there …
	deafFrom   audio.Position      // … and up to where it was given the ring to hear …
	heardTo    audio.Position      // … and has surely heard it
	version    int                 // of cfg
	versions   map[int]*Config     // those that a stream may have, or get
	swaps      map[int]*SwapStatus // moves before their cut, by number

	// The user.
	input     *intake
	ring      *ring
	caller    clockMap  // from the ring's positions to those of the caller's track
	track     string    // the caller's track
	accounted time.Time // up to when the stream's input is accounted for
	speech    speech    // what the user says, and has no answer
	asked     []*entry  // texts of the user's that have no answer yet, as they were asked
	digits    []byte
	dtmf      *time.Timer
	dtmfSeq   int
	notes     []note    // to be said as soon as that interrupts nobody
	quiet     time.Time // since when notes would have interrupted nobody

	// The agent.
	spoken  audio.Position // end of the agent's audio that was sent
	heard   audio.Position // the first sample of it that was not heard
	flushed audio.Position // audio before it was heard or thrown away
	lost    stretch        // what was dropped last on its way to the caller
	reports bool           // somebody reports playout
	speaker *connection    // the stream whose audio was sent last
	replies int
	owed    []*sentence // voiced or announced, and not told as SpokenText yet
	guessed []*sentence // told without their FINAL text, which may still come
	flush   []*reply    // cut by an interruption: the output is about to report where
	flushAt time.Time   // when that was; zero: no report is waited for
	dryAt   time.Time   // since when an answer that goes on has no audio to be heard; zero: it has

	past     transcript
	calls    map[string]*call
	toTell   []*call // results that wait for the answer to what was typed
	returned []*call // results that wait for others that are to be told with them
	turn     int     // counts what the user, or an application, has said
	drains   []*drain

	summarizing bool // the application is shortening the history
	ticking     bool // a tick is under way
}

// opener is what a conversation needs of a Client.
type opener interface {
	startLane() int
	join() (leave func())
	dial(ctx context.Context, model string, o dialOptions) (s bedrock.Stream, p *place, err error)
}

// What the inbox takes, beside frames that the pipeline sent.
type (
	fromStream struct {
		c     *connection
		event wire.Output
	}
	streamEnded  struct{ c *connection }
	streamOpened struct {
		id   int
		c    *connection
		err  error
		late bool // there is no time for another try
	}
	rotate       struct{ why string }
	summarized   summary
	toolReturned struct {
		call      *call
		arguments json.RawMessage
		result    tool.Result
		took      time.Duration
	}
	keysPressed struct{ seq int }
	tick        struct{} // look again at what waits for time to pass
)

// drain is somebody who waits until everything that was asked is answered, and
// what was answered is told.
type drain struct {
	done  chan struct{}
	gone  bool // nobody would hear an answer
	began time.Time
	quiet time.Time // since when only texts of record are missing; zero before
}

func newConversation(cfg *Config, client opener, out *pipeline.Port, log *slog.Logger, sh *shared) *conversation {
	return &conversation{
		cfg:    cfg,
		client: client,
		out:    out,
		log:    log,
		shared: sh,
		inbox:  make(chan any, inboxSize),
		box:    newOutbox(maxAhead),
		first:  make(chan error, 1),
		failed: make(chan error, 1),
		input:  newIntake(cfg.InputRate),
		ring:   newRing(cfg.InputRate, cfg.Keep),
		calls:  make(map[string]*call),
		past:   newTranscript(cfg.History),

		machine:  continuity.New(cfg.policy()),
		wake:     newAlarm(),
		streams:  make(map[int]*connection),
		closings: newClosings(),
		leaving:  make(chan struct{}),
		lane:     client.startLane(),
		versions: map[int]*Config{0: cfg},
		swaps:    make(map[int]*SwapStatus),
	}
}

// post puts an event into the inbox, unless ctx ends first.
func (v *conversation) post(ctx context.Context, event any) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case v.inbox <- event:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// after posts an event when d has passed.
func (v *conversation) after(ctx context.Context, d time.Duration, event any) *time.Timer {
	return time.AfterFunc(d, func() { _ = v.post(ctx, event) })
}

// run handles events until ctx ends, and then says goodbye to the service,
// within farewell. It returns when everything that the conversation started has
// ended. The first stream must be open by deadline, if there is one.
func (v *conversation) run(ctx context.Context, deadline time.Time, farewell func() time.Duration) {
	v.loop(ctx, deadline)
	if v.part != nil {
		defer v.part()
	}

	v.settleAll()
	if v.dtmf != nil {
		v.dtmf.Stop()
	}
	for _, k := range v.calls {
		k.cancel(context.Canceled)
	}
	if farewell() < farewellTime {
		close(v.leaving)
	}
	var goodbyes sync.WaitGroup
	leave := func(c *connection) { goodbyes.Go(func() { c.close(farewell(), nil) }) }
	v.wake.stop()
	if v.attempt.cancel != nil {
		v.attempt.cancel()
	}
	for _, c := range v.streams {
		if c.role != closing {
			leave(c)
		}
	}
	// What those who are still at work bring may be a stream that nobody else
	// would close.
	idle := make(chan struct{})
	go func() {
		v.tasks.Wait()
		close(idle)
	}()
	for working := true; working || len(v.inbox) > 0; {
		select {
		case e := <-v.inbox:
			if e, ok := e.(streamOpened); ok && e.c != nil {
				leave(e.c)
			}
		case <-idle:
			idle, working = nil, false
		}
	}
	goodbyes.Wait()
}

func (v *conversation) loop(ctx context.Context, deadline time.Time) {
	defer func() {
		if p := recover(); p != nil {
			v.fail(&pipeline.PanicError{Value: p, Stack: debug.Stack()})
			<-ctx.Done()
		}
	}()
	v.accounted, v.startBy = time.Now(), deadline
	v.began = v.accounted
	v.step(ctx, continuity.Start{})

	keepAlive := time.NewTimer(100 * time.Millisecond)
	defer keepAlive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-v.inbox:
			v.handle(ctx, e)
		case <-keepAlive.C:
			if len(v.inbox) > 0 {
				// What has come late is heard before silence stands in for it.
				keepAlive.Reset(time.Millisecond)
			} else {
				keepAlive.Reset(v.keepAlive())
			}
		case <-v.wake.timer.C:
		}
		v.forgive()
		v.forgiveOutcome(v.listening)
		v.forgiveOutcome(v.draining)
		v.doubt(ctx)
		v.tellSettled()
		v.tellResults()
		v.sayNotes()
		v.serveDrain(ctx)
		v.serveDrains()
		v.step(ctx, nil)
		if (len(v.notes)+len(v.drains)+len(v.toTell) > 0 || v.draining != nil || !v.flushAt.IsZero()) && !v.ticking {
			v.ticking = true
			v.after(ctx, tickEvery, tick{})
		}
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
	case Settings:
		v.change(ctx, e)
	case rotate:
		v.rotate(ctx, continuity.Request, e.why)
	case summarized:
		v.summarized(summary(e))
	case *frames.VADStarted:
		v.vadStarted(e)
	case *frames.VADStopped:
		v.vadStopped(e)
	case *frames.Playout:
		v.playout(e)
	case *frames.Interruption:
		v.interrupted()
	case *frames.Text:
		if said := v.say(e.Text); said != nil {
			said.instruction = e.Instruction
		}
	case *frames.DTMFInput:
		v.key(ctx, e.Digit)
	case keysPressed:
		if e.seq == v.dtmfSeq {
			v.keysDone()
		}
	case toolReturned:
		v.toolReturned(e)
	case *frames.FunctionCallCancel:
		v.cancelCalls(e)
	case *drain:
		v.keysDone()
		e.began = time.Now()
		v.drains = append(v.drains, e)
	case tick:
		v.ticking = false
	}
}

// emit hands a frame to the pipeline.
func (v *conversation) emit(f frames.Frame) {
	v.send(parcel{frame: f, gen: v.out.Generation()})
}

func (v *conversation) send(p parcel) bool {
	if v.box.put(p) {
		return true
	}
	v.shared.update(func(s *Stats) { s.Dropped++ })
	return false
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

// serveDrains lets those go who wait until everything is said.
func (v *conversation) serveDrains() {
	kept := v.drains[:0]
	for _, d := range v.drains {
		if !v.drained(d) {
			kept = append(kept, d)
		}
	}
	v.drains = kept
}

func (v *conversation) drained(d *drain) bool {
	answering := v.answering() || len(v.calls) > 0
	waiting := v.unanswered() && (v.speech.transcribed() || v.speech.again || v.listening == nil) || v.stillHears(d) || len(v.asked) > 0 || len(v.notes) > 0 ||
		v.listening.owesOutcome() || v.draining.owesOutcome()
	patience := answerPatience
	if d.gone {
		answering, patience = false, finalPatience // what was said last is still written down
	}
	if answering || waiting && time.Since(d.began) < patience {
		if answering {
			d.began = time.Now() // and then for what may follow
		}
		d.quiet = time.Time{}
		return false
	}
	if d.quiet.IsZero() {
		d.quiet = time.Now()
	}
	if v.untold() && time.Since(d.quiet) < finalPatience {
		return false
	}
	v.settleAll()
	close(d.done)
	return true
}

// stillHears reports whether the user has just said something of which the
// service has not told yet.
func (v *conversation) stillHears(d *drain) bool {
	s := &v.speech
	switch {
	case len(s.pending)+len(s.segments) > 0:
		return time.Since(s.since) < answerPatience
	case time.Since(d.began) > onsetLookBack:
		return false
	}
	from := v.ring.end - audio.Position(v.cfg.InputRate.Samples(onsetLookBack))
	return v.ring.firstSound(max(s.answeredTo, from)) < v.ring.end
}

// alarm is a timer that is set to an instant.
type alarm struct {
	timer *time.Timer
	at    time.Time
}

func newAlarm() alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return alarm{timer: t}
}

// set makes the timer fire at an instant, or not at all if it is zero.
func (a *alarm) set(at time.Time) {
	if at.Equal(a.at) {
		return
	}
	a.at = at
	if at.IsZero() {
		a.timer.Stop()
		return
	}
	a.timer.Reset(time.Until(at))
}

func (a *alarm) stop() { a.timer.Stop() }

// closings are the streams that are being closed.
type closings struct {
	mu   sync.Mutex // protects the following
	n    int
	idle chan struct{} // closed when none is
}

func newClosings() *closings {
	c := &closings{idle: make(chan struct{})}
	close(c.idle)
	return c
}

func (c *closings) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.idle = make(chan struct{})
	}
	c.n++
}

func (c *closings) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 {
		close(c.idle)
	}
}

// wait waits until no stream is being closed, or ctx ends.
func (c *closings) wait(ctx context.Context) {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
