package novasonic_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
)

// late brings the beginning of speech, and what follows, later.
type late struct {
	novasonic.Stream
	by time.Duration
}

func (l *late) Recv(ctx context.Context) ([]byte, error) {
	e, err := l.Stream.Recv(ctx)
	if bytes.Contains(e, []byte("userSpeechStart")) {
		time.Sleep(l.by)
	}
	return e, err
}

func TestScenarioAWordThatIsReportedAfterTheCutIsAnswered(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 800 * time.Millisecond} {
		t.Run(by.String(), func(t *testing.T) {
			nc := brief()
			novasonic.Sabotage(&nc, func(_ int, s novasonic.Stream) novasonic.Stream { return &late{s, by} })
			play(t, short(echo()), nc, outcome{agent: []string{youSaid("8"), youSaid("1")}, again: 2 * time.Second}, func(s *scene) {
				s.at(4 * time.Second)
				s.says("8")
				s.at(10 * time.Second)
				s.says("1")
				s.waits(320 * time.Millisecond)
				if err := s.sonic.Rotate(context.Background(), "now"); err != nil {
					t.Error(err)
				}
				s.waits(7 * time.Second)
			})
		})
	}
}

func TestScenarioARefusedChangeOutlivesADeath(t *testing.T) {
	t.Parallel()
	sc := short(echo())
	sc.Behaviour.Blocked = []string{"forbidden"}
	sc.Faults = []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(time.Second)}}
	want := outcome{agent: []string{youSaid("8")}, doomed: []int{0, 1}, errors: -1, forbidden: "content filters", again: 10 * time.Second}
	play(t, sc, brief(), want, func(s *scene) {
		s.at(5 * time.Second)
		s.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Instructions: aws.String("Do something forbidden.")}})
		s.waits(300 * time.Millisecond)
		s.strike(0, sonictest.Reset())
		s.at(15 * time.Second)
		s.says("8")
		s.waits(5 * time.Second)
	})
}

// forecast is a tool that takes so long, or for ever.
func forecast(takes time.Duration) tool.Set {
	return tool.Set{weather(func(ctx context.Context, _ city) (string, error) {
		var over <-chan time.Time
		if takes > 0 {
			over = time.After(takes)
		}
		select {
		case <-over:
			return "fog", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}, tool.Timeout(10*time.Minute))}
}

// isLeftForSilence has the user speak to a stream that says nothing, while a tool
// is at work: another one has to answer soon.
func (s *scene) isLeftForSilence() {
	s.t.Helper()
	s.waits(2 * time.Second)
	s.says("3")
	s.waits(15 * time.Second)
	if got := said(s.rig); len(got) != 1 {
		s.t.Errorf("15 s after the user spoke the agent has said %q", got)
	}
	s.cancelCalls()
}

func TestScenarioAMoveAwayFromAStreamThatHasGoneSilentTakesAllThatWasSaidAlong(t *testing.T) {
	t.Parallel()
	want := outcome{doomed: []int{0}, again: 6 * time.Second, agent: []string{youSaid("1"), youSaid("23456")}}
	play(t, short(echo()), novasonic.Config{}, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.waits(3 * time.Second)
		s.strike(0, sonictest.StallWrites())
		s.waits(5 * time.Second)
		s.says("23456")
		s.waits(time.Second) // it is quiet, and nobody can know yet that there is no answer to come
		if err := s.sonic.Rotate(context.Background(), "now"); err != nil {
			t.Fatal(err)
		}
		s.waits(5 * time.Second)
	})
}

func TestScenarioAStreamThatGoesSilentWhenItHasToldOfABeginningIsLeft(t *testing.T) {
	t.Parallel()
	// It has understood what was said before that, which must not hide it.
	want := outcome{doomed: []int{0}, agent: []string{youSaid("23")}, again: 10 * time.Second}
	play(t, short(echo()), novasonic.Config{}, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.waitsFor("transcript", isA[*frames.Transcription])
		s.begins("23")
		s.waitsFor("beginning", func(f frames.Frame) bool {
			started, ok := f.(*frames.UserStartedSpeaking)
			return ok && started.Rate.Duration(int64(started.Position)) > 5500*time.Millisecond
		})
		s.strike(0, sonictest.StallWrites())
		s.waits(12 * time.Second)
	})
}

