package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/transports/playout"
)

// Frames in short. The agent's audio is of 24 kHz; its times are in milliseconds.

func said(from, to int64, text string) frames.Frame {
	return &frames.Transcription{Track: "caller", Text: text, Start: audio.Position(from * 16), End: audio.Position(to * 16), Rate: audio.Rate16k}
}

func text(response, text string) frames.Frame { return &frames.LLMText{Response: response, Text: text} }

func sound(response string, from, to int64) frames.Frame {
	return &frames.AudioOutput{Audio: frames.Audio{
		Format: audio.Mono(audio.Rate24k), Samples: make([]int16, (to-from)*24), Track: "agent", Position: audio.Position(from * 24),
	}, Response: response}
}

// heard is upstream: the track was heard up to there when the output was at at.
func heard(upTo, at int64) frames.Frame {
	return &frames.Playout{Track: "agent", Rate: audio.Rate24k, Heard: audio.Position(upTo * 24), Queued: audio.Position(upTo * 24), Output: audio.Position(at * 48), OutputRate: audio.Rate48k}
}

func flushed(upTo, queued, at int64) frames.Frame {
	f := heard(upTo, at).(*frames.Playout)
	return &frames.Playout{Track: f.Track, Rate: f.Rate, Heard: f.Heard, Output: f.Output, OutputRate: f.OutputRate, Flushed: true, Queued: audio.Position(queued * 24)}
}

// dropped is what the output tells, chunk by chunk, of what a slow caller does not get.
func dropped(from, to, at int64) (all []frames.Frame) {
	for ; from < to; from, at = from+20, at+20 {
		f := flushed(from, min(to, from+20), at).(*frames.Playout)
		f.Dropped = true
		all = append(all, f)
	}
	return all
}

func spoke(response, text string, interrupted bool) frames.Frame {
	return &frames.SpokenText{Response: response, Text: text, Interrupted: interrupted}
}

// bargeIn stands for an interruption, which the harness raises.
type bargeIn struct{ frames.System }

// feed sends frames through a processor: playout upstream, all else downstream.
func feed(h *pipelinetest.Harness, fs ...frames.Frame) {
	for _, f := range fs {
		switch f.(type) {
		case *bargeIn:
			h.Interrupt("barge-in")
		case *frames.Playout:
			h.SendUp(f)
		default:
			h.Send(f)
		}
	}
}

// after returns what is written down after some frames, while the call goes on.
func after(t *testing.T, cfg conversation.Config, fs ...frames.Frame) (got conversation.Transcript) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		talk := conversation.New(cfg)
		feed(pipelinetest.New(t, talk), fs...)
		got = talk.Transcript()
	})
	return got
}

const ten = "one two three four five six seven eight nine ten" // 48 characters; 3.2 s at the usual pace

