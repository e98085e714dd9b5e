package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/processors/turn"
)

// What follows from each fact, one by one: in a conversation several conditions
// hide what one of them says.
func TestConditionsHoldForTheFactsThatTheyAreAbout(t *testing.T) {
	const now = 10 * time.Second
	for name, c := range map[string]struct {
		is    turn.Condition
		facts turn.Facts
		holds bool
		again time.Duration
	}{
		"speech that was long enough, and is over":   {turn.Speech(500 * ms), turn.Facts{Voiced: 600 * ms}, true, 0},
		"speech that was too short, and is over":     {turn.Speech(500 * ms), turn.Facts{Voiced: 400 * ms}, false, 0},
		"speech that goes on, and is long enough":    {turn.Speech(500 * ms), turn.Facts{Voice: true, VoiceTo: now, Voiced: 500 * ms}, true, 0},
		"speech that goes on, and will be":           {turn.Speech(500 * ms), turn.Facts{Voice: true, VoiceTo: now, Voiced: 300 * ms}, false, now + 200*ms},
		"speech of which no more comes":              {turn.Speech(500 * ms), turn.Facts{Voice: true, VoiceFrom: now - time.Second, VoiceTo: now - 700*ms, Voiced: 300 * ms}, false, now - 500*ms},
		"any speech, at its beginning":               {turn.Speech(0), turn.Facts{Voice: true, VoiceFrom: now, VoiceTo: now}, true, 0},
		"any speech, where there was none":           {turn.Speech(0), turn.Facts{}, false, 0},
		"silence while there is a voice":             {turn.Silence(time.Second), turn.Facts{Detector: true, Voice: true}, false, 0},
		"silence after the voice":                    {turn.Silence(time.Second), turn.Facts{Detector: true, VoiceTo: now - 400*ms}, false, now + 600*ms},
		"words count as a voice to no detector":      {turn.Silence(time.Second), turn.Facts{Detector: true, VoiceTo: now - time.Second, TextAt: now}, true, 0},
		"… and do where there is none":               {turn.Silence(time.Second), turn.Facts{VoiceTo: now - time.Second, TextAt: now - 400*ms}, false, now + 600*ms},
		"silence from before the turn":               {turn.Silence(time.Second), turn.Facts{Detector: true, VoiceTo: now - 5*time.Second, TurnFrom: now - 400*ms}, false, now + 600*ms},
		"a transcript while there is a voice":        {turn.Transcript(200*ms, time.Second), turn.Facts{Detector: true, Voice: true, Transcripts: true, Text: "yes", Final: true, TextAt: now - 5*time.Second}, false, 0},
		"a transcript that has settled":              {turn.Transcript(200*ms, time.Second), turn.Facts{Transcripts: true, Text: "yes", Final: true, TextAt: now - 200*ms}, true, 0},
		"a transcript that has just come":            {turn.Transcript(200*ms, time.Second), turn.Facts{Transcripts: true, Text: "yes", Final: true, TextAt: now}, false, now + 200*ms},
		"a transcript that is not final":             {turn.Transcript(200*ms, time.Second), turn.Facts{Transcripts: true, Text: "yes", TextAt: now - 400*ms}, false, now + 600*ms},
		"no transcript, in a call's first turn":      {turn.Transcript(200*ms, time.Second), turn.Facts{Detector: true, VoiceTo: now}, false, now + time.Second},
		"no transcript, where nobody transcribes":    {turn.Transcript(200*ms, time.Second), turn.Facts{Detector: true, VoiceTo: now, Turns: 1}, true, 0},
		"a button's turn, where nobody transcribes":  {turn.Transcript(200*ms, time.Second), turn.Facts{Held: true, PressedTo: now, Turns: 1}, true, 0},
		"a button's turn whose transcript is coming": {turn.Transcript(200*ms, time.Second), turn.Facts{Held: true, PressedTo: now, Turns: 1, Transcripts: true, Detector: true, Voice: true}, false, now + time.Second},
		"the greeting, before it begins":             {turn.Greeting(15 * time.Second), turn.Facts{}, true, 15 * time.Second},
		"the greeting, which never began":            {turn.Greeting(5 * time.Second), turn.Facts{}, false, 0},
		"the greeting, however late it goes on":      {turn.Greeting(5 * time.Second), turn.Facts{BotSpeaking: true}, true, 0},
		"an answer after the greeting":               {turn.Greeting(15 * time.Second), turn.Facts{BotSpeaking: true, Answers: 1}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.facts.Now = now
			if holds, again := c.is.Holds(&c.facts); holds != c.holds || again != c.again && !holds {
				t.Errorf("%v for %+v: %v, again at %v; want %v, at %v", c.is, c.facts, holds, again, c.holds, c.again)
			}
		})
	}
}

func TestAnEndlessTurnOfWordsAloneIsNoSignOfADetector(t *testing.T) {
	detector := false
	cfg := turn.Config{MaxTurn: 2 * time.Second, End: turn.Never(), Mute: turn.Func(func(f *turn.Facts) (bool, time.Duration) {
		detector = detector || f.Detector
		return false, 0
	})}
	holding(t, cfg, func(c *call) {
		c.text("hello")
		c.wait(3 * time.Second)
		c.then("after MaxTurn", "interrupt", "started", "hello", "stopped")
		if detector {
			t.Error("a detector is taken to be there")
		}
	})
}
