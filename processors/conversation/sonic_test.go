package conversation_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
	"github.com/parley-go/parley/transports/playout"
)

// phone is both ends of a call: a microphone that sends 20 ms of audio every
// 20 ms, and a loudspeaker that records what is heard.
type phone struct {
	mu    sync.Mutex // guards the following
	queue []int16
	heard []int16 // of the agent, silence included
}

func (p *phone) Name() string { return "caller" }

func (p *phone) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (p *phone) Run(ctx context.Context, out *pipeline.Port) error {
	n := int(audio.Rate16k.Samples(20 * time.Millisecond))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for position := audio.Position(0); ; position += audio.Position(n) {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		piece := make([]int16, n)
		p.mu.Lock()
		p.queue = p.queue[copy(piece, p.queue):]
		p.mu.Unlock()
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Track: "caller", Position: position, Samples: piece}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return nil
		}
	}
}

// presses presses keys, which the emulator hears as spoken words.
func (p *phone) presses(keys string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, hearing.Speak(audio.Rate16k, keys)...)
}

func (p *phone) Play(_ context.Context, c playout.Chunk) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, c.Samples...)
	return nil
}

func (p *phone) output() *playout.Output {
	return playout.New(playout.Config{Format: audio.Mono(audio.Rate24k)}, p)
}

const (
	greeting = "Good morning."
	price    = "A full service is ninety pounds and takes about two days at this time of the year."
	parts    = "Parts are extra, of course."
	forecast = "It will rain in Ulm."
)

// garage is a brain with something long to say, and a tool to call.
var garage = sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
	switch {
	case turn.Kind == sonictest.ToolResults:
		return sonictest.Say(forecast)
	case turn.Text == "one":
		return sonictest.Say(greeting)
	case turn.Text == "two":
		return sonictest.Say(price, parts)
	case turn.Text == "three":
		return sonictest.Call("get_weather", `{"city":"Ulm"}`)
	}
	return sonictest.Say("Goodbye.")
})

type city struct {
	City string `json:"city"`
}

// told collects what the hooks are told.
type told struct {
	mu      sync.Mutex
	entries []conversation.Entry
	turns   []conversation.Turn
	calls   []conversation.Entry
}

func (l *told) config() conversation.Config {
	return conversation.Config{
		OnEntry:    func(e conversation.Entry) { l.mu.Lock(); defer l.mu.Unlock(); l.entries = append(l.entries, e) },
		OnTurn:     func(u conversation.Turn) { l.mu.Lock(); defer l.mu.Unlock(); l.turns = append(l.turns, u) },
		OnToolCall: func(e conversation.Entry) { l.mu.Lock(); defer l.mu.Unlock(); l.calls = append(l.calls, e) },
	}
}

// states are those that the entry with a text was told in.
func (l *told) states(text string) []conversation.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	var states []conversation.State
	id := 0
	for _, e := range l.entries {
		if e.Text == text || e.ID == id {
			id = e.ID
			if n := len(states); n == 0 || states[n-1] != e.State {
				states = append(states, e.State)
			}
		}
	}
	return states
}

// lines are the entries in short.
func lines(t conversation.Transcript) []string {
	var all []string
	for _, e := range t.Entries {
		s := string(e.Who) + " " + string(e.State) + ": " + e.Text
		if e.Call != nil {
			s += e.Call.Name + string(e.Call.Arguments) + string(e.Call.Result)
		}
		if e.Unheard != "" {
			s += " | " + e.Unheard
		}
		all = append(all, s)
	}
	return all
}