func TestWhatDoesNotFitTogetherIsWrittenDownInDoubt(t *testing.T) {
	type kinds = []conversation.IssueKind
	for name, tc := range map[string]struct {
		frames []frames.Frame
		want   []string
		issues kinds
	}{
		"a result without a call": {
			[]frames.Frame{&frames.FunctionCallResult{CallID: "x", Name: "get", Result: []byte(`1`)}},
			[]string{"tool returned: get1"}, kinds{"order"},
		},
		"a start without a call": {
			[]frames.Frame{&frames.FunctionCallInProgress{CallID: "x", Name: "get"}},
			[]string{"tool running: get"}, kinds{"order"},
		},
		"a call that is told twice": {
			[]frames.Frame{&frames.FunctionCall{CallID: "x", Name: "get", Arguments: []byte(`{}`)}, &frames.FunctionCall{CallID: "x", Name: "get", Arguments: []byte(`{}`)}},
			[]string{"tool called: get{}"}, kinds{"order"},
		},
		"calls without an identifier are told apart by name": {
			[]frames.Frame{&frames.FunctionCall{Name: "a"}, &frames.FunctionCall{Name: "b"}, &frames.FunctionCallResult{Name: "b", Result: []byte(`2`)}, &frames.FunctionCallResult{Name: "a", Result: []byte(`1`), Failed: true}},
			[]string{"tool failed: a1", "tool returned: b2"}, nil,
		},
		"a call that is stopped": {
			[]frames.Frame{&frames.FunctionCall{CallID: "x", Name: "get"}, &frames.FunctionCallCancel{}, &frames.FunctionCallResult{CallID: "x", Name: "get", Result: []byte(`0`), Failed: true}},
			[]string{"tool cancelled: get0"}, nil,
		},
		"arguments that are no JSON": {
			[]frames.Frame{&frames.FunctionCall{CallID: "x", Name: "get", Arguments: []byte("{\xff\"")}},
			[]string{"tool called: get\"{\ufffd\\\"\""}, kinds{"json"},
		},
		"speech that ends before it begins": {
			[]frames.Frame{said(2000, 1000, "hello")},
			[]string{"caller final: hello"}, kinds{"position"},
		},
		"speech in a thousand years": {
			[]frames.Frame{said(2000, 1<<50, "hello")},
			[]string{"caller final: hello"}, kinds{"position"},
		},
		"playout of audio that nobody saw": {
			[]frames.Frame{heard(100, 100)}, nil, kinds{"track"},
		},
		"playout of more than was sent": {
			[]frames.Frame{text("r", ten), sound("r", 0, 1000), heard(3000, 3000)},
			[]string{"agent announced: " + ten}, kinds{"position"},
		},
		"playout that goes back": {
			[]frames.Frame{text("r", ten), sound("r", 0, 2000), heard(1500, 1500), heard(500, 1600)},
			[]string{"agent speaking: " + ten}, kinds{"order"},
		},
		"playout at no rate": {
			[]frames.Frame{text("r", ten), sound("r", 0, 2000), &frames.Playout{Track: "agent", Heard: 9}},
			[]string{"agent announced: " + ten}, kinds{"position"},
		},
		"a track that begins anew": {
			[]frames.Frame{text("r", ten), sound("r", 0, 2000), heard(1000, 1000), text("s", "Again."), sound("s", 0, 500), &frames.TTSStop{Response: "s"}, heard(500, 2500)},
			[]string{"agent speaking: " + ten, "agent heard: Again."}, kinds{"position"},
		},
		"audio before its text": {
			[]frames.Frame{sound("r", 0, 1000), heard(500, 500), text("r", "Late words."), &frames.TTSStop{Response: "r"}, heard(1000, 1000)},
			[]string{"agent heard: Late words."}, nil,
		},
		"audio without any text": {
			[]frames.Frame{sound("r", 0, 1000), &frames.TTSStop{Response: "r"}, heard(1000, 1000)},
			[]string{"agent heard: "}, nil,
		},
		"a sound that is no speech": {
			[]frames.Frame{sound("", 0, 1000), heard(1000, 1000)}, nil, nil,
		},
		"a text behind the end of its answer": {
			[]frames.Frame{text("r", "One."), &frames.LLMResponseEnd{Response: "r"}, text("r", " Two.")},
			[]string{"agent announced: One.", "agent announced: Two."}, kinds{"order"},
		},
		"an answer whose identifier is used again": {
			[]frames.Frame{text("r", "One."), sound("r", 0, 500), &frames.LLMResponseEnd{Response: "r"}, &frames.LLMResponseStart{Response: "r"}, text("r", "Two."), sound("r", 500, 900), heard(700, 700)},
			[]string{"agent heard: One.", "agent speaking: Two."}, nil,
		},
		"a record of what was not announced": {
			[]frames.Frame{spoke("", "Out of the blue.", false)},
			[]string{"agent heard: Out of the blue."}, nil,
		},
		"a record of other words": {
			[]frames.Frame{text("r", "Ninety pounds."), sound("r", 0, 1000), heard(1000, 1000), spoke("r", "It is £90.", false)},
			[]string{"agent heard: It is £90."}, kinds{"words"},
		},
		"a record of more words": {
			[]frames.Frame{text("r", "Ninety pounds."), sound("r", 0, 1000), heard(1000, 1000), spoke("r", "Ninety pounds and more.", false)},
			[]string{"agent heard: Ninety pounds and more."}, kinds{"words"},
		},
		"an end of an answer that never began": {
			[]frames.Frame{&frames.LLMResponseEnd{Response: "r"}, &frames.TTSStop{Response: "r"}, &frames.BotStoppedSpeaking{}, &frames.UserStoppedSpeaking{Track: "caller", Position: 5, Rate: 16000}},
			nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := after(t, conversation.Config{}, tc.frames...)
			if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var issues kinds
			for _, i := range got.Issues {
				issues = append(issues, i.Kind)
			}
			if !slices.Equal(issues, tc.issues) {
				t.Errorf("it doubts %v, want %v", got.Issues, tc.issues)
			}
			readable(t, got)
		})
	}
}

