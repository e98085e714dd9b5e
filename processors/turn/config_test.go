package turn_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/turn"
)

// failing is what a harness needs of a test that is to fail.
type failing struct{ said []string }

func (*failing) Helper()                     {}
func (f *failing) Errorf(s string, a ...any) { f.said = append(f.said, s) }
func (f *failing) Fatalf(s string, a ...any) { f.said = append(f.said, s) }
func (*failing) Cleanup(func())              {}

func TestConfigurationsThatMakeNoSenseAreRefusedWithWhatWhereAndHow(t *testing.T) {
	negative := -time.Second
	semantic := func(c turn.SemanticConfig) turn.Config {
		if c.Model == nil {
			c.Model = yes
		}
		return turn.Config{End: turn.Semantic(c)}
	}
	for name, c := range map[string]struct {
		cfg  turn.Config
		want []string // all of it is in the error
	}{
		"a wake phrase that is empty":           {turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"hey", " ?! "}})}, []string{"Start", "phrase 2", "give it one"}},
		"no wake phrase":                        {turn.Config{Start: turn.Wake(turn.WakeConfig{})}, []string{"Start", "no phrase", "WakeConfig.Phrases"}},
		"a negative wake time-out":              {turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"a"}, Timeout: negative})}, []string{"Start: Wake: Timeout is -1s: at least 1ms, or 0"}},
		"negative words":                        {turn.Config{Start: turn.All(turn.Voice(), turn.Words(-1))}, []string{"Start: All[1]", "Words(-1)", "at least 1"}},
		"no words":                              {turn.Config{Interrupt: turn.Words(0)}, []string{"Interrupt", "Words(0)"}},
		"negative speech":                       {turn.Config{Interrupt: turn.Speech(negative)}, []string{"Interrupt", "Speech(-1s)"}},
		"negative silence":                      {turn.Config{End: turn.Silence(negative)}, []string{"End", "Silence(-1s)"}},
		"transcripts in the wrong order":        {turn.Config{End: turn.Transcript(2*time.Second, time.Second)}, []string{"End", "must not be shorter"}},
		"transcripts that never settle":         {turn.Config{End: turn.Transcript(negative, time.Second)}, []string{"End", "both times must be 0 or more"}},
		"nothing to choose from":                {turn.Config{Start: turn.Any()}, []string{"Start", "Any() of nothing"}},
		"a condition that is missing":           {turn.Config{Start: turn.Any(turn.Voice(), nil)}, []string{"Start: Any[1]", "no condition"}},
		"an end where a start is asked for":     {turn.Config{Start: turn.Silence(time.Second)}, []string{"Start", "use it in End"}},
		"a release without a button":            {turn.Config{End: turn.Released()}, []string{"End", "Pressed() in Start"}},
		"a release that ends a voice at once":   {turn.Config{Start: turn.Any(turn.Pressed(), turn.Voice()), End: turn.Released()}, []string{"Start and End", "at once", "All(Released(), Silence(d))"}},
		"half a service":                        {turn.Config{Start: turn.External()}, []string{"set both"}},
		"the other half":                        {turn.Config{End: turn.External()}, []string{"set both"}},
		"a service and something else":          {turn.Config{Start: turn.Any(turn.External(), turn.Voice()), End: turn.External()}, []string{"Start: Any[0]", "cannot be combined"}},
		"a service that is not to interrupt":    {turn.Config{Start: turn.External(), End: turn.External(), Interrupt: turn.Never()}, []string{"interrupts by itself", "leave"}},
		"a service to be held":                  {turn.Config{Start: turn.External(), End: turn.External(), Recovery: turn.Recovery{On: true}}, []string{"interrupts by itself"}},
		"tools that nobody can see":             {turn.Config{Mute: turn.ToolRunning()}, []string{"Mute", "ToolRunning", "Tap()"}},
		"a greeting without a limit":            {turn.Config{Mute: turn.Greeting(0)}, []string{"Mute", "limit"}},
		"fewer words than none":                 {turn.Config{Recovery: turn.Recovery{Words: -1}}, []string{"Recovery.Words", "-1"}},
		"a negative wait":                       {turn.Config{Recovery: turn.Recovery{Wait: negative}}, []string{"Recovery.Wait", "-1s"}},
		"a negative turn":                       {turn.Config{MaxTurn: negative}, []string{"MaxTurn", "-1s"}},
		"neither kept nor ignored":              {turn.Config{Barred: 7}, []string{"Barred", "7"}},
		"reminders out of order":                {turn.Config{Idle: []turn.Reminder{{20 * time.Second, turn.Say("")}, {10 * time.Second, turn.Say("")}}}, []string{"Idle[1].After", "10s", "20s"}},
		"a reminder at once":                    {turn.Config{Idle: []turn.Reminder{{0, turn.Say("")}}}, []string{"Idle[0].After"}},
		"a reminder that does nothing":          {turn.Config{Idle: []turn.Reminder{{time.Second, nil}}}, []string{"Idle[0].Do", "Say"}},
		"no model":                              {turn.Config{End: turn.Semantic(turn.SemanticConfig{})}, []string{"End", "SemanticConfig.Model"}},
		"a model asked where nothing ends":      {turn.Config{Start: turn.Semantic(turn.SemanticConfig{Model: yes})}, []string{"Start", "use it in End"}},
		"a threshold that is no probability":    {semantic(turn.SemanticConfig{Threshold: 1.5}), []string{"threshold", "1.5"}},
		"a model without time":                  {semantic(turn.SemanticConfig{Deadline: negative}), []string{"End: Semantic: Deadline is -1s: at least 1ms, or 0"}},
		"a model that is asked too late":        {semantic(turn.SemanticConfig{Pause: 5 * time.Second}), []string{"Patience longer"}},
		"a fallback that is wrong":              {semantic(turn.SemanticConfig{Fallback: turn.Silence(negative)}), []string{"End: Semantic[0]", "Silence(-1s)"}},
		"several mistakes, all of them at once": {turn.Config{MaxTurn: negative, Start: turn.Words(0)}, []string{"MaxTurn", "Words(0)"}},
		"all of what is wrong with a model": {semantic(turn.SemanticConfig{Threshold: 2, Pause: negative, Deadline: negative, Patience: negative, Audio: negative}),
			[]string{"Semantic: a threshold of 2", "Semantic: Pause is -1s", "Semantic: Deadline is -1s", "Semantic: Patience is -1s", "Semantic: Audio is -1s"}},
		"all of what is wrong with a wake phrase": {turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"", "hey", "?"}, Timeout: negative})},
			[]string{"Start: Wake: phrase 1", "Start: Wake: phrase 3", "Start: Wake: Timeout"}},
		"a number for seconds":           {turn.Config{MaxTurn: 120, MaxQuiet: 3, MaxTool: 300, Recovery: turn.Recovery{Speech: 700, Wait: 2}}, []string{"MaxTurn is 120ns: at least 1ms, or 0 for the default (120 nanoseconds: was another unit meant? write 120*time.Millisecond, or time.Second)", "MaxQuiet is 3ns", "MaxTool is 300ns", "Recovery.Speech is 700ns", "Recovery.Wait is 2ns"}},
		"a reminder without a unit":      {turn.Config{Idle: []turn.Reminder{{10, turn.Say("")}}}, []string{"Idle[0].After is 10ns", "write 10*time.Millisecond"}},
		"conditions without a unit":      {turn.Config{Start: turn.Speech(300), End: turn.All(turn.Silence(600), turn.Transcript(200, time.Second)), Mute: turn.Greeting(10)}, []string{"Start: Speech(300ns): 300ns is less than 1ms (300 nanoseconds: was another unit meant?", "End: All[0]: Silence(600ns)", "write 600*time.Millisecond", "End: All[1]: Transcript(200ns, 1s)", "write 200*time.Millisecond", "Mute: Greeting(10ns)"}},
		"the other time of a transcript": {turn.Config{End: turn.Transcript(0, 800)}, []string{"End: Transcript(0s, 800ns)", "write 800*time.Millisecond"}},
		"a function that is none":        {turn.Config{Mute: turn.Func(nil)}, []string{"Mute: a nil turn.Func is no condition", "leave it out"}},
		"one of them that is none":       {turn.Config{Start: turn.Any(turn.Voice(), turn.Not(turn.Func(nil)))}, []string{"Start: Any[1]: Not[0]: a nil turn.Func"}},
		"a model that is none":           {turn.Config{End: turn.Semantic(turn.SemanticConfig{Model: turn.EndOfTurnFunc(nil)})}, []string{"End: Semantic: there is no model; set SemanticConfig.Model"}},
		"a silence beyond the turn":      {turn.Config{End: turn.Silence(5 * time.Minute)}, []string{"End: it cannot hold before 5m0s", "MaxTurn has ended every turn after 2m0s", "make MaxTurn longer"}},
		"a turn shorter than its end":    {turn.Config{MaxTurn: time.Second, End: turn.Any(turn.Silence(3*time.Minute), turn.All(turn.Released(), turn.Silence(2*time.Second))), Start: turn.Pressed()}, []string{"End: it cannot hold before 2s", "after 1s"}},
		"a turn shorter than the usual":  {turn.Config{MaxTurn: 500 * time.Millisecond}, []string{"End: it cannot hold before 600ms", "after 500ms"}},
		"a model that is never asked":    {semantic(turn.SemanticConfig{Pause: 3 * time.Minute, Patience: 4 * time.Minute}), []string{"End: it cannot hold before 3m0s", "after 2m0s"}},
		"a wake phrase without a unit":   {turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"a"}, Timeout: 10})}, []string{"Start: Wake: Timeout is 10ns"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(&failing{}, turn.New(c.cfg))
				err := h.Wait()
				if err == nil {
					t.Fatal("it was accepted")
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error does not say %q: %v", want, err)
					}
				}
			})
		})
	}
}

