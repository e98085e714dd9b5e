package novasonic_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
)

func TestTheServiceKeepsThePipelinesContract(t *testing.T) {
	pipelinetest.Check(t, func() pipeline.Processor {
		srv := sonictest.NewServer(sonictest.Config{})
		if err := srv.StartPipe(); err != nil {
			panic(err)
		}
		cfg := srv.AWSConfig()
		return &withServer{novasonic.New(novasonic.Config{AWS: &cfg}), srv}
	})
}

// withServer takes the emulator down with the service.
type withServer struct {
	*novasonic.Service
	srv *sonictest.Server
}

func (s *withServer) Start(ctx context.Context, out *pipeline.Port) error {
	err := s.Service.Start(ctx, out)
	if err != nil {
		s.srv.Close()
	}
	return err
}

func (s *withServer) Close(ctx context.Context) error {
	return errors.Join(s.Service.Close(ctx), s.srv.Close())
}

// saysBack is a model that says back what it heard.
var saysBack = sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
	return sonictest.Say("You said " + turn.Text + ".")
})

func spoken(r *rig) []string {
	return texts(r, func(f *frames.SpokenText) string { return f.Text })
}

// reported counts the errors that have something to say.
func (r *rig) reported(about string) (n int) {
	for _, f := range r.ear.errors() {
		if strings.Contains(f.String(), about) {
			n++
		}
	}
	return n
}

func TestATextThatTheServiceMindsEndsNoConversation(t *testing.T) {
	sc := sonictest.Config{Brain: saysBack, Behaviour: sonictest.Behaviour{Blocked: []string{"forbidden"}}}
	synctest.Test(t, func(t *testing.T) { // what is blocked breaks the service's rules
		r := start(t, sc, novasonic.Config{})
		defer r.srv.Close()
		r.waits(30 * time.Second)
		if err := r.pipe.Send(context.Background(), &frames.Text{Text: "something forbidden"}); err != nil {
			t.Error(err)
		}
		r.waits(10 * time.Second)
		if err := r.pipe.Send(context.Background(), &frames.Text{Text: "hello"}); err != nil {
			t.Error(err)
		}
		r.waits(10 * time.Second)
		r.pipe.End("the test is over")
		<-r.done
		if r.runErr != nil {
			t.Errorf("the run ended with %v", r.runErr)
		}
		if n := len(r.streams()); n != 3 {
			t.Errorf("%d streams were opened, want the first and one more for each that the text has ended", n)
		}
		if got := spoken(r); !slices.Equal(got, []string{"You said hello."}) {
			t.Errorf("the agent said %q", got)
		}
		if n := r.reported("a text of the user's is given up"); n != 1 {
			t.Errorf("it was reported %d times", n)
		}
	})
}

func TestWordsThatEndEveryStreamEndNoConversation(t *testing.T) {
	for name, tc := range map[string]struct {
		do      sonictest.Action
		streams int
	}{
		"the service minds them": {sonictest.Exception("validationException", "This request has been blocked by our content filters."), 3},
		"it does not say":        {sonictest.Reset(), 7},
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{Brain: saysBack}
			for n := range tc.streams - 1 {
				sc.Faults = append(sc.Faults, sonictest.Fault{Streams: []int{n}, Output: "textOutput", Do: tc.do})
			}
			call(t, sc, novasonic.Config{}, func(r *rig) {
				for n := range tc.streams {
					r.struck.Store(n, true)
				}
				r.waits(30 * time.Second)
				r.says("1")
				r.waits(25 * time.Second)
				r.says("2")
				r.waits(5 * time.Second)
				if n := len(r.streams()); n != tc.streams {
					t.Errorf("%d streams were opened, want %d", n, tc.streams)
				}
				if got := spoken(r); !slices.Equal(got, []string{"You said two."}) {
					t.Errorf("the agent said %q", got)
				}
				if n := r.reported("what the user said last is given up"); n != 1 {
					t.Errorf("it was reported %d times", n)
				}
			})
		})
	}
}

func TestAToneMovesTheConversationSeldomAndFailsNothing(t *testing.T) {
	call(t, sonictest.Config{Brain: saysBack}, novasonic.Config{}, func(r *rig) {
		// The service takes it for speech without an end; by its loudness it is
		// no sound, since it never changes.
		tone := make([]int16, int(r.caller.rate)*90)
		for i := range tone {
			tone[i] = int16(9000 * (i / 18 % 2))
		}
		<-r.caller.say(tone)
		r.waits(12 * time.Second)
		r.says("2")
		r.waits(5 * time.Second)
		if n := len(r.ear.errors()); n > 0 {
			t.Errorf("%d errors, the first is %v", n, r.ear.errors()[0])
		}
		if n := len(r.streams()); n > 7 {
			t.Errorf("%d streams were opened", n)
		}
		if got := spoken(r); len(got) == 0 || !strings.Contains(got[len(got)-1], "two") {
			t.Errorf("the agent said %q", got)
		}
		for _, w := range of[*novasonic.Swap](r) {
			if w.Reason != novasonic.SwapDoubt {
				t.Errorf("it moved for %s", w.Reason)
			}
		}
	})
}

