package novasonic_test

import (
	"context"
	"testing"
	"time"

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