func TestAnEndThatMayHoldInTimeIsAccepted(t *testing.T) {
	own := turn.Func(func(*turn.Facts) (bool, time.Duration) { return true, 0 })
	for name, cfg := range map[string]turn.Config{
		"a silence as long as the turn":  {MaxTurn: time.Second, End: turn.Silence(time.Second)},
		"something that may come before": {MaxTurn: time.Second, End: turn.Any(turn.Silence(time.Minute), own)},
		"the contrary":                   {MaxTurn: time.Second, End: turn.Not(turn.Voice())},
		"only MaxTurn":                   {MaxTurn: time.Second, End: turn.Never()},
		"a patient model":                {MaxTurn: time.Second, End: turn.Semantic(turn.SemanticConfig{Model: yes, Patience: time.Minute})},
		"a service":                      {MaxTurn: time.Second, Start: turn.External(), End: turn.External()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := pipelinetest.New(t, turn.New(cfg)).End(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestATapThatIsNotInThePipelineIsMissed(t *testing.T) {
	for name, placed := range map[string]bool{"it is": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := turn.New(turn.Config{Interrupt: turn.Not(turn.ToolRunning())})
				ps := []pipeline.Processor{turns}
				if tap := turns.Tap(); placed {
					ps = append(ps, tap)
				}
				h := pipelinetest.New(&failing{}, ps...)
				if placed {
					h.End()
				}
				err := h.Wait()
				if refused := err != nil && strings.Contains(err.Error(), "put the processor's Tap() behind the service"); refused == placed {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestSettingsChangeInMidCall(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.botStarts()
		change := func(s turn.Settings) { c.Send(&frames.UpdateSettings{Settings: s}) }
		ignore := turn.Ignore
		change(turn.Settings{Interrupt: turn.Never(), Barred: &ignore})
		c.speaks(500 * ms)
		c.text("hello")
		c.wait(5 * time.Second)
		c.then("now nothing interrupts")
		change(turn.Settings{Interrupt: turn.Always()})
		c.starts()
		c.then("now it does again", "interrupt", "started")
		change(turn.Settings{Start: turn.External(), End: turn.External()})
		c.then("a service takes over", "stopped")
		c.stops()
		c.starts()
		c.then("and alone decides")
		if len(c.Errors()) != 0 {
			t.Errorf("the errors are %v", c.Errors())
		}
	})
}

func TestSettingsThatMakeNoSenseChangeNothing(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		never := -time.Second
		c.Send(&frames.UpdateSettings{Settings: turn.Settings{Start: turn.Never(), MaxTurn: &never}})
		errs := c.Errors()
		if len(errs) != 1 || errs[0].Kind != frames.ErrorInvalidRequest || !strings.Contains(errs[0].Err.Error(), "MaxTurn") {
			t.Errorf("the errors are %v", errs)
		}
		c.starts()
		c.then("the voice takes the turn as before", "interrupt", "started")
	})
}

func TestAChangeOfOneThingLetsTheOthersRememberWhatTheyKnow(t *testing.T) {
	wake := turn.Wake(turn.WakeConfig{Phrases: []string{"hey"}, Timeout: time.Minute})
	holding(t, turn.Config{Start: wake}, func(c *call) {
		c.speaks(500 * ms)
		c.text("hey")
		c.wait(time.Second)
		c.story()
		limit := 10 * time.Second
		c.Send(&frames.UpdateSettings{Settings: turn.Settings{MaxTurn: &limit}})
		c.starts()
		c.then("still awake", "started")
	})
}

func TestSettingsOfOthersPassOn(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.Send(&frames.UpdateSettings{Settings: 7}, &frames.UpdateSettings{Settings: turn.Settings{}})
		if all := c.All(); len(all) != 1 {
			t.Errorf("%v came out, want the first", all)
		}
	})
}

func TestOneConditionServesManyConversations(t *testing.T) {
	cfg := turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"hey"}})}
	holding(t, cfg, func(c *call) {
		c.starts()
		c.interim("hey")
		c.then("one is awake", "interrupt", "started")
	})
	holding(t, cfg, func(c *call) {
		c.starts()
		c.interim("what")
		c.then("the other is asleep")
	})
}

func TestATurnOfTheServicesThatAChangeOfSettingsEndsIsToldToEnd(t *testing.T) {
	holding(t, turn.Config{Start: turn.External(), End: turn.External()}, func(c *call) {
		c.SendUp(&frames.UserStartedSpeaking{Track: "caller"})
		c.Send(&frames.UpdateSettings{Settings: turn.Settings{Start: turn.Voice(), End: turn.Silence(600 * ms)}})
		c.then("the service decides no more", "stopped")
		c.SendUp(&frames.UserStoppedSpeaking{Track: "caller"})
		c.then("what it says of its turn comes too late")
		c.speaks(time.Second)
		c.wait(time.Second)
		c.then("and turns are taken here", "interrupt", "started", "stopped")
	})
}

func TestAMuteLeavesItToTheServiceToTellTheEndOfItsTurn(t *testing.T) {
	holding(t, turn.Config{Start: turn.External(), End: turn.External()}, func(c *call) {
		c.Send(&frames.UserStartedSpeaking{Track: "caller"})
		c.turns.Mute(true)
		c.then("muted", "started")
		c.Send(&frames.UserStoppedSpeaking{Track: "caller"})
		c.then("the service has noticed", "stopped")
	})
}
