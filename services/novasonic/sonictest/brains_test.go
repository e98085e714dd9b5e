package sonictest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// first is the first sentence of an answer.
func first(a sonictest.Answer) string {
	if len(a.Sentences) == 0 {
		return ""
	}
	return a.Sentences[0].Text
}

func TestRepliesAreFoundByWhatTheUserSaid(t *testing.T) {
	turn := func(text string) sonictest.Turn { return sonictest.Turn{Text: text} }
	result := func(name string, pending int) sonictest.Turn {
		return sonictest.Turn{Kind: sonictest.ToolResults, Pending: pending, Latest: sonictest.ToolResult{Name: name, Content: `{"a":1}`}}
	}
	replies := map[string]sonictest.Answer{"One two": sonictest.Say("known"), "tool:clock": sonictest.Say("noon")}
	withFallback := map[string]sonictest.Answer{"": sonictest.Say("pardon?")}
	tests := map[string]struct {
		brain sonictest.Brain
		turn  sonictest.Turn
		want  string
	}{
		"whatever the case":           {sonictest.Replies(replies), turn(" one TWO "), "known"},
		"or said back":                {sonictest.Replies(replies), turn("three."), "You said three."},
		"or the fallback":             {sonictest.Replies(withFallback), turn("three"), "pardon?"},
		"the fallback for no words":   {sonictest.Replies(withFallback), turn(""), "pardon?"},
		"silence for no words":        {sonictest.Replies(replies), turn(""), ""},
		"by the name of a tool":       {sonictest.Replies(replies), result("clock", 0), "noon"},
		"not before all results":      {sonictest.Replies(replies), result("clock", 1), ""},
		"or the result is read aloud": {sonictest.Replies(withFallback), result("sun", 0), `The tool said {"a":1}.`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := first(test.brain.Answer(&sonictest.Conversation{}, test.turn)); got != test.want {
				t.Errorf("answered %q, want %q", got, test.want)
			}
		})
	}
}

func TestASequenceGoesOnOnTheNextStream(t *testing.T) {
	cfg := sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("First."), sonictest.Say("Second."), sonictest.Say("Third."))}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		got := shape(talk(t, srv, join(words("1"), silence(3*time.Second), words("2"), silence(3*time.Second))))
		if !slices.Contains(got, `textOutput "First."`) || !slices.Contains(got, `textOutput "Second."`) {
			t.Errorf("the first stream said:\n%s", strings.Join(got, "\n"))
		}
		p := open(t, srv)
		p.send(opening(text("H1", "USER", false, "one"), text("H2", "ASSISTANT", false, "First."), text("H3", "USER", false, "two"), text("H4", "ASSISTANT", false, "Second."))...)
		p.pace(join(words("3"), silence(3*time.Second), words("4"), silence(3*time.Second)))
		p.send(closing()...)
		p.closeSend()
		var said []string
		for _, line := range shape(p.rest()) {
			if strings.HasPrefix(line, `textOutput "`) && !strings.HasPrefix(line, `textOutput "t`) && !strings.HasPrefix(line, `textOutput "f`) {
				said = append(said, line)
			}
		}
		if diff := cmp.Diff([]string{`textOutput "Third."`, `textOutput "Third."`}, said); diff != "" {
			t.Errorf("the second stream said (-want +got):\n%s", diff)
		}
	})
}

func TestABrainKnowsItsStream(t *testing.T) {
	type known struct {
		Stream, Turns int
		Model, Voice  string
		Rate          audio.SampleRate
		Tools         []sonictest.Tool
		Said          []sonictest.Message
	}
	var got []known
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		got = append(got, known{c.Stream(), c.Turns(), c.Model(), c.Voice(), c.OutputRate(), c.Tools(), slices.Clone(c.Said())})
		return sonictest.Say("Yes.")
	})
	serve(t, sonictest.Config{Brain: brain}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv, func(q *request) { q.model = sonictest.ModelV25 })
		start := strings.Replace(withTools("["+tool("clock", anObject)+"]", ""), "24000", "8000", 1)
		p.send(events(sessionStart, start, system, audioStart)...)
		p.pace(join(words("1"), silence(3*time.Second), words("2"), silence(2*time.Second)))
	})
	tools := []sonictest.Tool{{Name: "clock", Description: "d", InputSchema: `{"type":"object"}`}}
	want := []known{
		{0, 0, sonictest.ModelV25, "matthew", audio.Rate8k, tools, nil},
		{0, 1, sonictest.ModelV25, "matthew", audio.Rate8k, tools, []sonictest.Message{{Role: "USER", Text: "one"}, {Role: "ASSISTANT", Text: "Yes."}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the brain knew (-want +got):\n%s", diff)
	}
}

func TestAUserWhoGoesOnIsAnsweredOnce(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		// The second utterance begins just before the first would be answered.
		got := shape(talk(t, srv, join(words("1"), silence(490*time.Millisecond), words("2"), silence(4*time.Second))))
		lines := strings.Join(got, "\n")
		if !strings.Contains(lines, `textOutput "one"`) || !strings.Contains(lines, `textOutput "two"`) {
			t.Errorf("not both utterances were told:\n%s", lines)
		}
		if strings.Contains(lines, `"You said one."`) || !strings.Contains(lines, `"You said two."`) {
			t.Errorf("want an answer to the second utterance alone:\n%s", lines)
		}
		log, _ := srv.Stream(0)
		if last := log.Heard[1]; last.Answer < 0 || log.Answers[last.Answer].Interrupted {
			t.Errorf("the log does not know the answer to the second utterance: %+v", log.Heard)
		}
	})
}

func TestAToolsResultIsAnsweredAfterTheUserWhoSpokeMeanwhile(t *testing.T) {
	brain := sonictest.Replies(map[string]sonictest.Answer{"one": sonictest.Call("clock", ""), "tool:clock": sonictest.Say("It is noon.")})
	for name, pause := range map[string]time.Duration{
		"while the result is thought about": 300 * time.Millisecond,
		"before the result is there":        0,
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Brain: brain, Latency: sonictest.Latency{Jitter: -1}}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(join(words("1"), silence(time.Second)))
				all := p.until("contentEnd TOOL TOOL_USE")
				id := all[len(all)-2].str("toolUseId")
				result := []string{toolStart("T", id), toolResult("T", "{}"), contentEnd("T")}
				if pause > 0 {
					p.send(result...)
					p.pace(join(silence(pause), words("2")))
				} else {
					p.pace(words("2"))
					p.send(result...)
				}
				p.pace(silence(6 * time.Second))
				p.send(closing()...)
				p.closeSend()
				lines := strings.Join(shape(p.rest()), "\n")
				two, noon := strings.Index(lines, `"You said two."`), strings.Index(lines, `"It is noon."`)
				if two < 0 || noon < two {
					t.Errorf("want both answers, that to the user first:\n%s", lines)
				}
			})
		})
	}
}

func TestKindsHaveNames(t *testing.T) {
	for _, name := range []string{sonictest.Spoken.String(), sonictest.Written.String(), sonictest.ToolResults.String()} {
		if name == "" || name == "unknown" {
			t.Errorf("a kind of turn is called %q", name)
		}
	}
	seen := map[string]bool{}
	for k := sonictest.Open; k <= sonictest.ServerClosed; k++ {
		if name := k.String(); name == "unknown" || seen[name] {
			t.Errorf("end %d is called %q", k, name)
		}
		seen[k.String()] = true
	}
}
