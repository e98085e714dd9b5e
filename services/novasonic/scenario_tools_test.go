package novasonic_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

// forecaster is a brain that calls a tool for who says "one", two for who says
// "two", and speaks when it has all results.
func forecaster() sonictest.Brain {
	return sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		switch {
		case turn.Kind == sonictest.ToolResults && turn.Pending > 0:
			return sonictest.Answer{}
		case turn.Kind == sonictest.ToolResults:
			var said []string
			for _, r := range turn.Results {
				said = append(said, strings.Trim(strings.TrimPrefix(r.Content, `{"result":`), `"}`))
			}
			return sonictest.Say("I hear of " + strings.Join(said, " and ") + ".")
		case turn.Kind == sonictest.Written:
			var read []string
			for _, weather := range []string{"fog", "sun"} {
				if strings.Contains(turn.Text, weather) {
					read = append(read, weather)
				}
			}
			if read == nil {
				return sonictest.Answer{}
			}
			return sonictest.Say("I read of " + strings.Join(read, " and ") + ".")
		case turn.Text == "one":
			return sonictest.Call("get_weather", `{"city":"Ulm"}`)
		case turn.Text == "two":
			return sonictest.Answer{Calls: []sonictest.ToolCall{{Name: "get_weather", Arguments: `{"city":"Ulm"}`}, {Name: "get_weather", Arguments: `{"city":"Bonn"}`}}}
		}
		return echo().Answer(c, turn)
	})
}

// bonnForFive is a forecaster that calls a tool for who types or says "five" as well.
func bonnForFive() sonictest.Brain {
	return sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "five" {
			return sonictest.Call("get_weather", `{"city":"Bonn"}`)
		}
		return forecaster().Answer(c, turn)
	})
}

// almanac is a tool that takes its time, and counts.
type almanac struct {
	takes map[string]time.Duration // by city; negative: for ever
	calls atomic.Int32
}

