package turn_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/transports/playout"
)

// microphone sends 20 ms of audio every 20 ms: silence, unless there is something
// to say.
type microphone struct {
	mu    sync.Mutex
	queue []int16
}

func (m *microphone) Name() string { return "microphone" }

func (m *microphone) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (m *microphone) Run(ctx context.Context, out *pipeline.Port) error {
	tick := time.NewTicker(20 * ms)
	defer tick.Stop()
	for position := audio.Position(0); ; position += audio.Position(rate.Samples(20 * ms)) {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		piece := make([]int16, rate.Samples(20*ms))
		m.mu.Lock()
		m.queue = m.queue[copy(piece, m.queue):]
		m.mu.Unlock()
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: piece, Track: "caller", Position: position}}
		if out.Send(ctx, f, frames.Downstream) != nil {
			return nil
		}
	}
}

// says makes the caller press keys, which are heard as spoken words.
func (m *microphone) says(keys string) { m.add(hearing.Speak(rate, keys)) }

// coughs is a short noise with no word in it.
func (m *microphone) coughs() {
	noise := make([]int16, rate.Samples(150*ms))
	for i := range noise {
		noise[i] = int16(8000 * math.Sin(float64(i*i)))
	}
	m.add(noise)
}

func (m *microphone) add(samples []int16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = append(m.queue, samples...)
}

// detector makes a toy detector of voice.
func detector() pipeline.Processor {
	ears := hearing.New(hearing.Options{Rate: rate, Endpointing: 200 * ms})
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		for _, e := range ears.Write(f.Samples) {
			var told frames.Frame = &frames.VADStarted{Track: f.Track, Position: e.At, Rate: rate}
			if e.Kind == hearing.SpeechEnded {
				told = &frames.VADStopped{Track: f.Track, Position: e.At, Rate: rate}
			}
			if err := out.Send(ctx, told, dir); err != nil {
				return err
			}
		}
		return out.Send(ctx, f, dir)
	})
}

// recogniser makes a toy recogniser, which knows keys, and nothing before the
// caller has paused.
func recogniser() pipeline.Processor {
	ears := hearing.New(hearing.Options{Rate: rate, Endpointing: 300 * ms})
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		for _, e := range ears.Write(f.Samples) {
			if e.Kind != hearing.SpeechEnded || e.Utterance.Text == "" {
				continue
			}
			if err := out.Send(ctx, &frames.Transcription{Text: e.Utterance.Text, Track: f.Track}, dir); err != nil {
				return err
			}
		}
		return out.Send(ctx, f, dir)
	})
}

// toyModel answers each turn with what was said in it, after thinking for a while.
// An interruption makes it forget what it was to answer.
type toyModel struct {
	thinks time.Duration

	asked chan string // the answers that are still to be given
	mu    sync.Mutex
	heard []string
	turns int
}

func (m *toyModel) Run(ctx context.Context, out *pipeline.Port) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case said := <-m.asked:
			err := m.answer(out.Generation(), said, out)
			if err != nil && !errors.Is(err, pipeline.ErrInterrupted) && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (m *toyModel) answer(ctx context.Context, said string, out *pipeline.Port) error {
	select {
	case <-time.After(m.thinks):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m.mu.Lock()
	m.turns++
	response := fmt.Sprint("answer ", m.turns)
	m.mu.Unlock()
	for _, answer := range []frames.Frame{
		&frames.LLMResponseStart{Response: response},
		&frames.LLMText{Response: response, Text: "You said " + said + "."},
		&frames.LLMResponseEnd{Response: response},
	} {
		if err := out.Send(ctx, answer, frames.Downstream); err != nil {
			return err
		}
	}
	return nil
}

func (m *toyModel) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Transcription:
		m.mu.Lock()
		m.heard = append(m.heard, f.Text)
		m.mu.Unlock()
	case *frames.UserStoppedSpeaking:
		m.mu.Lock()
		said := strings.Join(m.heard, " ")
		m.heard = nil
		m.mu.Unlock()
		if said != "" && dir == frames.Downstream {
			m.asked <- said
		}
	}
	return out.Send(ctx, f, dir)
}

// answerLength is how long each answer is.
const answerLength = 6 * time.Second

// voice makes a toy voice: every answer is a tone.
func voice() pipeline.Processor {
	position := audio.Position(0)
	return pipeline.On(func(ctx context.Context, f *frames.LLMText, dir frames.Direction, out *pipeline.Port) error {
		samples := make([]int16, rate.Samples(answerLength))
		for i := range samples {
			samples[i] = int16(5000 + i%1000)
		}
		speech := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: samples, Track: "agent", Position: position}, Response: f.Response}
		position = speech.End()
		for _, f := range []frames.Frame{f, &frames.TTSStart{Response: f.Response}, speech, &frames.TTSStop{Response: f.Response}} {
			if err := out.Send(ctx, f, dir); err != nil {
				return err
			}
		}
		return nil
	})
}

// cascade is a call with a toy detector, recogniser, model and voice, and a real
// output.
type cascade struct {
	*microphone
	t     *testing.T
	turns *turn.Processor
	model *toyModel
	began time.Time

	mu    sync.Mutex
	spans []playout.Span // what was heard, on the output's clock
	log   []string
}

func (c *cascade) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf("%v %s", time.Since(c.began).Round(ms), what))
}

func calling(t *testing.T, cfg turn.Config, during func(c *cascade)) {
	t.Helper()
	callingWith(t, cfg, detector(), 0, during)
}

