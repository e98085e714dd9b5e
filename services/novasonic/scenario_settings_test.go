package novasonic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

// ---- credentials

// genesis is when the time in a bubble of testing/synctest begins.
var genesis = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// twoKeys are a key that expires after a time, and one that does not.
func twoKeys(after time.Duration) []sonictest.Credentials {
	return []sonictest.Credentials{
		{AccessKeyID: "PARLEYFIRST", SecretAccessKey: "first", SessionToken: "1", Expires: genesis.Add(after)},
		{AccessKeyID: "PARLEYSECOND", SecretAccessKey: "second", SessionToken: "2"},
	}
}

// renewing hands out the first key until the second is there.
func renewing(keys []sonictest.Credentials, there func() bool, missing error) func(*aws.Config) {
	return func(cfg *aws.Config) {
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			k := keys[0]
			if there() {
				k = keys[1]
			} else if missing != nil && time.Since(genesis) > 10*time.Second {
				return aws.Credentials{}, missing
			}
			return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken, CanExpire: !k.Expires.IsZero(), Expires: k.Expires}, nil
		})
	}
}

func TestScenarioAConversationOutlivesItsCredentials(t *testing.T) {
	t.Parallel()
	const expires = 170 * time.Second
	for name, tc := range map[string]struct {
		renewed time.Duration // before the end
		missing error         // until then
		speaks  bool          // the user does, when the time comes
		doomed  []int         // streams that end with their credentials
		errors  int
	}{
		"renewed in good time":               {renewed: 155 * time.Second},
		"renewed late":                       {renewed: 45 * time.Second},
		"renewed late, and the user speaks":  {renewed: 45 * time.Second, speaks: true},
		"renewed when it is nearly over":     {renewed: 5 * time.Second},
		"not to be had until late":           {renewed: 45 * time.Second, missing: errors.New("the metadata service is down")},
		"not to be had until after the end":  {renewed: -5 * time.Second, missing: errors.New("the metadata service is down"), doomed: []int{0}, errors: 1},
		"renewed only after they have ended": {renewed: -5 * time.Second, doomed: []int{0}, errors: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := sonictest.Config{Brain: echo(), Credentials: twoKeys(expires)}
				nc := novasonic.Config{Continuation: novasonic.Continuation{Prepare: -1}}
				s := enter(t, sc, nc, renewing(sc.Credentials, func() bool { return time.Since(genesis) >= expires-tc.renewed }, tc.missing))
				keys := "12"
				if tc.speaks {
					keys = hearingKeys(110)
				}
				s.at(expires - 60*time.Second)
				s.says(keys)
				s.at(expires + 20*time.Second)
				s.says("8")
				s.waits(5 * time.Second)
				if tc.speaks {
					s.waits(40 * time.Second)
				}
				last := s.streams()[len(s.streams())-1]
				if last.AccessKey != "PARLEYSECOND" {
					t.Errorf("the last stream was opened with %s", last.AccessKey)
				}
				want := outcome{agent: []string{youSaid(keys), youSaid("8")}, doomed: tc.doomed, errors: tc.errors, deaf: 10 * time.Second, again: time.Minute}
				s.leave(want)
			})
		})
	}
}

func TestScenarioAConversationWhoseCredentialsAreGoneEndsWithThatError(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]error{"never renewed": nil, "not to be had": errors.New("the metadata service is down")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := sonictest.Config{Brain: echo(), Credentials: twoKeys(3 * time.Minute)}
				s := enter(t, sc, novasonic.Config{Continuation: novasonic.Continuation{Prepare: -1}}, renewing(sc.Credentials, func() bool { return false }, missing))
				<-s.done
				if age := time.Since(s.began); age < 3*time.Minute || age > 4*time.Minute {
					t.Errorf("it ended after %v", age)
				}
				if !errors.Is(s.runErr, novasonic.ErrGaveUp) || !strings.Contains(s.runErr.Error(), "credentials") && !strings.Contains(s.runErr.Error(), "token") {
					t.Errorf("the run ended with: %v", s.runErr)
				}
				s.srv.Close()
			})
		})
	}
}

// ---- live changes

