package sonictest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// trickle sends silence until the stream is over, or for d.
func (p *peer) trickle(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; time.Sleep(100 * time.Millisecond) {
		if p.sendFrame(p.frame([]byte(audioInput("A", silence(100*time.Millisecond))))) != nil {
			return
		}
	}
}

func TestAStreamLivesForEightMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		began := time.Now()
		p.send(opening()...)
		p.trickle(10 * time.Minute)
		got := p.failure()
		if !strings.HasPrefix(got, "modelTimeoutException: ") || !strings.HasSuffix(got, "Model has timed out in processing the request. Try your request again.") {
			t.Errorf("the stream ended with %q", got)
		}
		log, _ := srv.Stream(0)
		if log.End.At != 480*time.Second || time.Since(began) < 480*time.Second {
			t.Errorf("it ended at the age of %v, want 480 s", log.End.At)
		}
		if len(log.Violations) != 0 {
			t.Errorf("violations: %+v", log.Violations)
		}
	})
}

func TestAnIdleStreamIsClosed(t *testing.T) {
	const idle = "InternalErrorCode=532::Timed out waiting for audio bytes or interactive content. Please ensure gaps between audio bytes and interactive content are less than %d seconds."
	hundred := audioInput("A", silence(100*time.Millisecond))
	tests := map[string]struct {
		cfg    sonictest.Config
		model  string
		events []string
		after  func(p *peer)
		at     time.Duration
		want   string
	}{
		"that said nothing":         {at: 55 * time.Second, want: fmt.Sprintf(idle, 55)},
		"that waits with no audio":  {events: events(sessionStart, promptStart, system), at: 55 * time.Second, want: fmt.Sprintf(idle, 55)},
		"whose audio stopped":       {events: events(opening(), hundred), after: func(p *peer) { p.trickle(30 * time.Second) }, at: 84900 * time.Millisecond, want: fmt.Sprintf(idle, 55)},
		"on an account with 295 s":  {cfg: sonictest.Config{Limits: sonictest.Limits{Idle: 295 * time.Second}}, events: opening(), at: 295 * time.Second, want: fmt.Sprintf(idle, 295)},
		"of v1":                     {model: sonictest.ModelV1, events: opening(), at: 59 * time.Second, want: "Timed out waiting for input events"},
		"to which silence is quiet": {cfg: sonictest.Config{Behaviour: sonictest.Behaviour{SilenceCounts: sonictest.Off}}, events: opening(), after: func(p *peer) { p.trickle(2 * time.Minute) }, at: 55 * time.Second, want: fmt.Sprintf(idle, 55)},
		"kept by interactive text": {events: events(opening(), hundred), after: func(p *peer) {
			time.Sleep(50 * time.Second)
			p.send(text("C", "USER", true, "hello")...)
		}, at: 105 * time.Second, want: fmt.Sprintf(idle, 55)},
		"not kept by other text": {events: events(opening(), hundred), after: func(p *peer) {
			time.Sleep(50 * time.Second)
			p.send(text("C", "USER", false, "hello")...)
		}, at: 55 * time.Second, want: fmt.Sprintf(idle, 55)},
		"whose user is silent": {cfg: sonictest.Config{Limits: sonictest.Limits{UserSilence: 175 * time.Second}}, events: opening(), after: func(p *peer) { p.trickle(4 * time.Minute) },
			at: 175 * time.Second, want: "InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, test.cfg, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv, func(q *request) {
					if test.model != "" {
						q.model = test.model
					}
				})
				p.send(test.events...)
				if test.after != nil {
					test.after(p)
				}
				got := p.failure()
				if !strings.HasPrefix(got, "validationException: RequestId=") || !strings.HasSuffix(got, " : "+test.want) {
					t.Errorf("the stream ended with %q, want %q", got, test.want)
				}
				log, _ := srv.Stream(0)
				if d := log.End.At - test.at; d < 0 || d > 200*time.Millisecond {
					t.Errorf("it ended at the age of %v, want %v", log.End.At, test.at)
				}
			})
		})
	}
}

