package bedrock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestAnythingMayHappen lets streams of one dialer meet random ends at random
// moments, from both sides at once. Whatever happens, every call returns,
// every end has a name, and nothing is left behind.
func TestAnythingMayHappen(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	streams := 400
	if testing.Short() {
		streams = 80
	}
	p := &peer{}
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 1))
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return dice.IntN(n)
	}
	damaged := chunkFrame([]byte("x"))
	damaged[len(damaged)-1] ^= 1
	ends := []func(*session){
		echo, echo, echo,
		func(*session) {},
		(*session).reset,
		untilGone,
		throws("modelTimeoutException", "over"),
		throws("validationException", "System instability detected. Please retry your request."),
		func(s *session) { s.raw(damaged) },
		func(s *session) { s.raw(damaged[:len(damaged)/2]) },
		func(s *session) { // more than anybody reads
			for s.send(bytes.Repeat([]byte("y"), 4000)) == nil {
			}
		},
		func(s *session) {
			if roll(8) == 0 {
				s.cutNow() // and with it all other streams of the connection
			}
		},
	}
	p.script = func(s *session) { after(roll(10), ends[roll(len(ends))])(s) }
	p.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		if roll(10) > 0 {
			return false
		}
		refuse(w, 429, "ThrottlingException", "slow down")
		return true
	}
	d := dialerFor(t, p.start(t))
	before := runtime.NumGoroutine()

	conversation := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s, err := d.Dial(ctx, testModel)
		if err != nil {
			t.Errorf("dial: %v", err)
			return
		}
		defer s.Abort(nil)
		var reading sync.WaitGroup
		defer reading.Wait()
		reads := roll(4) > 0
		if reads {
			reading.Go(func() {
				for {
					_, err := s.Recv(ctx)
					if err == nil {
						continue
					}
					if v := Classify(err); !errors.Is(err, io.EOF) && v.Reason == ReasonUnknown {
						t.Errorf("an end without a name: %v", err)
					}
					if ctx.Err() != nil {
						t.Error("Recv waited for ever")
					}
					return
				}
			})
		}
		for range roll(30) {
			sending, done := context.WithTimeout(ctx, time.Second)
			err := s.Send(sending, bytes.Repeat([]byte("z"), roll(5000)))
			done()
			if err != nil {
				break
			}
		}
		switch roll(4) {
		case 0:
			s.Abort(errors.New("enough"))
		case 1:
			s.CloseSend()
			s.Abort(nil)
		default:
			closing, done := context.WithTimeout(ctx, 300*time.Millisecond)
			s.Close(closing)
			done()
		}
	}
	var wg sync.WaitGroup
	next := make(chan struct{}, streams)
	for range streams {
		next <- struct{}{}
	}
	close(next)
	for range 16 {
		wg.Go(func() {
			for range next {
				conversation()
			}
		})
	}
	wg.Wait()
	waitUntil(t, "something is left behind", func() bool {
		d.CloseIdleConnections() // those whose last stream ended just now, too
		return p.open.Load() == 0 && runtime.NumGoroutine() <= before
	})
	if err := p.faults(); err != nil {
		t.Errorf("the service found: %v", err)
	}
}