func TestScenarioAChangeOfSettingsIsUnheard(t *testing.T) {
	t.Parallel()
	clock := tool.Must(tool.New("get_time", "Tells the time.", func(context.Context, noArguments) (string, error) { return "noon", nil }))
	choice, endpointing, tokens := novasonic.ToolNamed("get_time"), novasonic.EndpointingLow, 2000
	for name, tc := range map[string]struct {
		change novasonic.Settings
		shows  func(l sonictest.StreamLog) bool
	}{
		"voice":               {novasonic.Settings{Voice: aws.String("tiffany")}, func(l sonictest.StreamLog) bool { return l.Voice == "tiffany" }},
		"instructions":        {novasonic.Settings{Instructions: aws.String("Be rude.")}, func(l sonictest.StreamLog) bool { return strings.HasPrefix(l.Instructions, "Be rude.") }},
		"speech instructions": {novasonic.Settings{SpeechInstructions: aws.String("Whisper.")}, func(l sonictest.StreamLog) bool { return l.SpeechStyle == "Whisper." }},
		"tools":               {novasonic.Settings{Tools: &tool.Set{clock}}, func(l sonictest.StreamLog) bool { return len(l.Tools) == 1 && l.Tools[0].Name == "get_time" }},
		"tools and choice":    {novasonic.Settings{Tools: &tool.Set{clock}, ToolChoice: &choice}, func(l sonictest.StreamLog) bool { return l.ToolChoice == "tool:get_time" }},
		"endpointing":         {novasonic.Settings{Endpointing: &endpointing}, func(l sonictest.StreamLog) bool { return l.Sensitivity == "LOW" }},
		"inference":           {novasonic.Settings{Inference: &novasonic.Inference{MaxTokens: &tokens}}, func(l sonictest.StreamLog) bool { return l.MaxTokens == 2000 }},
	} {
		for when, happens := range map[string]struct {
			first  func(s *scene)
			agent  []string
			within time.Duration // it has taken effect
		}{
			"while nobody speaks":    {func(s *scene) {}, nil, 100 * time.Millisecond},
			"while the user speaks":  {func(s *scene) { s.begins(hearingKeys(20)) }, []string{youSaid(hearingKeys(20))}, 12 * time.Second},
			"while the agent speaks": {func(s *scene) { s.says("9"); s.waits(2 * time.Second) }, tale(4), 12 * time.Second},
		} {
			if name != "voice" && len(happens.agent) > 0 {
				continue // the moment is the same whatever is changed
			}
			t.Run(name+", "+when, func(t *testing.T) {
				want := outcome{agent: append(slices.Clone(happens.agent), youSaid("8")), streams: 2}
				play(t, sonictest.Config{Brain: teller(tale(4)...)}, novasonic.Config{}, want, func(s *scene) {
					s.at(5 * time.Second)
					happens.first(s)
					s.sends(&frames.UpdateSettings{Settings: tc.change})
					asked := time.Now()
					s.waitsForCut(1)
					if took := time.Since(asked); took > happens.within {
						t.Errorf("it took effect after %v", took)
					}
					if len(happens.agent) > 0 {
						s.waits(24 * time.Second)
					}
					s.waits(time.Second)
					s.says("8")
					s.waits(5 * time.Second)
					if l := s.streams(); tc.shows(l[0]) || !tc.shows(l[1]) {
						t.Errorf("before the change %+v, after it %+v", l[0], l[1])
					}
				})
			})
		}
	}
}

func TestScenarioChangesThatComeTogetherAreMadeTogether(t *testing.T) {
	t.Parallel()
	want := outcome{agent: []string{youSaid("1"), youSaid("8")}}
	sc := short(echo())
	sc.Faults = []sonictest.Fault{{Streams: []int{1, 2}, Do: sonictest.SlowOpen(2 * time.Second)}}
	want.doomed = []int{1, 2} // given up while it was being opened
	play(t, sc, brief(), want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.at(20500 * time.Millisecond) // a move for another reason has begun
		s.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Voice: aws.String("tiffany")}})
		s.waits(time.Millisecond)
		s.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Instructions: aws.String("Be rude.")}})
		s.waits(4 * time.Second)
		s.says("8")
		s.waits(5 * time.Second)
		answered := s.streams()[len(s.streams())-1]
		if len(answered.Answers) != 1 || answered.Voice != "tiffany" || !strings.HasPrefix(answered.Instructions, "Be rude.") {
			t.Errorf("it was answered by %s with the instructions %q", answered.Voice, answered.Instructions)
		}
		if n := len(cuts(s.rig)); n != 1 {
			t.Errorf("%d moves, want one", n)
		}
	})
}

func TestScenarioAChangeOfToolsLosesNoCall(t *testing.T) {
	t.Parallel()
	book := &almanac{takes: map[string]time.Duration{"Ulm": 6 * time.Second}}
	clock := tool.Must(tool.New("get_time", "Tells the time.", func(context.Context, noArguments) (string, error) { return "noon", nil }))
	want := outcome{agent: []string{"I hear of fog.", youSaid("8")}, streams: 2}
	play(t, sonictest.Config{Brain: forecaster()}, novasonic.Config{Tools: tool.Set{book.tool()}}, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.waits(2 * time.Second)
		s.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Tools: &tool.Set{clock}}})
		s.waits(20 * time.Second)
		s.says("8")
		s.waits(5 * time.Second)
		if l := s.streams(); book.calls.Load() != 1 || l[0].Calls[0].Result == "" || len(l[1].Tools) != 1 || l[1].Tools[0].Name != "get_time" {
			t.Errorf("calls %+v, then the tools %v", l[0].Calls, l[1].Tools)
		}
	})
}

