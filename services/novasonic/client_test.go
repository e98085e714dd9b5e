package novasonic

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestClientRefusesOptionsThatCannotWork(t *testing.T) {
	cfg := aws.Config{Region: "us-east-1"}
	for _, c := range []struct {
		o    ClientOptions
		says string
	}{
		{ClientOptions{MaxStreams: 1}, "ClientOptions.MaxStreams: 1 is not enough: a conversation opens its next stream before it leaves the old one"},
		{ClientOptions{MaxStreams: -20}, "ClientOptions.MaxStreams: -20 is negative"},
		{ClientOptions{Reserve: -1}, "ClientOptions.Reserve: -1 is negative"},
		{ClientOptions{MaxStreams: 4, Reserve: 4}, "ClientOptions.Reserve: 4 of 4 streams leave none to begin a conversation on"},
		{ClientOptions{Reserve: 20}, "ClientOptions.Reserve: 20 of 20 streams leave none"},
	} {
		_, err := NewClient(cfg, c.o)
		var bad *ConfigError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.o, err, c.says)
		}
	}
}

func TestClientReservesATenth(t *testing.T) {
	for streams, reserve := range map[int]int{0: 2, 2: 1, 10: 1, 11: 2, 100: 10} {
		c, err := NewClient(aws.Config{Region: "us-east-1"}, ClientOptions{MaxStreams: streams})
		if err != nil {
			t.Fatal(err)
		}
		want := streams
		if streams == 0 {
			want = 20
		}
		if s := c.Streams(); s.MaxStreams != want || s.Reserve != reserve {
			t.Errorf("of %d streams: %+v, want %d and %d in reserve", streams, s, want, reserve)
		}
	}
}

func TestClientStartsConversationsOnLanesInTurn(t *testing.T) {
	c := new(Client)
	for i := range 6 {
		if got := c.startLane(); got != i%2 {
			t.Errorf("conversation %d starts on lane %d", i, got)
		}
	}
}

// emulated runs f with a client of an emulator in virtual time.
func emulated(t *testing.T, sc sonictest.Config, o ClientOptions, f func(t *testing.T, c *Client, srv *sonictest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sc)
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		c, err := NewClient(srv.AWSConfig(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(t, c, srv)
		if s := c.Streams(); s.Open != 0 || s.Waiting != 0 {
			t.Errorf("in the end: %+v", s)
		}
	})
}

// opened is a stream that the service has accepted.
type opened struct {
	bedrock.Stream
	release func()
}

func (o opened) close() {
	o.Abort(nil)
	o.release()
}

