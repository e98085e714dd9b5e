package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
)

// remark is something that the caller of the toy cascade says.
type remark struct {
	from, to time.Duration
	text     string
}

// toySTT is a detector and a recogniser that knows in advance what is said. Each
// remark interrupts the agent.
type toySTT struct {
	remarks []remark
	step    int
	blind   bool // it does not tell where in the audio a text was said
}

func (s *toySTT) Name() string { return "stt" }

func (s *toySTT) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	in, ok := f.(*frames.AudioInput)
	if !ok || s.step == 3*len(s.remarks) {
		return out.Send(ctx, f, dir)
	}
	r := s.remarks[s.step/3]
	rate, now := in.Format.Rate, in.Format.Rate.Duration(int64(in.End()))
	from, to := audio.Position(rate.Samples(r.from)), audio.Position(rate.Samples(r.to))
	var tell []frames.Frame
	switch {
	case s.step%3 == 0 && now >= r.from+100*time.Millisecond:
		out.Interrupt("barge-in")
		tell = append(tell, &frames.VADStarted{Track: in.Track, Position: from, Rate: rate})
	case s.step%3 == 1 && now >= (r.from+r.to)/2:
		words := strings.Fields(r.text)
		tell = append(tell, &frames.InterimTranscription{Track: in.Track, Text: words[0] + " um"})
	case s.step%3 == 2 && now >= r.to+300*time.Millisecond:
		final := &frames.Transcription{Track: in.Track, Text: r.text, Language: "en", Start: from, End: to, Rate: rate}
		if s.blind {
			final.Start, final.End, final.Rate = 0, 0, 0
		}
		tell = append(tell, &frames.VADStopped{Track: in.Track, Position: to, Rate: rate}, final)
	default:
		return out.Send(ctx, f, dir)
	}
	s.step++
	for _, t := range tell {
		if err := out.Send(ctx, t, frames.Downstream); err != nil {
			return err
		}
	}
	return out.Send(ctx, f, dir)
}

// toyLLM answers each transcription by a table, token by token, and remembers
// what it was told of the conversation when it was asked.
type toyLLM struct {
	talk    *conversation.Processor
	answers map[string]string
	asked   [][]conversation.Message
	turn    int
}

func (l *toyLLM) Name() string { return "llm" }

func (l *toyLLM) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	t, ok := f.(*frames.Transcription)
	if !ok || dir != frames.Downstream {
		return out.Send(ctx, f, dir)
	}
	l.asked = append(l.asked, l.talk.Messages())
	l.turn++
	id := fmt.Sprintf("answer-%d", l.turn)
	answer := []frames.Frame{f, &frames.LLMResponseStart{Response: id}}
	if name, text, ok := strings.Cut(l.answers[t.Text], "!"); ok {
		answer = append(answer,
			&frames.FunctionCall{CallID: "c1", Name: name, Arguments: json.RawMessage(`{ "of": "service" }`)},
			&frames.FunctionCallInProgress{CallID: "c1", Name: name},
			&frames.FunctionCallResult{CallID: "c1", Name: name, Result: json.RawMessage(`{"error":"no such price"}`), Failed: true, Elapsed: 20*time.Millisecond + 400*time.Nanosecond},
		)
		answer = append(answer, tokens(id, text)...)
	} else {
		answer = append(answer, tokens(id, l.answers[t.Text])...)
	}
	gen := out.Generation()
	for _, f := range append(answer, &frames.LLMResponseEnd{Response: id}) {
		if err := out.Send(gen, f, frames.Downstream); err != nil && !errors.Is(err, pipeline.ErrInterrupted) {
			return err
		}
	}
	return nil
}

// tokens cuts a text where a model might.
func tokens(id, text string) []frames.Frame {
	var all []frames.Frame
	for i, word := range strings.Split(text, " ") {
		if i > 0 {
			word = " " + word
		}
		for len(word) > 4 {
			all = append(all, &frames.LLMText{Response: id, Text: word[:4]})
			word = word[4:]
		}
		all = append(all, &frames.LLMText{Response: id, Text: word})
	}
	return all
}

// toyTTS speaks 10 characters a second, sentence by sentence, as fast as it can.
type toyTTS struct {
	keeps    bool // the texts to itself
	tells    bool // what is spoken, word by word, ahead of it
	text     string
	position audio.Position
}

func (s *toyTTS) Name() string { return "tts" }

func (s *toyTTS) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		s.text = ""
	case *frames.LLMText:
		s.text += f.Text
		if !s.keeps {
			if err := out.Send(ctx, f, dir); err != nil {
				return err
			}
		}
		if strings.HasSuffix(s.text, ".") || strings.HasSuffix(s.text, "?") {
			return s.speak(ctx, f.Response, out)
		}
		return nil
	case *frames.LLMResponseEnd:
		if err := out.Send(ctx, f, dir); err != nil {
			return err
		}
		return out.Send(ctx, &frames.TTSStop{Response: f.Response}, dir)
	}
	return out.Send(ctx, f, dir)
}

