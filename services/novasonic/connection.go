package novasonic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

const (
	// sendTimeout is how long the service may take no audio before the stream
	// counts as dead.
	sendTimeout = 5 * time.Second

	// sendSeconds is how much audio may wait to be sent. It holds a replay of
	// the whole ring, and is far more than a living stream ever lags.
	sendSeconds = 15

	// maxEventAudio is the most audio in one audioInput event. The service
	// recommends 32 ms; up to 250 ms are known to work. More than one frame
	// goes into an event only where audio has queued up.
	maxEventAudio = 100 * time.Millisecond

	// minTextAudio is how much audio a session must have received before
	// interactive text is answered: measured as between 64 and 72 ms.
	minTextAudio = 80 * time.Millisecond

	// farewellTime bounds the orderly close of a stream, and hurriedFarewell
	// that of one whose conversation was cancelled.
	farewellTime    = 2 * time.Second
	hurriedFarewell = 200 * time.Millisecond
)

// role is what a stream is there for; see package continuity.
type role uint8

const (
	standby   role = iota // opened, and told the system prompt; neither hears nor speaks
	listening             // hears the user, and answers
	draining              // hears silence; finishes the answer that it has begun
	closing               // is being closed, or has died: it cannot be asked or told anything
)

// connection is one stream to the service. It knows the protocol's order of
// events and nothing of the conversation: which stream listens, and which may
// be heard, is decided by its owner.
//
// Three goroutines touch it: its writer (send queue → stream), its reader
// (stream → owner) and its owner, who alone uses the fields below "owner".
type connection struct {
	cfg    *Config
	stream bedrock.Stream
	queue  *sendQueue
	prompt string // promptName
	audio  string // contentName of the AUDIO block

	release func() // gives its place in the client's budget back

	tasks  sync.WaitGroup // reader and writer
	ended  chan struct{}  // closed when the reader has returned
	endErr error          // why; valid once ended is closed. nil is a clean end

	failOnce sync.Once
	failed   chan struct{} // closed by fail
	written  chan struct{} // closed when the writer has returned
	taken    taken         // the audio that the transport has taken

	opened time.Time

	// owner
	id         int // as package continuity calls it
	number     int // 1 is the conversation's first
	lane       int // among the client's connections; see dialOptions
	role       role
	audioOpen  bool           // the AUDIO block is open
	from       audio.Position // where it began to hear the user
	heardSince time.Time      // when that was
	again      bool           // what it heard first was said before, and not only silence
	swap       *SwapStatus    // the move in which it was replaced, until that is over
	cutAt      time.Time      // when that was
	quietSince time.Time      // since when it owes nothing but texts of record
	dismissed  bool           // the user has taken the turn: it owes nothing any more
	misled     bool           // it has heard a part of something, all of which the next one hears
	lastEvent  time.Time      // when the service last sent something
	over       bool           // it has ended: nothing more will come
	toldAt     time.Time      // when it was last told a text
	clock      clockMap
	blocks     map[string]*block
	speech     utterance     // the utterance in progress, or the last one
	reply      *reply        // the answer in progress
	heardAudio time.Duration // how much audio was sent, for minTextAudio
	quiet      int64         // samples of silence that it is to hear while it drains
	held       [][][]byte    // texts that wait for the rest of that

	// results are what it was told that its tools returned, and has said nothing
	// about, and expects is since when it is to say something. A stream that dies
	// may have read nothing of them.
	results []*call
	expects time.Time

	called struct { // the last tool that it has called in no answer
		at    time.Time
		turn  int     // see conversation.turn
		about []*call // the results because of which
	}
}

// utterance is where the user spoke, on the ring's clock.
type utterance struct {
	number     int            // counts those of the stream; 0 before the first
	start, end audio.Position // end is 0 while it goes on
	over       audio.Position // until where it was quiet when the end was noticed
}

// block is a content block of the service's output.
type block struct {
	kind  wire.ContentType
	role  wire.Role
	stage wire.Stage
	reply *reply
	of    *sentence // what it announces or speaks
	text  string

	marker bool // it holds the marker of a barge-in, no text
}

