package novasonic_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
)

// rivals are the faults that were found in other implementations of session
// continuation, each as a call that shows it. Where such a call is a scenario
// of its own, the comment says which.
//
// Pipecat 1.7 (P), LiveKit Agents 1.7 (L), Vision Agents (V) and the AWS sample
// (A), by the numbers of the project's notes on them.
var rivals = []struct {
	fault string
	sc    func(*sonictest.Config)
	nc    func(*novasonic.Config)
	want  outcome
	call  func(s *scene)
}{
	{
		// P1, L3, A d; also the scenarios of silence and of the agent that never spoke.
		fault: "the forced transition never swaps: a quiet caller dies",
		want:  outcome{agent: []string{youSaid("1"), youSaid("2")}},
		call: func(s *scene) {
			s.says("1")
			s.at(3*time.Minute + 10*time.Second)
			s.says("2")
			s.waits(5 * time.Second)
			if n := len(s.streams()); n != 10 { // a move each 20 s
				s.t.Errorf("%d streams in three minutes", n)
			}
		},
	},
	{
		// P2, L1: the caller speaks while the move is made, which must not take time
		// from them.
		fault: "what the user says during the handover is lost",
		nc: func(c *novasonic.Config) {
			c.Continuation.Prepare, c.Continuation.Prefer = 39*time.Second, 40*time.Second
		},
		want: outcome{agent: []string{youSaid(hearingKeys(30))}, user: []string{hearing.Words(hearingKeys(30))}, again: 8 * time.Second},
		call: func(s *scene) {
			s.at(35 * time.Second)
			s.says(hearingKeys(30))
			s.waits(12 * time.Second)
		},
	},
	{
		// P3, A c: three seconds of user audio go to both sessions, blindly.
		fault: "what the old stream has answered is heard again and answered twice",
		want:  outcome{agent: []string{youSaid("1"), youSaid("2"), youSaid("3")}, user: []string{"one", "two", "three"}},
		call: func(s *scene) {
			for i, key := range []string{"1", "2", "3"} {
				s.at(time.Duration(i+1)*20*time.Second - 2100*time.Millisecond) // the cut follows at once
				s.says(key)
			}
			s.waits(8 * time.Second)
		},
	},
	{
		// P4
		fault: "nothing is read while the next stream is opened",
		sc: func(c *sonictest.Config) {
			c.Faults, c.Delivery.Speed = []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(4 * time.Second)}}, 1.5
		},
		want: outcome{agent: append(tale(3), youSaid("1"))},
		call: func(s *scene) {
			s.at(18 * time.Second)
			s.says("9")
			s.at(37 * time.Second)
			s.says("1")
			s.waits(4 * time.Second)
		},
	},
	{
		// P5
		fault: "when a standby is too old and replaced, the next handover replays nothing",
		nc:    func(c *novasonic.Config) { c.Continuation.StandbyLife = 6 * time.Second },
		want:  outcome{agent: []string{youSaid(hearingKeys(80))}, user: []string{hearing.Words(hearingKeys(80))}, again: 30 * time.Second},
		call: func(s *scene) {
			s.at(19 * time.Second)
			s.says(hearingKeys(80)) // until 41 s: past the last deadline
			s.waits(32 * time.Second)
			if !slices.ContainsFunc(of[*novasonic.Swap](s.rig), func(w *novasonic.Swap) bool { return w.Step == novasonic.SwapDiscarded }) {
				s.t.Error("nobody is told that a standby was discarded")
			}
		},
	},
	{
		// P6, P10, A e: the counters of the whole session no longer agree.
		fault: "after a barge-in it never moves again, and has forgotten what it was saying",
		want:  outcome{agent: []string{youSaid("1"), cut(tale(1)[0]), youSaid("23"), youSaid("4")}},
		call: func(s *scene) {
			s.at(2 * time.Second)
			s.says("1")
			s.at(8 * time.Second)
			s.says("9")
			s.waits(3 * time.Second)
			s.says("23")
			s.at(45 * time.Second)
			s.says("4")
			s.waits(4 * time.Second)
			told := memory(s.streams()[1])
			if !strings.Contains(told, "ASSISTANT: This is sentence") || !strings.Contains(told, "[interrupted]") {
				s.t.Errorf("the second stream was told:\n%s", told)
			}
		},
	},
	{
		// P7, A a: texts of record come sentence by sentence, in the middle of the answer.
		fault: "the handover falls into the middle of an answer, and its rest is thrown away",
		sc:    func(c *sonictest.Config) { c.Behaviour.FinalText, c.Delivery.Speed = sonictest.FinalOnWallClock, 1.2 },
		nc: func(c *novasonic.Config) {
			c.Continuation.Prepare, c.Continuation.Prefer = 21*time.Second, 22*time.Second
		},
		want: outcome{agent: append(tale(4), youSaid("1"))},
		call: func(s *scene) {
			s.at(15 * time.Second)
			s.says("9")
			s.at(39 * time.Second)
			s.says("1")
			s.waits(4 * time.Second)
		},
	},
	{
		// P8
		fault: "the history is told twice after a failure",
		want:  outcome{agent: []string{youSaid("1"), youSaid("2"), youSaid("3")}, errors: 2, again: 2 * time.Second},
		nc: func(c *novasonic.Config) {
			c.History = []novasonic.Message{{Role: novasonic.User, Text: "Hi."}, {Role: novasonic.Assistant, Text: "Hello."}}
		},
		call: func(s *scene) {
			for i, key := range []string{"1", "2", "3"} {
				s.says(key)
				s.waits(5 * time.Second)
				if i < 2 {
					s.strike(len(s.streams())-1, sonictest.Reset())
				}
				s.waits(20 * time.Second)
			}
			for _, l := range s.streams() {
				if told := memory(l); strings.Count(told, "Hi.") != 1 || strings.Count(told, "USER: one\n") > 1 || strings.Count(told, "USER: two\n") > 1 {
					s.t.Errorf("stream %d was told:\n%s", l.Number, told)
				}
			}
		},
	},
	{
		// P11
		fault: "who speaks for long right after an answer loses the beginning",
		nc: func(c *novasonic.Config) {
			c.Continuation.Prepare, c.Continuation.Prefer, c.Continuation.Force = 20*time.Second, 22*time.Second, 24*time.Second
		},
		want: outcome{agent: []string{youSaid("1"), youSaid(hearingKeys(20))}, user: []string{"one", hearing.Words(hearingKeys(20))}, again: 6 * time.Second},
		call: func(s *scene) {
			s.at(16500 * time.Millisecond)
			s.says("1")
			s.at(19500 * time.Millisecond) // the answer has been heard for half a second
			s.says(hearingKeys(20))
			s.waits(12 * time.Second)
		},
	},
	{
		// P12, L8
		fault: "the history is cut to 40 messages of 1 KB, or goes beyond the service's limits",
		nc: func(c *novasonic.Config) {
			for i := range 100 {
				role := novasonic.User
				if i%2 == 1 {
					role = novasonic.Assistant
				}
				c.History = append(c.History, novasonic.Message{Role: role, Text: fmt.Sprintf("Message %03d. ", i) + strings.Repeat("wörter ", 1500)})
			}
			c.History[98].Text = strings.Repeat("wörter ", 9000)
		},
		want: outcome{agent: []string{youSaid("1")}},
		call: func(s *scene) {
			s.at(30 * time.Second)
			s.says("1")
			s.waits(4 * time.Second)
			for _, l := range s.streams() {
				if told := memory(l); len(told) < 150_000 || !strings.Contains(told, "Message 099") || !strings.Contains(told, "Message 090") {
					s.t.Errorf("stream %d was told %d bytes", l.Number, len(told))
				}
			}
		},
	},
	{
		// P13, A b: also the scenarios of standbys that make trouble.
		fault: "that the next stream has died is noticed when it is needed",
		sc: func(c *sonictest.Config) {
			c.Faults = []sonictest.Fault{{Streams: []int{1, 2}, After: time.Second, Do: sonictest.EndStream()}}
		},
		want: outcome{agent: append(tale(4), youSaid("1")), doomed: []int{1, 2}},
		call: func(s *scene) {
			s.at(18 * time.Second)
			s.says("9")
			s.at(41 * time.Second)
			s.says("1")
			s.waits(4 * time.Second)
		},
	},
	{
		// L0: deaf from the first recycle on, and no second one.
		fault: "the second stream hears nothing, and is never replaced",
		want:  outcome{agent: []string{youSaid("1"), youSaid("2"), youSaid("3"), youSaid("4")}},
		call: func(s *scene) {
			for i, key := range []string{"1", "2", "3", "4"} {
				s.at(time.Duration(i)*20*time.Second + 5*time.Second)
				s.says(key)
			}
			s.waits(5 * time.Second)
			for _, l := range s.streams()[:4] {
				if len(l.Audio) != 1 || l.Audio[0].Samples < 10*16000 || len(l.Answers) != 1 {
					s.t.Errorf("stream %d heard %d samples and gave %d answers", l.Number, l.Audio[0].Samples, len(l.Answers))
				}
			}
		},
	},
	{
		// L2: also the scenarios of users who speak at a deadline.
		fault: "it recycles in the middle of what the user says",
		want:  outcome{agent: []string{youSaid("1357")}, user: []string{"one three five seven"}},
		call: func(s *scene) {
			s.at(19500 * time.Millisecond)
			s.says("1357")
			s.waits(6 * time.Second)
			l := s.streams()[1]
			if moved := l.Opened.Add(l.Audio[0].Opened).Sub(s.began); moved < 21*time.Second {
				s.t.Errorf("the microphone moved at %v", moved)
			}
		},
	},
	{
		// L6: the tools are told to the next stream, and so is what they returned.
		fault: "after a recycle the model says that it acts, and calls no tools",
		sc:    func(c *sonictest.Config) { c.Brain = forecaster() },
		nc: func(c *novasonic.Config) {
			book := &almanac{takes: map[string]time.Duration{"Ulm": time.Second}}
			c.Tools = tool.Set{book.tool()}
		},
		want: outcome{agent: []string{"I hear of fog.", "I hear of fog."}},
		call: func(s *scene) {
			s.at(5 * time.Second)
			s.says("1")
			s.at(25 * time.Second)
			s.says("1")
			s.waits(6 * time.Second)
			l := s.streams()[1]
			if told := memory(l); !strings.Contains(told, "get_weather") || !strings.Contains(told, "fog") || !strings.Contains(l.Instructions, "tools") || len(l.Calls) != 1 {
				s.t.Errorf("the second stream was told:\n%s and %s", l.Instructions, told)
			}
		},
	},
	{
		// V1 … V8
		fault: "no history, no goodbye, instructions after the audio, names used twice, a block for each frame",
		want:  outcome{agent: append(tale(3), youSaid("1"), youSaid("2"))},
		nc:    func(c *novasonic.Config) { c.Continuation.Prepare = 25 * time.Second },
		call: func(s *scene) {
			s.at(24 * time.Second)
			s.says("9")
			s.at(42 * time.Second)
			s.says("1")
			s.at(70 * time.Second)
			s.says("2")
			s.waits(4 * time.Second)
			prompts, contents := map[string]bool{}, map[string]bool{}
			for _, l := range s.streams() {
				var order []string
				for _, e := range l.Events {
					if e.Name == "contentStart" {
						order = append(order, e.Type+" "+e.Role)
						if contents[e.Content] {
							s.t.Errorf("content name %s is used twice", e.Content)
						}
						contents[e.Content] = true
					}
				}
				if prompts[l.PromptName] {
					s.t.Errorf("prompt name %s is used twice", l.PromptName)
				}
				prompts[l.PromptName] = true
				want := []string{"TEXT SYSTEM"}
				for _, m := range l.History {
					want = append(want, "TEXT "+m.Role)
				}
				if want = append(want, "AUDIO USER"); !slices.Equal(order, want) || l.Number > 0 && len(l.History) == 0 {
					s.t.Errorf("stream %d was given %q", l.Number, order)
				}
			}
		},
	},
	{
		// A a: generation is faster than real time, and what is left of it is dropped.
		fault: "what the old stream has sent and nobody has heard yet is dropped",
		sc:    func(c *sonictest.Config) { c.Delivery.Speed = 100 },
		want:  outcome{agent: append(tale(5), youSaid("1"))},
		call: func(s *scene) {
			s.at(18 * time.Second)
			s.says("9")
			s.at(48 * time.Second)
			s.says("1")
			s.waits(4 * time.Second)
		},
	},
	{
		// A g, L7
		fault: "one retry",
		sc: func(c *sonictest.Config) {
			c.Faults = []sonictest.Fault{{Streams: []int{1, 2, 3, 4}, Do: sonictest.Refuse(503, "ServiceUnavailableException", "The service is unavailable.")}}
		},
		want: outcome{agent: []string{youSaid("1"), youSaid("2")}, doomed: []int{1, 2, 3, 4}},
		call: func(s *scene) {
			s.says("1")
			s.at(58 * time.Second)
			s.says("2")
			s.waits(4 * time.Second)
			for i, l := range s.streams() {
				if i > 1 && i <= 5 && l.Opened.Sub(s.streams()[i-1].Opened) < 100*time.Millisecond {
					s.t.Errorf("request %d comes %v after the one before it", i, l.Opened.Sub(s.streams()[i-1].Opened))
				}
			}
		},
	},
}

