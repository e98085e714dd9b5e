package sonictest_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestAFaultEndsTheStreamAsAsked(t *testing.T) {
	tests := map[string]struct {
		do      sonictest.Action
		want    string // how the stream ends for the client
		message string // in the log
	}{
		"a modelled exception":     {sonictest.Exception("modelStreamErrorException", "no"), "modelStreamErrorException: RequestId=", "no"},
		"an unknown exception":     {sonictest.Exception("strangeException", "no"), "strangeException: RequestId=", "no"},
		"an error message":         {sonictest.ErrorMessage("Strange", "no"), "Strange: no", "no"},
		"instability":              {sonictest.Instability(), "validationException: RequestId=", "System instability detected. Please retry your request."},
		"531":                      {sonictest.Closed531(), "validationException: RequestId=", "InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"},
		"532":                      {sonictest.Idle532(), "validationException: RequestId=", "less than 55 seconds."},
		"the end of eight minutes": {sonictest.TimedOut(), "modelTimeoutException: RequestId=", "Model has timed out in processing the request. Try your request again."},
		"RST_STREAM":               {sonictest.Reset(), "stream error: stream ID 1; INTERNAL_ERROR; received from peer", "RST_STREAM"},
		"a clean end":              {sonictest.EndStream(), "EOF", "END_STREAM"},
		"half a message":           {sonictest.Truncate(), "unexpected EOF", "truncated message"},
		"a bad checksum":           {sonictest.BadCRC(), "message checksum mismatch", ""},
		"a lost connection":        {sonictest.KillConnection(), "", "connection closed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
				srv.AddFault(sonictest.Fault{After: 3 * time.Second, Do: test.do})
				p := open(t, srv)
				began := time.Now()
				p.send(opening()...)
				p.trickle(5 * time.Second)
				p.body.CloseWithError(errors.New("gives up"))
				got := p.failure()
				if got == "" || !strings.Contains(got, test.want) {
					t.Errorf("the stream ended with %q, want %q", got, test.want)
				}
				if d := time.Since(began); d < 3*time.Second || d > 6*time.Second {
					t.Errorf("it ended after %v", d)
				}
				synctest.Wait()
				log, _ := srv.Stream(0)
				if test.message == "" { // a bad checksum leaves the stream open: the client goes
					if log.End.Kind != sonictest.Dropped {
						t.Errorf("the log says %+v", log.End)
					}
				} else if log.End.Kind != sonictest.Faulted || !strings.HasSuffix(log.End.Message, test.message) || log.End.At != 3*time.Second {
					t.Errorf("the log says %+v", log.End)
				}
			})
		})
	}
}

func TestAFaultStrikesAtTheEventThatItWaitsFor(t *testing.T) {
	tests := map[string]struct {
		fault sonictest.Fault
		last  string // the last output event
	}{
		"the third audioOutput":       {sonictest.Fault{Output: "audioOutput", Nth: 3}, "audioOutput"},
		"the first toolUse":           {sonictest.Fault{Output: "toolUse"}, "toolUse TOOL"},
		"the first event":             {sonictest.Fault{Output: "*"}, "usageEvent"},
		"the second input audio":      {sonictest.Fault{Input: "audioInput", Nth: 2}, "usageEvent"},
		"the first audio after 1.3 s": {sonictest.Fault{Input: "audioInput", After: 1300 * time.Millisecond}, "audioOutput"},
		"the first input whatsoever":  {sonictest.Fault{Input: "*"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := sonictest.Say("A sentence to begin with.")
			answer.Calls = []sonictest.ToolCall{{Name: "t", After: 1}}
			serve(t, sonictest.Config{Brain: sonictest.Sequence(answer)}, func(t *testing.T, srv *sonictest.Server) {
				test.fault.Do = sonictest.EndStream()
				srv.AddFault(test.fault)
				got := talk(t, srv, join(words("1"), silence(6*time.Second)))
				last := ""
				if n := len(got); n > 0 {
					last = got[n-1].String()
				}
				if last != test.last {
					t.Errorf("the last event is %q, want %q", last, test.last)
				}
				if n := count(got, "audioOutput"); test.fault.Nth == 3 && n != 3 {
					t.Errorf("%d audioOutput came, want 3", n)
				}
				if log, _ := srv.Stream(0); test.fault.Nth == 2 && log.Audio[0].Samples != 1024 {
					t.Errorf("%d samples were heard, want those of two events", log.Audio[0].Samples)
				}
			})
		})
	}
}

