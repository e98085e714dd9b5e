package novasonic_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

func TestScenarioAStandbyThatMakesTroubleIsNotHeard(t *testing.T) {
	t.Parallel()
	throttled := sonictest.Refuse(429, "ThrottlingException", "Too many requests, please wait before trying again.")
	quota := sonictest.Refuse(400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account.")
	unavailable := sonictest.Refuse(503, "ServiceUnavailableException", "The service is unavailable.")
	dies := func(event string, a sonictest.Action) sonictest.Fault {
		return sonictest.Fault{Streams: []int{1}, Input: event, Do: a}
	}
	for name, tc := range map[string]struct {
		faults []sonictest.Fault
		doomed []int
		opened int // requests, up to 40 s
	}{
		"slow to open":                {faults: []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(5 * time.Second)}}, opened: 2},
		"slow to be accepted":         {faults: []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowHeaders(5 * time.Second)}}, opened: 2},
		"never accepted":              {faults: []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowHeaders(time.Hour)}}, doomed: []int{1}, opened: 3},
		"throttled":                   {faults: []sonictest.Fault{{Streams: []int{1, 2, 3}, Do: throttled}}, doomed: []int{1, 2, 3}, opened: 5},
		"beyond the quota":            {faults: []sonictest.Fault{{Streams: []int{1, 2, 3}, Do: quota}}, doomed: []int{1, 2, 3}, opened: 5},
		"unavailable":                 {faults: []sonictest.Fault{{Streams: []int{1, 2, 3}, Do: unavailable}}, doomed: []int{1, 2, 3}, opened: 5},
		"dead after sessionStart":     {faults: []sonictest.Fault{dies("sessionStart", sonictest.Reset())}, doomed: []int{1}, opened: 3},
		"dead after promptStart":      {faults: []sonictest.Fault{dies("promptStart", sonictest.EndStream())}, doomed: []int{1}, opened: 3},
		"dead after its instructions": {faults: []sonictest.Fault{dies("contentEnd", sonictest.Instability())}, doomed: []int{1}, opened: 3},
		"dead in the instructions":    {faults: []sonictest.Fault{dies("textInput", sonictest.KillConnection())}, doomed: []int{1}, opened: 3},
		"dead while warm, reset":      {faults: []sonictest.Fault{{Streams: []int{1}, After: 3 * time.Second, Do: sonictest.Reset()}}, doomed: []int{1}, opened: 3},
		"dead while warm, idle":       {faults: []sonictest.Fault{{Streams: []int{1}, After: 3 * time.Second, Do: sonictest.Idle532()}}, doomed: []int{1}, opened: 3},
		"dead while warm, clean end":  {faults: []sonictest.Fault{{Streams: []int{1}, After: 3 * time.Second, Do: sonictest.EndStream()}}, doomed: []int{1}, opened: 3},
		"dead while warm, three":      {faults: []sonictest.Fault{{Streams: []int{1, 2, 3}, After: time.Second, Do: sonictest.Instability()}}, doomed: []int{1, 2, 3}, opened: 5},
		"dead connection":             {faults: []sonictest.Fault{{Streams: []int{1}, After: 3 * time.Second, Do: sonictest.KillConnection()}}, doomed: []int{1}, opened: 3},
	} {
		t.Run(name, func(t *testing.T) {
			// The agent tells a tale from 20 to 45 s, and the microphone moves
			// at 30 s, or as soon as there is a stream to move to.
			sentences := tale(5)
			sc := short(teller(sentences...))
			sc.Faults = tc.faults
			want := outcome{agent: append(sentences, youSaid("12")), user: []string{"nine", "one two"}, doomed: tc.doomed}
			play(t, sc, brief(), want, func(s *scene) {
				s.at(19 * time.Second)
				s.says("9")
				s.at(47 * time.Second)
				s.says("12")
				s.waits(3 * time.Second)
				opened := slices.DeleteFunc(s.streams(), func(l sonictest.StreamLog) bool { return l.Opened.Sub(s.began) > 40*time.Second })
				if n := len(opened); n != tc.opened {
					t.Errorf("%d requests, want %d", n, tc.opened)
				}
			})
		})
	}
}

func TestScenarioAStandbyThatIsSlowDoesNotHoldUpTheUser(t *testing.T) {
	t.Parallel()
	// Nobody is answered later because a stream is being opened.
	sc := short(echo())
	sc.Latency.Jitter = -1
	sc.Faults = []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(5 * time.Second)}}
	want := outcome{agent: []string{youSaid("1"), youSaid("2")}, user: []string{"one", "two"}, streams: 2}
	play(t, sc, brief(), want, func(s *scene) {
		var took []time.Duration
		for i, key := range []string{"1", "2"} {
			s.at(12*time.Second + time.Duration(i)*10*time.Second)
			s.says(key)
			began := time.Now()
			s.hears()
			took = append(took, time.Since(began))
			s.waits(3 * time.Second)
		}
		if took[1] > took[0]+2*time.Millisecond {
			t.Errorf("the answer took %v, and %v while the next stream was being opened", took[0], took[1])
		}
		s.at(30 * time.Second)
	})
}

func TestScenarioAStandbyIsReplacedBeforeItIdlesToDeath(t *testing.T) {
	t.Parallel()
	// Who speaks from 18 s to 38 s keeps the standby waiting, which the service
	// would end after 8 s.
	keys := hearingKeys(70)
	sc := short(echo())
	sc.Limits.Idle = 8 * time.Second
	nc := brief()
	nc.Continuation.StandbyLife = 6 * time.Second
	want := outcome{agent: []string{youSaid(keys)}, user: []string{hearing.Words(keys)}}
	play(t, sc, nc, want, func(s *scene) {
		s.at(18 * time.Second)
		s.says(keys)
		s.at(70 * time.Second)
		if n := len(s.streams()); n < 5 {
			t.Errorf("%d streams were opened, want one to listen and three to wait, and one more", n)
		}
	})
}

func TestScenarioWhileNoStreamCanBeOpenedTheOldOneGoesOn(t *testing.T) {
	t.Parallel()
	// From 15 s to 45 s the service refuses every stream.
	sc := short(echo())
	nc := brief()
	nc.Continuation.Prepare = 15 * time.Second
	want := outcome{agent: []string{youSaid("1"), youSaid("2"), youSaid("3")}, user: []string{"one", "two", "three"}}
	for i := 1; i < 40; i++ {
		want.doomed = append(want.doomed, i)
	}
	sc.Faults = []sonictest.Fault{{Streams: want.doomed[:8], Do: sonictest.Refuse(429, "ThrottlingException", "Too many requests, please wait before trying again.")}}
	playOut(t, sc, nc, &want, func(s *scene) {
		s.at(25 * time.Second)
		s.says("1")
		s.at(40 * time.Second)
		s.says("2")
		s.at(52 * time.Second)
		s.says("3")
		s.waits(4 * time.Second)
		for _, l := range s.streams() {
			if l.Number > 8 && l.End.Kind == sonictest.Refused {
				t.Errorf("stream %d was refused", l.Number)
			}
		}
		want.doomed = want.doomed[:8]
	})
}

// hearingKeys are n keys of which no two neighbours are the same.
func hearingKeys(n int) string {
	keys := make([]byte, n)
	for i := range keys {
		keys[i] = "1357908642"[i%10]
	}
	return string(keys)
}
