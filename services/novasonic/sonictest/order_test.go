package sonictest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestOfAnAssistantThatCannotBeInterruptedTheFirstQuestionIsAnsweredFirst(t *testing.T) {
	cfg := sonictest.Config{
		Behaviour: sonictest.Behaviour{Interruption: sonictest.Interruption{Never: true}},
		Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
			if t.Text == "one" {
				return long
			}
			return sonictest.Say("Yes.")
		}),
	}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		pause := silence(700 * time.Millisecond)
		talk(t, srv, join(words("1"), pause, words("2"), pause, words("3"), pause, words("4"), silence(20*time.Second)))
		log, _ := srv.Stream(0)
		var got []string
		for _, a := range log.Answers {
			got = append(got, a.Turn.Text)
		}
		if diff := cmp.Diff([]string{"one", "two", "three", "four"}, got); diff != "" {
			t.Errorf("answered (-want +got):\n%s", diff)
		}
	})
}

func TestABrainThatPanicsEndsItsStreamAndNoOther(t *testing.T) {
	brain := sonictest.BrainFunc(func(_ *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
		if t.Text == "one" {
			panic("no idea")
		}
		return sonictest.Say("Yes.")
	})
	serve(t, sonictest.Config{Brain: brain}, func(t *testing.T, srv *sonictest.Server) {
		bad := open(t, srv)
		bad.send(opening()...)
		<-bad.accepted
		good := open(t, srv)
		good.send(opening()...)
		bad.pace(join(words("1"), silence(time.Second)))
		good.pace(join(words("2"), silence(2*time.Second)))
		if got := bad.failure(); !strings.HasPrefix(got, "internalServerException: RequestId=") || !strings.HasSuffix(got, "the emulator's brain panicked: no idea") {
			t.Errorf("the stream ended with %q", got)
		}
		good.until(`textOutput "Yes."`)
		log, _ := srv.Stream(0)
		if log.End.Kind != sonictest.Failed || !strings.HasPrefix(log.Panic, "no idea\n") || !strings.Contains(log.Panic, "order_test.go") {
			t.Errorf("the log says %+v, and of the panic:\n%s", log.End, log.Panic)
		}
	})
}

// completions is what happened under each completionId, in the order in which
// they were first seen, userSpeech events excepted.
func completions(events []event) (all [][]string) {
	index := map[string]int{}
	for _, e := range events {
		if slices.Contains([]string{"audioOutput", "usageEvent", "userSpeechStart", "userSpeechEnd"}, e.name) {
			continue
		}
		id := e.str("completionId")
		if _, ok := index[id]; !ok {
			index[id] = len(all)
			all = append(all, nil)
		}
		all[index[id]] = append(all[index[id]], e.String())
	}
	return all
}

func TestABargeInEndsTheCompletionOfItsTurn(t *testing.T) {
	perTurn := sonictest.Behaviour{CompletionPerTurn: true}
	trailing := perTurn
	trailing.Interruption.Trailing = 300 * time.Millisecond
	for name, test := range map[string]struct {
		behaviour sonictest.Behaviour
		pause     time.Duration
	}{
		"while it is sent":                 {perTurn, 1500 * time.Millisecond},
		"while the rest of it trails":      {trailing, 1500 * time.Millisecond},
		"when it is sent but is not heard": {perTurn, 5 * time.Second},
		"before anything of it is sent":    {perTurn, 560 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{Behaviour: test.behaviour, Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				got := completions(talk(t, srv, join(words("1"), silence(test.pause), words("2"), silence(6*time.Second))))
				if len(got) != 2 {
					t.Fatalf("there are %d completions, want one for each turn: %q", len(got), got)
				}
				for i, turn := range got {
					if turn[0] != "completionStart" || !slices.Contains(turn, "completionEnd END_TURN") {
						t.Errorf("completion %d does not begin and end: %q", i, turn)
					}
					if n := slices.Index(turn, "completionEnd END_TURN"); slices.Contains(turn[n+1:], "completionStart") {
						t.Errorf("completion %d begins again: %q", i, turn)
					}
				}
				first, second := strings.Join(got[0], "\n"), strings.Join(got[1], "\n")
				if strings.Contains(second, "sentence") || strings.Contains(second, "interrupted") || strings.Contains(first, "Yes.") || !strings.Contains(second, "Yes.") {
					t.Errorf("what belongs to one turn stands in the other:\n%s\n\n%s", first, second)
				}
			})
		})
	}
}

func TestAFinalTextKeepsTheCompletionOfItsTurn(t *testing.T) {
	cfg := sonictest.Config{Behaviour: sonictest.Behaviour{CompletionPerTurn: true}, Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		got := completions(talk(t, srv, join(words("1"), silence(9*time.Second), words("2"), silence(5*time.Second))))
		if len(got) != 2 || !slices.Contains(got[0], "contentStart TEXT ASSISTANT FINAL") || strings.Count(strings.Join(got[0], "\n"), "sentence") != 4 {
			t.Errorf("want two sentences in two stages each under the first id: %q", got)
		}
	})
}

func TestAnAnswerToAToolsResultIsInACompletion(t *testing.T) {
	cfg := sonictest.Config{Behaviour: sonictest.Behaviour{CompletionPerTurn: true}, Brain: sonictest.Sequence(sonictest.Call("t", "{}"))}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(2*time.Second)))
		all := p.until("toolUse")
		p.send(toolStart("T", all[len(all)-1].str("toolUseId")), toolResult("T", "{}"), contentEnd("T"))
		p.pace(silence(5 * time.Second))
		p.send(closing()...)
		p.closeSend()
		for i, turn := range completions(append(all, p.rest()...)) {
			if turn[0] != "completionStart" || !slices.Contains(turn, "completionEnd END_TURN") {
				t.Errorf("completion %d does not begin and end: %q", i, turn)
			}
		}
	})
}

func TestFinalTextsThatWaitForInputComeAtTheEndOfThePrompt(t *testing.T) {
	for name, test := range map[string]struct {
		pause time.Duration
		want  int
	}{"all of it was heard": {12 * time.Second, 2}, "half of it was": {5 * time.Second, 1}} {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{Behaviour: sonictest.Behaviour{FinalText: sonictest.FinalAtNextInput}, Brain: sonictest.Sequence(long)}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(join(words("1"), silence(test.pause)))
				before := shape(drain(p))
				p.send(closing()...)
				p.closeSend()
				count := func(lines []string) int {
					return strings.Count(strings.Join(lines, "\n"), "contentStart TEXT ASSISTANT FINAL")
				}
				if n, after := count(before), count(shape(p.rest())); n != 0 || after != test.want {
					t.Errorf("%d FINAL texts came before promptEnd and %d at it, want none and %d", n, after, test.want)
				}
			})
		})
	}
}
