package bedrock

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// roundTrip is how far away the service is in these tests.
const roundTrip = 80 * time.Millisecond

// remote is a network that takes time: a TCP connection is there after one
// round trip, and what is written arrives half of one later.
type remote struct {
	*memory
	dialled atomic.Int64
	open    atomic.Int64
	refuses atomic.Bool // and no connection comes about
}

func (r *remote) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	time.Sleep(roundTrip)
	if r.refuses.Load() {
		return nil, errors.New("no route to host")
	}
	near, nearWire := net.Pipe()
	farWire, far := net.Pipe()
	select {
	case r.accepting <- far:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.dialled.Add(1)
	r.open.Add(1)
	go travel(farWire, nearWire)
	go func() {
		travel(nearWire, farWire)
		r.open.Add(-1)
	}()
	return near, nil
}

// travel carries what comes out of one wire to the other, half a round trip
// later, and the end of it, too.
func travel(from, to net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 10_000)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			pieces <- piece{time.Now().Add(roundTrip / 2), buf[:n]}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		to.Write(p.data)
	}
	to.Close()
	from.Close()
}

// certificate is one for example.com, and a transport that trusts it.
func certificate() (tls.Certificate, *http.Transport) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	tr := trusting(srv)
	return srv.TLS.Certificates[0], tr
}

// atADistance runs f with a dialer of two lanes and a peer that is a round trip
// away, over TLS, in virtual time.
func atADistance(t *testing.T, p *peer, f func(t *testing.T, d *SDKDialer, r *remote)) {
	t.Helper()
	cert, tr := certificate()
	synctest.Test(t, func(t *testing.T) {
		p.cut = make(chan struct{}, 1)
		r := &remote{memory: newMemory()}
		srv := &http.Server{Handler: p, ErrorLog: discardLog, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		}
		srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100}
		if p.idle > 0 {
			srv.IdleTimeout = p.idle
		}
		served := make(chan struct{})
		go func() {
			srv.ServeTLS(r, "", "")
			close(served)
		}()
		tr.DialContext = r.dial
		tr.IdleConnTimeout = 90 * time.Second
		d, err := NewDialer(configFor("https://example.com"), Options{Transport: tr, Lanes: 2})
		if err != nil {
			t.Fatal(err)
		}
		f(t, d, r)
		d.CloseIdleConnections()
		srv.Close()
		<-served
		time.Sleep(roundTrip) // what is under way arrives
		if err := p.faults(); err != nil {
			t.Error(err)
		}
	})
}

// opens opens a stream on a lane and returns it, with the number of round trips
// from the call until the first event of the peer is here.
func opens(t *testing.T, d *SDKDialer, lane int) (Stream, float64) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := d.Lane(lane).Dial(ctx, testModel)
	if err != nil {
		t.Fatal(err)
	}
	talks(t, s)
	return s, float64(time.Since(began)) / float64(roundTrip)
}

func talks(t *testing.T, s Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Send(ctx, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Recv(ctx); err != nil || string(got) != "hello" {
		t.Fatalf("received %q, %v", got, err)
	}
}

func ends(t *testing.T, s Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestLaneOpensInOneRoundTripWhereAConnectionIs(t *testing.T) {
	const cold, warm = 3, 1 // TCP, TLS, request; request
	p := &peer{script: echo}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		measure := func(when string, lane int, want float64) Stream {
			s, trips := opens(t, d, lane)
			t.Logf("%-60s %g round trips", when, trips)
			if trips != want {
				t.Errorf("%s: %g round trips, want %g", when, trips, want)
			}
			return s
		}
		first := measure("the first stream", 0, cold)
		ends(t, measure("one on the other lane, as soon as the first is open", 1, cold))
		ends(t, measure("another one there", 1, warm))
		ends(t, measure("one beside the first, on its lane", 0, warm))
		time.Sleep(10 * time.Minute)
		next := measure("one on the other lane, idle for ten minutes", 1, warm)
		ends(t, first)
		time.Sleep(10 * time.Minute)
		ends(t, measure("one on the lane that has been idle since", 0, warm))
		ends(t, next)
		if n := r.dialled.Load(); n != 2 {
			t.Errorf("%d connections were made, want one for each lane", n)
		}
	})
}

func TestLaneOutlivesTheLossOfTheOther(t *testing.T) {
	p := &peer{}
	p.script = func(s *session) {
		if p.requests.Load() == 1 {
			after(1, (*session).hangUp)(s)
			return
		}
		echo(s)
	}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		speaks, _ := opens(t, d, 0)
		standby, _ := opens(t, d, 1)
		p.cut <- struct{}{}
		if _, err := speaks.Recv(t.Context()); !errors.Is(err, ErrConnectionLost) {
			t.Fatalf("the first lane's stream ended with: %v", err)
		}
		talks(t, standby)

		// And with no standby: the successor is on the lane that was kept warm.
		next, trips := opens(t, d, 1)
		if trips != 1 {
			t.Errorf("the successor took %g round trips", trips)
		}
		time.Sleep(warmEvery + time.Second)
		last, trips := opens(t, d, 0)
		if trips != 1 {
			t.Errorf("the lost connection was not replaced in time: %g round trips", trips)
		}
		for _, s := range []Stream{standby, next, last} {
			ends(t, s)
		}
	})
}