func (a *almanac) tool() tool.Tool {
	return weather(func(ctx context.Context, c city) (string, error) {
		a.calls.Add(1)
		after := time.After(a.takes[c.City])
		if a.takes[c.City] < 0 {
			after = nil
		}
		select {
		case <-after:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		if c.City == "Ulm" {
			return "fog", nil
		}
		return "sun", nil
	}, tool.Timeout(100*time.Second))
}

func TestScenarioAToolThatIsPendingAtTheCutIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	// It is called at 35.8 s. The cut is forced at 40 s, and the stream that
	// called it ends at 60 s at the latest.
	for name, tc := range map[string]struct {
		keys      string
		ulm, bonn time.Duration
		drain     time.Duration // how long its stream may drain
		also      string        // what the user says at 45 s
		result    int           // the stream that gets the result, as such or in words
		agent     []string      // what is heard of the agent before the end
		until     time.Duration // when the test ends
	}{
		"returns before the cut":                    {keys: "1", ulm: 3 * time.Second, agent: []string{"I hear of fog."}},
		"returns after the cut":                     {keys: "1", ulm: 8 * time.Second, agent: []string{"I hear of fog."}},
		"returns just after the cut":                {keys: "1", ulm: 4300 * time.Millisecond, agent: []string{"I hear of fog."}},
		"returns just before its stream is left":    {keys: "1", ulm: 13600 * time.Millisecond, drain: 10 * time.Second, agent: []string{"I hear of fog."}},
		"returns after its stream's end":            {keys: "1", ulm: 30 * time.Second, result: 1, agent: []string{"I read of fog."}},
		"returns after two moves":                   {keys: "1", ulm: 60 * time.Second, result: 2, agent: []string{"I read of fog."}, until: 110 * time.Second},
		"never returns":                             {keys: "1", ulm: -1, result: -1},
		"returns after the user has gone on":        {keys: "1", ulm: 13 * time.Second, also: "3", result: 1, agent: []string{youSaid("3"), "I read of fog."}},
		"of two one returns before, one after":      {keys: "2", ulm: 2 * time.Second, bonn: 8 * time.Second, agent: []string{"I hear of fog and sun."}},
		"of two both return after the cut":          {keys: "2", ulm: 9 * time.Second, bonn: 8 * time.Second, agent: []string{"I hear of fog and sun."}},
		"of two one returns after its stream's end": {keys: "2", ulm: 2 * time.Second, bonn: 35 * time.Second, result: 2, agent: []string{"I read of fog and sun."}},
	} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": tc.ulm, "Bonn": tc.bonn}}
			nc := brief()
			nc.Continuation.Prepare = 34 * time.Second
			nc.Continuation.Prefer = 38 * time.Second
			nc.Continuation.Drain = tc.drain
			nc.Tools = tool.Set{book.tool()}
			want := outcome{agent: append(slices.Clone(tc.agent), youSaid("4"))}
			play(t, short(forecaster()), nc, want, func(s *scene) {
				s.at(33600 * time.Millisecond) // so that nobody is silent at 34 s
				s.says(tc.keys)
				if tc.also != "" {
					s.at(45 * time.Second)
					s.says(tc.also)
				}
				s.at(max(80*time.Second, tc.until))
				s.says("4")
				s.waits(5 * time.Second)
				if n, want := int(book.calls.Load()), len(tc.keys); n != want && tc.keys == "1" || tc.keys == "2" && n != 2 {
					t.Errorf("the tool was called %d times", n)
				}
				results, texts := 0, 0
				for _, l := range s.streams() {
					for _, c := range l.Calls {
						if c.Result != "" {
							results++
						}
					}
					for _, x := range l.Texts {
						texts++
						if l.Number != tc.result {
							t.Errorf("stream %d was told %q", l.Number, x.Text)
						}
					}
				}
				wantTexts := 0
				if tc.result > 0 {
					wantTexts = 1
				}
				wantResults := book.calls.Load() - int32(wantTexts)
				if tc.ulm < 0 {
					wantResults = 0
				}
				if texts != wantTexts || results != int(wantResults) {
					t.Errorf("%d results were sent as such and %d in words, want %d and %d", results, texts, wantResults, wantTexts)
				}
				if tc.ulm < 0 {
					if told := memory(s.streams()[2]); !strings.Contains(told, "get_weather") || !strings.Contains(told, "no result yet") {
						t.Errorf("the third stream was told:\n%s", told)
					}
					s.cancelCalls()
				}
			})
		})
	}
}

func TestScenarioAToolWorksOnEveryStream(t *testing.T) {
	t.Parallel()
	book := &almanac{takes: map[string]time.Duration{"Ulm": time.Second}}
	nc := brief()
	nc.Tools = tool.Set{book.tool()}
	var want outcome
	for range 4 {
		want.agent = append(want.agent, "I hear of fog.")
		want.user = append(want.user, "one")
	}
	play(t, short(forecaster()), nc, want, func(s *scene) {
		for i := range 4 {
			s.at(time.Duration(i)*20*time.Second + 2*time.Second)
			s.says("1")
			s.waits(6 * time.Second)
			l := s.streams()[i]
			if len(l.Calls) != 1 || l.Calls[0].Result == "" || len(l.Tools) != 1 {
				t.Errorf("stream %d: calls %+v, tools %v", i, l.Calls, l.Tools)
			}
			if told := memory(l); i > 0 && strings.Count(told, "it returned") != i {
				t.Errorf("stream %d was told of other calls than %d:\n%s", i, i, told)
			}
			if note := "call them when they are needed"; strings.Contains(l.Instructions, note) != (i > 0) {
				t.Errorf("the instructions of stream %d are %q", i, l.Instructions)
			}
		}
	})
	if n := book.calls.Load(); n != 4 {
		t.Errorf("the tool was called %d times", n)
	}
}

