package conversation_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/processors/vad"
)

const ms = time.Millisecond

// hum lets the phone's caller hum while he says each remark, for a detector.
func (p *phone) hum(remarks []remark) {
	end := remarks[len(remarks)-1].to
	p.queue = make([]int16, audio.Rate16k.Samples(end))
	for _, r := range remarks {
		for i := audio.Rate16k.Samples(r.from); i < audio.Rate16k.Samples(r.to); i++ {
			p.queue[i] = int16(12000 * math.Sin(2*math.Pi*440*float64(i)/16000))
		}
	}
}

// humming is a voice detector that takes all that is loud for a voice.
type humming struct{}

func (humming) Open(audio.SampleRate) (vad.Stream, error) { return humming{}, nil }
func (humming) Rate() audio.SampleRate                    { return audio.Rate16k }
func (humming) Window() int                               { return 512 }
func (humming) Reset()                                    {}

func (humming) Probability(window []float32) (float32, error) {
	if slices.ContainsFunc(window, func(v float32) bool { return v > .1 || v < -.1 }) {
		return 1, nil
	}
	return 0, nil
}

// earlySTT tells the first word of each remark half-way and all of it behind its
// end; of turns it knows nothing.
func earlySTT(remarks []remark) pipeline.Processor {
	said := 0 // interim and final ones
	return pipeline.On(func(ctx context.Context, in *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		if err := out.Send(ctx, in, dir); err != nil || said == 2*len(remarks) {
			return err
		}
		r, now := remarks[said/2], in.Format.Rate.Duration(int64(in.End()))
		switch {
		case said%2 == 0 && now >= (r.from+r.to)/2:
			said++
			first, _, _ := strings.Cut(r.text, " ")
			return out.Send(ctx, &frames.InterimTranscription{Track: in.Track, Text: first}, dir)
		case said%2 == 1 && now >= r.to+300*ms:
			said++
			return out.Send(ctx, &frames.Transcription{Track: in.Track, Text: r.text}, dir)
		}
		return nil
	})
}

// turnLLM answers what was said when a turn is over, and what it is told to do.
type turnLLM struct {
	talk  *conversation.Processor
	asks  chan string // what is to be answered
	said  []string
	asked []conversation.Message // when it was asked last
	n     int
}

func (l *turnLLM) Name() string { return "llm" }

func (l *turnLLM) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Transcription:
		l.said = append(l.said, f.Text)
	case *frames.Text:
		l.asked = l.talk.Messages()
		l.asks <- f.Text
		return nil
	case *frames.UserStoppedSpeaking:
		if dir == frames.Downstream {
			l.asked = l.talk.Messages()
			l.asks <- strings.Join(l.said, " ")
			l.said = nil
		}
	}
	return out.Send(ctx, f, dir)
}

func (l *turnLLM) Run(ctx context.Context, out *pipeline.Port) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case text := <-l.asks:
			l.n++
			id := fmt.Sprint("answer-", l.n)
			answer := []frames.Frame{&frames.LLMResponseStart{Response: id}}
			for _, s := range []string{"You said " + text + ".", " There is rather much to say to that.", " That is all."} {
				answer = append(answer, &frames.LLMText{Response: id, Text: s})
			}
			gen := out.Generation()
			for _, f := range append(answer, &frames.LLMResponseEnd{Response: id}) {
				if err := out.Send(gen, f, frames.Downstream); err != nil && !errors.Is(err, pipeline.ErrInterrupted) {
					return err
				}
			}
		}
	}
}

// With a detector, a recogniser and turns before the model, and prompts, the
// transcript has what belongs to the conversation, and as whose it belongs.
func TestATranscriptBehindTurnsHasNothingThatIsNoTurn(t *testing.T) {
	remarks := []remark{
		{time.Second, 2 * time.Second, "hello"},
		{5 * time.Second, 5600 * ms, "uh huh"}, // is ignored
		{18 * time.Second, 20 * time.Second, "wait a moment please"},
	}
	synctest.Test(t, func(t *testing.T) {
		var l told
		talk := conversation.New(l.config())
		turns := turn.New(turn.Config{
			Interrupt: turn.Words(3), Barred: turn.Ignore,
			Idle: []turn.Reminder{{After: 5 * time.Second, Do: turn.Say("ask who is there")}},
		})
		p := &phone{}
		p.hum(remarks)
		llm := &turnLLM{talk: talk, asks: make(chan string, 10)}
		pipe := pipeline.New(pipeline.Config{},
			p, vad.New(vad.Config{Engine: humming{}}), earlySTT(remarks), turns,
			talk.TapCaller(), llm, &toyTTS{}, turns.Tap(), talk, p.output())
		done := make(chan error, 1)
		go func() { done <- pipe.Run(context.Background()) }()
		time.Sleep(32 * time.Second)
		pipe.End("the test is over")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := talk.Transcript()
		var text strings.Builder
		if err := got.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + text.String())
		var turnsTold []string
		for _, u := range l.turns {
			turnsTold = append(turnsTold, string(u.Who)+": "+u.Text())
		}
		want := []string{
			"caller: hello",
			"agent: You said hello. There is rather much to say to that. That is all. You said ask who is there. There is rather much to say to",
			"caller: wait a moment please",
			"agent: You said wait a moment please. There is rather much to say to that. That is all.",
		}
		if diff := cmp.Diff(want, turnsTold); diff != "" {
			t.Errorf("turns (-want +got)\n%s", diff)
		}
		if i := slices.IndexFunc(got.Entries, func(e conversation.Entry) bool { return e.Who == conversation.Application }); i < 0 || got.Entries[i].Text != "ask who is there" {
			t.Error("the prompt is not written down as the application's")
		}
		var roles []string
		for _, m := range llm.asked {
			roles = append(roles, string(m.Role))
		}
		if want := []string{"user", "assistant", "system", "assistant", "user"}; !slices.Equal(roles, want) {
			t.Errorf("the model was told the words of %v, want %v", roles, want)
		}
		if len(got.Issues) > 0 {
			t.Errorf("it doubts %v", got.Issues)
		}
	})
}
