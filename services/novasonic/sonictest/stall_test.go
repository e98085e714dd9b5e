package sonictest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestAFaultEndsAStreamThatHasStalled(t *testing.T) {
	stalls := map[string]sonictest.Action{"both ways": sonictest.Stall(), "writing": sonictest.StallWrites(), "reading": sonictest.StallReads()}
	faults := map[string]struct {
		do   sonictest.Action
		want string
	}{
		"RST_STREAM":            {sonictest.Reset(), "INTERNAL_ERROR"},
		"a lost connection":     {sonictest.KillConnection(), "EOF"},
		"an exception":          {sonictest.TimedOut(), "modelTimeoutException: RequestId="},
		"a clean end":           {sonictest.EndStream(), "EOF"},
		"half of a message":     {sonictest.Truncate(), "unexpected EOF"},
		"a message of an error": {sonictest.ErrorMessage("Strange", "no"), "Strange: no"},
	}
	for stalled, stall := range stalls {
		for name, fault := range faults {
			for _, struck := range []bool{false, true} {
				by := map[bool]string{false: " by age", true: " by Strike"}[struck]
				t.Run(stalled+", then "+name+by, func(t *testing.T) {
					cfg := sonictest.Config{Faults: []sonictest.Fault{{After: time.Second, Do: stall}}}
					if !struck {
						cfg.Faults = append(cfg.Faults, sonictest.Fault{After: 3 * time.Second, Do: fault.do})
					}
					serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
						p := open(t, srv)
						p.send(opening()...)
						time.Sleep(3 * time.Second)
						if struck && !srv.Strike(0, fault.do) {
							t.Fatal("the stream is not there")
						}
						time.Sleep(time.Second)
						synctest.Wait()
						log, _ := srv.Stream(0)
						if log.End.Kind != sonictest.Faulted || log.End.At != 3*time.Second {
							t.Errorf("the log says %+v", log.End)
						}
						select {
						case <-p.ended():
						case <-time.After(time.Second):
							t.Fatal("the client knows nothing of it")
						}
						if got := p.failure(); !strings.Contains(got, fault.want) {
							t.Errorf("the client was told %q, want %q", got, fault.want)
						}
					})
				})
			}
		}
	}
}

// ended is closed when the peer has read the end of the stream.
func (p *peer) ended() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.wg.Wait()
	}()
	return done
}

func TestAnEndThatDidNotGoOutIsNotLogged(t *testing.T) {
	tests := map[string]struct {
		wrong string        // what the client then does
		wait  time.Duration // before it goes away
	}{
		"a broken rule":                {wrong: "{}", wait: time.Second},
		"the end of its eight minutes": {wait: 9 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Limits: sonictest.Limits{Idle: -1}}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				<-p.accepted
				srv.Strike(0, sonictest.StallWrites())
				time.Sleep(time.Second)
				if test.wrong != "" {
					p.send(test.wrong)
				}
				time.Sleep(test.wait)
				if log, _ := srv.Stream(0); log.End.Kind != sonictest.Open {
					t.Errorf("the log says %+v, and the client was told nothing", log.End)
				}
				p.close()
				synctest.Wait()
				if log, _ := srv.Stream(0); log.End.Kind != sonictest.Dropped {
					t.Errorf("the client went away, and the log says %+v", log.End)
				}
			})
		})
	}
}

func TestNothingIsLoggedAsSentOnceTheOutputHasStalled(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(1500*time.Millisecond)))
		srv.Strike(0, sonictest.StallWrites())
		p.pace(join(silence(2*time.Second), words("2"), silence(2*time.Second)))
		synctest.Wait()
		log, _ := srv.Stream(0)
		got := drain(p)
		if len(log.Output) != len(got) {
			t.Errorf("%d events are logged as sent, and %d arrived", len(log.Output), len(got))
		}
		if len(log.Heard) != 2 {
			t.Errorf("%d utterances are logged as heard, want both: the input was read", len(log.Heard))
		}
	})
}

func TestGoAwayPassesAStall(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		client := srv.AWSConfig().HTTPClient
		same := func(q *request) { q.client = client }
		first := open(t, srv, same)
		first.send(opening()...)
		<-first.accepted
		srv.Strike(0, sonictest.Stall())
		synctest.Wait()
		srv.Strike(0, sonictest.GoAway())
		time.Sleep(time.Second)
		second := open(t, srv, same)
		second.send(opening()...)
		<-second.accepted
		if logs := srv.Streams(); logs[1].Connection == logs[0].Connection || logs[0].End.Kind != sonictest.Open {
			t.Errorf("the next stream came on the connection %d, the first on %d, which is %v", logs[1].Connection, logs[0].Connection, logs[0].End.Kind)
		}
	})
}

func TestAnExceptionWaitsForSlowHeaders(t *testing.T) {
	for _, delay := range []time.Duration{9 * time.Second, 20 * time.Second, time.Minute} {
		t.Run(delay.String(), func(t *testing.T) {
			cfg := sonictest.Config{Faults: []sonictest.Fault{{Do: sonictest.SlowHeaders(delay)}}}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				began := time.Now()
				p := open(t, srv)
				p.send(sessionStart, promptStart, promptStart)
				if got := p.failure(); !strings.HasSuffix(got, "Duplicate prompt name: P") {
					t.Errorf("the stream ended with %q", got)
				}
				if d := time.Since(began); d != delay {
					t.Errorf("it ended after %v", d)
				}
			})
		})
	}
}

func TestAnswersWaitForSlowHeaders(t *testing.T) {
	// More than fits in the queue of what is to be written is said meanwhile.
	cfg := sonictest.Config{
		Brain:    sonictest.Sequence(long),
		Delivery: sonictest.Delivery{Piece: 10 * time.Millisecond},
		Faults:   []sonictest.Fault{{Do: sonictest.SlowHeaders(30 * time.Second)}},
	}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(35*time.Second)))
		p.until("contentEnd AUDIO END_TURN")
	})
}

func TestAnExceptionBearsTheRequestIDOfTheEmulator(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send("{}")
		got, id := p.failure(), p.status().Header.Get("X-Amzn-RequestId")
		if !strings.HasPrefix(id, "parley-emulator-") || !strings.Contains(got, ": RequestId="+id+" : ") {
			t.Errorf("the request is %s, and the exception %q", id, got)
		}
	})
}
