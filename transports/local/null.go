package local

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
)

// nullSystem has a microphone that hears silence and a loudspeaker that nobody
// hears, both in real time.
type nullSystem struct{}

func newNull() (system, error) { return nullSystem{}, nil }

func (nullSystem) devices() ([]Device, error) {
	return []Device{
		{Name: "null microphone", Kind: Microphone, Default: true},
		{Name: "null loudspeaker", Kind: Loudspeaker, Default: true},
	}, nil
}

func (nullSystem) open(_ Kind, _ any, period time.Duration) (stream, error) {
	return &nullStream{period: period}, nil
}

func (nullSystem) close() {}

// nullStream is paced by a timer.
type nullStream struct {
	period time.Duration
	cancel context.CancelFunc
	work   sync.WaitGroup
}

const nullRate = audio.Rate48k

func (s *nullStream) rate() audio.SampleRate { return nullRate }

func (s *nullStream) start(data func([]int16), _ func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.work.Go(func() {
		buffer := make([]int16, nullRate.Samples(s.period))
		timer := time.NewTimer(0)
		defer timer.Stop()
		for start, k := time.Now(), time.Duration(1); ; k++ {
			timer.Reset(time.Until(start.Add(k * s.period)))
			select {
			case <-timer.C:
				clear(buffer) // a loudspeaker left in it what it would have played
				data(buffer)
			case <-ctx.Done():
				return
			}
		}
	})
	return nil
}

func (s *nullStream) close() {
	if s.cancel != nil {
		s.cancel()
	}
	s.work.Wait()
}
