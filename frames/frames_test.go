package frames_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// every built-in frame, with its class, whether an interruption drops it, and
// whether a full lane may.
var all = []struct {
	frame         frames.Frame
	class         frames.Class
	interruptible bool
	realtime      bool
}{
	{&frames.Start{}, frames.SystemClass, false, false},
	{&frames.End{}, frames.ControlClass, false, false},
	{&frames.Stop{}, frames.ControlClass, false, false},
	{&frames.Cancel{Err: errors.New("x")}, frames.SystemClass, false, false},
	{&frames.Interruption{}, frames.SystemClass, false, false},
	{&frames.Heartbeat{}, frames.ControlClass, false, false},
	{&frames.Error{Err: errors.New("x")}, frames.SystemClass, false, false},
	{&frames.Metrics{}, frames.SystemClass, false, false},
	{&frames.UpdateSettings{}, frames.ControlClass, false, false},
	{&frames.SwitchService{}, frames.ControlClass, false, false},
	{&frames.AudioInput{}, frames.SystemClass, false, true},
	{&frames.AudioOutput{}, frames.DataClass, true, false},
	{&frames.TTSStart{}, frames.ControlClass, true, false},
	{&frames.TTSStop{}, frames.ControlClass, false, false},
	{&frames.Playout{}, frames.SystemClass, false, true},
	{&frames.PausePlayout{}, frames.SystemClass, false, false},
	{&frames.ResumePlayout{}, frames.SystemClass, false, false},
	{&frames.PlayBackground{}, frames.SystemClass, false, false},
	{&frames.StopBackground{}, frames.SystemClass, false, false},
	{&frames.Text{}, frames.DataClass, true, false},
	{&frames.Transcription{}, frames.DataClass, false, false},
	{&frames.InterimTranscription{}, frames.DataClass, true, false},
	{&frames.LLMResponseStart{}, frames.ControlClass, true, false},
	{&frames.LLMText{}, frames.DataClass, true, false},
	{&frames.LLMResponseEnd{}, frames.ControlClass, false, false},
	{&frames.SpokenText{}, frames.DataClass, false, false},
	{&frames.VADStarted{}, frames.SystemClass, false, false},
	{&frames.VADStopped{}, frames.SystemClass, false, false},
	{&frames.UserStartedSpeaking{}, frames.SystemClass, false, false},
	{&frames.UserStoppedSpeaking{}, frames.SystemClass, false, false},
	{&frames.BotStartedSpeaking{}, frames.SystemClass, false, false},
	{&frames.BotStoppedSpeaking{}, frames.SystemClass, false, false},
	{&frames.FunctionCall{}, frames.ControlClass, true, false},
	{&frames.FunctionCallInProgress{}, frames.ControlClass, false, false},
	{&frames.FunctionCallResult{}, frames.ControlClass, false, false},
	{&frames.FunctionCallCancel{}, frames.SystemClass, false, false},
	{&frames.DTMFInput{Digit: '5'}, frames.SystemClass, false, false},
	{&frames.DTMFOutput{Digit: '5'}, frames.DataClass, true, false},
	{&frames.TransportMessageInput{}, frames.SystemClass, false, false},
	{&frames.TransportMessage{}, frames.DataClass, true, false},
	{&frames.TransportMessageUrgent{}, frames.SystemClass, false, false},
}

func TestEveryFrameHasItsClassAndSaysWhatItIs(t *testing.T) {
	for _, tc := range all {
		name := strings.TrimPrefix(fmt.Sprintf("%T", tc.frame), "*frames.")
		t.Run(name, func(t *testing.T) {
			if got := tc.frame.Class(); got != tc.class {
				t.Errorf("class %v, want %v", got, tc.class)
			}
			if got := frames.Interruptible(tc.frame); got != tc.interruptible {
				t.Errorf("interruptible: %v, want %v", got, tc.interruptible)
			}
			if got := frames.IsRealtime(tc.frame); got != tc.realtime {
				t.Errorf("realtime: %v, want %v", got, tc.realtime)
			}
			s := tc.frame.String()
			if !strings.HasPrefix(s, name) || strings.ContainsAny(s, "\n") {
				t.Errorf("it describes itself as %q", s)
			}
			if got := frames.Name(tc.frame); got != name+"#0" {
				t.Errorf("its name is %q", got)
			}
		})
	}
}

// Mood is a frame of another package.
type Mood struct {
	frames.Data
	Score float64
}