func TestWhatWasHeardOfAnAnswer(t *testing.T) {
	begun := func() []frames.Frame { // a frame is sent once
		return []frames.Frame{&frames.LLMResponseStart{Response: "r"}, text("r", ten), sound("r", 0, 4800)}
	}
	for name, tc := range map[string]struct {
		frames []frames.Frame
		want   []string
	}{
		"nothing yet":                      {nil, []string{"agent announced: " + ten}},
		"a part so far":                    {[]frames.Frame{heard(2000, 2000)}, []string{"agent speaking: " + ten}},
		"all, and more may come":           {[]frames.Frame{heard(4800, 4800)}, []string{"agent speaking: " + ten}},
		"all":                              {[]frames.Frame{heard(4800, 4800), &frames.TTSStop{Response: "r"}}, []string{"agent heard: " + ten}},
		"all but what a resampler keeps":   {[]frames.Frame{&frames.TTSStop{Response: "r"}, heard(4785, 4800)}, []string{"agent heard: " + ten}},
		"all, as the silence behind tells": {[]frames.Frame{heard(4800, 4800), &frames.BotStoppedSpeaking{Response: "r", Output: 5000 * 48, OutputRate: 48000}}, []string{"agent heard: " + ten}},
		"nobody reports":                   {[]frames.Frame{&bargeIn{}}, []string{"agent heard: " + ten}},
		"nothing, and somebody reports":    {[]frames.Frame{heard(0, 2000), &bargeIn{}}, []string{"agent unheard:  | " + ten}},
		"a part, reckoned from playout":    {[]frames.Frame{&frames.TTSStop{Response: "r"}, heard(2000, 2000), &bargeIn{}}, []string{"agent cut: one two three four | five six seven eight nine ten"}},
		"a little more, when it is flushed": {[]frames.Frame{&frames.TTSStop{Response: "r"}, heard(2000, 2000), &bargeIn{}, flushed(2500, 4800, 2500)},
			[]string{"agent cut: one two three four five | six seven eight nine ten"}},
		"the output is flushed first": {[]frames.Frame{&frames.TTSStop{Response: "r"}, flushed(2500, 4800, 2500), &bargeIn{}},
			[]string{"agent cut: one two three four five | six seven eight nine ten"}},
		"and later audio is another matter": {[]frames.Frame{heard(2000, 2000), &bargeIn{}, flushed(2000, 4800, 2000), text("s", "Sorry."), sound("s", 4800, 5400), &frames.TTSStop{Response: "s"}, heard(5400, 9000)},
			[]string{"agent cut: one two three four | five six seven eight nine ten", "agent heard: Sorry."}},
		"a part, on a clock of another rate": {[]frames.Frame{&frames.TTSStop{Response: "r"}, &frames.Playout{Track: "agent", Rate: 8000, Heard: 2000 * 8, Output: 2000 * 8, OutputRate: 8000}, &bargeIn{}},
			[]string{"agent cut: one two three four | five six seven eight nine ten"}},
		"all, since the output could not be flushed": {[]frames.Frame{&frames.TTSStop{Response: "r"}, heard(2000, 2000), &bargeIn{}, heard(4800, 4800)},
			[]string{"agent heard: " + ten}},
		"all but what a resampler keeps, when it is cut": {[]frames.Frame{heard(4785, 4785), &bargeIn{}},
			[]string{"agent heard: " + ten}},
		"its beginning, before a pause": {[]frames.Frame{heard(4800, 4800), &frames.BotStoppedSpeaking{Response: "r", Output: 5000 * 48, OutputRate: 48000}, sound("r", 4800, 6000), &bargeIn{}, flushed(4800, 6000, 5500)},
			[]string{"agent heard: " + ten}},
		"the first sentence, and the second was known before": {[]frames.Frame{text("r", "."), text("r", " And eleven."), sound("r", 4800, 6000), heard(2000, 9000)},
			[]string{"agent speaking: " + ten + ".", "agent announced: And eleven."}},
		"the record says that it was more": {[]frames.Frame{heard(2000, 2000), &bargeIn{}, flushed(2000, 4800, 2000), spoke("r", "one two three four five six", true)},
			[]string{"agent cut: one two three four five six | seven eight nine ten"}},
		"the record says that it was all": {[]frames.Frame{heard(2000, 2000), &bargeIn{}, flushed(2000, 4800, 2000), spoke("r", ten, false)},
			[]string{"agent heard: " + ten}},
		"the record is ahead of it":                {[]frames.Frame{spoke("r", ten, false), heard(2000, 2000), &bargeIn{}}, []string{"agent cut: one two three four | five six seven eight nine ten"}},
		"the record comes in pieces":               {[]frames.Frame{heard(4800, 4800), &frames.TTSStop{Response: "r"}, spoke("r", "one two", false), spoke("r", "three four five six seven eight nine", false), spoke("r", "ten", false)}, []string{"agent heard: " + ten}},
		"the model breaks off and the rest plays":  {[]frames.Frame{&frames.LLMResponseEnd{Response: "r", Interrupted: true}, heard(4800, 4800), &frames.TTSStop{Response: "r"}}, []string{"agent heard: " + ten}},
		"two sentences before their audio, cut":    {[]frames.Frame{&frames.TTSStop{Response: "r"}, text("s", "One two."), text("s", " Three four."), sound("s", 4800, 6800), &frames.TTSStop{Response: "s"}, heard(6000, 6000), &bargeIn{}}, []string{"agent heard: " + ten, "agent heard: One two.", "agent cut:  | Three four."}},
		"one record of two sentences":              {[]frames.Frame{&frames.TTSStop{Response: "r"}, text("s", "One two."), text("s", " Three four."), sound("s", 4800, 6800), &frames.TTSStop{Response: "s"}, heard(6800, 6800), spoke("s", "One, two. Three, four!", false)}, []string{"agent heard: " + ten, "agent heard: One, two.", "agent heard: Three, four!"}},
		"a record of a sentence and half the next": {[]frames.Frame{&frames.TTSStop{Response: "r"}, text("s", "One two."), text("s", " Three four."), sound("s", 4800, 6800), heard(6200, 6200), &bargeIn{}, spoke("s", "One two. Three", true)}, []string{"agent heard: " + ten, "agent heard: One two.", "agent cut: Three | four."}},
		"a sentence without spaces":                {[]frames.Frame{&frames.TTSStop{Response: "r"}, text("s", "我们星期六十点开门。"), sound("s", 4800, 6800), &frames.TTSStop{Response: "s"}, heard(5800, 5800), &bargeIn{}}, []string{"agent heard: " + ten, "agent cut: 我们星期六 | 十点开门。"}},
		"it was never sent":                        {[]frames.Frame{heard(1, 1), text("r", "Never sent."), &bargeIn{}}, []string{"agent cut:  | " + ten, "agent unheard:  | Never sent."}},
	} {
		t.Run(name, func(t *testing.T) {
			got := after(t, conversation.Config{}, append(begun(), tc.frames...)...)
			if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(got.Issues) > 0 {
				t.Errorf("it doubts %v", got.Issues)
			}
			readable(t, got)
		})
	}
}