// callingWith is calling with a detector, and a model that thinks for a while.
func callingWith(t *testing.T, cfg turn.Config, detector pipeline.Processor, thinks time.Duration, during func(c *cascade)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cascade{t: t, microphone: &microphone{}, turns: turn.New(cfg), model: &toyModel{thinks: thinks, asked: make(chan string, 10)}, began: time.Now()}
		output := playout.New(playout.Config{Format: audio.Mono(rate)}, playout.SinkFunc(func(_ context.Context, p playout.Chunk) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.spans = append(c.spans, p.Spans...)
			return nil
		}))
		watch := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			switch f := f.(type) {
			case *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking, *frames.PausePlayout, *frames.ResumePlayout:
				c.note(f.String())
			case *frames.Interruption:
				c.note("Interruption")
				return nil
			case *frames.LLMText:
				c.note(f.Text)
			}
			return out.Send(ctx, f, dir)
		})
		p := pipeline.New(pipeline.Config{OnError: func(f *frames.Error) { t.Errorf("reported: %v", f) }},
			c.microphone, detector, recogniser(), c.turns, c.model, voice(), c.turns.Tap(), watch, output)
		done := make(chan error, 1)
		go func() { done <- p.Run(context.Background()) }()
		during(c)
		p.End("the test is over")
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Log(strings.Join(c.log, "\n"))
		}
	})
}

// heard returns what was heard of an answer: from and to which sample, how many
// of them, and from when to when on the output's clock.
func (c *cascade) heard(answer string) (samples int64, ordered bool, begin, end time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ordered = true
	next, first := audio.Position(0), true
	for _, s := range c.spans {
		if s.Response != answer {
			continue
		}
		if first {
			begin = at(s.Begin)
		}
		ordered = ordered && (first || s.From == next)
		first, next, end = false, s.To, at(s.End)
		samples += int64(s.To - s.From)
	}
	return samples, ordered, begin, end
}

func (c *cascade) happened(what string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.log {
		if strings.Contains(l, what) {
			n++
		}
	}
	return n
}

func TestACascadeAnswersInterruptsAndAnswersAgain(t *testing.T) {
	calling(t, turn.Config{}, func(c *cascade) {
		time.Sleep(time.Second)
		c.says("12")
		time.Sleep(4 * time.Second)
		c.says("345") // while the answer is heard
		barged := time.Since(c.began)
		time.Sleep(12 * time.Second)

		if c.happened("You said one two.") != 1 || c.happened("You said three four five.") != 1 {
			t.Error("the two turns were not answered once each")
		}
		samples, ordered, _, end := c.heard("answer 1")
		if samples == 0 || samples >= rate.Samples(answerLength) || !ordered {
			t.Errorf("of the answer that was interrupted %d samples were heard, in order: %v", samples, ordered)
		}
		if end > barged+200*ms {
			t.Errorf("it was heard until %v, and the caller barged in at %v", end, barged)
		}
		if samples, ordered, _, _ := c.heard("answer 2"); samples != rate.Samples(answerLength) || !ordered {
			t.Errorf("of the second answer %d samples were heard, in order: %v, want all %d", samples, ordered, rate.Samples(answerLength))
		}
	})
}

func TestACascadeGoesOnAfterACoughWhereItWasHeld(t *testing.T) {
	calling(t, recovering, func(c *cascade) {
		time.Sleep(time.Second)
		c.says("12")
		time.Sleep(4 * time.Second)
		c.coughs()
		time.Sleep(12 * time.Second)
		if c.happened("PausePlayout") != 1 || c.happened("ResumePlayout") != 1 || c.happened("UserStartedSpeaking") != 1 {
			t.Error("the cough did not hold the agent once, and it alone")
		}
		samples, _, begin, end := c.heard("answer 1")
		if samples < rate.Samples(answerLength) {
			t.Errorf("%d samples of the answer were heard, want all %d", samples, rate.Samples(answerLength))
		}
		if held := end - begin - answerLength; held < 1900*ms || held > 2100*ms {
			t.Errorf("the answer took %v longer than it is, want the 2 s for which it was held", held)
		}
	})
}

func TestACascadeAnswersThoughTheCallerCoughsWhileItThinks(t *testing.T) {
	for name, cfg := range map[string]turn.Config{"with recovery": recovering, "without recovery": {}} {
		t.Run(name, func(t *testing.T) {
			callingWith(t, cfg, detector(), 2500*ms, func(c *cascade) {
				time.Sleep(time.Second)
				c.says("12")
				time.Sleep(2500 * ms)
				c.coughs()
				time.Sleep(15 * time.Second)
				if samples, ordered, _, _ := c.heard("answer 1"); samples != rate.Samples(answerLength) || !ordered {
					t.Errorf("%d samples of the answer were heard, in order: %v, want all %d", samples, ordered, rate.Samples(answerLength))
				}
			})
		})
	}
}

func TestACascadeIsInterruptedByWordsAndAnswersThem(t *testing.T) {
	calling(t, recovering, func(c *cascade) {
		time.Sleep(time.Second)
		c.says("12")
		time.Sleep(4 * time.Second)
		c.says("9")
		time.Sleep(12 * time.Second)
		if c.happened("PausePlayout") != 1 || c.happened("ResumePlayout") != 0 {
			t.Error("the agent was not held, or went on")
		}
		if c.happened("You said nine.") != 1 {
			t.Error("the words were not answered once")
		}
		if samples, _, _, _ := c.heard("answer 2"); samples != rate.Samples(answerLength) {
			t.Errorf("%d samples of the second answer were heard", samples)
		}
	})
}
