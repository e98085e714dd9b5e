package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
)

// keeper keeps the device of one side open: where it goes away it is taken up
// again when it comes back. Its blocking work is done by a goroutine of its own.
type keeper struct {
	kind   Kind
	name   string // of the device; empty for the default one
	period time.Duration
	system func() (system, error)
	tell   func(event)
	wake   func()

	counters counters
	line     atomic.Pointer[line] // nil while there is none

	// The goroutine's own, once it runs.
	sys    system
	cancel context.CancelFunc
	work   sync.WaitGroup
}

const (
	// A device that has not called for so long is lost, whatever it says. Some take
	// two seconds to wake up.
	maxIdle = 5 * time.Second

	// One that has not called for so long is looked for: not every driver tells
	// that a device was unplugged.
	suspicious = 500 * time.Millisecond

	// lookEvery is how often the keeper looks whether that is so, and whether a
	// device that was lost is back.
	lookEvery = time.Second
)

var (
	errIdle    = fmt.Errorf("it has stood still for %v", maxIdle)
	errGone    = errors.New("it is not there any more")
	errStopped = errors.New("it has stopped: unplugged?") // more is not known
)

// start opens the device, and keeps it until stop is called.
func (k *keeper) start() error {
	if err := k.open(); err != nil {
		k.shut()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.work.Go(func() { k.keep(ctx) })
	return nil
}

// stop closes the device. It may be called if start was not, and more than once.
func (k *keeper) stop(ctx context.Context) error {
	if k.cancel == nil {
		return nil
	}
	k.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close %v: the driver does not return: %w", k.kind, context.Cause(ctx))
	}
}

// keep waits until the device is lost, and then until it is back.
func (k *keeper) keep(ctx context.Context) {
	defer k.shut()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		l := k.line.Load()
		err := k.lost(ctx, l, look)
		if ctx.Err() != nil {
			return
		}
		k.drop()
		k.counters.lost.Add(1)
		k.tell(event{k.kind, l.name, err})
		for {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
			if k.open() == nil {
				break
			}
		}
		k.tell(event{k.kind, k.line.Load().name, nil})
	}
}

// lost returns why the device is lost, when it is.
func (k *keeper) lost(ctx context.Context, l *line, look *time.Ticker) error {
	for {
		select {
		case <-l.stopped:
			return errStopped
		case <-look.C:
			idle := l.gauge.idle()
			if idle > maxIdle {
				return errIdle
			}
			if idle > suspicious {
				if err := k.there(l.name); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// there returns an error if a device is not.
func (k *keeper) there(name string) error {
	all, err := k.sys.devices()
	if err != nil {
		return err
	}
	if name != unnamed(k.kind) && !slices.ContainsFunc(all, func(d Device) bool { return d.Kind == k.kind && d.Name == name }) {
		return errGone
	}
	return nil
}

// open finds the device and lets it run. What the system knew before the last
// failure may be what failed, so it is asked anew each time.
func (k *keeper) open() error {
	k.shut()
	d, err := k.find()
	if err == nil {
		err = k.use(d)
	}
	if err != nil {
		return &DeviceError{k.kind, d.Name, err}
	}
	return nil
}

func (k *keeper) find() (d Device, err error) {
	if k.sys, err = k.system(); err != nil {
		return Device{}, err
	}
	all, err := k.sys.devices()
	if err != nil {
		return Device{}, err
	}
	return choose(all, k.kind, k.name)
}

// use lets a device run.
func (k *keeper) use(d Device) error {
	s, err := k.sys.open(k.kind, d.id, k.period)
	if err != nil {
		return err
	}
	if err := audio.Mono(s.rate()).Validate(); err != nil {
		s.close()
		return err
	}
	l := newLine(s, d.Name, &k.counters, k.wake)
	if err := l.start(k.kind); err != nil {
		s.close()
		return err
	}
	k.line.Store(l)
	k.wake()
	return nil
}

// drop closes the device, if there is one.
func (k *keeper) drop() {
	if l := k.line.Swap(nil); l != nil {
		l.stream.close()
		k.wake()
	}
}

// shut drops the device, and the system with it.
func (k *keeper) shut() {
	k.drop()
	if k.sys != nil {
		k.sys.close()
		k.sys = nil
	}
}