func TestAnEndWaitsForTheAnswerToWhatWasJustSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		after  time.Duration
		speech sonictest.Switch
	}{
		"at once": {0, sonictest.On}, "soon": {300 * time.Millisecond, sonictest.On}, "later": {700 * time.Millisecond, sonictest.On},
		"at once, and the service does not tell of speech": {0, sonictest.Off},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, sonictest.Config{Brain: saysBack, Behaviour: sonictest.Behaviour{UserSpeech: tc.speech}}, novasonic.Config{})
				r.waits(5 * time.Second)
				r.says("1")
				r.waits(tc.after)
				r.pipe.End("the caller has hung up")
				<-r.done
				r.srv.Close()
				if got := spoken(r); r.runErr != nil || !slices.Equal(got, []string{"You said one."}) {
					t.Errorf("the agent said %q, and the run ended with %v", got, r.runErr)
				}
			})
		})
	}
}

func TestNoAnswerIsWaitedForWhenTheCallerIsGone(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "before the answer": 700 * time.Millisecond, "in the answer": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, sonictest.Config{Brain: saysBack}, novasonic.Config{})
				r.waits(5 * time.Second)
				r.says("1234567890")
				r.waits(after)
				began := time.Now()
				if err := r.pipe.Send(context.Background(), &frames.End{Reason: "the caller has hung up", Gone: true}); err != nil {
					t.Fatal(err)
				}
				<-r.done
				took := time.Since(began)
				r.srv.Close()
				if r.runErr != nil || took > 2500*time.Millisecond {
					t.Errorf("it took %v to the end: %v", took, r.runErr)
				}
				if got := texts(r, func(f *frames.Transcription) string { return f.Text }); len(got) != 1 {
					t.Errorf("what the caller said last is told as %q", got)
				}
			})
		})
	}
}