func count(events []event, name string) (n int) {
	for _, e := range events {
		if e.name == name {
			n++
		}
	}
	return n
}

func TestAFaultStrikesTheStreamsThatItNames(t *testing.T) {
	cfg := sonictest.Config{Faults: []sonictest.Fault{
		{Streams: []int{1}, Do: sonictest.Refuse(503, "ServiceUnavailableException", "come back later")},
		{Streams: []int{2}, Do: sonictest.SlowHeaders(7 * time.Second)},
		{Streams: []int{3}, Do: sonictest.SlowOpen(9 * time.Second)},
	}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		for i, want := range []struct {
			status int
			after  time.Duration
		}{{200, 0}, {503, 0}, {200, 7 * time.Second}, {200, 9 * time.Second}, {200, 0}} {
			began := time.Now()
			p := open(t, srv)
			p.send(opening()...)
			reply := p.status()
			if reply == nil || reply.StatusCode != want.status || time.Since(began) != want.after {
				t.Errorf("stream %d: answered %v after %v, want %d after %v", i, reply, time.Since(began), want.status, want.after)
			}
			if want.status == 503 && !strings.Contains(p.failure(), "come back later") {
				t.Error("the message is missing")
			}
		}
	})
}

func TestAProbableFaultStrikesAsTheSeedSays(t *testing.T) {
	struck := func(seed uint64) (all []int) {
		cfg := sonictest.Config{Seed: seed, Faults: []sonictest.Fault{{Probability: 0.3, Do: sonictest.Refuse(429, "ThrottlingException", "")}}}
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			for i := range 60 {
				p := open(t, srv)
				if p.send("{}"); p.status().StatusCode == 429 {
					all = append(all, i)
				}
				p.rest()
			}
		})
		return all
	}
	one, again, other := struck(1), struck(1), struck(2)
	if !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Errorf("seed 1 strikes %v, then %v; seed 2 strikes %v", one, again, other)
	}
	if n := len(one) + len(other); n < 18 || n > 60 {
		t.Errorf("%d of 120 streams were struck, want about 36", n)
	}
}

func TestABehaviourCanBeThatOfOneStream(t *testing.T) {
	cfg := sonictest.Config{Faults: []sonictest.Fault{{Streams: []int{1}, Do: sonictest.Behave(func(b *sonictest.Behaviour) {
		b.FinalText, b.UserSpeech, b.ToolsNever = sonictest.FinalMissing, sonictest.Off, true
	})}}}
	cfg.Brain = sonictest.Sequence(sonictest.Answer{Sentences: sonictest.Say("Yes.").Sentences, Calls: []sonictest.ToolCall{{Name: "t"}}})
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		for i, want := range []bool{true, false} {
			got := shape(talk(t, srv, join(words("1"), silence(5*time.Second))))
			for _, line := range []string{"userSpeechStart", "contentStart TEXT ASSISTANT FINAL", "toolUse TOOL"} {
				if slices.Contains(got, line) != want {
					t.Errorf("stream %d: %q came is %v, want %v", i, line, !want, want)
				}
			}
		}
	})
}

