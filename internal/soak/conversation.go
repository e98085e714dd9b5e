package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
	"github.com/parley-go/parley/transports/playout"
)

// conversation is one call, with all who take part in it.
type conversation struct {
	plan plan
	rng  *rand.Rand // what the caller does next

	server  *sonictest.Server
	sonic   *novasonic.Service
	track   *talk.Track
	caller  *caller
	witness *witness
	ear     *ear
	clock   *playout.Clock
	pipe    *pipeline.Pipeline
	done    chan struct{} // closed when the run is over

	requests int
	began    time.Time
	evidence oracle.Evidence

	mu   sync.Mutex // guards the following, which tools write
	runs []oracle.Execution
}

// converse holds the conversation of a seed, in virtual time, and returns what
// those who took part can swear to.
func converse(seed uint64, o *Options) (*oracle.Evidence, error) {
	p := draw(seed, o)
	c := &conversation{
		plan: p, rng: random(seed, "caller"),
		track:   talk.NewTrack(seed, p.input),
		witness: &witness{}, ear: &ear{}, clock: &playout.Clock{},
		done: make(chan struct{}), began: time.Now(),
	}
	sc := p.server()
	sc.Brain = talk.Brain(seed)
	c.server = sonictest.NewServer(sc)
	if err := c.server.StartPipe(); err != nil {
		return nil, err
	}
	defer c.server.Close()

	nc := c.client(o)
	c.sonic = novasonic.New(nc)
	c.caller = &caller{track: c.track, chunk: p.chunk, vad: p.vad}
	output := playout.New(playout.Config{Fade: -1, Format: audio.Mono(p.output), Chunk: p.outputChunk, Clock: c.clock}, c.ear)
	c.pipe = pipeline.New(pipeline.Config{
		EndTimeout: 2 * time.Minute,
		OnError:    func(f *frames.Error) { c.witness.note(f) },
	}, c.caller, c.sonic, c.witness, output)
	var err error
	go func() {
		defer close(c.done)
		err = c.pipe.Run(context.Background())
	}()
	e := &c.evidence
	if p.speakFirst {
		e.Typed = append(e.Typed, oracle.Typed{Request: opening, At: c.began, First: true})
	}
	c.hold()
	<-c.done
	e.Ended = time.Now()
	time.Sleep(goodbyes)
	c.server.Close()

	e.Began, e.Err = c.began, err
	e.Track, e.Chunks = c.track, c.caller.chunks
	e.Streams, e.Faults, e.Service, e.Client = c.server.Streams(), p.faults, sc, nc
	e.OutputBegan, e.OutputRate, e.OutputChunk = c.clock.Start(), p.output, p.outputChunk
	e.Heard, e.Frames, e.Runs = c.ear.pieces, c.witness.seen, c.runs
	return e, nil
}

// goodbyes is how long a stream may take to end when the conversation has: one
// that is still open after that was forgotten.
const goodbyes = 5 * time.Second

// opening is what makes the agent speak first.
var opening = talk.Request{ID: 9999, Kind: talk.Short}

func (c *conversation) client(o *Options) novasonic.Config {
	cfg := c.server.AWSConfig()
	nc := novasonic.Config{
		AWS:          &cfg,
		InputRate:    c.plan.input,
		OutputRate:   c.plan.output,
		Tools:        tool.Set{c.tool()},
		Continuation: c.plan.continuation,
	}
	if c.plan.speakFirst {
		nc.SpeakFirst = opening.Typed()
	}
	if o.Configure != nil {
		o.Configure(&nc)
	}
	return nc
}