// preamble is what a stream is told as soon as it is open. note is added to the
// instructions.
func (c *Config) preamble(prompt, note string) [][]byte {
	start := wire.SessionStart{Endpointing: wire.Endpointing(c.Endpointing)}
	if c.Inference.MaxTokens != nil {
		start.Inference.MaxTokens = *c.Inference.MaxTokens
	}
	start.Inference.TopP, start.Inference.Temperature = c.Inference.TopP, c.Inference.Temperature

	events := [][]byte{start.AppendEvent(nil), c.promptStart(prompt).AppendEvent(nil)}
	text := func(role wire.Role, s string) {
		if s != "" {
			events = append(events, wire.TextBlock{PromptName: prompt, ContentName: uuid.NewString(), Role: role, Text: s}.Events()...)
		}
	}
	instructions := c.Instructions
	if note = strings.TrimSpace(note); note != "" {
		instructions += "\n\n" + note
	}
	text(wire.RoleSystem, instructions)
	text(wire.RoleSystemSpeech, c.SpeechInstructions)
	return events
}

func (c *Config) promptStart(prompt string) wire.PromptStart {
	p := wire.PromptStart{PromptName: prompt, Voice: c.Voice, OutputRate: c.OutputRate}
	for _, t := range c.Tools {
		p.Tools = append(p.Tools, wire.ToolSpec{Name: t.Name(), Description: t.Description(), InputSchema: t.Schema()})
	}
	switch c.ToolChoice.kind {
	case "any":
		p.ToolChoice = wire.ToolChoiceAny()
	case "tool":
		p.ToolChoice = wire.ToolChoiceTool(c.ToolChoice.name)
	}
	return p
}

// dial opens a stream, tells it the preamble and waits until the service has
// accepted it: it sends nothing back before. deliver is called on the reader's
// goroutine with each event, and must return soon or when the conversation is
// over.
func dial(ctx context.Context, client opener, o dialOptions, cfg *Config, note string, deliver func(*connection, wire.Output)) (*connection, error) {
	stream, place, err := client.dial(ctx, cfg.Model, o) // which may wait for its turn
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.OpenTimeout, ErrNotAccepted)
	defer cancel()
	c := &connection{
		cfg:     cfg,
		stream:  stream,
		release: place.release,
		queue:   newSendQueue(cfg.InputRate, sendSeconds+int(cfg.Keep/time.Second)),
		prompt:  uuid.NewString(),
		audio:   uuid.NewString(),
		ended:   make(chan struct{}),
		failed:  make(chan struct{}),
		written: make(chan struct{}),
		opened:  time.Now(),
		blocks:  make(map[string]*block),
	}
	unopened := func(err error) error {
		verdict := bedrock.Verdict{Class: frames.ErrorConnectivity, Reason: bedrock.ReasonConnection, Action: bedrock.Retry, Hint: "check the endpoint's URL, and whether a proxy or a firewall is in the way"}
		return &bedrock.Error{Op: "open stream", Model: cfg.Model, Region: place.region, Endpoint: place.endpoint, Verdict: verdict, Err: err}
	}
	c.tell(cfg.preamble(c.prompt, note)...)
	c.tasks.Go(c.write)
	c.tasks.Go(func() { c.read(deliver) })

	select {
	case <-stream.Accepted():
		return c, nil
	case <-c.ended:
		err = c.endErr
		if err == nil {
			err = unopened(errors.New("the service closed the stream before it began"))
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
		if errors.Is(err, ErrNotAccepted) {
			since := c.opened
			if !o.since.IsZero() {
				since = o.since
			}
			err = unopened(fmt.Errorf("%w: nothing came from it for %v", err, time.Since(since).Round(100*time.Millisecond)))
		}
		if place.late != nil {
			err = cmp.Or(place.late(), err)
		}
	}
	c.fail(err)
	c.gone()
	return nil, err
}

// gone waits until nothing of the stream is left.
func (c *connection) gone() {
	c.tasks.Wait()
	c.release()
}

// read delivers what the service sends until the stream ends.
func (c *connection) read(deliver func(*connection, wire.Output)) {
	defer close(c.ended)
	var decoder wire.Decoder
	for {
		b, err := c.stream.Recv(context.Background())
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.endErr = err
			}
			return
		}
		event, err := decoder.Decode(b)
		if err != nil {
			event = nil // is counted, and otherwise like one that is not known
		}
		deliver(c, event)
	}
}