func TestScenarioNoFaultOfARivalsIsOurs(t *testing.T) {
	t.Parallel()
	for _, r := range rivals {
		t.Run(r.fault, func(t *testing.T) {
			sc, nc := short(teller(tale(5)...)), brief()
			if n := slices.IndexFunc(r.want.agent, func(s string) bool { return !strings.HasPrefix(s, "This is sentence") }); n > 0 {
				sc.Brain = teller(tale(n)...) // a tale as long as is to be heard
			}
			if r.sc != nil {
				r.sc(&sc)
			}
			if r.nc != nil {
				r.nc(&nc)
			}
			play(t, sc, nc, r.want, r.call)
		})
	}
}

// P14
func TestScenarioConversationsThatBeginTogetherMoveApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{Limits: sonictest.Limits{Life: 60 * time.Second}})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		const calls = 10
		client, err := novasonic.NewClient(srv.AWSConfig(), novasonic.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var rigs []*rig
		for range calls {
			nc := brief()
			nc.Client, nc.Continuation.Jitter = client, 10*time.Second
			r := &rig{t: t, done: make(chan struct{}), began: time.Now(), srv: srv, sonic: novasonic.New(nc), ear: newEar(), caller: &caller{rate: audio.Rate16k, channels: 1, muted: true}}
			r.pipe = newPipeline(r)
			r.run()
			rigs = append(rigs, r)
		}
		time.Sleep(25 * time.Second)
		var opened []time.Duration
		for _, l := range srv.Streams()[calls:] {
			opened = append(opened, l.Opened.Sub(rigs[0].began))
		}
		slices.Sort(opened)
		if n := len(slices.CompactFunc(slices.Clone(opened), func(a, b time.Duration) bool { return (b - a).Abs() < 10*time.Millisecond })); len(opened) < calls || n < calls-2 || opened[0] < 10*time.Second {
			t.Errorf("the next streams were opened at %v", opened)
		}
		for _, r := range rigs {
			r.pipe.End("enough")
			<-r.done
		}
		client.Close()
		srv.Close()
	})
}