// tool is the one tool. It does what its arguments say, and remembers.
func (c *conversation) tool() tool.Tool {
	return tool.Must(tool.New(talk.Tool, "Looks something up.", func(ctx context.Context, call talk.Call) (map[string]string, error) {
		run := oracle.Execution{Call: call, Began: time.Now()}
		var err error
		select {
		case <-time.After(time.Duration(call.Millis) * time.Millisecond):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		result := map[string]string{"outcome": call.Token()}
		if err == nil && call.Fail {
			err = errors.New("no such thing: " + call.Token())
		}
		told := result
		if err != nil {
			told = map[string]string{"error": err.Error()}
		}
		text, _ := json.Marshal(told) // strings do
		run.Returned, run.Result = time.Now(), string(text)
		c.mu.Lock()
		c.runs = append(c.runs, run)
		c.mu.Unlock()
		return result, err
	}, tool.Timeout(10*time.Minute), tool.Slow()))
}

// ---- what the caller does

// answerPatience is how long the caller waits for an answer before saying
// something else.
const answerPatience = 20 * time.Second

// hold is the conversation as the caller leads it. It returns when it has asked
// for the end, or when the run is over.
func (c *conversation) hold() {
	for !c.pipe.Started() && c.waits(50*time.Millisecond) {
	}
	if c.plan.speakFirst {
		c.waitsForAnswer(c.began)
	}
	for time.Since(c.began) < c.plan.length && c.waits(0) {
		c.acts()
	}
	c.caller.mute(false)
	c.waits(5 * time.Second)
	c.evidence.HungUp = time.Now()
	c.pipe.End("the caller has hung up")
}

func (c *conversation) acts() {
	if chance(c.rng, c.plan.restless) {
		c.demands()
	}
	pick(c.rng,
		weighted[func()]{46, c.asks},
		weighted[func()]{14, c.bargesIn},
		weighted[func()]{5, c.followsUp},
		weighted[func()]{3, c.talksAtLength},
		weighted[func()]{8, c.types},
		weighted[func()]{5, c.isSilent},
		weighted[func()]{5, c.isMuted},
		weighted[func()]{6, c.asksAndIsMuted},
	)()
}

// asks is the plain turn.
func (c *conversation) asks() {
	c.says(c.request(c.anyKind()))
	c.waitsForAnswer(time.Now())
	c.pauses()
}

// bargesIn asks for something, and speaks again while it is answered.
func (c *conversation) bargesIn() {
	c.says(c.request(pick(c.rng, weighted[talk.Kind]{3, talk.Long}, weighted[talk.Kind]{2, talk.Medium}, weighted[talk.Kind]{1, talk.SpokenTool})))
	asked := time.Now()
	for c.ear.silentSince(asked) && time.Since(asked) < answerPatience && c.waits(50*time.Millisecond) {
	}
	c.waits(between(c.rng, 100*time.Millisecond, 6*time.Second))
	c.says(c.request(c.anyKind()))
	c.waitsForAnswer(time.Now())
	c.pauses()
}

// followsUp says something more before there is an answer.
func (c *conversation) followsUp() {
	c.says(c.request(c.anyKind()))
	c.waits(between(c.rng, 600*time.Millisecond, 2*time.Second))
	c.says(c.request(c.anyKind()))
	c.waitsForAnswer(time.Now())
	c.pauses()
}

// talksAtLength goes on for up to three quarters of a minute: longer than most
// rings are.
func (c *conversation) talksAtLength() {
	r := c.request(c.anyKind())
	for range 20 + c.rng.IntN(120) {
		r.More += string(rune('0' + c.rng.IntN(10)))
	}
	c.says(r)
	c.waitsForAnswer(time.Now())
	c.pauses()
}

func (c *conversation) types() {
	r := c.request(c.anyKind())
	r.More = ""
	now := time.Now()
	c.evidence.Typed = append(c.evidence.Typed, oracle.Typed{Request: r, At: now})
	c.sends(&frames.Text{Text: r.Typed()})
	c.waitsForAnswer(now)
	c.pauses()
}

func (c *conversation) isSilent() { c.waits(between(c.rng, 10*time.Second, 3*time.Minute)) }

func (c *conversation) isMuted() {
	c.caller.mute(true)
	c.waits(between(c.rng, 500*time.Millisecond, 2*time.Minute))
	c.caller.mute(false)
	c.waits(500 * time.Millisecond)
}

// asksAndIsMuted presses the mute button right after the last word: the pause
// that ends the utterance is then none of the caller's.
func (c *conversation) asksAndIsMuted() {
	c.says(c.request(c.anyKind()))
	c.waits(between(c.rng, 0, 300*time.Millisecond))
	c.caller.mute(true)
	c.waitsForAnswer(time.Now())
	c.waits(between(c.rng, 0, 10*time.Second))
	c.caller.mute(false)
	c.waits(500 * time.Millisecond)
}

// demands has the application ask for a move.
func (c *conversation) demands() {
	a := oracle.Asked{At: time.Now(), What: novasonic.SwapRequest}
	if chance(c.rng, 0.5) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		a.Err = c.sonic.Rotate(ctx, "soak test")
		cancel()
	} else if c.plan.instructs && chance(c.rng, 0.4) {
		a.What, a.Instructions = novasonic.SwapChange, fmt.Sprintf("Answer as agent number %d would.", c.rng.IntN(1000))
		c.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Instructions: aws.String(a.Instructions)}})
	} else {
		voices := novasonic.Voices(novasonic.ModelV2)
		a.What, a.Voice = novasonic.SwapChange, voices[c.rng.IntN(len(voices))].ID
		c.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Voice: aws.String(a.Voice)}})
	}
	c.evidence.Asked = append(c.evidence.Asked, a)
}