func TestLaneIsKeptWarmWithoutARequest(t *testing.T) {
	p := &peer{script: echo}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, _ := opens(t, d, 0)
		if idle := d.idleLanes(); len(idle) != 1 || idle[0] != d.lanes[1] {
			t.Error("the lane with the stream is not left alone")
		}
		time.Sleep(time.Hour)
		if n := p.requests.Load(); n != 1 {
			t.Errorf("the service has seen %d requests, of which one was ours", n)
		}
		if dialled, open := r.dialled.Load(), r.open.Load(); dialled != 2 || open != 2 {
			t.Errorf("%d connections were made, %d are open, want 2", dialled, open)
		}
		ends(t, s)
	})
}

func TestLaneIsWarmedAgainWhenTheServiceClosesIdleConnections(t *testing.T) {
	p := &peer{script: echo, idle: time.Minute}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, _ := opens(t, d, 0)
		time.Sleep(59 * time.Minute)
		if n := r.dialled.Load(); n < 50 || n > 62 {
			t.Errorf("%d connections in an hour, want about one a minute", n)
		}
		time.Sleep(warmEvery + time.Second)
		next, trips := opens(t, d, 1)
		if trips != 1 {
			t.Errorf("the successor took %g round trips", trips)
		}
		ends(t, s)
		ends(t, next)
	})
}

func TestLaneCoolsDownWithTheLastStream(t *testing.T) {
	p := &peer{script: echo}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, _ := opens(t, d, 0)
		time.Sleep(time.Minute)
		ends(t, s)
		time.Sleep(80 * time.Second)
		if n := r.open.Load(); n == 0 {
			t.Error("the connections were closed before the idle timeout")
		}
		time.Sleep(30 * time.Second)
		if n := r.open.Load(); n != 0 {
			t.Errorf("%d connections are open long after the last stream", n)
		}
		s, _ = opens(t, d, 1)
		time.Sleep(time.Second)
		if n := r.open.Load(); n != 2 {
			t.Errorf("%d connections are open with a stream on one lane, want 2", n)
		}
		ends(t, s)
	})
}

func TestLaneIsNotKeptWarmAfterIdleConnectionsWereClosed(t *testing.T) {
	p := &peer{script: echo}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, _ := opens(t, d, 0)
		time.Sleep(time.Minute)
		d.CloseIdleConnections()
		time.Sleep(time.Minute)
		if n := r.open.Load(); n != 1 {
			t.Errorf("%d connections are open, want that of the stream", n)
		}
		talks(t, s)
		next, _ := opens(t, d, 0)
		time.Sleep(time.Second)
		if n := r.open.Load(); n != 2 {
			t.Errorf("%d connections are open after another stream, want 2", n)
		}
		ends(t, s)
		ends(t, next)
	})
}

func TestLaneIsNotWarmedForAStreamThatIsRefused(t *testing.T) {
	p := &peer{answer: func(w http.ResponseWriter, r *http.Request) bool {
		refuse(w, http.StatusForbidden, "AccessDeniedException", "no")
		return true
	}}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, err := d.Lane(0).Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(t.Context()); Classify(err).Reason != ReasonAccess {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if n := r.dialled.Load(); n != 1 {
			t.Errorf("%d connections were made", n)
		}
	})
}

func TestLaneThatCannotBeWarmedIsTriedAgain(t *testing.T) {
	p := &peer{script: echo}
	atADistance(t, p, func(t *testing.T, d *SDKDialer, r *remote) {
		s, _ := opens(t, d, 0)
		r.refuses.Store(true)
		time.Sleep(10 * time.Minute)
		r.refuses.Store(false)
		time.Sleep(warmEvery + time.Second)
		next, trips := opens(t, d, 1)
		if trips != 1 {
			t.Errorf("the successor took %g round trips", trips)
		}
		ends(t, s)
		ends(t, next)
	})
}

func TestLanesHaveFewConnectionsForManyStreams(t *testing.T) {
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t), func(_ *aws.Config, o *Options) { o.Lanes = 2 })
	const n = 150
	streams := make([]*sdkStream, n)
	for i := range streams {
		s, err := d.Lane(i).Dial(deadline(t), testModel)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Abort(nil)
		streams[i] = s.(*sdkStream)
	}
	for _, s := range streams {
		exchange(t, s, "hello")
	}
	if got := p.conns.Load(); got > 4 {
		t.Errorf("%d streams at once made %d connections", n, got)
	}
}

func TestConnectionThatDoesNotComeAboutIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		d, err := NewDialer(configFor("https://example.com"), Options{Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = s.Recv(t.Context())
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("given up after %v", took)
		}
		if v := Classify(err); v.Action != Retry || v.Reason != ReasonConnection {
			t.Errorf("%v: %v, %v", err, v.Reason, v.Action)
		}
	})
}

func TestLaneOfAnyNumber(t *testing.T) {
	d, err := NewDialer(configFor("https://example.com"), Options{Lanes: 2})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{0: 0, 1: 1, 2: 0, 7: 1, -1: 1, -2: 0} {
		if got := d.Lane(n).(laneDialer).lane; got != d.lanes[want] {
			t.Errorf("lane %d is not the one of number %d", n, want)
		}
	}
}
