package novasonic_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/tool"
)

func TestAnOpenThatFailsForAPassingReasonIsTriedAgain(t *testing.T) {
	for name, fault := range map[string]sonictest.Action{
		"throttled":   sonictest.Refuse(429, "ThrottlingException", "Too many requests, please wait before trying again."),
		"unavailable": sonictest.Refuse(503, "ServiceUnavailableException", "The service is unavailable."),
		"internal":    sonictest.Refuse(500, "InternalServerException", "Something went wrong."),
		"lost":        sonictest.KillConnection(),
		"unstable":    sonictest.Instability(),
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{Brain: answering("At last."), Faults: []sonictest.Fault{{Streams: []int{0, 1}, Do: fault, Input: "sessionStart"}}}
			if strings.HasPrefix(name, "throttled") || name == "unavailable" || name == "internal" {
				sc.Faults[0].Input = ""
			}
			call(t, sc, novasonic.Config{}, func(r *rig) {
				r.waits(5 * time.Second)
				r.says("1")
				r.waitsFor("answer", isA[*frames.SpokenText])
				if n := len(r.streams()); n != 3 {
					t.Errorf("%d opens, want 3", n)
				}
			})
		})
	}
}

func TestTheStartFailsWithTheClassOfTheFailure(t *testing.T) {
	refuse := func(status int, name, text string) []sonictest.Fault {
		return []sonictest.Fault{{Do: sonictest.Refuse(status, name, text)}}
	}
	for name, tc := range map[string]struct {
		sc      sonictest.Config
		nc      novasonic.Config
		class   frames.ErrorClass
		mention string
		opens   int
	}{
		"throttled for ever": {sonictest.Config{Faults: refuse(429, "ThrottlingException", "Too many requests")}, novasonic.Config{}, frames.ErrorRateLimit, "Too many requests", 4},
		"access denied":      {sonictest.Config{Faults: refuse(403, "AccessDeniedException", "You don't have access to the model")}, novasonic.Config{}, frames.ErrorAuthentication, "bedrock:InvokeModel", 1},
		"expired token":      {sonictest.Config{Faults: refuse(403, "ExpiredTokenException", "The security token included in the request is expired")}, novasonic.Config{}, frames.ErrorAuthentication, "renew", 1},
		"unknown model":      {sonictest.Config{}, novasonic.Config{Model: "amazon.nova-3-sonic-v1:0"}, frames.ErrorInvalidRequest, "model id", 1},
		"unknown voice":      {sonictest.Config{}, novasonic.Config{Voice: "joanna"}, frames.ErrorInvalidRequest, "matthew", 0},
		"a tool choice that it minds": {sonictest.Config{Behaviour: sonictest.Behaviour{RefuseToolChoice: true}}, novasonic.Config{Tools: tool.Set{clock}, ToolChoice: novasonic.ToolAny()},
			frames.ErrorInvalidRequest, "leave ToolChoice unset", 1},
		"never accepted":   {sonictest.Config{Faults: []sonictest.Fault{{Do: sonictest.SlowHeaders(time.Hour)}}}, novasonic.Config{OpenAttempts: 1, OpenTimeout: 5 * time.Second}, frames.ErrorUnknown, "open stream to amazon.nova-2-sonic-v1:0 at http://parley-emulator.invalid (us-east-1): the service did not accept the stream in time: nothing came from it for 5s; check the endpoint", 1},
		"never, and again": {sonictest.Config{Faults: []sonictest.Fault{{Do: sonictest.SlowHeaders(time.Hour)}}}, novasonic.Config{OpenAttempts: 2, OpenTimeout: 5 * time.Second}, frames.ErrorUnknown, "nothing came from it for 1", 2}, // 10 s and the pause between
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tc.sc, tc.nc)
				<-r.done
				r.srv.Close()
				var failure *pipeline.Error
				if !errors.As(r.runErr, &failure) {
					t.Fatalf("the run ended with %v", r.runErr)
				}
				if failure.Processor != "novasonic" || failure.Class != tc.class && tc.class != frames.ErrorUnknown || !strings.Contains(r.runErr.Error(), tc.mention) {
					t.Errorf("the run ended with %v (%v), want class %v and a mention of %q", r.runErr, failure.Class, tc.class, tc.mention)
				}
				if strings.Contains(r.runErr.Error(), "\n") {
					t.Errorf("more than one line: %q", r.runErr)
				}
				if n := len(r.streams()); n != tc.opens {
					t.Errorf("%d opens, want %d", n, tc.opens)
				}
			})
		})
	}
}

func TestMissingCredentialsAndRegionAreNamedAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg     aws.Config
		mention string
	}{
		"no credentials": {aws.Config{Region: "us-east-1"}, "credentials"},
		"no region": {aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		})}, "region"},
		"broken credentials": {aws.Config{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the key file is gone")
		})}, "the key file is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				r := start(t, sonictest.Config{}, novasonic.Config{AWS: &tc.cfg})
				<-r.done
				r.srv.Close()
				if r.runErr == nil || !strings.Contains(r.runErr.Error(), tc.mention) {
					t.Errorf("the run ended with %v, want a mention of %q", r.runErr, tc.mention)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestAConversationOutlivesItsStream(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	for name, fault := range map[string]sonictest.Action{
		"timed out":       sonictest.TimedOut(),
		"idle":            sonictest.Idle532(),
		"531":             sonictest.Closed531(),
		"instability":     sonictest.Instability(),
		"reset":           sonictest.Reset(),
		"clean end":       sonictest.EndStream(),
		"truncated":       sonictest.Truncate(),
		"bad checksum":    sonictest.BadCRC(),
		"connection lost": sonictest.KillConnection(),
		"model error":     sonictest.Exception("modelStreamErrorException", "The system encountered an unexpected error during processing. Try your request again."),
		"unknown error":   sonictest.Exception("somethingNewException", "Nobody has seen this."),
		"error message":   sonictest.ErrorMessage("InternalFailure", "It broke."),
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{Brain: answering("The first answer.", "The second answer.")}
			// The brain counts turns for each stream; the second stream is
			// asked the second question.
			sc.Brain = sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
				return sonictest.Say("You said " + turn.Text + ".")
			})
			call(t, sc, novasonic.Config{}, func(r *rig) {
				r.says("1")
				r.waits(10 * time.Second)
				r.strike(0, fault)
				r.waits(3 * time.Second)
				r.says("23")
				r.waits(8 * time.Second)

				if got, want := texts(r, func(f *frames.SpokenText) string { return f.Text }), []string{"You said one.", "You said two three."}; !slices.Equal(got, want) {
					t.Errorf("the agent said %q, want %q", got, want)
				}
				streams := r.streams()
				if len(streams) != 2 {
					t.Fatalf("%d streams, want 2", len(streams))
				}
				if got, want := streams[1].History, []sonictest.Message{{Role: "USER", Text: "one two three"[:3]}, {Role: "ASSISTANT", Text: "You said one."}}; !slices.Equal(got, want) {
					t.Errorf("the second stream was told %+v, want %+v", got, want)
				}
				if errs := r.ear.errors(); len(errs) != 1 || errs[0].Fatal || !errors.Is(errs[0].Err, novasonic.ErrContinuing) {
					t.Errorf("errors: %v, want one that is not fatal", errs)
				}
			})
		})
	}
}

func TestWhatTheUserSaysWhileAStreamDiesIsAnsweredByTheNext(t *testing.T) {
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("You said " + turn.Text + ".")
	})}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.waits(2 * time.Second)
		go func() {
			time.Sleep(time.Second)
			r.strike(0, sonictest.Reset())
		}()
		r.says("1234567") // about two seconds
		r.waits(10 * time.Second)
		got := texts(r, func(f *frames.SpokenText) string { return f.Text })
		if want := []string{"You said one two three four five six seven."}; !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
	})
}

func TestAConversationThatCannotBeContinuedEndsWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sonictest.Config{Faults: []sonictest.Fault{{After: 2 * time.Second, Do: sonictest.Instability()}}}, novasonic.Config{})
		<-r.done
		r.srv.Close()
		if !errors.Is(r.runErr, novasonic.ErrGaveUp) || !strings.Contains(r.runErr.Error(), "System instability") {
			t.Errorf("the run ended with %v", r.runErr)
		}
		if n := len(r.streams()); n < 2 || n > 10 {
			t.Errorf("%d streams were tried", n)
		}
	})
}

func TestAPeerThatStopsReadingIsNoticed(t *testing.T) {
	sc := sonictest.Config{
		Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
			return sonictest.Say("You said " + turn.Text + ".")
		}),
		Faults: []sonictest.Fault{{Streams: []int{0}, After: 5 * time.Second, Do: sonictest.Stall()}},
	}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.waits(30 * time.Second)
		r.says("9")
		r.waits(8 * time.Second)
		if got := texts(r, func(f *frames.SpokenText) string { return f.Text }); !slices.Equal(got, []string{"You said nine."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestCancellingTheRunEndsEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sonictest.Config{}, novasonic.Config{})
		r.says("1")
		r.waits(time.Second)
		began := time.Now()
		r.pipe.Cancel("enough", nil)
		<-r.done
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		r.srv.Close()
		if kind := r.streams()[0].End.Kind; kind != sonictest.ClosedBoth {
			t.Errorf("the stream was %v", kind)
		}
	})
}

func TestATypedQuestionThatAStreamTookToItsGraveIsAskedAgain(t *testing.T) {
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("You wrote " + turn.Text + ".")
	})}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.waits(2 * time.Second)
		if err := r.pipe.Send(context.Background(), &frames.Text{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		r.waits(100 * time.Millisecond)
		r.strike(0, sonictest.Reset())
		r.waits(10 * time.Second)
		if got := texts(r, func(f *frames.SpokenText) string { return f.Text }); !slices.Equal(got, []string{"You wrote hello."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestAudioThatMakesNoSenseIsReportedOnce(t *testing.T) {
	call(t, sonictest.Config{}, novasonic.Config{}, func(r *rig) {
		for range 20 {
			f := &frames.AudioInput{Audio: frames.Audio{Samples: make([]int16, 320), Track: "caller"}}
			if err := r.pipe.Send(context.Background(), f); err != nil {
				t.Fatal(err)
			}
		}
		r.waits(time.Second)
		// The caller's own frames come between, so the format changes back and
		// forth; what counts is that the call goes on.
		for _, e := range r.ear.errors() {
			if e.Kind != frames.ErrorInvalidRequest || e.Fatal {
				t.Errorf("error %v", e)
			}
		}
		if len(r.ear.errors()) == 0 {
			t.Error("nobody was told")
		}
	})
}

func TestACallLastsLongerThanAConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("You said " + turn.Text + ".")
	})}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		var want []string
		for i := range 60 { // 20 minutes; a connection lives for 8
			r.says(strconv.Itoa(i))
			want = append(want, "You said "+hearing.Words(strconv.Itoa(i))+".")
			r.waits(20*time.Second - time.Since(r.began)%(20*time.Second))
		}
		if got := texts(r, func(f *frames.SpokenText) string { return f.Text }); !slices.Equal(got, want) {
			t.Errorf("the agent said %q", got)
		}
		if n := len(r.streams()); n != 4 {
			t.Errorf("%d streams were used, want 4", n)
		}
		if errs := r.ear.errors(); len(errs) > 0 {
			t.Errorf("errors: %v", errs)
		}
	})
}
