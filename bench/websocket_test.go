package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

const piece = 20 * time.Millisecond

// BenchmarkWebSocketCalls holds calls in real time, 16 kHz in and out in messages
// of 20 ms, both ends in this process on a loopback socket, and reports how much
// later than it could have been everything arrives: what the caller says from the
// client's write to the processor behind the input ("in"), and what the agent says
// from the instant at which its chunk is due to leave to the client ("out"). The
// baseline is as many bare WebSockets that echo such messages, from write to read,
// halved; both sides of each measure the same machine, which also runs the clients.
//
// An operation is a second of all calls; memory and goroutines are those of both
// ends. With -short there is one call.
func BenchmarkWebSocketCalls(b *testing.B) {
	counts := []int{1, 100, 250, 500, 1000}
	if testing.Short() {
		counts = counts[:1]
	}
	for _, calls := range counts {
		b.Run(fmt.Sprintf("calls=%d", calls), func(b *testing.B) {
			b.Run("bare", func(b *testing.B) { bareCalls(b, calls) })
			b.Run("parley", func(b *testing.B) { parleyCalls(b, calls) })
		})
	}
}

// lateness gathers durations from many goroutines.
type lateness struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *lateness) add(d []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d...)
}

func (l *lateness) report(b *testing.B, name string) {
	if len(l.all) == 0 {
		b.Fatalf("nothing was measured %s", name)
	}
	slices.Sort(l.all)
	b.ReportMetric(float64(l.all[len(l.all)/2].Microseconds())/1000, name+"-p50-ms")
	b.ReportMetric(float64(l.all[len(l.all)*99/100].Microseconds())/1000, name+"-p99-ms")
}

// talk writes a message every 20 ms, with the time in its first samples, until done
// is closed; hear is called with what comes.
func talk(b *testing.B, url string, hello bool, n int, done <-chan struct{}, hear func(at time.Time, m []byte)) {
	conn, _, err := ws.Dial(context.Background(), url, nil)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.CloseNow()
	if hello {
		if err := conn.Write(context.Background(), ws.MessageText, []byte(`{"type":"hello","version":1,"output":{"rate":16000}}`)); err != nil {
			b.Error(err)
			return
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			kind, m, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if kind == ws.MessageBinary {
				hear(time.Now(), m)
			}
		}
	})
	// Calls do not begin at the same instant.
	time.Sleep(piece * time.Duration(n%20) / 20)
	tick := time.NewTicker(piece)
	defer tick.Stop()
	message := make([]byte, 640)
	for {
		select {
		case <-tick.C:
			binary.LittleEndian.PutUint64(message, uint64(time.Now().UnixNano()))
			if err := conn.Write(context.Background(), ws.MessageBinary, message); err != nil {
				b.Error(err)
				return
			}
		case <-done:
			conn.Close(ws.StatusNormalClosure, "")
			reading.Wait()
			return
		}
	}
}

// during runs calls for as long as the benchmark wants, after a second to settle.
func during(b *testing.B, calls int, one func(n int, settled time.Time, done <-chan struct{})) {
	var running sync.WaitGroup
	done := make(chan struct{})
	settled := time.Now().Add(2 * time.Second)
	for n := range calls {
		running.Go(func() { one(n, settled, done) })
	}
	time.Sleep(time.Until(settled))
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	goroutines := runtime.NumGoroutine()
	b.ResetTimer() // it forgets metrics, too
	time.Sleep(time.Duration(b.N) * time.Second)
	b.StopTimer()
	b.ReportMetric(float64(m.HeapInuse+m.StackInuse)/float64(calls)/1024, "kB/call")
	b.ReportMetric(float64(goroutines)/float64(calls), "goroutines/call")
	close(done)
	running.Wait()
}

func bareCalls(b *testing.B, calls int) {
	web := httptest.NewServer(echoHandler())
	defer web.Close()
	var way lateness
	during(b, calls, func(n int, settled time.Time, done <-chan struct{}) {
		var all []time.Duration
		talk(b, web.URL, false, n, done, func(at time.Time, m []byte) {
			if at.After(settled) {
				all = append(all, at.Sub(time.Unix(0, int64(binary.LittleEndian.Uint64(m))))/2)
			}
		})
		way.add(all)
	})
	way.report(b, "way")
}

// monologue measures how late the caller's audio comes, and speaks all the time.
type monologue struct {
	settled time.Time
	in      *lateness
	began   bool
	all     []time.Duration
}

func (a *monologue) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.AudioInput:
		if now := time.Now(); now.After(a.settled) {
			sent := binary.LittleEndian.Uint64(audio.EncodePCM(make([]byte, 0, 8), f.Samples[:4]))
			a.all = append(a.all, now.Sub(time.Unix(0, int64(sent))))
		}
		if a.began {
			return nil
		}
		a.began = true
		return out.Send(ctx, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: speech(), Track: "agent"}}, dir)
	case *frames.End:
		a.in.add(a.all)
	}
	return out.Send(ctx, f, dir)
}

// speech is what all agents say: five minutes without a pause.
var speech = sync.OnceValue(func() []int16 {
	samples := make([]int16, audio.Rate16k.Samples(5*time.Minute))
	for i := range samples {
		samples[i] = 1
	}
	return samples
})

func parleyCalls(b *testing.B, calls int) {
	var in, out lateness
	settled := time.Now().Add(2 * time.Second)
	server, err := websocket.NewServer(websocket.Config{}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, c.Input(), &monologue{settled: settled, in: &in}, c.Output()), nil
	})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	during(b, calls, func(n int, settled time.Time, done <-chan struct{}) {
		var arrived []time.Time
		talk(b, web.URL, true, n, done, func(at time.Time, _ []byte) {
			if at.After(settled) {
				arrived = append(arrived, at)
			}
		})
		// Chunks leave at equal distances. The one that was least late says where
		// the line lies on which all would be that were not late.
		var line time.Duration
		for i, at := range arrived {
			line = min(line, at.Sub(arrived[0])-time.Duration(i)*piece)
		}
		late := make([]time.Duration, len(arrived))
		for i, at := range arrived {
			late[i] = at.Sub(arrived[0]) - time.Duration(i)*piece - line
		}
		out.add(late)
	})
	if err := server.Shutdown(context.Background()); err != nil {
		b.Error(err)
	}
	in.report(b, "in")
	out.report(b, "out")
}

// echoHandler sends back what it gets, and no more.
func echoHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, m, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if err := conn.Write(context.Background(), kind, m); err != nil {
				return
			}
		}
	})
}