// Where audio is converted, the positions of its pieces are rounded, and two may
// overlap by a sample or so.
func TestAnswersThatOverlapByASampleAreBothHeard(t *testing.T) {
	format := audio.Mono(audio.Rate8k)
	answer := func(id string, position, n int) []frames.Frame {
		return []frames.Frame{
			&frames.LLMResponseStart{Response: id}, text(id, "This is answer "+id+"."), &frames.LLMResponseEnd{Response: id},
			&frames.AudioOutput{Audio: frames.Audio{Format: format, Samples: make([]int16, n), Track: "agent", Position: audio.Position(position)}, Response: id},
			&frames.TTSStop{Response: id},
		}
	}
	for name, tc := range map[string]struct {
		interrupted bool
		want        []string
	}{
		"one behind the other":                   {false, []string{"agent heard: This is answer a.", "agent heard: This is answer b."}},
		"the second behind the end of the first": {true, []string{"agent cut: This is | answer a.", "agent heard: This is answer b."}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				talk := conversation.New(conversation.Config{})
				h := pipelinetest.New(t, talk, playout.New(playout.Config{Format: format}, &phone{}))
				h.Send(answer("a", 0, 8001)...)
				if tc.interrupted {
					h.Advance(500 * time.Millisecond)
					h.Interrupt("barge-in")
				}
				h.Send(answer("b", 8000, 8001)...)
				h.Advance(5 * time.Second)
				got := talk.Transcript()
				if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if len(got.Issues) > 0 {
					t.Errorf("it doubts %v", got.Issues)
				}
				a, b := got.Entries[0], got.Entries[1]
				if b.Audio.Start < a.Audio.End || b.Place.Start < a.Place.End || b.Audio.End != 16_001 {
					t.Errorf("the second is at %+v of the track behind %+v, and heard at %+v behind %+v", b.Audio, a.Audio, b.Place, a.Place)
				}
			})
		})
	}
}