// ---- figures

func TestScenarioTheFiguresOfASwapAreTrue(t *testing.T) {
	t.Parallel()
	// Forced at 40 s: the user speaks from 36 s on. Then on account of age, in
	// silence. Then a failure, while the user speaks.
	want := outcome{agent: []string{youSaid("1"), youSaid(hearingKeys(20)), youSaid("12345")}, again: 10 * time.Second, errors: 1}
	nc := brief()
	nc.Continuation.Prepare, nc.Continuation.Prefer = 35*time.Second, 38*time.Second
	play(t, short(echo()), nc, want, func(s *scene) {
		s.at(5 * time.Second)
		s.says("1")
		s.at(34500 * time.Millisecond)
		s.says(hearingKeys(20)) // until 40.1 s
		s.at(80 * time.Second)
		s.begins("12345")
		s.waits(700 * time.Millisecond)
		s.strike(len(s.streams())-1, sonictest.Reset())
		s.waits(8 * time.Second)
		streams := s.streams()
		moves := cuts(s.rig)
		if len(moves) != len(streams)-1 {
			t.Fatalf("%d moves between %d streams", len(moves), len(streams))
		}
		rate := audio.Rate16k
		for i, m := range moves {
			old, next := streams[i], streams[i+1]
			// What the next stream heard in the instant in which it began to listen is the
			// replay.
			at := next.Audio[0].Opened
			var replayed audio.Position
			for _, a := range next.Audio[0].Arrivals {
				if a.At == at {
					replayed = a.End
				}
			}
			if got := m.Replayed; (got - rate.Duration(int64(replayed))).Abs() > 20*time.Millisecond {
				t.Errorf("move %d: %v are said to have been replayed, %v were", m.Number, got, rate.Duration(int64(replayed)))
			}
			if heard := s.heardBy(old, next); (m.Overlapped - heard).Abs() > 40*time.Millisecond {
				t.Errorf("move %d: %v are said to overlap, %v do", m.Number, m.Overlapped, heard)
			}
			bytes := 0
			for _, h := range next.History {
				bytes += len(h.Text)
			}
			if m.History != bytes {
				t.Errorf("move %d: a history of %d bytes is said to have been told, %d were", m.Number, m.History, bytes)
			}
			if at := next.Opened.Add(at).Sub(s.began); (rate.Duration(int64(m.CutAt)) - at).Abs() > 40*time.Millisecond {
				t.Errorf("move %d: is said to be at %v of the user's track, the next stream listens from %v on", m.Number, rate.Duration(int64(m.CutAt)), at)
			}
			if m.From != i+1 || m.To != i+2 || m.Lost != 0 || m.OutputGap != 0 || m.Attempts != 1 {
				t.Errorf("move %d: %+v", m.Number, m.SwapStatus)
			}
		}
		if m := moves[0]; m.Reason != novasonic.SwapAge || !m.Forced || m.Wait < 4*time.Second || m.Replayed < 5*time.Second {
			t.Errorf("the first move: %+v", m.SwapStatus)
		}
		if m := moves[len(moves)-1]; m.Reason != novasonic.SwapFailure || m.Deaf > time.Second || m.Replayed < 700*time.Millisecond {
			t.Errorf("the last move: %+v", m.SwapStatus)
		}
		if n := s.sonic.Stats().Swaps; n != len(moves) {
			t.Errorf("Stats count %d moves, want %d", n, len(moves))
		}
		s.checkMetrics()
	})
}