func (s *toyTTS) speak(ctx context.Context, id string, out *pipeline.Port) error {
	format := audio.Mono(audio.Rate24k)
	for _, word := range strings.Fields(s.text) {
		samples := make([]int16, (len(word)+1)*int(format.Rate)/10)
		for i := range samples {
			samples[i] = int16(1000 + i%7*100)
		}
		f := &frames.AudioOutput{Audio: frames.Audio{Format: format, Samples: samples, Track: "tts", Position: s.position}, Response: id}
		s.position = f.End()
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
		if s.tells {
			if err := out.Send(ctx, &frames.SpokenText{Response: id, Text: word}, frames.Downstream); err != nil {
				return err
			}
		}
	}
	s.text = ""
	return nil
}

// cascade runs the toy cascade and returns what was written down, what the model
// was told, and the recording.
func cascade(t *testing.T, stt *toySTT, tts *toyTTS, answers map[string]string, l *told, d time.Duration) (got conversation.Transcript, asked [][]conversation.Message, heard []int16) {
	t.Helper()
	talk := conversation.New(l.config())
	p := &phone{}
	llm := &toyLLM{talk: talk, answers: answers}
	chain := []pipeline.Processor{p, stt, talk.TapCaller(), llm}
	if tts.keeps {
		chain = append(chain, talk.TapAgent())
	}
	pipe := pipeline.New(pipeline.Config{}, append(chain, tts, talk, p.output())...)
	done := make(chan error, 1)
	go func() { done <- pipe.Run(context.Background()) }()
	time.Sleep(d)
	pipe.End("the test is over")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return talk.Transcript(), llm.asked, p.heard
}

func TestACascadeIsWrittenDownLikeASpeechToSpeechModel(t *testing.T) {
	remarks := []remark{
		{time.Second, 2 * time.Second, "Hello there"},
		{9 * time.Second, 10 * time.Second, "What is the price"},
		{17200 * time.Millisecond, 18 * time.Second, "Bye"},
	}
	answers := map[string]string{
		"Hello there":       "Good morning. How are you today? We have 3.5 hours.",
		"What is the price": "get_price!A full service is ninety pounds and takes about two days. Parts are extra.",
		"Bye":               "Goodbye.",
	}
	for name, tts := range map[string]*toyTTS{
		"the words pass":           {},
		"the words are kept":       {keeps: true},
		"the words are told ahead": {tells: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l told
				got, asked, heard := cascade(t, &toySTT{remarks: remarks}, tts, answers, &l, 26*time.Second)
				t.Log("\n" + strings.Join(lines(got), "\n"))
				if len(got.Issues) > 0 {
					t.Errorf("it doubts %v", got.Issues)
				}
				// 10 characters a second from 10.3 s on: "Parts are " is heard from 16.1 s to 17.1 s,
				// and the barge-in is at 17.3 s.
				want := []string{
					"caller final: Hello there",
					"agent heard: Good morning.",
					"agent heard: How are you today?",
					"agent heard: We have 3.5 hours.",
					"caller final: What is the price",
					`tool failed: get_price{"of":"service"}{"error":"no such price"}`,
					"agent heard: A full service is ninety pounds and takes about two days.",
					"agent cut: Parts are | extra.",
					"caller final: Bye",
					"agent heard: Goodbye.",
				}
				if diff := cmp.Diff(want, lines(got)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if !tts.keeps { // then it is only known which answer a sound belongs to
					placedWhereItIsHeard(t, got, heard)
				}
				if !slices.Equal(l.states("Bye"), []conversation.State{conversation.Final}) {
					t.Errorf("Bye was told as %v", l.states("Bye"))
				}
				if s := l.states("Hello um"); !slices.Equal(s, []conversation.State{conversation.Interim, conversation.Final}) {
					t.Errorf("what the caller seemed to say was told as %v", s)
				}
				if len(l.calls) != 1 || l.calls[0].State != conversation.Failed || l.calls[0].Call.Elapsed != 20*time.Millisecond {
					t.Errorf("of the tool was told %+v", l.calls)
				}
				last := asked[len(asked)-1]
				var told []string
				for _, m := range last {
					told = append(told, string(m.Role)+": "+m.Text)
				}
				if diff := cmp.Diff([]string{
					"user: Hello there",
					"assistant: Good morning. How are you today? We have 3.5 hours.",
					"user: What is the price",
					`tool: [I called get_price with {"of":"service"}; it returned {"error":"no such price"}.]`,
					"assistant: A full service is ninety pounds and takes about two days. Parts are [interrupted]",
					"user: Bye",
				}, told); diff != "" {
					t.Errorf("the model was told (-want +got)\n%s", diff)
				}
			})
		})
	}
}