func TestAConversationWithNovaSonicIsWrittenDownAsItWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{Brain: garage})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		aws := srv.AWSConfig()
		weather := tool.Must(tool.New("get_weather", "Tells the weather.", func(ctx context.Context, c city) (string, error) {
			time.Sleep(1500 * time.Millisecond) // it takes its time, in virtual time
			return "rain", nil
		}))
		sonic := novasonic.New(novasonic.Config{AWS: &aws, Tools: tool.Set{weather}})
		var l told
		talk := conversation.New(l.config())
		p := &phone{}
		pipe := pipeline.New(pipeline.Config{}, p, sonic, talk, p.output())
		done := make(chan error, 1)
		go func() { done <- pipe.Run(context.Background()) }()

		p.presses("1")
		time.Sleep(8 * time.Second)
		p.presses("2")
		time.Sleep(5 * time.Second) // in the middle of the price
		p.presses("3")
		time.Sleep(3 * time.Second)
		during := talk.Transcript()
		time.Sleep(7 * time.Second)
		// The memory that continuation takes to the next stream is the same.
		if err := sonic.Rotate(context.Background(), "the test looks at the memory"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Second)
		p.presses("4")
		time.Sleep(6 * time.Second)
		pipe.End("the test is over")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		srv.Close()

		got := talk.Transcript()
		var text strings.Builder
		if err := got.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + text.String())
		if len(got.Issues) > 0 || got.Dropped > 0 {
			t.Errorf("it doubts %v and dropped %d", got.Issues, got.Dropped)
		}
		i := slices.IndexFunc(got.Entries, func(e conversation.Entry) bool { return e.State == conversation.Cut })
		if i < 0 {
			t.Fatal("nothing was interrupted")
		}
		cut := got.Entries[i]
		if cut.Text+" "+cut.Unheard != price || cut.Text == "" || cut.Unheard == "" || cut.Reason != "barge-in" || cut.Estimated {
			t.Errorf("of what was interrupted it says %+v", cut)
		}
		want := []string{
			"caller final: one",
			"agent heard: " + greeting,
			"caller final: two",
			"agent cut: " + cut.Text + " | " + cut.Unheard,
			"caller final: three",
			`tool returned: get_weather{"city":"Ulm"}{"result":"rain"}`,
			"agent heard: " + forecast,
			"caller final: four",
			"agent heard: Goodbye.",
		}
		have := slices.DeleteFunc(lines(got), func(s string) bool { return s == "agent unheard:  | "+parts })
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if slices.ContainsFunc(during.Entries, func(e conversation.Entry) bool { return e.Text == forecast && e.State == conversation.Heard }) {
			t.Error("a snapshot has changed after it was taken")
		}
		placedWhereItIsHeard(t, got, p.heard)
		callsTakeTheirTime(t, got, l.calls)
		sameMemory(t, got, srv.Streams())

		if s := l.states(greeting); !slices.Equal(s, []conversation.State{conversation.Announced, conversation.Speaking, conversation.Heard}) {
			t.Errorf("the greeting was told as %v", s)
		}
		var who []conversation.Speaker
		for _, turn := range l.turns {
			who = append(who, turn.Who)
		}
		if diff := cmp.Diff([]conversation.Speaker{"caller", "agent", "caller", "agent", "caller", "agent", "caller", "agent"}, who); diff != "" {
			t.Errorf("turns (-want +got)\n%s", diff)
		}
	})
}

// placedWhereItIsHeard checks the agent's entries against a recording: they are
// where there is sound, to the sample, and nowhere else is any.
func placedWhereItIsHeard(t *testing.T, got conversation.Transcript, heard []int16) {
	t.Helper()
	spoken := make([]bool, len(heard))
	for _, e := range got.Entries {
		if e.Who != conversation.Agent || e.Place.IsZero() {
			continue
		}
		if e.Place.Rate != audio.Rate24k || e.Rough || e.Place.End > audio.Position(len(heard)) {
			t.Fatalf("%q is at %+v of %d samples", e.Text, e.Place, len(heard))
		}
		if n, m := e.Place.End-e.Place.Start, e.Audio.End-e.Audio.Start; n != m {
			t.Errorf("%q was heard for %d samples, and has %d", e.Text, n, m)
		}
		if loud := audio.RMS(heard[e.Place.Start:e.Place.End]); loud < -50 {
			t.Errorf("%q is at %.0f dBFS", e.Text, loud)
		}
		for i := e.Place.Start; i < e.Place.End; i++ {
			spoken[i] = true
		}
	}
	for i, v := range heard {
		if v != 0 && !spoken[i] {
			t.Fatalf("the agent is heard at sample %d, where the transcript has nothing", i)
		}
	}
}

func callsTakeTheirTime(t *testing.T, got conversation.Transcript, told []conversation.Entry) {
	t.Helper()
	if len(told) != 1 || told[0].State != conversation.Returned || told[0].Call.Elapsed != 1500*time.Millisecond {
		t.Errorf("of the tool was told %+v", told)
		return
	}
	if p := told[0].Place; !told[0].Rough || (p.To()-p.From()-1500*time.Millisecond).Abs() > 50*time.Millisecond {
		t.Errorf("the tool is at %+v", p)
	}
}

// sameMemory checks that a model which reads Messages is told what the next
// stream was told by the service itself.
func sameMemory(t *testing.T, got conversation.Transcript, streams []sonictest.StreamLog) {
	t.Helper()
	if len(streams) != 2 {
		t.Fatalf("there were %d streams", len(streams))
	}
	var want, have []string
	for _, m := range streams[1].History {
		want = append(want, strings.ToLower(string(m.Role))+": "+m.Text)
	}
	for _, m := range got.Messages() {
		role := m.Role
		if role == conversation.ToolRole { // the service's history has words only
			role = conversation.AssistantRole
		}
		if n := len(have); n > 0 && strings.HasPrefix(have[n-1], string(role)) {
			have[n-1] += "\n" + m.Text
			continue
		}
		have = append(have, string(role)+": "+m.Text)
	}
	if len(have) < len(want) || !slices.Equal(have[:len(want)], want) || len(have) != len(want)+2 {
		t.Errorf("the messages are not those of the service's own memory, and two more:\n%s", cmp.Diff(want, have))
	}
}