// checkMetrics compares the metrics of moves with the frames.
func (s *scene) checkMetrics() {
	s.t.Helper()
	want := map[string][]float64{}
	add := func(name string, v float64) {
		name = "parley.novasonic.swap." + name
		want[name] = append(want[name], v)
	}
	for _, w := range of[*novasonic.Swap](s.rig) {
		add("step."+string(w.Step), 1)
		switch w.Step {
		case novasonic.SwapReady:
			add("prepare", w.Prepare.Seconds())
		case novasonic.SwapCut:
			add("wait", w.Wait.Seconds())
			add("deaf", w.Deaf.Seconds())
			add("replayed", w.Replayed.Seconds())
			add("overlapped", w.Overlapped.Seconds())
			add("lost", w.Lost.Seconds())
			add("history", float64(w.History))
		case novasonic.SwapDrained:
			add("drain", w.Drain.Seconds())
		case novasonic.SwapClosed, novasonic.SwapGone:
			add("output_gap", w.OutputGap.Seconds())
			add(string(w.Reason), 1)
		}
	}
	if len(want["parley.novasonic.swap.step.cut"]) == 0 {
		s.t.Error("there was no move")
	}
	for name, values := range want {
		if got := s.caller.measured(name); !slices.Equal(got, values) {
			s.t.Errorf("%s: %v, want %v", name, got, values)
		}
	}
}

