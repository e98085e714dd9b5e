package continuity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func policy() Policy {
	r := rand.New(rand.NewPCG(1, 2))
	return Policy{
		Prepare: 330 * time.Second, Prefer: 405 * time.Second, Force: 450 * time.Second,
		Jitter: 30 * time.Second, Limit: 480 * time.Second,
		SoonPrefer: 10 * time.Second, SoonForce: 30 * time.Second,
		StandbyLife: 45 * time.Second, Drain: 60 * time.Second,
		FirstAttempts: 4, GiveUpAfter: 30 * time.Second, Healthy: 20 * time.Second,
		FirstPause: 250 * time.Millisecond, MaxPause: 4 * time.Second,
		Random: r.Float64,
	}
}

var errTest = errors.New("test")

// world is a driver and a service that do what they are told, or not: a model of
// everything around the machine. It checks, at every step, what must always be
// true.
type world struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
	}
	m   *Machine
	now time.Time

	alive   map[int]time.Time // streams that are open, and since when
	opening map[int]int       // being opened, and with which version
	version int
	known   map[int]bool // versions that the driver knows

	listening, draining int
	heard               bool // a stream has listened
	over                bool
	trace               []string
}

func newWorld(t interface {
	Helper()
	Fatalf(string, ...any)
}, p Policy) *world {
	return &world{t: t, m: New(p), now: epoch, alive: map[int]time.Time{}, opening: map[int]int{}, known: map[int]bool{0: true}}
}

func (w *world) step(e Event, s Situation) {
	w.t.Helper()
	w.trace = append(w.trace, fmt.Sprintf("%8v %-9v %T%+v %+v", w.now.Sub(epoch), w.m.State(), e, e, s))
	for _, d := range w.m.Step(w.now, e, func() Situation { return s }) {
		w.trace = append(w.trace, fmt.Sprintf("%19s → %d stream %d from %d", "", d.Do, d.Stream, d.From))
		w.carryOut(d)
	}
	w.check()
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	n := max(0, len(w.trace)-40)
	w.t.Fatalf(format+"\n%s", append(args, strings.Join(w.trace[n:], "\n"))...)
}

func (w *world) carryOut(d Decision) {
	w.t.Helper()
	if w.over {
		w.fatalf("decision %d after the end", d.Do)
	}
	switch d.Do {
	case Open:
		if len(w.opening) > 0 {
			w.fatalf("two streams are being opened")
		}
		if !w.known[d.Version] {
			w.fatalf("opened with version %d, which nobody knows", d.Version)
		}
		w.opening[d.Stream] = d.Version
	case Discard:
		if d.Stream == w.listening || d.Stream == w.draining {
			w.fatalf("stream %d is discarded, and has a role", d.Stream)
		}
		delete(w.opening, d.Stream)
		delete(w.alive, d.Stream)
	case Cut:
		if _, ok := w.alive[d.Stream]; !ok {
			w.fatalf("stream %d is to listen, and is not open", d.Stream)
		}
		if d.From != w.listening {
			w.fatalf("cut from %d, but %d listens", d.From, w.listening)
		}
		if d.From != 0 && w.draining != 0 {
			w.fatalf("two streams drain")
		}
		w.listening, w.heard = d.Stream, true
		if d.From != 0 {
			w.draining = d.From
		}
	case Retire, Gone:
		if d.Stream != w.draining {
			w.fatalf("stream %d is retired, but %d drains", d.Stream, w.draining)
		}
		w.draining = 0
		delete(w.alive, d.Stream)
	case Orphaned:
		w.listening = 0
	case Revert:
		if !w.known[d.Version] {
			w.fatalf("reverted to version %d, which nobody knows", d.Version)
		}
	case Fail:
		w.over = true
	}
}

// check is what is true between any two steps.
func (w *world) check() {
	w.t.Helper()
	m := w.m
	if m.Listening() != w.listening || m.Draining() != w.draining {
		w.fatalf("roles: machine %d, %d; world %d, %d", m.Listening(), m.Draining(), w.listening, w.draining)
	}
	roles := []int{m.Listening(), m.Standby(), m.Draining()}
	for i, id := range roles {
		if id == 0 {
			continue
		}
		if slices.Contains(roles[i+1:], id) {
			w.fatalf("stream %d has two roles", id)
		}
		if _, ok := w.alive[id]; !ok {
			w.fatalf("stream %d has a role and is not open", id)
		}
	}
	nobody := map[State]bool{Idle: true, Opening: true, Waiting: true}[m.State()]
	if m.State() != Over && nobody != (w.listening == 0) {
		w.fatalf("state %v while stream %d listens", m.State(), w.listening)
	}
	if (m.State() == Ready) != (m.Standby() != 0) && m.State() != Over {
		w.fatalf("state %v with standby %d", m.State(), m.Standby())
	}
	if w.listening != 0 && len(w.alive)+len(w.opening) > 3 || w.listening != 0 && w.draining == 0 && len(w.alive)+len(w.opening) > 2 {
		w.fatalf("%d streams are open and %d are being opened", len(w.alive), len(w.opening))
	}
	// A way out: somebody is going to call.
	inFlight := len(w.opening) > 0
	switch m.State() {
	case Opening, Preparing:
		if !inFlight {
			w.fatalf("state %v waits for an open that nobody makes", m.State())
		}
	case Waiting, Pausing, Ready:
		if m.Wake().IsZero() {
			w.fatalf("state %v waits for nothing", m.State())
		}
	case Steady:
		if m.Wake().IsZero() && m.p.Prepare >= 0 {
			w.fatalf("nobody will ever leave stream %d", w.listening)
		}
	}
	if at := m.Wake(); !at.IsZero() && m.State() != Over && !at.After(w.now) && m.State() != Ready {
		w.fatalf("wants to be woken %v ago", w.now.Sub(at))
	}
}

