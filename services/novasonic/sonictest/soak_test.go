package sonictest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// TestRandomClientsAndFaultsLeaveNothingBehind has clients of all kinds, that
// share a few connections, meet faults of all kinds. Whatever happens, every
// stream ends and says how, and the quota is free again.
func TestRandomClientsAndFaultsLeaveNothingBehind(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() { // under the race detector
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			cfg := sonictest.Config{Seed: seed, Limits: sonictest.Limits{Streams: 5}, Faults: randomFaults(rng)}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				shared := srv.AWSConfig().HTTPClient
				var wg sync.WaitGroup
				for range 16 {
					manners, own, wait := rng.IntN(6), rng.IntN(3) == 0, time.Duration(rng.IntN(20_000))*time.Millisecond
					wg.Go(func() {
						time.Sleep(wait)
						p := open(t, srv, func(q *request) {
							if !own {
								q.client = shared
							}
						})
						behave(p, manners)
					})
				}
				wg.Wait()
				if err := srv.WaitIdle(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				logs := srv.Streams()
				if len(logs) != 16 {
					t.Errorf("%d streams are logged, want 16", len(logs))
				}
				for _, l := range logs {
					if l.End.Kind == sonictest.Open || l.End.At > 500*time.Second {
						t.Errorf("stream %d: %+v", l.Number, l.End)
					}
				}
				// The quota: as many as it allows can be opened again.
				for range 5 {
					p := open(t, srv)
					defer p.close()
					p.send(sessionStart, promptStart)
					if reply := p.status(); reply != nil && reply.StatusCode == 429 {
						t.Error("the quota is not free again")
					}
				}
			})
		})
	}
}

// randomFaults strike some of the first streams.
func randomFaults(rng *rand.Rand) (faults []sonictest.Fault) {
	actions := []sonictest.Action{
		sonictest.Reset(), sonictest.EndStream(), sonictest.Truncate(), sonictest.BadCRC(), sonictest.KillConnection(),
		sonictest.Stall(), sonictest.StallReads(), sonictest.StallWrites(), sonictest.GoAway(), sonictest.Instability(),
		sonictest.Refuse(503, "ServiceUnavailableException", ""), sonictest.SlowOpen(3 * time.Second), sonictest.SlowHeaders(3 * time.Second),
		sonictest.Exception("throttlingException", ""), sonictest.ErrorMessage("x", ""),
	}
	for number := range 12 {
		f := sonictest.Fault{Streams: []int{number}, Do: actions[rng.IntN(len(actions))]}
		switch rng.IntN(3) {
		case 0:
			f.After = time.Duration(rng.IntN(5000)) * time.Millisecond
		case 1:
			f.Input, f.Nth = "audioInput", 1+rng.IntN(100)
		case 2:
			f.Output, f.Nth = "*", 1+rng.IntN(30)
		}
		faults = append(faults, f)
	}
	return faults
}

// behave is a client, good or bad.
func behave(p *peer, manners int) {
	impatient := time.AfterFunc(time.Minute, p.close) // the server may have stalled
	defer p.close()
	defer impatient.Stop()
	p.send(opening()...)
	switch manners {
	case 0: // goes away at once
	case 1: // talks nonsense
		p.send(audioInput("A", silence(time.Second)), "nonsense")
	case 2: // forgets to say goodbye
		p.pace(join(words("1"), silence(2*time.Second)))
		p.closeSend()
	case 3: // breaks off in the middle of a message
		p.pace(words("1"))
		b := p.frame([]byte(sessionEnd))
		p.sendFrame(b[:len(b)/2])
		p.body.CloseWithError(errors.New("broken off"))
	case 4: // breaks off in the middle of an answer
		p.pace(join(words("1"), silence(1200*time.Millisecond)))
	case 5: // does everything right
		p.pace(join(words("1"), silence(4*time.Second)))
		p.send(closing()...)
		p.closeSend()
		p.rest()
	}
}