func TestErrorsAreIntroducedAsChosen(t *testing.T) {
	for prefix, want := range map[sonictest.Prefix]string{
		sonictest.PrefixRequestID: "validationException: RequestId=% : " + cannotParse,
		sonictest.PrefixErrors:    "validationException: RequestId=% : Error(s):\nError 1 : " + cannotParse,
		sonictest.PrefixNone:      "validationException: " + cannotParse,
	} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{Prefix: prefix}}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send("{}")
			got := p.failure()
			before, after, _ := strings.Cut(want, "%")
			if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTheInternalCodeOfAnErrorCanBeMissing(t *testing.T) {
	const told = "Timed out waiting for audio bytes or interactive content. Please ensure gaps between audio bytes and interactive content are less than 55 seconds."
	for prefix, want := range map[sonictest.Prefix]string{
		sonictest.PrefixNone: "validationException: InternalErrorCode=532::" + told,
		sonictest.PrefixBare: "validationException: " + told,
	} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{Prefix: prefix}}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening()...)
			if got := p.failure(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTheQuotaBoundsTheStreamsThatAreOpen(t *testing.T) {
	for name, test := range map[string]struct {
		exception, want string
		limit           int
	}{
		"by default":          {want: "ThrottlingException", limit: 20},
		"with less, as quota": {exception: "ServiceQuotaExceededException", want: "ServiceQuotaExceededException", limit: 2},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{Behaviour: sonictest.Behaviour{QuotaException: test.exception}}
			if test.limit != 20 {
				cfg.Limits.Streams = test.limit
			}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				var open1 []*peer
				for range test.limit {
					p := open(t, srv)
					p.send(opening()...)
					<-p.accepted
					open1 = append(open1, p)
				}
				refused := open(t, srv)
				if got := refused.failure(); !strings.HasPrefix(got, test.want) {
					t.Errorf("one stream too many ended with %q", got)
				}
				p := open1[0]
				p.send(audioInput("A", silence(time.Second)))
				p.send(closing()...)
				p.closeSend()
				if got := p.failure(); got != "EOF" {
					t.Fatalf("closing one ended with %q", got)
				}
				again := open(t, srv)
				again.send(opening()...)
				if reply := again.status(); reply == nil || reply.StatusCode != 200 {
					t.Error("there is no room though one was closed")
				}
			})
		})
	}
}

func TestAStreamThatIsOverEndsWithoutTheClientsHalfClose(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.send(audioInput("A", silence(time.Second)))
		p.send(closing()...)
		began := time.Now()
		if got := p.failure(); got != "EOF" {
			t.Errorf("the stream ended with %q", got)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("it ended after %v, want a second", d)
		}
	})
}

func TestAHalfCloseWithoutSessionEndIsTold(t *testing.T) {
	for refused, want := range map[bool]string{false: "EOF", true: invalidInput} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{HalfCloseRefused: refused}}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening()...)
			p.closeSend()
			if got := p.failure(); !strings.HasSuffix(got, want) {
				t.Errorf("refused %v: the stream ended with %q", refused, got)
			}
			if v := srv.Violations(); len(v) != 1 || v[0].Fatal != refused {
				t.Errorf("violations: %+v", v)
			}
		})
	}
}

func TestTheInputMustEndWithAnEmptySignedMessage(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.send(audioInput("A", silence(time.Second)))
		p.send(closing()...)
		p.body.Close()
		p.rest()
		if v := srv.Violations(); len(v) != 1 || !strings.Contains(v[0].Text, "empty signed message") {
			t.Errorf("violations: %+v", v)
		}
	})
}

func TestAnEndedStreamIsForgottenWhenOthersFollow(t *testing.T) {
	serve(t, sonictest.Config{KeepStreams: 3}, func(t *testing.T, srv *sonictest.Server) {
		for range 5 {
			p := open(t, srv)
			p.send("{}")
			p.rest()
		}
		if err := srv.WaitIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		logs := srv.Streams()
		if len(logs) != 3 || logs[0].Number != 2 || logs[2].Number != 4 {
			t.Errorf("%d streams are kept, want the last three of five", len(logs))
		}
	})
}