// ids of a map of streams, so that draws are the same each time.
func ids[V any](m map[int]V) []int {
	var out []int
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (w *world) opened(id int, expires time.Time, s Situation) {
	w.alive[id] = w.now
	delete(w.opening, id)
	w.step(Opened{Stream: id, At: w.now, Expires: expires}, s)
}

// rest lets nothing but good things happen, in silence, for d. Streams die of
// old age; it returns how many did.
func (w *world) rest(d time.Duration) (old int) {
	w.t.Helper()
	for end := w.now.Add(d); !w.over && w.m.State() != Over; {
		if w.draining != 0 {
			w.step(Drained{w.draining}, Situation{})
		}
		for _, id := range ids(w.opening) {
			w.opened(id, time.Time{}, Situation{})
		}
		if len(w.opening) > 0 {
			continue
		}
		// A stream dies of old age.
		next := end
		if at := w.m.Wake(); !at.IsZero() && at.Before(next) {
			next = at
		}
		if !next.Before(end) {
			w.now = end
			w.step(nil, Situation{})
			return old
		}
		w.now = next
		w.step(nil, Situation{})
		for _, id := range ids(w.alive) {
			if w.now.Sub(w.alive[id]) > 480*time.Second {
				old++
				delete(w.alive, id)
				w.step(Died{Stream: id, Err: errTest}, Situation{})
			}
		}
	}
	return old
}

// TestNoStateIsWithoutAWayOut drives the machine with random events, and checks
// after any number of them that a quiet world brings it back to one stream that
// listens, and keeps it there for an hour.
func TestNoStateIsWithoutAWayOut(t *testing.T) {
	seen := map[State]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, policy())
		w.step(Start{}, Situation{})
		situation := rapid.Custom(func(t *rapid.T) Situation {
			b := rapid.IntRange(0, 63).Draw(t, "situation")
			return Situation{UserSpeaking: b&1 > 0, Unanswered: b&2 > 0, AgentSpeaking: b&4 > 0, ToolPending: b&8 > 0, Deaf: b&16 > 0, Finishing: b&32 > 0}
		})
		verdict := rapid.SampledFrom([]Verdict{Retry, Retry, Retry, Retry, Mend, GiveUp})
		for range rapid.IntRange(0, 400).Draw(t, "events") {
			if w.over {
				break
			}
			s := situation.Draw(t, "s")
			w.now = w.now.Add(rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond, time.Second, 10 * time.Second, 45 * time.Second, 200 * time.Second}).Draw(t, "later"))
			open, alive := ids(w.opening), ids(w.alive)
			switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case k <= 2 && len(open) > 0:
				id := rapid.SampledFrom(open).Draw(t, "opened")
				var expires time.Time
				if rapid.Bool().Draw(t, "expires") {
					expires = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 5 * time.Minute, time.Hour}).Draw(t, "in"))
				}
				w.opened(id, expires, s)
			case k == 3 && len(open) > 0:
				id := rapid.SampledFrom(open).Draw(t, "refused")
				v := verdict.Draw(t, "verdict")
				if w.opening[id] == 0 && v != Retry {
					v = Retry // what it began with has been accepted
				}
				delete(w.opening, id)
				w.step(Refused{Stream: id, Verdict: v, Err: errTest}, s)
			case k == 4 && len(alive) > 0:
				id := rapid.SampledFrom(alive).Draw(t, "died")
				delete(w.alive, id)
				w.step(Died{Stream: id, Verdict: verdict.Draw(t, "verdict"), Err: errTest}, s)
			case k == 5:
				w.version++
				w.known[w.version] = true
				w.step(Ask{Reason: Change, Version: w.version}, s)
			case k == 6:
				w.step(Ask{Reason: rapid.SampledFrom([]Reason{Request, Doubt}).Draw(t, "why")}, s)
			case k == 7 && w.draining != 0:
				w.step(Drained{w.draining}, s)
			case k == 8:
				// What belongs to a stream that has no role any more.
				w.step(Refused{Stream: 99999, Err: errTest}, s)
				w.step(Died{Stream: 99999, Err: errTest}, s)
				w.step(Drained{99999}, s)
			default:
				w.step(nil, s)
			}
			seen[w.m.State()]++
		}
		if w.over {
			return
		}
		w.rest(5 * time.Minute)
		for hour := w.now.Add(time.Hour); w.now.Before(hour); {
			if w.rest(time.Minute) > 0 {
				w.fatalf("a stream died of old age")
			}
			if w.m.State() == Over {
				w.fatalf("it gave up in a world without failures")
			}
			if w.m.State() == Steady && w.listening == 0 {
				w.fatalf("nobody listens")
			}
		}
		if s := w.m.State(); s != Steady && s != Ready && s != Preparing {
			w.fatalf("after an hour of peace the state is %v", s)
		}
	})
	for s := Opening; s <= Over; s++ {
		if seen[s] == 0 {
			t.Errorf("the state %v was never reached", s)
		}
	}
}
