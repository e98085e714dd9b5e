package novasonic_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// thrifty is a caller whose microphone sends audio only while there is something
// to say, and a loudspeaker that takes it all at once: many of them are cheap.
type thrifty struct {
	keys []string // said one after the other …
	lag  time.Duration
	runs chan struct{} // closed when the call has begun

	mu    sync.Mutex
	spoke []string // texts of record
	errs  []error
	cuts  int
}

func (c *thrifty) Name() string { return "caller" }

func (c *thrifty) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	c.mu.Lock()
	switch f := f.(type) {
	case *frames.SpokenText:
		c.spoke = append(c.spoke, f.Text)
	case *novasonic.Swap:
		if f.Step == novasonic.SwapCut {
			c.cuts++
		}
	case *frames.Error:
		c.errs = append(c.errs, f.Err)
	}
	c.mu.Unlock()
	return out.Send(ctx, f, dir)
}

// microphone is the caller's other end.
type microphone struct{ *thrifty }

func (microphone) Name() string { return "microphone" }

func (m microphone) Run(ctx context.Context, out *pipeline.Port) error {
	close(m.runs)
	began := time.Now()
	sleep := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-ctx.Done():
			return false
		}
	}
	for i, keys := range m.keys {
		if !sleep(time.Until(began.Add(time.Duration(i)*15*time.Second + m.lag))) {
			return nil
		}
		samples := append(hearing.Speak(audio.Rate16k, keys), make([]int16, 12800)...)
		for len(samples) > 0 {
			n := min(len(samples), 1600)
			f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Track: "caller", Samples: samples[:n],
				Position: audio.Position(audio.Rate16k.Samples(time.Since(began)))}}
			if out.Send(ctx, f, frames.Downstream) != nil || !sleep(100*time.Millisecond) {
				return nil
			}
			samples = samples[n:]
		}
	}
	<-ctx.Done()
	return nil
}

func TestScenarioTwoHundredConversationsRotateWithinAQuotaOfTwentyStreams(t *testing.T) {
	t.Parallel()
	const conversations, quota = 200, 20
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{
			Brain: echo(), Limits: sonictest.Limits{Streams: quota, Life: 25 * time.Second}, KeepStreams: 10 * conversations,
		})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		client, err := novasonic.NewClient(srv.AWSConfig(), novasonic.ClientOptions{MaxStreams: quota})
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		var mu sync.Mutex
		cuts, busy := 0, 0
		for i := range conversations {
			calls.Go(func() {
				// All call within a minute. Who is refused because all lines are
				// taken calls again.
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
				for {
					c := &thrifty{runs: make(chan struct{}), lag: time.Duration(i%10) * 300 * time.Millisecond}
					var want []string
					for n := range 2 {
						keys := fmt.Sprintf("%d%d", i, n)
						c.keys, want = append(c.keys, keys), append(want, youSaid(keys))
					}
					sonic := novasonic.New(novasonic.Config{Client: client, KeepAlive: time.Second, OpenTimeout: 5 * time.Second, OpenAttempts: 1, Continuation: novasonic.Continuation{
						Prepare: 8 * time.Second, Prefer: 14 * time.Second, Force: 20 * time.Second, Limit: 25 * time.Second,
					}})
					p := pipeline.New(pipeline.Config{}, microphone{c}, sonic, c)
					ended := make(chan error)
					go func() { ended <- p.Run(context.Background()) }()
					select {
					case err := <-ended:
						var full *novasonic.QuotaError
						if !errors.As(err, &full) {
							t.Errorf("call %d ended with: %v", i, err)
							return
						}
						mu.Lock()
						busy++
						mu.Unlock()
						time.Sleep(15 * time.Second)
						continue
					case <-c.runs:
					}
					time.Sleep(26 * time.Second)
					p.End("enough")
					if err := <-ended; err != nil {
						t.Errorf("call %d ended with: %v", i, err)
					}
					c.mu.Lock()
					defer c.mu.Unlock()
					if !slices.Equal(c.spoke, want) || len(c.errs) > 0 {
						t.Errorf("call %d was told %q, want %q; errors: %v", i, c.spoke, want, c.errs)
					}
					mu.Lock()
					cuts += c.cuts
					mu.Unlock()
					return
				}
			})
		}
		calls.Wait()
		if s := client.Streams(); s.Open != 0 || s.Conversations != 0 || s.Waiting != 0 {
			t.Errorf("in the end the client counts %+v", s)
		}
		client.Close()
		srv.Close()
		t.Logf("%d moves; %d times a caller found all lines taken; at most %d streams at once", cuts, busy, mostOpen(srv.Streams()))
		if cuts < conversations*3/2 {
			t.Errorf("%d moves in %d conversations", cuts, conversations)
		}
		if n := mostOpen(srv.Streams()); n > quota || n < quota-2 {
			t.Errorf("%d streams were open at once, with a quota of %d", n, quota)
		}
		for _, l := range srv.Streams() {
			if l.End.Kind == sonictest.Dropped && len(l.Audio) == 0 {
				continue // whose caller had given up waiting in the moment in which it came free
			}
			if l.End.Kind != sonictest.ClosedBoth || len(l.Violations) > 0 {
				t.Errorf("stream %d was %v: %s %v", l.Number, l.End.Kind, l.End.Message, l.Violations)
			}
		}
	})
}

func TestScenarioFiveHundredSwapsLeaveNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: hours of conversation are left out; run without it")
	}
	synctest.Test(t, func(t *testing.T) {
		srv := sonictest.NewServer(sonictest.Config{Brain: echo(), Limits: sonictest.Limits{Life: 10 * time.Second}, KeepStreams: 4})
		if err := srv.StartPipe(); err != nil {
			t.Fatal(err)
		}
		client, err := novasonic.NewClient(srv.AWSConfig(), novasonic.ClientOptions{MaxStreams: 4})
		if err != nil {
			t.Fatal(err)
		}
		c := &thrifty{runs: make(chan struct{})}
		for range 100 {
			c.keys = append(c.keys, "12")
		}
		sonic := novasonic.New(novasonic.Config{Client: client, KeepAlive: 500 * time.Millisecond, Continuation: novasonic.Continuation{
			Prepare: time.Second, Prefer: 5 * time.Second, Force: 8 * time.Second, Limit: 10 * time.Second, Jitter: -1,
		}})
		p := pipeline.New(pipeline.Config{}, microphone{c}, sonic, c)
		ended := make(chan error)
		go func() { ended <- p.Run(context.Background()) }()

		// figures are taken when just one stream is open.
		figures := func() (swaps, goroutines, open int, heap uint64) {
			for {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				if client.Streams().Open == 1 && sonic.Stats().Swaps > 0 {
					break
				}
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			for _, l := range srv.Streams() {
				if l.End.Kind == sonictest.Open {
					open++
				}
			}
			return sonic.Stats().Swaps, runtime.NumGoroutine(), open, m.HeapAlloc
		}
		time.Sleep(time.Minute) // until the queues and the ring have their size
		before, goroutines, open, heap := figures()
		time.Sleep(10 * time.Minute)
		after, goroutinesAfter, openAfter, heapAfter := figures()
		t.Logf("after %d and %d swaps: %d and %d goroutines, %d and %d streams open, a heap of %d and %d bytes", before, after, goroutines, goroutinesAfter, open, openAfter, heap, heapAfter)
		if after-before < 500 {
			t.Errorf("%d swaps, want 500", after-before)
		}
		if goroutinesAfter > goroutines {
			t.Errorf("goroutines grew from %d to %d", goroutines, goroutinesAfter)
		}
		if open != 1 || openAfter != 1 {
			t.Errorf("%d and %d streams were open, want one", open, openAfter)
		}
		// What was said is remembered, and some of it is kept by the emulator.
		if grown := int64(heapAfter) - int64(heap); grown > 500_000 {
			t.Errorf("the heap grew by %d bytes in %d swaps", grown, after-before)
		}
		p.End("enough")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		client.Close()
		srv.Close()
	})
}