func TestScenarioAToolThatIsPendingWhenTheStreamDiesIsAnsweredInWords(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]sonictest.Action{"reset": sonictest.Reset(), "clean end": sonictest.EndStream(), "instability": sonictest.Instability()} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": 2 * time.Second, "Bonn": 5 * time.Second}}
			nc := novasonic.Config{Tools: tool.Set{book.tool()}}
			want := outcome{agent: []string{"I read of fog and sun.", youSaid("3")}, user: []string{"two", "three"}, errors: 1, streams: 2, again: time.Second}
			play(t, sonictest.Config{Brain: forecaster()}, nc, want, func(s *scene) {
				s.at(2 * time.Second)
				s.says("2")
				s.at(6 * time.Second) // one has returned, one has not
				s.strike(0, a)
				s.at(15 * time.Second)
				s.says("3")
				s.waits(5 * time.Second)
				if n := book.calls.Load(); n != 2 {
					t.Errorf("the tool was called %d times", n)
				}
				if told := memory(s.streams()[1]); strings.Count(told, "it returned") != 1 || strings.Count(told, "no result yet") != 1 {
					t.Errorf("the second stream was told:\n%s", told)
				}
			})
		})
	}
}

func TestScenarioAResultOfWhichNothingWasHeardIsToldToTheNextStream(t *testing.T) {
	t.Parallel()
	// The tool is called at 5.8 s and returns at 7.8 s.
	for name, tc := range map[string]struct {
		do    sonictest.Action
		at    time.Duration
		also  string // what the user says at 8 s
		agent []string
		texts int // how many streams are told in words
	}{
		"the stream reads nothing":                        {sonictest.StallReads(), 7 * time.Second, "", []string{"I read of fog."}, 1},
		"the stream reads nothing, and the user goes on":  {sonictest.StallReads(), 7 * time.Second, "3", []string{youSaid("3"), "I read of fog."}, 1},
		"the stream neither reads nor writes":             {sonictest.Stall(), 7 * time.Second, "", []string{"I read of fog."}, 1},
		"the stream writes nothing, and the user goes on": {sonictest.StallWrites(), 7 * time.Second, "3", []string{youSaid("3"), "I read of fog."}, 1},
		"the stream dies before it says what it read":     {sonictest.Reset(), 8 * time.Second, "", []string{"I read of fog."}, 1},
		"the stream dies as soon as it has said it":       {sonictest.Reset(), 9800 * time.Millisecond, "", []string{"I hear of fog."}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": 2 * time.Second}}
			nc := novasonic.Config{Tools: tool.Set{book.tool()}}
			want := outcome{agent: append(slices.Clone(tc.agent), youSaid("4")), again: 20 * time.Second, deaf: 20 * time.Second, errors: -1}
			sc := sonictest.Config{Brain: forecaster(), Latency: sonictest.Latency{Jitter: -1}}
			play(t, sc, nc, want, func(s *scene) {
				s.at(5 * time.Second)
				s.says("1")
				s.at(tc.at)
				s.strike(0, tc.do)
				if tc.also != "" {
					s.at(8 * time.Second)
					s.says(tc.also)
				}
				s.at(50 * time.Second)
				s.says("4")
				s.waits(5 * time.Second)
				texts := 0
				for _, l := range s.streams() {
					texts += len(l.Texts)
				}
				if n := book.calls.Load(); n != 1 || texts != tc.texts {
					t.Errorf("the tool was called %d times, and %d streams were told in words, want %d", n, texts, tc.texts)
				}
			})
		})
	}
}

func TestScenarioACallBehindAnOutcomeIsForWhatWasSaidBeforeAMute(t *testing.T) {
	t.Parallel()
	// The last answer was about a result, and the detector never tells of the end of
	// speech; but it is over, since a tool is called for it.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 2 * time.Second}}
	// The first model tells nothing of speech, and takes no text: the second result
	// is for the history.
	nc := novasonic.Config{Model: novasonic.ModelV1, Tools: tool.Set{book.tool()}}
	want := outcome{agent: []string{"I hear of fog."}, streams: 2, doomed: []int{0}, errors: 1}
	play(t, sonictest.Config{Brain: forecaster()}, nc, want, func(s *scene) {
		s.room.detects.Store(true)
		s.at(2 * time.Second)
		s.says("1")
		s.at(10 * time.Second)
		s.says("1")
		s.waits(100 * time.Millisecond)
		s.caller.mute(true)
		s.waits(1200 * time.Millisecond)
		s.strike(0, sonictest.Reset())
		s.waits(10 * time.Second)
		if n := book.calls.Load(); n != 2 {
			t.Errorf("the tool was called %d times", n)
		}
	})
}