func TestScenarioAStreamThatHasUnderstoodAndSaysNothingMoreIsLeftWhenTheUserGoesOn(t *testing.T) {
	t.Parallel()
	// That it has no answer to what it understood says nothing of what came behind.
	for name, behaviour := range map[string]sonictest.Behaviour{"with events of speech": {}, "without": {UserSpeech: sonictest.Off}} {
		t.Run(name, func(t *testing.T) {
			sc := short(echo())
			sc.Behaviour = behaviour
			play(t, sc, novasonic.Config{}, outcome{doomed: []int{0}, again: 20 * time.Second, agent: []string{youSaid("3")}}, func(s *scene) {
				s.at(5 * time.Second)
				s.says("12345")
				s.waitsFor("transcript", isA[*frames.Transcription])
				s.strike(0, sonictest.StallWrites())
				s.waits(3 * time.Second)
				s.says("2")
				s.waits(5 * time.Second)
				s.says("3")
				s.waits(10 * time.Second)
			})
		})
	}
}

func TestScenarioWhatWasTypedAfterWordsThatNobodyHeardComesAfterThem(t *testing.T) {
	t.Parallel()
	want := outcome{doomed: []int{0}, again: time.Minute, agent: []string{youSaid("12"), "You said hello.", youSaid("3")}}
	play(t, short(echo()), novasonic.Config{}, want, func(s *scene) {
		s.at(5 * time.Second)
		s.strike(0, sonictest.StallWrites())
		s.says("12")
		s.waits(500 * time.Millisecond)
		s.sends(&frames.Text{Text: "hello"})
		s.waits(20 * time.Second) // it is left for its silence
		if err := s.sonic.Rotate(context.Background(), "now"); err != nil {
			t.Fatal(err)
		}
		s.waits(5 * time.Second)
		s.says("3")
		s.waits(3 * time.Second)
		streams := s.streams()
		if got, want := memory(streams[len(streams)-1]), "USER: one two\nASSISTANT: You said one two.\nUSER: hello\nASSISTANT: You said hello.\n"; got != want {
			t.Errorf("the last stream was told\n%swant\n%s", got, want)
		}
	})
}

func TestScenarioAToolAtWorkHidesNoStreamThatHasGoneSilent(t *testing.T) {
	t.Parallel()
	want := outcome{doomed: []int{0}, errors: -1, again: time.Minute, agent: []string{youSaid("3")}}
	play(t, sonictest.Config{Brain: forecaster()}, novasonic.Config{Tools: forecast(0)}, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.waitsFor("call", isA[*frames.FunctionCall])
		s.waits(time.Second)
		s.strike(0, sonictest.StallWrites())
		s.isLeftForSilence()
	})
}

func TestScenarioAStreamThatGoesSilentWhileTheOldOneDrainsIsLeft(t *testing.T) {
	t.Parallel()
	nc := brief()
	nc.Continuation.Limit, nc.Continuation.Drain = 480*time.Second, time.Minute
	nc.Tools = forecast(0)
	want := outcome{doomed: []int{0, 1}, errors: -1, again: time.Minute, agent: []string{youSaid("3")}, most: 3}
	play(t, sonictest.Config{Brain: forecaster()}, nc, want, func(s *scene) {
		s.at(18 * time.Second)
		s.says("1")
		s.waitsForCut(1)
		s.strike(1, sonictest.StallWrites())
		s.isLeftForSilence()
	})
}

func TestScenarioAStreamWithAToolAtWorkDoesNotAnswerAFragment(t *testing.T) {
	t.Parallel()
	const long = "12345678901234567890"
	want := outcome{agent: []string{youSaid(long)}, user: []string{"one", hearing.Words(long)}, again: 10 * time.Second, errors: -1}
	nc := novasonic.Config{Tools: forecast(0)}
	// Where the service tells where speech begins, the replay ends the old
	// stream's time anyway.
	sc := sonictest.Config{Brain: forecaster(), Behaviour: sonictest.Behaviour{UserSpeech: sonictest.Off}}
	play(t, sc, nc, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.waitsFor("call", isA[*frames.FunctionCall])
		if err := s.sonic.Rotate(context.Background(), "now"); err != nil {
			t.Error(err)
		}
		s.at(33 * time.Second) // it is forced half a minute after it was asked for
		s.says(long)
		s.waits(6 * time.Second)
		s.cancelCalls()
	})
}