// samples are audio whose place is told to the sample.
func samples(response string, position, n int64) frames.Frame {
	return &frames.AudioOutput{Audio: frames.Audio{
		Format: audio.Mono(audio.Rate24k), Samples: make([]int16, n), Track: "agent", Position: audio.Position(position),
	}, Response: response}
}

func TestAPieceThatOverlapsAsAWholeShortensNothing(t *testing.T) {
	for _, response := range []string{"r", "s"} {
		got := after(t, conversation.Config{}, text("r", ten), sound("r", 0, 4800), samples(response, 4800*24-20, 10),
			&frames.TTSStop{Response: "r"}, &frames.TTSStop{Response: "s"}, heard(4800, 4800))
		if e := got.Entries[0]; e.State != conversation.Heard || e.Audio.End != 4800*24 || len(got.Issues) > 0 {
			t.Errorf("with a piece of %s it is %s up to %d; it doubts %v", response, e.State, e.Audio.End, got.Issues)
		}
	}
}

func TestWhatWasSentBehindAFlushIsNotFlushed(t *testing.T) {
	for name, position := range map[string]int64{"behind it": 4800 * 24, "a sample before its end": 4800*24 - 1} {
		t.Run(name, func(t *testing.T) {
			// The output tells of the flush when the next answer is on its way.
			got := after(t, conversation.Config{}, text("r", ten), sound("r", 0, 4800), &frames.TTSStop{Response: "r"}, heard(2000, 2000), &bargeIn{},
				text("s", "Sorry."), samples("s", position, 14_400), &frames.TTSStop{Response: "s"}, flushed(2000, 4800, 2000), heard(5400, 9000))
			if diff := cmp.Diff([]string{"agent cut: one two three four | five six seven eight nine ten", "agent heard: Sorry."}, lines(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(got.Issues) > 0 {
				t.Errorf("it doubts %v", got.Issues)
			}
		})
	}
}

// What is dropped on the way to the caller is no interruption: what comes behind it is
// heard.
func TestWhatIsDroppedOnTheWayIsNotHeard(t *testing.T) {
	first := func() []frames.Frame {
		return []frames.Frame{text("r", ten), sound("r", 0, 4800), &frames.TTSStop{Response: "r"}}
	}
	second := func() []frames.Frame {
		return []frames.Frame{text("s", "Sorry."), sound("s", 4800, 5400), &frames.TTSStop{Response: "s"}}
	}
	for name, tc := range map[string]struct {
		frames [][]frames.Frame
		want   []string
	}{
		"a hole": {[][]frames.Frame{first(), {heard(1000, 1000)}, dropped(1000, 2000, 1000), {heard(2020, 2020), heard(4800, 4800)}},
			[]string{"agent heard: " + ten}},
		"the end": {[][]frames.Frame{first(), second(), {heard(2000, 2000)}, dropped(2000, 4800, 2000), {heard(5400, 5400)}},
			[]string{"agent cut: one two three four | five six seven eight nine ten", "agent heard: Sorry."}},
		"all of it": {[][]frames.Frame{first(), second(), dropped(0, 4800, 0), {heard(5400, 5400)}},
			[]string{"agent unheard:  | " + ten, "agent heard: Sorry."}},
		"the next, too": {[][]frames.Frame{first(), second(), {heard(2000, 2000)}, dropped(2000, 5400, 2000)},
			[]string{"agent cut: one two three four | five six seven eight nine ten", "agent unheard:  | Sorry."}},
		"a sentence between others": {[][]frames.Frame{{text("r", "one two three. "), text("r", "four five six. "), text("r", "seven eight nine."), sound("r", 0, 4700), &frames.TTSStop{Response: "r"}}, {heard(1400, 1400)}, dropped(1400, 3200, 1400), {heard(4700, 4700)}},
			[]string{"agent heard: one two three.", "agent unheard:  | four five six.", "agent heard: seven eight nine."}},
		"and then it is interrupted": {[][]frames.Frame{first(), {heard(1000, 1000)}, dropped(1000, 2000, 1000), {&bargeIn{}, flushed(2000, 4800, 2000)}},
			[]string{"agent cut: one two | three four five six seven eight nine ten"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := after(t, conversation.Config{}, slices.Concat(tc.frames...)...)
			if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(got.Issues) > 0 {
				t.Errorf("it doubts %v", got.Issues)
			}
		})
	}
}

// Where a barge-in may be a cough the output is held first, tells that the agent
// has stopped, uninterrupted, and is interrupted later or goes on.
func TestWhatIsInterruptedWhileItIsHeldIsCut(t *testing.T) {
	stopped := func(at int64, interrupted bool) frames.Frame {
		return &frames.BotStoppedSpeaking{Response: "r", Interrupted: interrupted, Output: audio.Position(at * 48), OutputRate: 48000}
	}
	cut := []string{"agent cut: one two three four five | six seven eight nine ten"}
	for name, tc := range map[string]struct {
		sent   int64 // milliseconds of the sentence
		frames []frames.Frame
		want   []string
	}{
		"all of it had come":                   {4800, []frames.Frame{&frames.TTSStop{Response: "r"}, &frames.PausePlayout{}, heard(2500, 2500), stopped(2600, false), &bargeIn{}, flushed(2500, 4800, 4000)}, cut},
		"and the stop is told again":           {4800, []frames.Frame{&frames.TTSStop{Response: "r"}, &frames.PausePlayout{}, heard(2500, 2500), stopped(2600, false), &bargeIn{}, flushed(2500, 4800, 4000), stopped(4000, true)}, cut},
		"and only the flush tells":             {4800, []frames.Frame{&frames.TTSStop{Response: "r"}, &frames.PausePlayout{}, heard(2500, 2500), stopped(2600, false), flushed(2500, 4800, 4000)}, cut},
		"all that had come was heard":          {1600, []frames.Frame{&frames.PausePlayout{}, heard(1600, 1600), stopped(1700, false), &bargeIn{}, flushed(1600, 1600, 4000)}, []string{"agent cut: one two three four five | six seven eight nine ten"}},
		"it was held, and let go, and is over": {1600, []frames.Frame{&frames.PausePlayout{}, heard(1600, 1600), stopped(1700, false), &frames.ResumePlayout{}, sound("r", 1600, 3200), heard(3200, 5000), stopped(5200, false)}, []string{"agent heard: " + ten}},
	} {
		t.Run(name, func(t *testing.T) {
			got := after(t, conversation.Config{}, append([]frames.Frame{&frames.LLMResponseStart{Response: "r"}, text("r", ten), sound("r", 0, tc.sent)}, tc.frames...)...)
			if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(got.Issues) > 0 {
				t.Errorf("it doubts %v", got.Issues)
			}
		})
	}
}

func TestSentencesAreToldApartByTheirText(t *testing.T) {
	for _, tc := range []struct{ pieces, want []string }{
		{[]string{"Hel", "lo", " there", ".", " How", " are", " you", "?"}, []string{"Hello there.", "How are you?"}},
		{[]string{"Hello there.", "How are you?"}, []string{"Hello there.", "How are you?"}},
		{[]string{"We", " have", " 3", ".", "5", " left", "."}, []string{"We have 3.5 left."}},
		{[]string{"The", " U", ".", "S", ".", "A", " is", " far"}, []string{"The U.S.A is far"}},
		{[]string{"我们", "开门。", "请来", "！"}, []string{"我们开门。", "请来！"}},
		{[]string{"He said: \"", "No.\"", " Then", " he left."}, []string{"He said: \"No.\"", "Then he left."}},
		{[]string{" ", "\n", "Yes", ""}, []string{"Yes"}},
	} {
		var fs []frames.Frame
		for _, p := range tc.pieces {
			fs = append(fs, text("r", p))
		}
		var got []string
		for _, e := range after(t, conversation.Config{}, fs...).Entries {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q becomes %q, want %q", tc.pieces, got, tc.want)
		}
	}
}

func TestAnInterimTextIsReplacedByTheFinalOne(t *testing.T) {
	interim := func(text string) frames.Frame { return &frames.InterimTranscription{Track: "caller", Text: text} }
	started := func() frames.Frame { return &frames.UserStartedSpeaking{Track: "caller", Position: 16000, Rate: 16000} }
	got := after(t, conversation.Config{}, started(), interim("hello w"), interim("hello world"))
	if diff := cmp.Diff([]string{"caller interim: hello world"}, lines(got)); diff != "" {
		t.Errorf("while it is said (-want +got)\n%s", diff)
	}
	if e := got.Entries[0]; e.Place.Start != 16000 || !e.Rough {
		t.Errorf("it is at %+v", e.Place)
	}
	other := &frames.Transcription{Track: "other", Text: "I am another."}
	got = after(t, conversation.Config{}, started(), interim("hello w"), other, said(1000, 2000, "Hello, world."), interim("taken back"), interim(""))
	if diff := cmp.Diff([]string{"caller final: Hello, world.", "caller final: I am another."}, lines(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e := got.Entries[0]; e.Place != (conversation.Span{Track: "caller", Rate: 16000, Start: 16000, End: 32000}) || e.Rough || e.ID != 1 {
		t.Errorf("it is %+v", e)
	}
	if e := got.Entries[1]; !e.Rough {
		t.Errorf("nobody told where it is, and it is at %+v for certain", e.Place)
	}
}

func TestARecogniserWithoutPositionsIsPlacedByADetector(t *testing.T) {
	got := after(t, conversation.Config{},
		&frames.VADStarted{Track: "caller", Position: 16000, Rate: 16000}, &frames.VADStopped{Track: "caller", Position: 40000, Rate: 16000},
		&frames.Transcription{Track: "caller", Text: "Hello."})
	if e := got.Entries[0]; e.Place != (conversation.Span{Track: "caller", Rate: 16000, Start: 16000, End: 40000}) || !e.Rough {
		t.Errorf("it is at %+v, roughly: %v", e.Place, e.Rough)
	}
}

func TestMemoryIsBoundedAndSaysWhatItDropped(t *testing.T) {
	var fs []frames.Frame
	for i := range 100 {
		fs = append(fs, said(int64(i)*100, int64(i)*100+50, fmt.Sprintf("number %d %s", i, strings.Repeat("x", 50))))
	}
	got := after(t, conversation.Config{MaxEntries: 10}, fs...)
	if len(got.Entries) != 10 || got.Dropped != 90 || got.Entries[0].ID != 91 {
		t.Errorf("of 100 entries %d are left from %d on, %d are said to be dropped", len(got.Entries), got.Entries[0].ID, got.Dropped)
	}
	got = after(t, conversation.Config{MaxBytes: 1000}, fs...)
	if n := len(got.Entries); n < 14 || n > 17 || got.Dropped != 100-n {
		t.Errorf("in 1000 bytes are %d entries of 60 or so, %d are said to be dropped", n, got.Dropped)
	}
	got = after(t, conversation.Config{MaxText: 9}, said(0, 10, "grüße grüße"), &frames.FunctionCall{CallID: "x", Name: "get", Arguments: []byte(`{"a":"bcdefgh"}`)})
	if e := got.Entries[0]; e.Text != "grüße g" || e.Clipped != 6 {
		t.Errorf("%q is left, %d bytes are said to be cut", e.Text, e.Clipped)
	}
	if e := got.Entries[1]; string(e.Call.Arguments) != `"{\"a\":\"bcd"` || e.Clipped != 6 {
		t.Errorf("%s is left, %d bytes are said to be cut", e.Call.Arguments, e.Clipped)
	}
	readable(t, got)
}

// Whatever comes, in whatever order: the transcript can be written and read, is
// bounded, and claims nothing to be heard beyond what was reported.
func TestNoFramesMakeATranscriptThatLies(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: with -short, random frames are left out")
	}
	rapid.Check(t, func(r *rapid.T) {
		all, furthest := randomFrames(r)
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			talk := conversation.New(conversation.Config{MaxEntries: 20})
			h := pipelinetest.New(t, talk)
			feed(h, all...)
			problem = liesIn(talk.Transcript(), furthest)
			h.Cancel()
			if problem == "" {
				problem = liesIn(talk.Transcript(), furthest)
			}
		})
		if problem != "" {
			r.Fatal(problem)
		}
	})
}

// randomFrames makes frames, and tells up to where the agent was reported to be
// heard.
func randomFrames(r *rapid.T) (all []frames.Frame, furthest int64) {
	id := rapid.SampledFrom([]string{"", "a", "b"})
	words := rapid.SampledFrom([]string{"", "One.", " two", "One. two", "three\n-->", "\x00<v>", "drei vier fünf sechs"})
	position := rapid.OneOf(rapid.Int64Range(0, 5000), rapid.SampledFrom([]int64{-1, 1 << 40}))
	for range rapid.IntRange(1, 60).Draw(r, "frames") {
		from, to := position.Draw(r, "from"), rapid.Int64Range(0, 1000).Draw(r, "length")
		switch rapid.IntRange(0, 13).Draw(r, "kind") {
		case 0:
			all = append(all, said(from, from+to-100, words.Draw(r, "text")))
		case 1:
			all = append(all, &frames.InterimTranscription{Track: id.Draw(r, "track"), Text: words.Draw(r, "text")})
		case 2, 3:
			all = append(all, text(id.Draw(r, "id"), words.Draw(r, "text")))
		case 4, 5:
			all = append(all, sound(id.Draw(r, "id"), from, from+to))
		case 6, 7:
			furthest = max(furthest, from)
			all = append(all, heard(from, from))
		case 8:
			furthest = max(furthest, from)
			all = append(all, flushed(from, from+to, from))
		case 9:
			all = append(all, &bargeIn{})
		case 10:
			all = append(all, spoke(id.Draw(r, "id"), words.Draw(r, "text"), rapid.Bool().Draw(r, "interrupted")))
		case 11:
			all = append(all, &frames.TTSStop{Response: id.Draw(r, "id")}, &frames.LLMResponseEnd{Response: id.Draw(r, "id"), Interrupted: rapid.Bool().Draw(r, "interrupted")})
		case 12:
			all = append(all, &frames.FunctionCall{CallID: id.Draw(r, "id"), Name: "n"}, &frames.FunctionCallResult{CallID: id.Draw(r, "id"), Name: "n", Result: []byte(words.Draw(r, "text"))})
		case 13:
			all = append(all, &frames.UserStartedSpeaking{Track: "caller", Position: audio.Position(from), Rate: 16000}, &frames.LLMResponseStart{Response: id.Draw(r, "id")})
		}
	}
	return all, furthest
}

// liesIn says what is wrong with a transcript; nothing if all is well.
func liesIn(got conversation.Transcript, furthest int64) string {
	if len(got.Entries) > 20 {
		return fmt.Sprintf("there are %d entries", len(got.Entries))
	}
	for _, e := range got.Entries {
		switch {
		case e.Audio.End > audio.Position(furthest*24):
			return fmt.Sprintf("%q was heard up to %d, and only %d were reported", e.Text, e.Audio.End, furthest*24)
		case e.State == conversation.Unheard && e.Text != "" || e.State == conversation.Heard && e.Unheard != "":
			return fmt.Sprintf("it contradicts itself: %+v", e)
		}
	}
	var c complaint
	readable(&c, got)
	return string(c)
}

// complaint keeps what a check finds.
type complaint string

func (*complaint) Helper() {}

func (c *complaint) Fatalf(format string, args ...any) { *c = complaint(fmt.Sprintf(format, args...)) }

// The first sentence of several begins with their audio, which the output places to
// the sample; where the others begin within it nobody tells.
func TestOnlyWhatIsReckonedIsRough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk := conversation.New(conversation.Config{})
		h := pipelinetest.New(t, talk)
		feed(h, text("r", "One two."), text("r", " Three four."), sound("r", 0, 2000), heard(700, 1000), heard(2000, 2300), text("r", " Five."), sound("r", 2000, 3000), &frames.TTSStop{Response: "r"}, heard(3000, 3300))
		got := talk.Transcript()
		var b strings.Builder
		if err := got.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		want := " 00:00.3  agent   One two.\n~00:01.1  agent   Three four.\n 00:02.3  agent   Five.\n"
		if b.String() != want {
			t.Errorf("it is written as\n%swant\n%s", b.String(), want)
		}
		for i, e := range got.Entries {
			if e.Rough != (i == 1) {
				t.Errorf("%q: Rough is %v, at %+v", e.Text, e.Rough, e.Place)
			}
		}
		if err := h.End(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAConfigurationThatMakesNoSenseIsReportedAtTheStart(t *testing.T) {
	for name, cfg := range map[string]conversation.Config{
		"MaxEntries": {MaxEntries: -1}, "MaxBytes": {MaxBytes: -1}, "MaxText": {MaxText: -1}, "MaxGap": {MaxGap: -time.Second},
	} {
		err := conversation.New(cfg).Start(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := conversation.New(conversation.Config{MaxEntries: -1, MaxBytes: -2, MaxText: -3, MaxGap: 3600}).Start(t.Context(), nil)
	want := "configure conversation: MaxEntries is -1: at least 1, or 0 for the default\n" +
		"MaxBytes is -2: at least 1, or 0 for the default\n" +
		"MaxText is -3: at least 1, or 0 for the default\n" +
		"MaxGap is 3.6µs: at least 1ms, or 0 for the default (3600 nanoseconds: was another unit meant? write 3600*time.Millisecond, or time.Second)"
	if err == nil || err.Error() != want {
		t.Errorf("all at once: %v, want %s", err, want)
	}
}