func TestScenarioACallThatFollowsFromAResultAnswersNothingThatIsBeingSaid(t *testing.T) {
	t.Parallel()
	// The first result makes the model call another tool, in the middle of a sentence
	// of the user's; and then its stream dies.
	const long = "2345678923456789"
	for _, after := range []time.Duration{0, time.Second, 2 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": 3 * time.Second, "Bonn": 20 * time.Second}}
			nc := novasonic.Config{Tools: tool.Set{book.tool()}}
			sc := sonictest.Config{Latency: sonictest.Latency{ToolUse: 2 * time.Second, Jitter: -1}}
			sc.Behaviour.Interruption.CallsStand = true
			sc.Brain = sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
				if turn.Kind == sonictest.ToolResults && strings.Contains(turn.Latest.Content, "fog") {
					return sonictest.Call("get_weather", `{"city":"Bonn"}`)
				}
				return forecaster().Answer(c, turn)
			})
			want := outcome{agent: []string{youSaid(long), "I read of fog and sun."}, doomed: []int{0}, again: 10 * time.Second, errors: 1}
			play(t, sc, nc, want, func(s *scene) {
				s.at(2 * time.Second)
				s.says("1")
				s.waitsFor("result", isA[*frames.FunctionCallResult])
				s.waits(500 * time.Millisecond)
				s.begins(long)
				for book.calls.Load() < 2 {
					s.waits(20 * time.Millisecond)
				}
				s.waits(after)
				s.strike(0, sonictest.Reset())
				s.waits(40 * time.Second)
				if n := book.calls.Load(); n != 2 {
					t.Errorf("the tools were called %d times", n)
				}
			})
		})
	}
}

func TestScenarioAResultThatWasSpokenOfIsNotToldAgainBehindAMute(t *testing.T) {
	t.Parallel()
	// A detector that hears nothing more never tells of the end of speech.
	book := &almanac{takes: map[string]time.Duration{"Ulm": time.Second}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	want := outcome{agent: []string{"I hear of fog."}, streams: 2}
	play(t, sonictest.Config{Brain: forecaster()}, nc, want, func(s *scene) {
		s.room.detects.Store(true)
		s.at(2 * time.Second)
		s.says("1")
		s.waits(100 * time.Millisecond)
		s.caller.mute(true)
		s.at(8 * time.Second)
		if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
			t.Fatal(err)
		}
		s.at(12 * time.Second)
		s.caller.mute(false)
		s.waits(10 * time.Second)
	})
}

func TestScenarioAResultThatWasSpokenOfIsNotToldAgainBehindAnotherCall(t *testing.T) {
	t.Parallel()
	// What was typed waits for an answer when the stream speaks of what a tool has
	// returned before. Then the answer is another call, and to its result the stream
	// is deaf.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 3 * time.Second, "Bonn": 300 * time.Millisecond}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	want := outcome{agent: []string{"I hear of fog.", "I read of sun."}, again: 20 * time.Second, deaf: 20 * time.Second, errors: -1}
	play(t, sonictest.Config{Brain: bonnForFive(), Latency: sonictest.Latency{Jitter: -1}}, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1")
		s.waitsFor("result", isA[*frames.FunctionCallResult])
		s.waits(100 * time.Millisecond)
		s.sends(&frames.Text{Text: "five"})
		s.waitsFor("second call", func(f frames.Frame) bool {
			call, ok := f.(*frames.FunctionCallInProgress)
			return ok && call != nil && book.calls.Load() == 2
		})
		s.strike(0, sonictest.StallWrites())
		s.waits(2 * time.Second)
		if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
			t.Fatal(err)
		}
		s.waits(40 * time.Second)
		texts := 0
		for _, l := range s.streams() {
			texts += len(l.Texts)
		}
		if texts != 2 { // "five", and what Bonn's weather is
			t.Errorf("the streams were told %d texts", texts)
		}
	})
}