func TestAnEndDoesNotWaitWhereNothingWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sonictest.Config{Brain: saysBack}, novasonic.Config{})
		r.waits(5 * time.Second)
		began := time.Now()
		r.pipe.End("the caller has hung up")
		<-r.done
		r.srv.Close()
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAStopComesBehindTheAnswerToWhatWasAskedBefore(t *testing.T) {
	call(t, sonictest.Config{Brain: saysBack}, novasonic.Config{}, func(r *rig) {
		r.waits(time.Second)
		for _, f := range []frames.Frame{&frames.Text{Text: "hello"}, &frames.Stop{}} {
			if err := r.pipe.Send(context.Background(), f); err != nil {
				t.Error(err)
			}
		}
		r.waits(10 * time.Second)
		seen := r.ear.all()
		stop := slices.IndexFunc(seen, func(f frames.Frame) bool { _, ok := f.(*frames.Stop); return ok })
		end := slices.IndexFunc(seen, func(f frames.Frame) bool { _, ok := f.(*frames.LLMResponseEnd); return ok })
		if stop < 0 || end < 0 || stop < end {
			t.Errorf("the answer ended at %d, and the stop came at %d", end, stop)
		}
		r.says("1")
		r.waits(5 * time.Second)
		if got := spoken(r); !slices.Equal(got, []string{"You said hello.", "You said one."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestAnEmptyTextIsNoText(t *testing.T) {
	call(t, sonictest.Config{Brain: saysBack}, novasonic.Config{DTMF: novasonic.DTMFConfig{Format: func(string) string { return "" }}}, func(r *rig) {
		r.waits(time.Second)
		for _, text := range []string{"", " \n"} {
			if err := r.pipe.Send(context.Background(), &frames.Text{Text: text}); err != nil {
				t.Error(err)
			}
		}
		if err := r.pipe.Send(context.Background(), &frames.DTMFInput{Digit: '#'}); err != nil {
			t.Error(err)
		}
		r.waits(3 * time.Second)
		for _, l := range r.streams() {
			if len(l.Texts) > 0 {
				t.Errorf("the service was told %+v", l.Texts)
			}
		}
	})
}

func TestAResultThatFitsIntoNoEventFails(t *testing.T) {
	huge := tool.Must(tool.New("fetch", "Fetches.", func(context.Context, struct{}) (map[string]string, error) {
		return map[string]string{"page": strings.Repeat("x", 1<<20)}, nil
	}, tool.MaxResult(4<<20)))
	brain := sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.ToolResults {
			return sonictest.Say("I have read it.")
		}
		return sonictest.Call("fetch", "{}")
	})
	call(t, sonictest.Config{Brain: brain}, novasonic.Config{Tools: tool.Set{huge}}, func(r *rig) {
		r.waits(time.Second)
		r.says("1")
		r.waits(5 * time.Second)
		calls := r.streams()[0].Calls
		if len(calls) != 1 || !strings.Contains(calls[0].Result, "at most 262144") {
			t.Errorf("the service was told %.200v", calls)
		}
		if got := spoken(r); !slices.Equal(got, []string{"I have read it."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestWhatComesLateIsHeardWithoutSilenceInIt(t *testing.T) {
	for range 10 {
		// The keys' format holds the conversation up, as a machine that is short
		// of time does.
		nc := novasonic.Config{DTMF: novasonic.DTMFConfig{Format: func(keys string) string {
			time.Sleep(400 * time.Millisecond)
			return keys
		}}}
		call(t, sonictest.Config{Brain: saysBack}, nc, func(r *rig) {
			r.waits(2 * time.Second)
			said := r.caller.say(hearing.Speak(r.caller.rate, "12345"))
			r.waits(300 * time.Millisecond)
			if err := r.pipe.Send(context.Background(), &frames.DTMFInput{Digit: '#'}); err != nil {
				t.Error(err)
			}
			<-said
			r.waits(2 * time.Second)
			sent := 0
			for _, f := range of[*frames.AudioInput](r) {
				sent += len(f.Samples)
			}
			var heard int64
			for _, b := range r.streams()[0].Audio {
				if n := len(b.Arrivals); n > 0 {
					heard += int64(b.Arrivals[n-1].End)
				}
			}
			if extra := heard - int64(sent); extra > int64(r.caller.rate)/50 {
				t.Errorf("the service heard %v more than was sent", r.caller.rate.Duration(extra))
			}
		})
	}
}

func TestASpeakingEventIsAFrameOfItsOwnInEachDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prepare(t, sonictest.Config{Brain: saysBack}, novasonic.Config{})
		ids := map[uint64]int{}
		count := func(f frames.Frame) {
			switch f.(type) {
			case *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking:
				ids[f.ID()]++
			}
		}
		before := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			count(f)
			return out.Send(ctx, f, dir)
		})
		r.pipe = pipeline.New(pipeline.Config{}, r.caller, before, r.sonic, r.ear)
		r.run()
		r.waits(time.Second)
		r.says("1")
		r.waits(3 * time.Second)
		r.pipe.End("the test is over")
		<-r.done
		r.srv.Close()
		for _, f := range r.ear.all() {
			count(f)
		}
		if len(ids) != 4 {
			t.Errorf("the frames that tell of one utterance, upstream and downstream, have the identities %v; want 4", ids)
		}
	})
}

// A stream that was slow to open has had no time to tell of what it is only just
// given to hear.
func TestAStreamThatWasSlowToOpenIsNotDoubtedForIt(t *testing.T) {
	sc := sonictest.Config{Brain: saysBack, Distance: 30 * time.Millisecond, Faults: []sonictest.Fault{
		{Streams: []int{0}, Output: "textOutput", Do: sonictest.Reset()},
		{Streams: []int{1}, Do: sonictest.SlowHeaders(7 * time.Second)},
	}}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.struck.Store(0, true)
		r.waits(5 * time.Second)
		r.says("1")
		r.waits(15 * time.Second)
		if n := len(r.streams()); n != 2 {
			t.Errorf("%d streams were opened, want 2", n)
		}
		if got := spoken(r); !slices.Equal(got, []string{"You said one."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

// What is given up is not heard in part, because a stream had not been given all of
// it when it died.
func TestWhatIsGivenUpIsGivenUpWhole(t *testing.T) {
	minds := sonictest.Exception("validationException", "This request has been blocked by our content filters.")
	sc := sonictest.Config{Brain: saysBack, Distance: 50 * time.Millisecond, Faults: []sonictest.Fault{
		{Streams: []int{0}, Output: "textOutput", Do: minds},
		{Streams: []int{1}, Input: "audioInput", Nth: 2, Do: minds},
	}}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.struck.Store(0, true)
		r.struck.Store(1, true)
		r.waits(5 * time.Second)
		r.says("12345678901234567890")
		r.waits(15 * time.Second)
		r.says("2")
		r.waits(5 * time.Second)
		if n := len(r.streams()); n != 3 {
			t.Errorf("%d streams were opened, want 3", n)
		}
		if got := spoken(r); !slices.Equal(got, []string{"You said two."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}