func TestScenarioWhatTheAgentSaidFirstIsRemembered(t *testing.T) {
	t.Parallel()
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.Written {
			return sonictest.Say("Your order is number 42.")
		}
		return echo().Answer(c, turn)
	})
	nc := brief()
	nc.SpeakFirst = "Greet the caller."
	play(t, short(brain), nc, outcome{agent: []string{"Your order is number 42.", youSaid("8")}}, func(s *scene) {
		s.at(30 * time.Second)
		s.says("8")
		s.waits(5 * time.Second)
		if told := memory(s.streams()[1]); !strings.Contains(told, "number 42") {
			t.Errorf("the second stream was told:\n%s", told)
		}
	})
}

func TestScenarioAStreamAndItsSuccessorShareNoConnection(t *testing.T) {
	t.Parallel()
	nc := brief()
	nc.Continuation.StandbyLife = 3 * time.Second // it is replaced again and again
	const long = "12345678901234567890"
	play(t, short(echo()), nc, outcome{agent: []string{youSaid(long)}, again: time.Minute}, func(s *scene) {
		s.at(17 * time.Second)
		s.begins(long)
		s.waits(25 * time.Second)
		all := s.streams()
		for i, x := range all {
			for _, y := range all[i+1:] {
				together := x.End.Kind == sonictest.Open || y.Opened.Before(x.Opened.Add(x.End.At))
				if together && x.Connection == y.Connection && len(x.Audio) > 0 {
					t.Errorf("streams %d and %d are open together on connection %d", x.Number, y.Number, x.Connection)
				}
			}
		}
		if len(all) < 4 {
			t.Errorf("%d streams were opened", len(all))
		}
	})
}

func TestScenarioWhoNobodyListensToIsHurried(t *testing.T) {
	t.Parallel()
	nc := brief()
	novasonic.SlowStandbys(&nc, time.Minute)
	want := outcome{agent: []string{youSaid("8")}, doomed: []int{0}, errors: -1, again: 10 * time.Second}
	play(t, short(echo()), nc, want, func(s *scene) {
		s.at(5 * time.Second)
		if err := s.sonic.Rotate(context.Background(), "this host is drained"); err != nil {
			t.Error(err)
		}
		s.waits(200 * time.Millisecond)
		s.strike(0, sonictest.Reset())
		s.waits(time.Second)
		s.says("8")
		asked := time.Now()
		s.waitsFor("answer", isA[*frames.AudioOutput])
		if d := time.Since(asked); d > 4*time.Second {
			t.Errorf("the answer came %v after the question", d)
		}
		s.waits(5 * time.Second)
	})
}

func TestScenarioATextThatNobodyAnswersIsRemembered(t *testing.T) {
	t.Parallel()
	mute := sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer { return sonictest.Answer{} })
	// The first stream says nothing at all, and is doubted; the next one tells of
	// what it hears, and so is known to live.
	play(t, short(mute), brief(), outcome{agent: []string{}, again: 2 * time.Second}, func(s *scene) {
		s.at(2 * time.Second)
		s.sends(&frames.Text{Text: "The customer has opened page 3."})
		s.at(13 * time.Second)
		s.says("1")
		s.at(58 * time.Second)
		asked := 0
		for _, l := range s.streams() {
			asked += len(l.Texts)
		}
		if all := s.streams(); asked != 2 || !strings.Contains(memory(all[len(all)-1]), "page 3") {
			t.Errorf("%d streams were asked; the last was told\n%s", asked, memory(all[len(all)-1]))
		}
	})
}