func TestScenarioACallBehindATextIsTheTexts(t *testing.T) {
	t.Parallel()
	// What is typed behind a result in words takes its place: the model says nothing of
	// the result, and calls another tool. What that returns is spoken of once.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 4 * time.Second, "Bonn": 300 * time.Millisecond}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	want := outcome{agent: []string{"I hear of sun."}, doomed: []int{0}, again: time.Second, errors: 1}
	play(t, sonictest.Config{Brain: bonnForFive(), Latency: sonictest.Latency{Jitter: -1}}, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1")
		s.at(4 * time.Second)
		s.strike(0, sonictest.Reset())
		s.isToldInWords(1)
		s.waits(720 * time.Millisecond)
		s.sends(&frames.Text{Text: "five"})
		s.hears()
		s.waits(3 * time.Second)
		if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
			t.Fatal(err)
		}
		s.waits(20 * time.Second)
	})
}

func TestScenarioTextAndResultAreToldApart(t *testing.T) {
	t.Parallel()
	// What is said first could be about the text or about the result, and the stream
	// dies in it: the other of the two is still to be told, and only that.
	for name, c := range map[string]struct {
		types func(s *scene) // waits until the text is typed
		agent []string
	}{
		"text, then a result": {func(s *scene) {
			s.waitsFor("call", isA[*frames.FunctionCallInProgress])
			s.waits(2800 * time.Millisecond)
		}, []string{cut("I read of sun."), "I read of fog."}},
		"a result, then text": {func(s *scene) {
			s.waitsFor("result", isA[*frames.FunctionCallResult])
			s.waits(100 * time.Millisecond)
		}, []string{cut("I hear of fog."), "I read of sun."}},
	} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": 3 * time.Second}}
			sc := sonictest.Config{Brain: forecaster(), Delivery: sonictest.Delivery{Speed: 1}, Latency: sonictest.Latency{Jitter: -1}}
			want := outcome{agent: c.agent, streams: 2, doomed: []int{0}, errors: 1, again: time.Second, pauses: 20 * time.Millisecond}
			play(t, sc, novasonic.Config{Tools: tool.Set{book.tool()}}, want, func(s *scene) {
				s.at(2 * time.Second)
				s.says("1")
				c.types(s)
				s.sends(&frames.Text{Text: "Is there any sun?"})
				s.hears()
				s.waits(300 * time.Millisecond)
				s.strike(0, sonictest.Reset())
				s.waits(10 * time.Second)
			})
		})
	}
}

func TestScenarioSilenceOnItsWayToAStreamThatDiesIsHeardByTheNext(t *testing.T) {
	t.Parallel()
	// The answer has begun, with a call, so what was said is answered. What came
	// behind it is silence, of which the stream has not received the last.
	for name, behaviour := range map[string]sonictest.Behaviour{"with events of speech": {}, "without": {UserSpeech: sonictest.Off}} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": time.Second}}
			sc := sonictest.Config{Brain: forecaster(), Behaviour: behaviour, Latency: sonictest.Latency{Jitter: -1}}
			want := outcome{agent: []string{"I read of fog."}, streams: 2, doomed: []int{0}, errors: 1, again: time.Second}
			play(t, sc, novasonic.Config{Tools: tool.Set{book.tool()}}, want, func(s *scene) {
				s.at(2 * time.Second)
				s.says("1")
				s.waitsFor("transcript", isA[*frames.Transcription])
				s.strike(0, sonictest.StallReads())
				s.waitsFor("call", isA[*frames.FunctionCallInProgress])
				s.strike(0, sonictest.Reset())
				s.waits(10 * time.Second)
			})
		})
	}
}

