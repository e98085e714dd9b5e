package novasonic_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/demo"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// bargeIn is where somebody speaks in the recording bargein.wav, and what, as
// testdata/calls says.
var bargeIn = []struct {
	from, to time.Duration
	text     string
}{
	{1000 * time.Millisecond, 3910 * time.Millisecond, "Hi there. Can you tell me how a full service works?"},
	{11410 * time.Millisecond, 14670 * time.Millisecond, "Sorry, let me stop you there. How much does it cost?"},
	{19400 * time.Millisecond, 20850 * time.Millisecond, "And how long does it take?"},
	{26340 * time.Millisecond, 28740 * time.Millisecond, "That is all that I wanted to know. Goodbye."},
}

// A voice activity detector in front of Nova Sonic, as the design has it: on a
// recorded call with a barge-in, whether or not the service itself tells of
// speech, and while the conversation moves to another stream in mid-sentence.
func TestACallWithADetectorInFront(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	script, err := demo.Script()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := audiofile.Open("../../testdata/calls/bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	var recording []int16
	for piece := make([]int16, 4096); ; {
		n, err := reader.Read(piece)
		if recording = append(recording, piece[:n]...); err != nil {
			break // the length tells whether it was the end
		}
	}
	if err := reader.Close(); err != nil || reader.Format() != audio.Mono(audio.Rate8k) || len(recording) < 30*8000 {
		t.Fatalf("%d samples in %v, %v", len(recording), reader.Format(), err)
	}

	for name, c := range map[string]struct {
		tells  sonictest.Switch
		rotate time.Duration
	}{
		"the service tells of speech, too":          {sonictest.On, 0},
		"only the detector tells of speech":         {sonictest.Off, 0},
		"it moves while the caller speaks":          {sonictest.Off, 12500 * time.Millisecond},
		"it moves between two of the caller's":      {sonictest.Off, 23 * time.Second},
		"it moves while the caller speaks, told":    {sonictest.On, 12500 * time.Millisecond},
		"it moves right behind a caller's sentence": {sonictest.Off, 14800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := prepare(t, sonictest.Config{Seed: 1, Brain: script.Brain(), Library: script.Library(), Behaviour: sonictest.Behaviour{UserSpeech: c.tells}}, novasonic.Config{})
				r.caller.rate = audio.Rate8k
				watch := &watch{began: r.began}
				r.pipe = pipeline.New(pipeline.Config{OnError: r.ear.failed, EndTimeout: 2 * time.Minute}, r.caller, watch, vad.New(vad.Config{}), r.sonic, r.ear)
				r.caller.say(recording)
				r.run()
				if c.rotate > 0 {
					r.waits(c.rotate)
					if err := r.sonic.Rotate(context.Background(), "now"); err != nil {
						t.Error(err)
					}
				}
				r.waits(40*time.Second - time.Since(r.began))
				r.pipe.End("the test is over")
				<-r.done
				r.srv.Close()
				if errs := r.ear.errors(); r.runErr != nil || len(errs) > 0 {
					t.Errorf("the run ended with %v, and errors %v", r.runErr, errs)
				}

				started, stopped := of[*frames.VADStarted](r), of[*frames.VADStopped](r)
				if len(started) != len(bargeIn) || len(stopped) != len(bargeIn) {
					t.Fatalf("%d beginnings and %d ends of %d utterances", len(started), len(stopped), len(bargeIn))
				}
				for i, u := range bargeIn {
					from, to := audio.Rate8k.Duration(int64(started[i].Position))-u.from, audio.Rate8k.Duration(int64(stopped[i].Position))-u.to
					if from < -100*time.Millisecond || from > 50*time.Millisecond || to < -100*time.Millisecond || to > 100*time.Millisecond {
						t.Errorf("utterance %d was found with its beginning off by %v and its end by %v", i, from, to)
					}
					// Upstream, they are told as soon as it is certain: Start, or Stop, after
					// the sample itself, and a window at most.
					for _, told := range []struct{ late, want time.Duration }{
						{watch.started[i] - u.from, 200 * time.Millisecond}, {watch.stopped[i] - u.to, 800 * time.Millisecond},
					} {
						if told.late < told.want-100*time.Millisecond || told.late > told.want+300*time.Millisecond {
							t.Errorf("utterance %d was told of after %v, want %v or a little more", i, told.late, told.want)
						}
					}
				}

				want := make([]string, len(bargeIn))
				for i, u := range bargeIn {
					want[i] = u.text
				}
				if got := texts(r, func(f *frames.Transcription) string { return f.Text }); !slices.Equal(got, want) {
					t.Errorf("the caller is said to have said %q", got)
				}
				said := strings.Join(texts(r, func(f *frames.SpokenText) string { return strings.TrimSpace(f.Text) }), " ")
				for _, s := range []string{"With pleasure.", "A full service is ninety pounds. Parts are extra.", "Two days. If you bring it on Monday, you have it back on Wednesday.", "Goodbye, and ride safely."} {
					if strings.Count(said, s) != 1 {
						t.Errorf("the agent has said %q %d times in %q", s, strings.Count(said, s), said)
					}
				}
				if strings.Contains(said, "around the block") {
					t.Errorf("the barge-in did not stop the agent, who said %q", said)
				}
			})
		})
	}
}

// watch notes when events of the detector come by on their way upstream.
type watch struct {
	began            time.Time
	mu               sync.Mutex
	started, stopped []time.Duration
}

func (*watch) Name() string { return "watch" }

func (w *watch) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	w.mu.Lock()
	if dir == frames.Upstream {
		switch f.(type) {
		case *frames.VADStarted:
			w.started = append(w.started, time.Since(w.began))
		case *frames.VADStopped:
			w.stopped = append(w.stopped, time.Since(w.began))
		}
	}
	w.mu.Unlock()
	return out.Send(ctx, f, dir)
}