// write sends what is queued until the stream is finished or fails.
func (c *connection) write() {
	defer close(c.written)
	var (
		builder = wire.NewAudioInput(c.prompt, c.audio)
		most    = int(c.cfg.InputRate.Samples(maxEventAudio))
		buf     []byte
		joined  []int16
		items   []sendItem
	)
	send := func(event []byte) bool {
		ctx, cancel := context.WithTimeoutCause(context.Background(), sendTimeout, ErrStalled)
		defer cancel()
		if err := c.stream.Send(ctx, event); err != nil {
			switch {
			case ctx.Err() != nil:
				c.fail(ErrStalled)
			case !errors.Is(err, bedrock.ErrEnded): // the reader is told why
				c.fail(err)
			}
			return false
		}
		return true
	}
	for {
		items = c.queue.take(items)
		if len(items) == 0 {
			select {
			case <-c.queue.wake:
				continue
			case <-c.failed:
				return
			}
		}
		for i := 0; i < len(items); i++ {
			samples := items[i].samples
			if samples != nil {
				// Audio that has queued up goes in fewer, longer events.
				if i+1 < len(items) && items[i+1].samples != nil && len(samples)+len(items[i+1].samples) <= most {
					joined = append(joined[:0], samples...)
					for i+1 < len(items) && items[i+1].samples != nil && len(joined)+len(items[i+1].samples) <= most {
						i++
						joined = append(joined, items[i].samples...)
					}
					samples = joined
				}
				for len(samples) > 0 {
					n := min(len(samples), most)
					buf = builder.AppendEvent(buf[:0], samples[:n])
					if !send(buf) {
						return
					}
					c.taken.add(int64(n))
					samples = samples[n:]
				}
				continue
			}
			for _, e := range items[i].events {
				if !send(e) {
					return
				}
			}
			if items[i].last {
				if err := c.stream.CloseSend(); err != nil && !errors.Is(err, bedrock.ErrEnded) {
					c.fail(err)
				}
				return
			}
		}
	}
}

// fail ends the stream at once; the reader reports the first reason.
func (c *connection) fail(err error) {
	c.failOnce.Do(func() {
		close(c.failed)
		c.stream.Abort(err)
	})
}

// remember tells the stream what was said before, and returns how many bytes
// that are.
func (c *connection) remember(history []Message) int {
	bytes := 0
	for _, m := range history {
		bytes += len(m.Text)
		c.tell(wire.TextBlock{PromptName: c.prompt, ContentName: uuid.NewString(), Role: wire.Role(m.Role), Text: m.Text}.Events()...)
	}
	return bytes
}

// listen opens the AUDIO block: from here on the stream hears the user, from a
// position on, and no more history can be told.
func (c *connection) listen(from audio.Position) {
	c.openAudio()
	c.from, c.heardSince = from, time.Now()
	c.role = listening
}

func (c *connection) openAudio() {
	c.tell(wire.AudioStart{PromptName: c.prompt, ContentName: c.audio, Rate: c.cfg.InputRate}.AppendEvent(nil))
	c.audioOpen = true
}

// hear sends user audio that begins at position from on the user's clock.
func (c *connection) hear(samples []int16, from audio.Position) {
	if len(samples) == 0 {
		return
	}
	c.clock.audio(from, len(samples))
	c.send(samples)
}

// silence sends n samples of silence while the user's clock stands at user.
func (c *connection) silence(n int64, user audio.Position) {
	if n <= 0 {
		return
	}
	c.clock.silence(user, int(n))
	c.send(make([]int16, n))
}

// reached returns up to where on the user's clock the transport has taken what
// the stream was given to hear, and where it had come to some time ago: what it
// has taken since may be on its way.
func (c *connection) reached() (now, surely audio.Position) {
	if c.clock.sent == 0 {
		return c.from, c.from
	}
	all, arrived := c.taken.count()
	return c.clock.user(all), c.clock.user(arrived)
}

// deaf reports whether the transport has stopped taking the stream's audio, of
// which the end is at user. It may be a hiccup of the network, after which the
// stream goes on; but nobody knows, and meanwhile nobody hears the user.
func (c *connection) deaf(user audio.Position) bool {
	if c == nil || min(c.taken.idle(), time.Since(c.heardSince)) < deafAfter {
		return false
	}
	given, _ := c.reached()
	return user-given >= audio.Position(c.cfg.InputRate.Samples(deafAfter))
}

// catchingUp reports whether the stream may be about to tell of what the user said
// before it took over: nobody knows what is in that until then.
func (c *connection) catchingUp() bool {
	return c.again && c.speech.number == 0 && time.Since(c.heardSince) < unsureFor
}