func TestScenarioAResultAndTheCallThatItLedToAreToldTogether(t *testing.T) {
	t.Parallel()
	// The stream fails with the second call at work. Who is told the first result alone
	// would make that call again.
	silent := func(stream, nth int) []sonictest.Fault {
		return []sonictest.Fault{
			{Streams: []int{stream}, Output: "toolUse", Nth: nth, Do: sonictest.StallReads()},
			{Streams: []int{stream}, Output: "toolUse", Nth: nth, Do: sonictest.StallWrites()},
		}
	}
	dead := func(stream, nth int) sonictest.Fault {
		return sonictest.Fault{Streams: []int{stream}, Output: "toolUse", Nth: nth, Do: sonictest.Reset()}
	}
	for name, tc := range map[string]struct {
		faults []sonictest.Fault
		doomed []int
		also   string // what the user says before the second call, and has answered
	}{
		"it falls silent": {faults: silent(0, 2), doomed: []int{0}},
		"it falls silent, with an answer in between":    {faults: silent(0, 2), doomed: []int{0}, also: "5"},
		"it was told the first result in words":         {faults: []sonictest.Fault{dead(0, 1), dead(1, 1)}, doomed: []int{0, 1}},
		"it was told in words, by one that fell silent": {faults: append(silent(0, 1), dead(1, 1)), doomed: []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": time.Second, "Bonn": 5 * time.Second}}
			nc := novasonic.Config{Tools: tool.Set{book.tool()}}
			brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
				if told := turn.Latest.Content + turn.Text; strings.Contains(told, "fog") && !strings.Contains(told, "sun") {
					return sonictest.Call("get_weather", `{"city":"Bonn"}`)
				}
				return forecaster().Answer(c, turn)
			})
			sc := sonictest.Config{Brain: brain, Latency: sonictest.Latency{Jitter: -1}, Faults: tc.faults}
			want := outcome{agent: []string{"I read of fog and sun."}, doomed: tc.doomed, deaf: 10 * time.Second, again: 10 * time.Second, errors: -1}
			if tc.also != "" {
				want.agent = slices.Insert(want.agent, 0, youSaid(tc.also))
			}
			play(t, sc, nc, want, func(s *scene) {
				s.at(2 * time.Second)
				s.says("1")
				if tc.also != "" {
					s.waitsFor("call", isA[*frames.FunctionCallInProgress])
					s.waits(800 * time.Millisecond)
					s.says(tc.also)
				}
				s.waits(40 * time.Second)
				if n := book.calls.Load(); n != 2 {
					t.Errorf("tools were called %d times, want twice", n)
				}
			})
		})
	}
}

func TestScenarioAResultIsToldAgainThoughAnotherCallFollows(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]time.Duration{"while it is announced": 5 * time.Second, "before it is announced": 2500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) { anotherCallFollows(t, takes) })
	}
}

func anotherCallFollows(t *testing.T, takes time.Duration) {
	// The call that "five" leads to comes after a sentence, and after the result
	// of another.
	book := &almanac{takes: map[string]time.Duration{"Ulm": takes, "Bonn": time.Second}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "five" {
			a := sonictest.Say("Let me have a look at that for you, it may take me a moment or two.")
			a.Calls = []sonictest.ToolCall{{Name: "get_weather", Arguments: `{"city":"Bonn"}`, After: 1}}
			return a
		}
		return forecaster().Answer(c, turn)
	})
	sc := sonictest.Config{Brain: brain, Delivery: sonictest.Delivery{Speed: 1}, Faults: []sonictest.Fault{
		{Streams: []int{0}, Output: "toolUse", Nth: 2, Do: sonictest.Reset()},
	}}
	want := outcome{agent: []string{"Let me have a look at that for you, it may take me a moment or two.", "I read of fog.", "I read of sun."}, doomed: []int{0}, again: time.Second, pauses: 50 * time.Millisecond, errors: 1}
	play(t, sc, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1") // returns at 8 s
		s.at(4 * time.Second)
		s.says("5")
		s.waits(25 * time.Second)
	})
}

func TestScenarioAResultInWordsCutsNoAnswer(t *testing.T) {
	t.Parallel()
	sentences := tale(8) // 40 seconds
	book := &almanac{takes: map[string]time.Duration{"Ulm": 6 * time.Second}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "nine" {
			return sonictest.Say(sentences...)
		}
		return forecaster().Answer(c, turn)
	})
	want := outcome{agent: append(slices.Clone(sentences), "I read of fog."), again: time.Second, errors: 1}
	play(t, sonictest.Config{Brain: brain}, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1")
		s.waitsFor("call", isA[*frames.FunctionCallInProgress])
		s.strike(0, sonictest.Reset())
		s.waits(time.Second)
		s.says("9")
		s.at(55 * time.Second)
	})
}

