//go:build unix

package bedrock

import (
	"bytes"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// answering sends an event of 32 ms of 24 kHz speech for each that comes. It
// looks at as little as it can, so that what is measured is the client.
func answering(s *session) {
	frame := chunkFrame(bytes.Repeat([]byte("a"), 2300))
	s.accept()
	buf := make([]byte, 64<<10)
	var have int
	for {
		n, err := s.r.Body.Read(buf[have:])
		have += n
		for have >= 4 {
			size := int(buf[0])<<24 | int(buf[1])<<16 | int(buf[2])<<8 | int(buf[3])
			if size > have {
				break
			}
			if size < 100 { // the empty frame of the half-close
				return
			}
			if _, err := s.w.Write(frame); err != nil {
				return
			}
			have = copy(buf, buf[size:have])
		}
		s.rc.Flush()
		if err != nil {
			return
		}
	}
}

// BenchmarkDuplex sends an event of 32 ms of 16 kHz speech up and takes one of
// 24 kHz down, on 50 streams of one dialer, both ends in this process. The CPU
// time is that of both.
//
//	go test -run xxx -bench Duplex ./services/novasonic/internal/bedrock
func BenchmarkDuplex(b *testing.B) {
	const streams = 50
	p := &peer{script: answering}
	d := dialerFor(b, p.start(b))
	open := make([]*sdkStream, streams)
	for i := range open {
		s, err := d.Dial(b.Context(), testModel)
		if err != nil {
			b.Fatal(err)
		}
		open[i] = s.(*sdkStream)
		defer s.Abort(nil)
	}
	event := bytes.Repeat([]byte("a"), 1512)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	g, ctx := errgroup.WithContext(b.Context())
	for _, s := range open {
		g.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := s.Send(ctx, event); err != nil {
					return err
				}
				if _, err := s.Recv(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/event")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