func openOn(t *testing.T, c *Client, lane int, n need) opened {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, p, err := c.dial(ctx, ModelV2, dialOptions{lane: lane, need: n})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range [][]byte{
		wire.SessionStart{}.AppendEvent(nil),
		wire.PromptStart{PromptName: "prompt", Voice: "matthew", OutputRate: audio.Rate24k}.AppendEvent(nil),
	} {
		if err := s.Send(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-s.Accepted():
	case <-ctx.Done():
		t.Fatal("the stream was not accepted")
	}
	return opened{s, p.release}
}

func TestClientPutsASuccessorOnAnotherConnection(t *testing.T) {
	emulated(t, sonictest.Config{Limits: sonictest.Limits{Idle: -1}}, ClientOptions{}, func(t *testing.T, c *Client, srv *sonictest.Server) {
		lane := c.startLane()
		var before opened
		for i := range 6 {
			s := openOn(t, c, lane+i, standbyStream)
			log, _ := srv.Stream(i)
			if last, ok := srv.Stream(i - 1); ok && last.Connection == log.Connection {
				t.Errorf("streams %d and %d are both on connection %d", i-1, i, log.Connection)
			}
			if i > 0 {
				before.close()
			}
			before = s
			time.Sleep(time.Minute) // the emulator closes connections after two idle ones
		}
		before.close()
		if n := connections(srv); n != 2 {
			t.Errorf("%d connections for one conversation, want 2", n)
		}
	})
}

func connections(srv *sonictest.Server) int {
	seen := make(map[int]bool)
	for _, s := range srv.Streams() {
		seen[s.Connection] = true
	}
	return len(seen)
}

func TestClientLosesOneStreamOfTwoWithAConnection(t *testing.T) {
	emulated(t, sonictest.Config{}, ClientOptions{}, func(t *testing.T, c *Client, srv *sonictest.Server) {
		lane := c.startLane()
		speaking := openOn(t, c, lane, firstStream)
		standby := openOn(t, c, lane+1, standbyStream)
		srv.Strike(0, sonictest.KillConnection())
		if _, err := speaking.Recv(t.Context()); bedrock.Classify(err).Reason != bedrock.ReasonConnection {
			t.Errorf("the stream on the connection that was lost ended with: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := standby.Recv(ctx); ctx.Err() == nil {
			t.Errorf("the stream on the other connection ended with: %v", err)
		}
		if log, _ := srv.Stream(1); log.End != (sonictest.End{}) {
			t.Errorf("the emulator saw the other stream end: %+v", log.End)
		}
		speaking.close()
		standby.close()
	})
}

func TestClientNeedsFewConnectionsForManyStreams(t *testing.T) {
	const n = 120
	emulated(t, sonictest.Config{Limits: sonictest.Limits{Streams: n}}, ClientOptions{MaxStreams: n, Reserve: 1}, func(t *testing.T, c *Client, srv *sonictest.Server) {
		streams := make(chan opened, n)
		for range n - 1 {
			go func() { streams <- openOn(t, c, c.startLane(), firstStream) }()
		}
		var all []opened
		for range n - 1 {
			all = append(all, <-streams)
		}
		if got := c.Streams().Open; got != n-1 {
			t.Errorf("%d streams are open, want %d", got, n-1)
		}
		if got := connections(srv); got > 4 {
			t.Errorf("%d streams at once are on %d connections", n-1, got)
		}
		for _, s := range all {
			s.close()
		}
	})
}

func TestClientSaysThatNoStreamCameFree(t *testing.T) {
	emulated(t, sonictest.Config{}, ClientOptions{MaxStreams: 2}, func(t *testing.T, c *Client, srv *sonictest.Server) {
		s := openOn(t, c, 0, firstStream)
		leave := c.join()
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, ErrNotAccepted)
		defer cancel()
		_, p, err := c.dial(ctx, ModelV2, dialOptions{})
		if err == nil || p != nil {
			t.Fatal("a stream was opened beyond the budget")
		}
		const says = "open stream to amazon.nova-2-sonic-v1:0 (us-east-1): no stream came free within 10s: 1 of 2 are open in this process (conversations under way: 1, streams kept for them: 1); wait for conversations to end, or, if the account may have more streams, raise ClientOptions.MaxStreams"
		if err.Error() != says {
			t.Errorf("says %q, want %q", err, says)
		}
		var full *QuotaError
		if v := judge(err); !errors.As(err, &full) || v.Class != frames.ErrorQuota || v.Action != bedrock.Retry {
			t.Errorf("%T is judged %v, %v", err, v.Class, v.Action)
		}
		if len(srv.Streams()) != 1 {
			t.Error("the service was asked")
		}
		s.close()
		leave()
		openOn(t, c, 0, firstStream).close()
	})
}

func TestClientBlamesTheWaitThatLeftNoTimeToOpenAStream(t *testing.T) {
	for name, tc := range map[string]struct {
		free  time.Duration // when a stream comes free
		opens time.Duration // how long the service takes to open one
		quota bool          // what is to blame
	}{
		"as the time runs out":                   {10*time.Second - time.Millisecond, time.Second, true},
		"a little before":                        {9 * time.Second, 2 * time.Second, true},
		"soon, and the service is slow":          {2 * time.Second, time.Minute, false},
		"at once, and the service does not open": {0, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{Faults: []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowHeaders(tc.opens)}}}
			emulated(t, sc, ClientOptions{MaxStreams: 2}, func(t *testing.T, c *Client, _ *sonictest.Server) {
				s := openOn(t, c, 0, firstStream)
				time.AfterFunc(tc.free, s.close)
				synctest.Wait()
				ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, ErrNotAccepted)
				defer cancel()
				cfg := Config{}.withDefaults()
				_, err := dial(ctx, c, dialOptions{}, &cfg, "", func(*connection, wire.Output) {})
				var full *QuotaError
				if quota := errors.As(err, &full); quota != tc.quota || quota == errors.Is(err, ErrNotAccepted) {
					t.Fatalf("got %v", err)
				}
				if tc.quota && (judge(err).Class != frames.ErrorQuota || full.Waited != tc.free) {
					t.Errorf("judged %v after a wait of %v", judge(err).Class, full.Waited)
				}
			})
		})
	}
}

func TestClientGivesUpTheWaitWithoutBlamingTheQuota(t *testing.T) {
	emulated(t, sonictest.Config{}, ClientOptions{MaxStreams: 2}, func(t *testing.T, c *Client, _ *sonictest.Server) {
		s := openOn(t, c, 0, firstStream)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("the caller hung up")) })
		_, _, err := c.dial(ctx, ModelV2, dialOptions{})
		var full *QuotaError
		if err == nil || errors.As(err, &full) || !strings.Contains(err.Error(), "the caller hung up") {
			t.Errorf("got %v", err)
		}
		s.close()
	})
}

func TestClientGivesBackTheStreamOfADialThatFailed(t *testing.T) {
	c, err := NewClient(aws.Config{Region: "us-east-1"}, ClientOptions{MaxStreams: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 3 {
		if _, _, err := c.dial(ctx, ModelV2, dialOptions{}); !errors.Is(err, bedrock.ErrNoCredentials) {
			t.Fatal(err)
		}
	}
	if s := c.Streams(); s.Open != 0 {
		t.Errorf("%+v", s)
	}
}