func TestScenarioTheFirstAnswerAfterASwapIsNotLate(t *testing.T) {
	t.Parallel()
	// The same call with swaps and without them: what is said to the same words
	// begins at the same time.
	answers := func(t *testing.T, nc novasonic.Config) (begin []time.Duration) {
		sc := sonictest.Config{Brain: echo(), Latency: sonictest.Latency{Jitter: -1}, Delivery: sonictest.Delivery{Jitter: -1}}
		var want outcome
		for range 8 {
			want.agent = append(want.agent, youSaid("123"))
		}
		want.again = 20 * time.Second
		play(t, sc, nc, want, func(s *scene) {
			for i := range 8 {
				// Between two ticks of every clock of the call: at a tick, chance
				// would say whether the words still belong to it, 20 ms.
				s.at(time.Duration(i)*7300*time.Millisecond + 1007500*time.Microsecond)
				s.says("123")
				s.hears()
				begin = append(begin, time.Since(s.began))
			}
			s.waits(3 * time.Second)
		})
		return begin
	}
	without := answers(t, novasonic.Config{Continuation: novasonic.Continuation{Prepare: -1}})
	for name, c := range map[string]novasonic.Continuation{
		"in silence":             {Prepare: 6 * time.Second, Prefer: 15 * time.Second, Force: 20 * time.Second, Jitter: -1},
		"while the user speaks":  {Prepare: 7300 * time.Millisecond, Prefer: 7700 * time.Millisecond, Force: 7700 * time.Millisecond, Jitter: -1},
		"right after the speech": {Prepare: 7300 * time.Millisecond, Prefer: 8300 * time.Millisecond, Force: 8300 * time.Millisecond, Jitter: -1},
	} {
		t.Run(name, func(t *testing.T) {
			with := answers(t, novasonic.Config{Continuation: c})
			var late []time.Duration
			for i := range with {
				late = append(late, with[i]-without[i])
			}
			slices.Sort(late)
			t.Logf("later by %v", late)
			if median := late[len(late)/2]; median > 5*time.Millisecond {
				t.Errorf("the median answer comes %v later", median)
			}
			if worst := late[len(late)-1]; worst > 150*time.Millisecond {
				t.Errorf("one answer comes %v later", worst)
			}
		})
	}
}