func TestScenarioAnInstructionIsAnsweredAndIsNoWordOfTheUsers(t *testing.T) {
	t.Parallel()
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.Written && turn.Text == "Ask whether the caller is still there." {
			return sonictest.Say("Are you still there?")
		}
		return echo().Answer(c, turn)
	})
	play(t, short(brain), brief(), outcome{agent: []string{"Are you still there?", youSaid("8")}}, func(s *scene) {
		s.at(2 * time.Second)
		s.sends(&frames.Text{Text: "Ask whether the caller is still there.", Instruction: true})
		s.at(30 * time.Second)
		s.says("8")
		s.waits(5 * time.Second)
		if told := memory(s.streams()[1]); !strings.Contains(told, "[Instruction: Ask whether the caller is still there.]") {
			t.Errorf("the second stream was told:\n%s", told)
		}
	})
}

func TestScenarioAClickBeforeAMuteWithholdsNoResult(t *testing.T) {
	t.Parallel()
	nc := brief()
	nc.Tools = forecast(40 * time.Second)
	play(t, short(forecaster()), nc, outcome{agent: []string{"I read of fog."}, errors: -1}, func(s *scene) {
		s.at(18 * time.Second)
		s.says("1")
		s.at(24 * time.Second)
		s.sends(&frames.VADStarted{Track: "caller"}) // of which there is no end
		s.caller.mute(true)
		s.at(5 * time.Minute)
	})
}

func TestACancelDoesNotWaitForAStreamThatIsBeingClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := enter(t, short(echo()), brief())
		s.at(5 * time.Second)
		s.strike(0, sonictest.StallWrites())
		if err := s.sonic.Rotate(context.Background(), "now"); err != nil {
			t.Error(err)
		}
		s.waitsForCut(1)
		s.waits(100 * time.Millisecond)
		began := time.Now()
		s.pipe.Cancel("over", nil)
		<-s.done
		if d := time.Since(began); d > 300*time.Millisecond {
			t.Errorf("the cancel took %v", d)
		}
		s.srv.Close()
	})
}

func TestASummaryThatPanicsIsLeftOut(t *testing.T) {
	nc := brief()
	nc.History = longHistory(300)
	nc.Continuation.Summarize = func(context.Context, []novasonic.Message) (string, error) { panic("oops") }
	play(t, short(echo()), nc, outcome{agent: []string{youSaid("1")}}, func(s *scene) {
		s.at(25 * time.Second)
		s.says("1")
		s.waits(3 * time.Second)
	})
}

func longHistory(n int) []novasonic.Message {
	var all []novasonic.Message
	for i := range n {
		role := novasonic.User
		if i%2 == 1 {
			role = novasonic.Assistant
		}
		all = append(all, novasonic.Message{Role: role, Text: strings.Repeat("word ", 200) + fmt.Sprint(i)})
	}
	return all
}

func TestAnObjectionCostsTheNextStreamAPartOfTheHistoryAndNoMore(t *testing.T) {
	nc := brief()
	nc.History = longHistory(20)
	want := outcome{errors: -1, doomed: []int{0}, agent: []string{youSaid("1"), youSaid("2")}, again: time.Second}
	play(t, short(echo()), nc, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.at(10 * time.Second)
		s.strike(0, sonictest.Exception("validationException", "Invalid input request, please fix your input and try again."))
		s.at(15 * time.Second)
		s.says("2")
		s.at(35 * time.Second)
		all := s.streams()
		if a, b, c := len(all[0].History), len(all[1].History), len(all[2].History); b >= a || c < a {
			t.Errorf("the streams were told %d, %d and %d messages", a, b, c)
		}
	})
}

func TestSettingsMayBeAPointerAndKeepTheirDefaults(t *testing.T) {
	play(t, short(echo()), brief(), outcome{agent: []string{youSaid("1")}}, func(s *scene) {
		s.at(5 * time.Second)
		s.sends(&frames.UpdateSettings{Settings: &novasonic.Settings{Voice: aws.String("")}})
		s.at(10 * time.Second)
		s.says("1")
		s.waits(4 * time.Second)
		if all := s.streams(); len(all) != 2 || all[1].Voice != all[0].Voice {
			t.Errorf("%d streams, the last with the voice %q", len(all), all[len(all)-1].Voice)
		}
	})
}