func TestScenarioAChangeThatTheServiceRefusesLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	refusal := func(event string) []sonictest.Fault {
		var streams []int
		for i := 1; i < 8; i++ {
			streams = append(streams, i)
		}
		return []sonictest.Fault{{Streams: streams, Input: event, Do: sonictest.Exception("validationException", "Invalid input request, please fix your input and try again.")}}
	}
	choice := novasonic.ToolAny()
	for name, tc := range map[string]struct {
		change novasonic.Settings
		faults []sonictest.Fault
		minds  string // what the service says, if it is no fault's
		remedy string // in what is told of it
	}{
		"blocked instructions": {change: novasonic.Settings{Instructions: aws.String("Do something forbidden.")}, minds: "content filters"},
		"a tool choice":        {change: novasonic.Settings{Tools: &tool.Set{clock}, ToolChoice: &choice}, minds: "Unable to parse input chunk", remedy: "leave ToolChoice unset"},
		"a voice":              {change: novasonic.Settings{Voice: aws.String("tiffany")}, faults: refusal("promptStart")[:1]},
	} {
		for _, speaks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, while the user speaks: %v", name, speaks), func(t *testing.T) {
				sc := short(echo())
				sc.Behaviour.Blocked, sc.Behaviour.RefuseToolChoice = []string{"forbidden"}, true
				sc.Faults = tc.faults
				if len(sc.Faults) > 0 {
					sc.Faults[0].Streams = []int{1} // those that ask for what it refuses
				}
				want := outcome{agent: []string{youSaid("1"), youSaid("1234567"), youSaid("8")}, doomed: []int{1}, errors: -1, forbidden: tc.minds, again: 10 * time.Second}
				play(t, sc, brief(), want, func(s *scene) {
					s.at(2 * time.Second)
					s.says("1")
					s.at(8 * time.Second)
					if speaks {
						s.begins("1234567")
						s.waits(500 * time.Millisecond)
					}
					s.sends(&frames.UpdateSettings{Settings: tc.change})
					s.at(12 * time.Second)
					if !speaks {
						s.says("1234567")
					}
					s.at(55 * time.Second) // on account of age it has moved twice by then
					s.says("8")
					s.waits(5 * time.Second)
					told := 0
					for _, e := range s.ear.errors() {
						if strings.Contains(e.Err.Error(), "change settings") && strings.Contains(e.Err.Error(), tc.remedy) {
							told++
						}
					}
					if told != 1 {
						t.Errorf("the refusal was told %d times: %v", told, s.ear.errors())
					}
					last := s.streams()[len(s.streams())-1]
					if last.Voice != "matthew" || strings.Contains(last.Instructions, "forbidden") || last.ToolChoice != "" {
						t.Errorf("the last stream has the voice %s, the choice %q and the instructions %q", last.Voice, last.ToolChoice, last.Instructions)
					}
				})
			})
		}
	}
}

func TestScenarioAChangeThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	choice := novasonic.ToolNamed("get_time")
	for name, change := range map[string]novasonic.Settings{
		"an unknown voice": {Voice: aws.String("joanna")},
		"no such tool":     {ToolChoice: &choice},
		"a temperature":    {Inference: &novasonic.Inference{Temperature: aws.Float64(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			want := outcome{agent: []string{youSaid("8")}, streams: 1, errors: 1}
			play(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, want, func(s *scene) {
				s.at(2 * time.Second)
				s.sends(&frames.UpdateSettings{Settings: change})
				s.waits(2 * time.Second)
				var bad *novasonic.ConfigError
				if errs := s.ear.errors(); len(errs) != 1 || errs[0].Kind != frames.ErrorInvalidRequest || !errors.As(errs[0].Err, &bad) {
					t.Errorf("errors: %v", errs)
				}
				s.says("8")
				s.waits(5 * time.Second)
			})
		})
	}
}

// ---- on request

func TestScenarioAConversationMovesOnRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first  func(s *scene)
		agent  []string
		within time.Duration
	}{
		"while nobody speaks":    {func(*scene) {}, nil, 100 * time.Millisecond},
		"while the agent speaks": {func(s *scene) { s.says("9"); s.waits(2 * time.Second) }, tale(4), 10 * time.Second},
		"while the user speaks":  {func(s *scene) { s.begins(hearingKeys(110)); s.waits(time.Second) }, []string{youSaid(hearingKeys(110))}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			want := outcome{agent: append(slices.Clone(tc.agent), youSaid("8")), streams: 2, again: 32 * time.Second}
			nc := novasonic.Config{Keep: 40 * time.Second}
			play(t, sonictest.Config{Brain: teller(tale(4)...)}, nc, want, func(s *scene) {
				s.at(3 * time.Second)
				tc.first(s)
				asked := time.Now()
				if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
					t.Error(err)
				}
				s.waitsForCut(1)
				if took := time.Since(asked); took > tc.within+20*time.Millisecond {
					t.Errorf("it moved after %v", took)
				}
				s.waits(75 * time.Second)
				s.says("8")
				s.waits(5 * time.Second)
			})
		})
	}
}

func TestScenarioACallThatIsNotRunningCannotMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := prepare(t, sonictest.Config{}, novasonic.Config{})
		if err := r.sonic.Rotate(context.Background(), "too early"); !errors.Is(err, novasonic.ErrNotRunning) {
			t.Errorf("before the start: %v", err)
		}
		r.run()
		r.waits(time.Second)
		r.finish()
		if err := r.sonic.Rotate(context.Background(), "too late"); !errors.Is(err, novasonic.ErrNotRunning) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// ---- memory

func TestScenarioWhatNoLongerFitsIsSummarised(t *testing.T) {
	t.Parallel()
	history := func() []novasonic.Message {
		var m []novasonic.Message
		for i := range 200 {
			role := novasonic.User
			if i%2 == 1 {
				role = novasonic.Assistant
			}
			m = append(m, novasonic.Message{Role: role, Text: fmt.Sprintf("Message %03d. ", i) + strings.Repeat("word ", 200)})
		}
		return m
	}
	for name, tc := range map[string]struct {
		hook func(ctx context.Context, dropped []novasonic.Message) (string, error)
		sums bool
	}{
		"by a hook": {func(context.Context, []novasonic.Message) (string, error) { return "We spoke of words.", nil }, true},
		"by a slow hook": {func(context.Context, []novasonic.Message) (string, error) {
			time.Sleep(5 * time.Second)
			return "We spoke of words.", nil
		}, true},
		"by one that is too slow":    {func(ctx context.Context, _ []novasonic.Message) (string, error) { <-ctx.Done(); return "", ctx.Err() }, false},
		"by one that fails":          {func(context.Context, []novasonic.Message) (string, error) { return "", errors.New("oh") }, false},
		"by nobody, and is left out": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			nc := brief()
			nc.History = history()
			nc.Continuation.Summarize = tc.hook
			want := outcome{agent: append(tale(2), youSaid("8")), streams: 2}
			play(t, short(teller(tale(2)...)), nc, want, func(s *scene) {
				s.at(18 * time.Second)
				s.says("9") // until 29 s
				s.at(32 * time.Second)
				s.says("8")
				s.waits(5 * time.Second)
				told := memory(s.streams()[1])
				if strings.Contains(told, "We spoke of words.") != tc.sums {
					t.Errorf("the second stream was told %.300q", told)
				}
				if !strings.Contains(told, "Message 199") || strings.Contains(told, "Message 000") {
					t.Errorf("of the messages the wrong ones are left: %.300q", told)
				}
				if tc.sums && len(told) > 150_000 {
					t.Errorf("the history is still %d bytes long", len(told))
				}
			})
		})
	}
}

func TestScenarioTheNextStreamDoesNotGreetAgain(t *testing.T) {
	t.Parallel()
	greeter := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		a := echo().Answer(c, turn)
		if c.Turns() == 0 && !strings.Contains(c.Instructions(), "Do not greet the user again") {
			a.Sentences = append(sonictest.Say("Hello, this is Ann.").Sentences, a.Sentences...)
		}
		return a
	})
	for name, tc := range map[string]struct {
		note  string
		agent []string
	}{
		"with the note":    {"", []string{"Hello, this is Ann.", youSaid("1"), youSaid("2")}},
		"with another one": {"Do not greet the user again, please.", []string{"Hello, this is Ann.", youSaid("1"), youSaid("2")}},
		"but without one":  {" ", []string{"Hello, this is Ann.", youSaid("1"), "Hello, this is Ann.", youSaid("2")}},
	} {
		t.Run(name, func(t *testing.T) {
			nc := brief()
			nc.Continuation.Note = tc.note
			play(t, short(greeter), nc, outcome{agent: tc.agent}, func(s *scene) {
				s.at(2 * time.Second)
				s.says("1")
				s.at(25 * time.Second)
				s.says("2")
				s.waits(6 * time.Second)
			})
		})
	}
}