// deafAfter is how long a stream may take no audio before another is opened in
// its place. Lost packets hold a connection up for less.
const deafAfter = time.Second

// taken counts samples that the transport has taken from a stream's writer.
type taken struct {
	mu      sync.Mutex // protects the following
	all     audio.Position
	arrived mark // the last that is old enough …
	next    mark // … and the one after that
	last    time.Time
}

// mark is how many samples had been taken at a time.
type mark struct {
	at time.Time
	n  audio.Position
}

// inFlight is how long what the transport has taken may be on its way: if the
// stream fails, nobody knows how much of it has arrived.
const inFlight = 250 * time.Millisecond

func (t *taken) add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	if t.last.Sub(t.next.at) >= inFlight {
		t.arrived, t.next = t.next, mark{t.last, t.all}
	}
	t.all += audio.Position(n)
}

// idle returns for how long nothing has been taken.
func (t *taken) idle() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.last)
}

// count returns all samples, and those that have had the time to arrive.
func (t *taken) count() (all, arrived audio.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case now.Sub(t.last) >= inFlight:
		return t.all, t.all
	case now.Sub(t.next.at) >= inFlight:
		return t.all, t.next.n
	}
	return t.all, t.arrived.n
}

// tell sends events that belong together.
func (c *connection) tell(events ...[]byte) {
	if !c.queue.block(events...) {
		c.fail(ErrStalled)
	}
}

func (c *connection) send(samples []int16) {
	c.heardAudio += c.cfg.InputRate.Duration(int64(len(samples)))
	if !c.queue.audio(samples) {
		c.fail(ErrStalled)
	}
	if c.role == listening && c.heardAudio >= minTextAudio {
		for _, text := range c.held {
			c.tell(text...)
		}
		c.held = nil
	}
}

// say sends a text that the user is taken to have typed, which is answered. A
// stream that has heard nothing yet is given the audio that it needs for that as
// silence. One that has heard a little gets the text with the rest: silence in
// the middle of what the user says would be heard.
func (c *connection) say(text string, user audio.Position) {
	c.toldAt = time.Now()
	if c.heardAudio == 0 {
		c.silence(c.cfg.InputRate.Samples(minTextAudio), user)
	}
	events := wire.TextBlock{PromptName: c.prompt, ContentName: uuid.NewString(), Role: wire.RoleUser, Text: text, Interactive: true}.Events()
	if c.heardAudio < minTextAudio {
		c.held = append(c.held, events)
		return
	}
	c.tell(events...)
}

// answer sends the result of a tool that this stream asked for.
func (c *connection) answer(callID string, result []byte) {
	c.tell(wire.ToolResult{PromptName: c.prompt, ContentName: uuid.NewString(), ToolUseID: callID, Result: result}.Events()...)
}

// close ends the stream in order, waits until the service has ended its half,
// and then, or when the time is over, takes the stream down. It returns when the
// connection's goroutines have ended. What the owner has to do, leave it alone,
// must be done before.
//
// When leaving is closed, there is no more than hurriedFarewell from then on.
func (c *connection) close(within time.Duration, leaving <-chan struct{}) {
	// The service takes a promptEnd only after audio, and a contentEnd only of a
	// block with something in it.
	if !c.audioOpen {
		c.openAudio()
	}
	if c.heardAudio == 0 {
		c.silence(c.cfg.InputRate.Samples(20*time.Millisecond), 0)
	}
	events := [][]byte{
		wire.AudioEnd{PromptName: c.prompt, ContentName: c.audio}.AppendEvent(nil),
		wire.PromptEnd{PromptName: c.prompt}.AppendEvent(nil),
		wire.SessionEnd{}.AppendEvent(nil),
	}
	c.queue.finish(events...)

	timer := time.NewTimer(within)
	defer timer.Stop()
	inTime := func(done <-chan struct{}) bool {
		for {
			select {
			case <-done:
				return true
			case <-leaving:
				leaving = nil
				timer.Reset(min(within, hurriedFarewell))
			case <-timer.C:
				return false
			}
		}
	}
	_ = inTime(c.written) && inTime(c.ended)
	c.fail(context.Canceled)
	c.gone()
}

func (c *connection) String() string { return fmt.Sprintf("stream %d", c.number) }