func TestAStalledStreamNeitherReadsNorWrites(t *testing.T) {
	tests := map[string]struct {
		do            sonictest.Action
		reads, writes bool
	}{
		"both ways": {sonictest.Stall(), false, false},
		"reading":   {sonictest.StallReads(), false, true},
		"writing":   {sonictest.StallWrites(), true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(join(words("1"), silence(1500*time.Millisecond)))
				if !srv.Strike(0, test.do) {
					t.Fatal("the stream is not there")
				}
				drain(p)
				sent := make(chan int, 1)
				go func() {
					n := 0
					for range 200 { // six seconds
						if p.sendFrame(p.frame([]byte(audioInput("A", silence(32*time.Millisecond))))) != nil {
							break
						}
						n++
						time.Sleep(32 * time.Millisecond)
					}
					sent <- n
				}()
				time.Sleep(10 * time.Second)
				got := drain(p)
				if wrote := count(got, "audioOutput") > 10; wrote != test.writes {
					t.Errorf("%d audioOutput came after the stall", count(got, "audioOutput"))
				}
				log, _ := srv.Stream(0)
				if log.End.Kind != sonictest.Open {
					t.Errorf("the stream has ended: %+v", log.End)
				}
				p.close()
				n := <-sent
				if all := n == 200; all != test.reads {
					t.Errorf("%d of 200 events could be sent", n)
				}
			})
		})
	}
}

func TestGoAwayLeavesTheStreamAndWantsANewConnection(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		client := srv.AWSConfig().HTTPClient
		same := func(q *request) { q.client = client }
		first := open(t, srv, same)
		first.send(opening()...)
		second := open(t, srv, same)
		second.send(opening()...)
		<-second.accepted
		srv.Strike(0, sonictest.GoAway())
		first.pace(join(words("1"), silence(3*time.Second)))
		third := open(t, srv, same)
		third.send(opening()...)
		<-third.accepted
		first.pace(silence(2 * time.Second))
		first.send(closing()...)
		first.closeSend()
		if got := shape(first.rest()); !slices.Contains(got, `textOutput "You said one."`) || first.end() != io.EOF {
			t.Errorf("the stream did not go on: %q, %v", got, first.end())
		}
		logs := srv.Streams()
		got := fmt.Sprint(logs[0].Connection, logs[1].Connection, logs[2].Connection)
		if got != "0 0 1" {
			t.Errorf("the streams came on the connections %s, want 0 0 1", got)
		}
	})
}

func TestAKilledConnectionTakesItsStreamsAlong(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		client := srv.AWSConfig().HTTPClient
		same := func(q *request) { q.client = client }
		ready := func(edits ...func(*request)) *peer {
			p := open(t, srv, edits...)
			p.send(opening()...)
			<-p.accepted
			return p
		}
		first, second := ready(same), ready(same)
		ready()
		srv.Strike(0, sonictest.KillConnection())
		first.rest()
		second.rest()
		synctest.Wait()
		var got []sonictest.EndKind
		for _, l := range srv.Streams() {
			got = append(got, l.End.Kind)
		}
		slices.Sort(got)
		if want := []sonictest.EndKind{sonictest.Open, sonictest.Dropped, sonictest.Faulted}; !slices.Equal(got, want) {
			t.Errorf("the streams are %v, want %v", got, want)
		}
	})
}

func TestAStreamBreaksWhenItsCredentialsExpire(t *testing.T) {
	serve(t, sonictest.Config{Credentials: []sonictest.Credentials{{AccessKeyID: "AK", SecretAccessKey: "s", Expires: time.Date(2000, 1, 1, 0, 2, 0, 0, time.UTC)}}},
		func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening()...)
			p.trickle(5 * time.Minute)
			if got := p.failure(); !strings.HasPrefix(got, "expiredTokenException") {
				t.Errorf("the stream ended with %q", got)
			}
			if log, _ := srv.Stream(0); log.End.At != 2*time.Minute {
				t.Errorf("it ended at the age of %v", log.End.At)
			}
		})
}

func TestAClientThatGoesAwayIsNoticed(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		<-p.accepted
		p.close()
		if err := srv.WaitIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if log, _ := srv.Stream(0); log.End.Kind != sonictest.Dropped {
			t.Errorf("the log says %+v", log.End)
		}
	})
}

func TestCloseEndsEveryStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		p := open(t, srv)
		p.send(opening()...)
		<-p.accepted
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if got := p.failure(); got == "EOF" {
			t.Errorf("the client was told of an end in good order")
		}
		if log, _ := srv.Stream(0); log.End.Kind != sonictest.ServerClosed {
			t.Errorf("the log says %+v", log.End)
		}
	})
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	minutes := sonictest.Sentence{Text: "…", Audio: make([]int16, audio.Rate24k.Samples(4*time.Minute))}
	cfg := sonictest.Config{
		Brain:    sonictest.Sequence(sonictest.Answer{Sentences: []sonictest.Sentence{minutes}}),
		Delivery: sonictest.Delivery{Speed: math.Inf(1)},
		Limits:   sonictest.Limits{Sentence: -1},
	}
	for name, reads := range map[string]bool{"that reads": true, "that does not": false} {
		t.Run(name, func(t *testing.T) {
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				gone := make(chan struct{})
				p := open(t, srv, func(q *request) {
					if !reads {
						q.wrap = func(io.Reader) io.Reader { return blocked(gone) }
					}
				})
				p.send(events(strings.Replace(sessionStart, "4096", "100000", 1), promptStart, system, audioStart)...)
				p.pace(join(words("1"), silence(2*time.Second)))
				if reads {
					p.until("contentEnd AUDIO END_TURN")
					return
				}
				time.Sleep(12 * time.Second)
				log, _ := srv.Stream(0)
				if log.End.Kind != sonictest.ServerClosed || log.End.Message != "the client does not read" {
					t.Errorf("the log says %+v", log.End)
				}
				close(gone)
			})
		})
	}
}

// blocked reads nothing until the channel is closed.
type blocked chan struct{}

func (b blocked) Read([]byte) (int, error) {
	<-b
	return 0, io.EOF
}

func TestAudioBeforeTheHeadersCanBeRefused(t *testing.T) {
	for name, waits := range map[string]bool{"a client that waits": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{
				Behaviour: sonictest.Behaviour{AudioNeedsHeaders: true},
				Faults:    []sonictest.Fault{{Do: sonictest.SlowHeaders(2 * time.Second)}},
			}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(events(sessionStart, promptStart, system)...)
				if waits {
					<-p.accepted
				}
				p.send(audioStart, audioInput("A", silence(time.Second)))
				p.send(closing()...)
				p.closeSend()
				want := "Chat history should be sent completely before streaming audio."
				if waits {
					want = "EOF"
				}
				if got := p.failure(); !strings.HasSuffix(got, want) {
					t.Errorf("the stream ended with %q, want %q", got, want)
				}
			})
		})
	}
}

func TestAKeyThatExpiresIsFollowedByTheNext(t *testing.T) {
	at := func(minutes int) time.Time { return time.Date(2000, 1, 1, 0, minutes, 0, 0, time.UTC) }
	cfg := sonictest.Config{Credentials: []sonictest.Credentials{
		{AccessKeyID: "K1", SecretAccessKey: "s1", Expires: at(20)},
		{AccessKeyID: "K2", SecretAccessKey: "s2", Expires: at(40)},
	}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		provider := srv.AWSConfig().Credentials
		for _, want := range []struct {
			minute  int
			key     string
			expires time.Time
		}{{0, "K1", at(20)}, {14, "K1", at(20)}, {16, "K2", at(40)}, {60, "K2", at(40)}} {
			time.Sleep(time.Until(at(want.minute)))
			got, err := provider.Retrieve(t.Context())
			if err != nil || got.AccessKeyID != want.key || !got.CanExpire || !got.Expires.Equal(want.expires) {
				t.Errorf("after %d minutes: %s until %v, %v", want.minute, got.AccessKeyID, got.Expires, err)
			}
		}
	})
}