func TestAFrameOfAnotherPackageIsAFrame(t *testing.T) {
	var f frames.Frame = &Mood{Score: 1}
	var counter atomic.Uint64
	frames.Stamp(f, &counter)
	if f.Class() != frames.DataClass || !frames.Interruptible(f) || f.String() != "data frame #1" || frames.Name(f) != "frames_test.Mood#1" {
		t.Errorf("%v %v %v", f.Class(), f, frames.Name(f))
	}
}

func TestAFrameThatIsKeptSurvivesAndOthersOfItsTypeDoNot(t *testing.T) {
	for _, kept := range []frames.Frame{&frames.Text{}, &frames.LLMResponseStart{}, &Mood{}} {
		if f := frames.Keep(kept); f != kept || frames.Interruptible(kept) {
			t.Errorf("%v is %v, interruptible: %v", kept, f, frames.Interruptible(kept))
		}
	}
	if !frames.Interruptible(&frames.Text{}) {
		t.Error("another text survives as well")
	}
}

func TestAFrameIsStampedOnceByWhoeverComesFirst(t *testing.T) {
	var counter atomic.Uint64
	f := &frames.Text{}
	var wg sync.WaitGroup
	ids := make([]uint64, 50)
	for i := range ids {
		wg.Go(func() { ids[i] = frames.Stamp(f, &counter) })
	}
	wg.Wait()
	for _, id := range ids {
		if id != f.ID() || id == 0 {
			t.Fatalf("stamped %d, the frame is %d", id, f.ID())
		}
	}
	if next := frames.Stamp(&frames.Text{}, &counter); next <= f.ID() && next != 1 {
		t.Errorf("the next frame is %d", next)
	}
}

func TestAudioKnowsItsLengthAndEnd(t *testing.T) {
	a := frames.Audio{Format: audio.Stereo(audio.Rate16k), Samples: make([]int16, 640), Position: 1000}
	if a.Len() != 320 || a.End() != 1320 || a.Duration().Milliseconds() != 20 {
		t.Errorf("length %d, end %d, duration %v", a.Len(), a.End(), a.Duration())
	}
}

func TestNothingThatWasSaidGetsIntoALog(t *testing.T) {
	const secret = "my number is 4711"
	for _, f := range []frames.Frame{
		&frames.Text{Text: secret}, &frames.Transcription{Text: secret}, &frames.InterimTranscription{Text: secret},
		&frames.LLMText{Text: secret}, &frames.SpokenText{Text: secret},
		&frames.FunctionCall{Arguments: []byte(`"` + secret + `"`)}, &frames.FunctionCallResult{Result: []byte(`"` + secret + `"`)},
	} {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("hop", "frame", f)
		if strings.Contains(b.String(), "4711") {
			t.Errorf("%T: %s", f, b.String())
		}
	}
}

func TestErrorClassesSayWhetherToTryAgain(t *testing.T) {
	for class, want := range map[frames.ErrorClass]bool{
		frames.ErrorUnknown: false, frames.ErrorAuthentication: false, frames.ErrorInvalidRequest: false, frames.ErrorRateLimit: true,
		frames.ErrorQuota: false, frames.ErrorConnectivity: true, frames.ErrorServer: true, frames.ErrorApplication: false,
	} {
		if got := class.Temporary(); got != want {
			t.Errorf("%v: temporary %v, want %v", class, got, want)
		}
		if strings.Contains(class.String(), "(") {
			t.Errorf("class %d has no name", class)
		}
	}
	if d := frames.Upstream.Opposite(); d != frames.Downstream || d.String() != "downstream" {
		t.Errorf("the opposite of upstream is %v", d)
	}
}

func TestSettingsAreTakenByValueAndByPointer(t *testing.T) {
	type mine struct{ n int }
	type others struct{ n int }
	for _, c := range []struct {
		settings any
		want     mine
		ok       bool
	}{
		{mine{1}, mine{1}, true}, {&mine{2}, mine{2}, true}, {(*mine)(nil), mine{}, false}, {others{3}, mine{}, false}, {nil, mine{}, false},
	} {
		if got, ok := frames.SettingsOf[mine](&frames.UpdateSettings{Settings: c.settings}); got != c.want || ok != c.ok {
			t.Errorf("%#v: %v, %v", c.settings, got, ok)
		}
	}
}

func TestAMeasurementSaysWhatItIsOf(t *testing.T) {
	f := &frames.Metrics{Processor: "mood", Values: []frames.Metric{
		{Name: "mood.think", Value: 0.25, Unit: "s"},
		{Name: "mood.words", Value: 3, Unit: "{word}", Attributes: []frames.Attribute{{Key: "language", Value: "de"}}},
	}}
	if got, want := f.String(), "Metrics(mood [{mood.think 0.25 s} {mood.words 3 {word} language=de}])"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
