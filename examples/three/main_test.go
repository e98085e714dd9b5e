package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/examples/webrtc/phone"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/ear"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/testdata/calls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	callerSays = []string{"Hello. I would like to bring my bicycle in for a repair.", "Thank you very much. Goodbye."}
	agentSays  = []string{"Of course. What is wrong with it?", "Goodbye, and ride safely."}
	clips      = []string{"clips/repair.mp3", "clips/goodbye.mp3"}
)

// It is on real sockets and in real time, as for whoever tries it.
func TestOneFunctionHoldsTheSameConversationOverEachTransport(t *testing.T) {
	if testing.Short() {
		t.Skip("three calls in real time")
	}
	defer http.DefaultClient.CloseIdleConnections()
	held := inTime(t)
	var told bytes.Buffer
	if err := compare(&told, held); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", &told)
	if len(held) != 3 || held[0].name != "file" || held[1].name != "webrtc" || held[2].name != "websocket" {
		t.Fatalf("%d calls were held", len(held))
	}
	words := "caller: " + callerSays[0] + "\nagent: " + agentSays[0] + "\ncaller: " + callerSays[1] + "\nagent: " + agentSays[1] + "\n"
	for _, c := range held {
		t.Run(c.name, func(t *testing.T) {
			if c.words() != words {
				t.Errorf("it was:\n%s", c.words())
			}
			if issues := c.talk.Transcript().Issues; len(issues) > 0 {
				t.Errorf("the transcript has doubts: %+v", issues)
			}
			left, right := read(t, c.recording)
			caller, agent := ear.Listen(t, left, audio.Rate24k), ear.Listen(t, right, audio.Rate24k)
			if !slices.Equal(ear.Texts(caller), callerSays) || !slices.Equal(ear.Texts(agent), agentSays) {
				t.Fatalf("recorded on the left: %v\non the right: %v", caller, agent)
			}
			for i := range caller {
				// Each is whole, and as good as what it came through: Opus, or nothing.
				least := 0.95
				if c.name == "webrtc" {
					least = 0.85
				}
				if s := caller[i]; s.Score < least || s.Heard < s.Whole-150*time.Millisecond {
					t.Errorf("of the caller was recorded: %v, score %.3f", s, s.Score)
				}
				// The detector says that the caller spoke where the recording has it.
				if i < len(c.speech) && (apart(c.speech[i].from, caller[i].From) > 150*time.Millisecond || apart(c.speech[i].to, caller[i].To) > 250*time.Millisecond) {
					t.Errorf("speech was detected at %v; it is %v", c.speech[i], caller[i])
				}
				// The answer came behind it.
				if pause := agent[i].From - caller[i].To; pause < 300*time.Millisecond || pause > 3*time.Second {
					t.Errorf("the answer to %v came after %v", caller[i], pause)
				}
				// Whichever way it leaves, the agent's voice is recorded as it was made.
				clip, _, err := calls.Read(clips[i])
				if err != nil {
					t.Fatal(err)
				}
				if n := differing(t, right, agent[i].From, clip); n != 0 {
					t.Errorf("%d samples of %d differ from %v", n, len(clip), agent[i])
				}
			}
			if len(c.speech) != len(callerSays) {
				t.Errorf("the caller spoke %v", c.speech)
			}
			if got, want := between(c), between(held[0]); !slices.Equal(got, want) || len(got) != 5 {
				t.Errorf("between the ends there are %q; over a file %q", got, want)
			}
		})
	}
}

func TestConversationsThatDifferAreNotTakenForTheSame(t *testing.T) {
	silent := &call{name: "silent", talk: conversation.New(conversation.Config{})}
	talk := conversation.New(conversation.Config{})
	if err := pipeline.Run(t.Context(), greeting{}, talk); err != nil {
		t.Fatal(err)
	}
	if err := compare(io.Discard, []*call{silent, {name: "a", talk: talk}}); err == nil || !strings.Contains(err.Error(), "over silent it was") {
		t.Errorf("compare: %v", err)
	}
}

// greeting is a caller who says a word, and hangs up.
type greeting struct{}

func (greeting) Run(ctx context.Context, out *pipeline.Port) error {
	if err := out.Send(ctx, &frames.Transcription{Text: "Hello."}, frames.Downstream); err != nil {
		return err
	}
	return out.Send(ctx, &frames.End{}, frames.Downstream)
}

func (greeting) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

// inTime holds the calls, once more if this machine was too busy for one to be in time:
// what comes of that says nothing about transports.
func inTime(t *testing.T) []*call {
	t.Helper()
	for try := 1; ; try++ {
		held, err := hold(t.Context(), t.TempDir())
		for _, c := range held {
			if err == nil && c.holes > 0 {
				err = fmt.Errorf("%w: there are %d holes in what the agent said over %s", phone.ErrLate, c.holes, c.name)
			}
		}
		if err == nil {
			return held
		}
		if try == 3 || !errors.Is(err, phone.ErrLate) {
			t.Fatal(err)
		}
		t.Log(err)
	}
}

// differing returns how many samples of a voice are not in a recording as they are in
// the clip that it is of, from about a place on.
func differing(t *testing.T, recording []int16, about time.Duration, clip []int16) (n int) {
	t.Helper()
	probe := clip[len(clip)/2:][:480]
	first := int(audio.Rate24k.Samples(about)) + len(clip)/2
	for at := max(first-4800, 0); at < min(first+4800, len(recording)-len(clip)); at++ {
		if !slices.Equal(recording[at:at+len(probe)], probe) {
			continue
		}
		for i, s := range clip {
			if recording[at-len(clip)/2+i] != s {
				n++
			}
		}
		return n
	}
	return len(clip)
}

func apart(a, b time.Duration) time.Duration { return max(a-b, b-a) }

// between names the processors between the two ends of a call's pipeline.
func between(c *call) []string {
	var names []string
	for _, s := range c.pipeline.Stats() {
		names = append(names, s.Processor)
	}
	return names[1 : len(names)-1]
}

// read returns the two channels of a recording.
func read(t *testing.T, path string) (left, right []int16) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := wav.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if r.Format() != audio.Stereo(audio.Rate24k) {
		t.Fatalf("the recording is %v", r.Format())
	}
	block := make([]int16, 1<<14)
	for {
		n, err := r.Read(block)
		left, right = audio.Channel(left, block[:n], 2, 0), audio.Channel(right, block[:n], 2, 1)
		if err != nil {
			return left, right
		}
	}
}
