package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/transports/playout"
)

// The microphone of a measured call: pieces as long as the service recommends.
const (
	loadRate  = audio.Rate16k
	loadPiece = 32 * time.Millisecond
)

// loadSpeech is what each caller says again and again: a few words, and time to
// listen to the answer.
func loadSpeech() []int16 {
	words := hearing.Speak(loadRate, "1234")
	return append(words, make([]int16, loadRate.Samples(8*time.Second)-int64(len(words)))...)
}

// meter counts what calls do while they are measured.
type meter struct {
	measuring atomic.Bool
	up, down  atomic.Int64
}

func (m *meter) sent() {
	if m.measuring.Load() {
		m.up.Add(1)
	}
}

func (m *meter) received() {
	if m.measuring.Load() {
		m.down.Add(1)
	}
}

// microphone calls send with each piece of speech when it is due, until ctx
// ends. offset is where in the speech it begins, so that not everybody speaks
// at once.
func microphone(ctx context.Context, speech []int16, offset int, m *meter, send func(samples []int16, at audio.Position) error) error {
	n := int(loadRate.Samples(loadPiece))
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var at audio.Position
	for {
		due := start.Add(loadRate.Duration(int64(at) + int64(n)))
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		piece := make([]int16, n)
		for i := range piece {
			piece[i] = speech[(offset+int(at)+i)%len(speech)]
		}
		if err := send(piece, at); err != nil {
			return err
		}
		m.sent()
		at += audio.Position(n)
	}
}

// densityWork runs the calls of one kind and measures them.
func densityWork(ctx context.Context, kind string, calls int, warmUp, measured time.Duration) (density, error) {
	cfg, err := loadAWS(ctx)
	if err != nil {
		return density{}, err
	}
	call := bareCaller(cfg)
	if kind == "parley" {
		client, err := novasonic.NewClient(cfg, novasonic.ClientOptions{MaxStreams: 2 * calls})
		if err != nil {
			return density{}, err
		}
		defer client.Close()
		call = func(ctx context.Context, speech []int16, offset int, m *meter) error {
			return parleyCall(ctx, client, speech, offset, m)
		}
	}

	var (
		m      meter
		speech = loadSpeech()
		failed atomic.Int64
		group  sync.WaitGroup
		before = memory()
	)
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first atomic.Pointer[error]
	for i := range calls {
		group.Go(func() {
			// Spread over the pace of one piece, as callers are.
			select {
			case <-time.After(time.Duration(i) * 2 * time.Second / time.Duration(calls)):
			case <-ctx.Done():
				return
			}
			if err := call(ctx, speech, i*len(speech)/calls, &m); err != nil && !errors.Is(err, context.Canceled) {
				failed.Add(1)
				first.CompareAndSwap(nil, &err)
			}
		})
	}
	wait(ctx, warmUp)
	cpu, began := cpuTime(), time.Now()
	m.measuring.Store(true)
	wait(ctx, measured)
	m.measuring.Store(false)
	used, took := cpuTime()-cpu, time.Since(began)
	bytes := (memory() - before) / int64(calls)
	cancel()
	group.Wait()
	if err := outer.Err(); err != nil {
		return density{}, fmt.Errorf("measure %s: %w", kind, err)
	}
	if err := first.Load(); err != nil && int(failed.Load()) == calls {
		return density{}, fmt.Errorf("every call failed, the first with: %w", *err)
	}
	perCall := used.Seconds() / took.Seconds() / float64(calls)
	return density{
		Kind: kind, Calls: calls,
		CPUPerCall: 1000 * perCall, CallsACore: 1 / perCall,
		CPUPerEvent: 1e6 * used.Seconds() / float64(max(1, m.up.Load()+m.down.Load())),
		BytesACall:  bytes, EventsUp: m.up.Load(), EventsDown: m.down.Load(), FailedCalls: int(failed.Load()),
	}, nil
}

// wait lets time pass, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// memory is what heap and stacks hold, garbage excepted.
func memory() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc + s.StackInuse)
}

// parleyCall is a call through a whole pipeline.
func parleyCall(ctx context.Context, client *novasonic.Client, speech []int16, offset int, m *meter) error {
	mouth := &loadCaller{speech: speech, offset: offset, meter: m}
	sonic := novasonic.New(novasonic.Config{Client: client})
	ear := playout.New(playout.Config{}, loadEar{})
	count := pipeline.Inline(pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if _, ok := f.(*frames.AudioOutput); ok {
			m.received()
		}
		return out.Send(ctx, f, dir)
	}))
	return pipeline.New(pipeline.Config{}, mouth, sonic, count, ear).Run(ctx)
}

// loadCaller is the source of a measured call.
type loadCaller struct {
	speech []int16
	offset int
	meter  *meter
}

func (c *loadCaller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (c *loadCaller) Run(ctx context.Context, out *pipeline.Port) error {
	return microphone(ctx, c.speech, c.offset, c.meter, func(samples []int16, at audio.Position) error {
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(loadRate), Samples: samples, Track: "caller", Position: at}}
		return out.Send(ctx, f, frames.Downstream)
	})
}

// loadEar hears, and forgets.
type loadEar struct{}

// Play does nothing: a transport would encode and send the chunk.
func (loadEar) Play(context.Context, playout.Chunk) error { return nil }