func TestScenarioResultsInWordsAreToldOneAfterTheOther(t *testing.T) {
	t.Parallel()
	// The stream that is told of both dies when it has spoken of the first.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 6 * time.Second, "Bonn": 4 * time.Second}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	sentences := tale(2)
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		switch turn.Text {
		case "six":
			return sonictest.Call("get_weather", `{"city":"Bonn"}`)
		case "nine":
			return sonictest.Say(sentences...)
		}
		return forecaster().Answer(c, turn)
	})
	want := outcome{agent: append(slices.Clone(sentences), "I read of sun.", "I read of fog."), again: time.Second, errors: 2}
	play(t, sonictest.Config{Brain: brain, Latency: sonictest.Latency{Jitter: -1}}, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1")
		s.waits(time.Second)
		s.says("6")
		s.waits(time.Second)
		s.strike(0, sonictest.Reset())
		s.waits(100 * time.Millisecond)
		s.says("9")
		s.waitsFor("outcome", func(f frames.Frame) bool {
			text, ok := f.(*frames.LLMText)
			return ok && text.Text == "I read of sun."
		})
		s.waits(600 * time.Millisecond)
		s.strike(1, sonictest.Reset())
		s.waits(10 * time.Second)
	})
}

// isToldInWords waits until a stream is told something in words.
func (s *scene) isToldInWords(stream int) {
	s.t.Helper()
	for {
		s.waits(time.Millisecond)
		if l := s.streams(); len(l) > stream && len(l[stream].Texts) > 0 {
			return
		}
	}
}

func TestScenarioAResultInWordsThatTheUserOvertookIsToldAgain(t *testing.T) {
	t.Parallel()
	// The user speaks as soon as the second stream is told, which dies when it has
	// answered that.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 4 * time.Second}}
	nc := novasonic.Config{Tools: tool.Set{book.tool()}}
	want := outcome{agent: []string{youSaid("3"), "I read of fog."}, again: time.Second, errors: 2}
	play(t, sonictest.Config{Brain: forecaster(), Latency: sonictest.Latency{Jitter: -1}}, nc, want, func(s *scene) {
		s.at(2 * time.Second)
		s.says("1")
		s.at(4 * time.Second)
		s.strike(0, sonictest.Reset())
		s.isToldInWords(1)
		s.begins("3")
		s.waitsFor("answer", func(f frames.Frame) bool {
			text, ok := f.(*frames.LLMText)
			return ok && text.Text == youSaid("3")
		})
		s.waits(500 * time.Millisecond)
		s.strike(1, sonictest.Reset())
		s.waits(10 * time.Second)
		if told := memory(s.streams()[2]); strings.Contains(told, "that you asked for") {
			t.Errorf("the third stream has it in its history as well:\n%s", told)
		}
	})
}

func TestScenarioATextOnAFreshStreamLeavesTheUsersAudioAsItIs(t *testing.T) {
	t.Parallel()
	for name, mute := range map[string]bool{"the user sends audio": false, "the user is muted": true} {
		t.Run(name, func(t *testing.T) {
			want := outcome{agent: []string{"You said hello."}, streams: 2}
			play(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, want, func(s *scene) {
				s.at(5 * time.Second)
				if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
					t.Fatal(err)
				}
				s.waitsForCut(1)
				for len(s.streams()[1].Audio) == 0 || s.streams()[1].Audio[0].Samples == 0 {
					s.waits(time.Millisecond)
				}
				s.caller.mute(mute)
				s.sends(&frames.Text{Text: "hello"})
				if mute {
					s.waits(time.Second)
					s.caller.mute(false)
				}
				s.waits(5 * time.Second)
				pcm := s.streams()[1].Audio[0].PCM
				live := slices.IndexFunc(pcm, func(v int16) bool { return v != 0 })
				if zeros := longestSilence(pcm[live:]); !mute && zeros > 100 {
					t.Errorf("the stream was given %d samples of silence in the middle of the user's audio", zeros)
				}
			})
		})
	}
}

// longestSilence is the most zeros in a row.
func longestSilence(pcm []int16) int {
	longest, n := 0, 0
	for _, v := range pcm {
		n++
		if v != 0 {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}
