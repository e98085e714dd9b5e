package turn_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/transports/playout"
)

// witness notes down what passes a place of a pipeline.
type witness struct {
	mu   sync.Mutex
	seen []frames.Frame
}

func (w *witness) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	w.mu.Lock()
	w.seen = append(w.seen, f)
	w.mu.Unlock()
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// saw returns the frames of one type.
func saw[T frames.Frame](w *witness) []T {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []T
	for _, f := range w.seen {
		if f, ok := f.(T); ok {
			found = append(found, f)
		}
	}
	return found
}

func TestNovaSonicDecidesTurnsAndTheRestWorksAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{Brain: sonictest.Sequence(
			sonictest.Say("Good morning, and a long sentence that takes a while to be spoken to its very end."),
			sonictest.Say("Six o'clock."), sonictest.Say("Yes, I am."))})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		aws := srv.AWSConfig()

		mic, before, behind := &microphone{}, &witness{}, &witness{}
		turns := turn.New(turn.Config{
			Start: turn.External(), End: turn.External(),
			Idle: []turn.Reminder{{After: 10 * time.Second, Do: turn.Say("The caller is silent. Ask whether they are there.")}},
		})
		output := playout.New(playout.Config{Format: audio.Mono(audio.Rate24k)}, playout.SinkFunc(func(context.Context, playout.Chunk) error { return nil }))
		p := pipeline.New(pipeline.Config{OnError: func(f *frames.Error) { t.Errorf("reported: %v", f) }},
			mic, before, turns, novasonic.New(novasonic.Config{AWS: &aws}), turns.Tap(), behind, output)
		done := make(chan error, 1)
		go func() { done <- p.Run(context.Background()) }()

		time.Sleep(time.Second)
		mic.says("12")
		time.Sleep(4 * time.Second)
		mic.says("345") // barges in
		time.Sleep(7 * time.Second)
		heard := turns.Stats()
		if heard.Turns != 2 || heard.Interruptions != 0 || heard.Doubts != 0 || heard.Reminders != 0 {
			t.Errorf("after two turns it counts %+v", heard)
		}
		for where, w := range map[string]*witness{"before it": before, "behind the service": behind} {
			starts, stops := saw[*frames.UserStartedSpeaking](w), saw[*frames.UserStoppedSpeaking](w)
			if len(starts) != 2 || len(stops) != 2 {
				t.Errorf("%s, %d starts and %d stops came by, want the service's 2 of each", where, len(starts), len(stops))
			}
		}
		if len(saw[*frames.Interruption](behind)) != 1 {
			t.Error("the service's own interruption is not the only one")
		}

		turns.Mute(true)
		mic.says("999")
		time.Sleep(5 * time.Second)
		turns.Mute(false)
		time.Sleep(15 * time.Second)
		if got := turns.Stats(); got.Turns != 2 || got.Reminders != 1 {
			t.Errorf("after a mute and a silence it counts %+v, want one reminder and no turn", got)
		}
		var said []string
		for _, f := range saw[*frames.Transcription](behind) {
			said = append(said, f.Text)
		}
		if want := []string{"one two", "three four five"}; !slices.Equal(said, want) {
			t.Errorf("the service understood %q, want %q", said, want)
		}
		var answers []string
		for _, f := range saw[*frames.SpokenText](behind) {
			answers = append(answers, f.Text)
		}
		if len(answers) != 3 || answers[2] != "Yes, I am." {
			t.Errorf("the agent said %q, want the reminder answered at last", answers)
		}
		p.End("the test is over")
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		for _, s := range srv.Streams() {
			for _, v := range s.Violations {
				t.Errorf("a rule of the service was broken: %v", v.Text)
			}
		}
	})
}