// request is the next thing to ask for.
func (c *conversation) request(k talk.Kind) talk.Request {
	c.requests++
	r := talk.Request{ID: c.requests, Kind: k}
	for range c.rng.IntN(6) {
		r.More += string(rune('0' + c.rng.IntN(10)))
		if chance(c.rng, 0.2) {
			r.More += ","
		}
	}
	return r
}

func (c *conversation) anyKind() talk.Kind {
	if c.plan.chains && chance(c.rng, 0.08) {
		return talk.ChainedTools
	}
	return pick(c.rng,
		weighted[talk.Kind]{10, talk.Short}, weighted[talk.Kind]{6, talk.Medium}, weighted[talk.Kind]{2, talk.Long},
		weighted[talk.Kind]{2, talk.FastTool}, weighted[talk.Kind]{2, talk.SlowTool}, weighted[talk.Kind]{1, talk.EndlessTool},
		weighted[talk.Kind]{1, talk.FailingTool}, weighted[talk.Kind]{1, talk.TwoTools}, weighted[talk.Kind]{1, talk.SpokenTool})
}

// says makes a request and returns when it was spoken.
func (c *conversation) says(r talk.Request) {
	u := c.caller.say(r, between(c.rng, 0, 200*time.Millisecond))
	for c.caller.spoken() < u.To && c.waits(c.plan.input.Duration(u.To-c.caller.spoken())) {
	}
}

// waitsForAnswer waits until something was heard and then silence, or the
// caller's patience is over.
func (c *conversation) waitsForAnswer(since time.Time) {
	for c.ear.silentSince(since) && time.Since(since) < answerPatience && c.waits(100*time.Millisecond) {
	}
	for !c.ear.quietFor(700*time.Millisecond) && c.waits(100*time.Millisecond) {
	}
}

func (c *conversation) pauses() {
	if chance(c.rng, 0.6) {
		c.waits(between(c.rng, 0, 2*time.Second))
		return
	}
	c.waits(between(c.rng, 0, 10*time.Second))
}

func (c *conversation) sends(f frames.Frame) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.pipe.Send(ctx, f) // an error is the end of the run
}

// waits lets time pass. It tells whether the run goes on.
func (c *conversation) waits(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-c.done:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.done:
		return false
	case <-t.C:
		return true
	}
}
