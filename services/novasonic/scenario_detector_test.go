package novasonic_test

import (
	"context"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestScenarioWhatADetectorMissesIsHeardAsWell(t *testing.T) {
	t.Parallel()
	const keys = "123456789123456789"
	for name, tc := range map[string]struct {
		tells  sonictest.Switch
		before time.Duration // what is said of it when it moves
		die    bool
	}{
		"it moves in mid-sentence":                          {sonictest.Off, 3 * time.Second, false},
		"it moves at the end of it":                         {sonictest.Off, 5100 * time.Millisecond, false},
		"the stream dies in mid-sentence":                   {sonictest.Off, 3 * time.Second, true},
		"the stream dies as it has answered":                {sonictest.Off, 10500 * time.Millisecond, true},
		"it moves in mid-sentence, of which is told":        {sonictest.On, 3 * time.Second, false},
		"the stream dies in mid-sentence, of which is told": {sonictest.On, 3 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{}
			sc.Behaviour.UserSpeech = tc.tells
			want := outcome{agent: []string{youSaid("1"), youSaid(keys), youSaid("8")}, user: nil, again: 10 * time.Second}
			if tc.die {
				want.doomed, want.errors, want.deaf = []int{0}, 1, time.Second
			}
			play(t, sc, novasonic.Config{}, want, func(s *scene) {
				s.room.detects.Store(true)
				s.at(2 * time.Second)
				s.says("1")
				s.at(10 * time.Second)
				s.room.detects.Store(false) // it takes the next one for noise
				s.begins(keys)
				s.waits(tc.before)
				if tc.die {
					s.strike(0, sonictest.Reset())
				} else if err := s.sonic.Rotate(context.Background(), "a test"); err != nil {
					t.Fatal(err)
				}
				s.waits(14 * time.Second)
				s.room.detects.Store(true)
				s.says("8")
				s.waits(6 * time.Second)
			})
		})
	}
}

func TestScenarioWhatADetectorMissesOfAQuestionIsAnsweredWithIt(t *testing.T) {
	t.Parallel()
	// The detector tells of the first word only; and it moves as the answer begins.
	const keys = "123456789"
	for _, model := range []string{novasonic.ModelV1, novasonic.ModelV2} {
		t.Run(model, func(t *testing.T) {
			nc := brief()
			nc.Model = model
			nc.Continuation.Prepare = 27500 * time.Millisecond
			sc := short(echo())
			sc.Behaviour.UserSpeech = sonictest.Off
			play(t, sc, nc, outcome{agent: []string{youSaid(keys)}, again: time.Second}, func(s *scene) {
				at := func() audio.Position { return audio.Position(s.caller.rate.Samples(time.Since(s.began))) }
				s.at(27200 * time.Millisecond)
				s.begins(keys)
				s.waits(60 * time.Millisecond)
				s.sends(&frames.VADStarted{Track: "caller", Position: at() - 960, Rate: s.caller.rate})
				s.waits(400 * time.Millisecond)
				s.sends(&frames.VADStopped{Track: "caller", Position: at() - 3200, Rate: s.caller.rate})
				s.at(50 * time.Second)
			})
		})
	}
}
