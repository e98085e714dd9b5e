package keypad

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// KeysConfig says when the keys that a caller presses make a whole. The zero
// value is good.
type KeysConfig struct {
	// Pause is how long after a key the next one may come; 2 s by default.
	Pause time.Duration

	// End is the key that ends the entry at once, and is part of the text; '#'
	// by default. With [NoEnd] every key is one like the others.
	End byte

	// Max is how many keys an entry has at most; 32 by default.
	Max int

	// Prefix is put before the keys; "DTMF: " by default, so that a model knows
	// what it reads.
	Prefix string

	// Format makes what is sent of the keys of an entry, instead of a
	// [frames.Text] with Prefix: a text in words, or a frame of the application's
	// own. It is sent downstream; nil sends nothing. Format is called by one
	// goroutine at a time and must return soon.
	Format func(keys string) frames.Frame

	// Swallow keeps the keys themselves from going on, downstream. A service that
	// gathers keys by itself, as package novasonic does, would tell the model
	// twice.
	Swallow bool
}

// NoEnd is a [KeysConfig.End] that no key is.
const NoEnd byte = 0xFF

// Keys is a processor that gathers the keys which a caller presses
// ([frames.DTMFInput]) to one [frames.Text]: a number, a date, a choice. Make
// one with [NewKeys]. The keys themselves pass on as well, unless they are to be
// swallowed.
type Keys struct {
	config KeysConfig

	// flushing holds something while an entry is taken and sent. Not a mutex:
	// Send may wait for room, and whoever waits for it minds its context.
	flushing chan struct{}

	mu      sync.Mutex
	pressed []byte
	last    time.Time
	wake    chan struct{}
}

// NewKeys makes a Keys.
func NewKeys(cfg KeysConfig) *Keys {
	if cfg.Pause == 0 {
		cfg.Pause = 2 * time.Second
	}
	if cfg.End == 0 {
		cfg.End = '#'
	}
	if cfg.Max == 0 {
		cfg.Max = 32
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "DTMF: "
	}
	if cfg.Format == nil {
		cfg.Format = func(keys string) frames.Frame { return &frames.Text{Text: cfg.Prefix + keys} }
	}
	return &Keys{config: cfg, flushing: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// Name returns "keys".
func (k *Keys) Name() string { return "keys" }

// Start checks the configuration.
func (k *Keys) Start(context.Context, *pipeline.Port) error {
	var wrong mistakes.List
	wrong.Duration("Pause", k.config.Pause, time.Millisecond, 0)
	if k.config.Max < 0 {
		wrong.Add("Max is %d: at least 1, or 0 for the default", k.config.Max)
	}
	if k.config.End != NoEnd {
		if err := dtmf.CheckKey(k.config.End); err != nil {
			wrong.Add("End: %w; or NoEnd", err)
		}
	}
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("configure keys: %w", err)
	}
	return nil
}

// Process gathers keys, and passes everything on. What was entered so far goes
// before End and Stop.
func (k *Keys) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.DTMFInput:
		if dir == frames.Downstream {
			return k.take(ctx, f, out)
		}
	case *frames.End, *frames.Stop:
		if dir == frames.Downstream {
			if err := k.flush(ctx, 0, out); err != nil {
				return err
			}
		}
	}
	return out.Send(ctx, f, dir)
}

// take adds a key to the entry. What is no key goes on, for whoever knows it.
func (k *Keys) take(ctx context.Context, f *frames.DTMFInput, out *pipeline.Port) error {
	unknown := dtmf.CheckKey(f.Digit)
	if unknown != nil || !k.config.Swallow {
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	if unknown != nil {
		return fmt.Errorf("gather keys: %w", unknown)
	}
	return k.press(ctx, f.Digit, out)
}

func (k *Keys) press(ctx context.Context, digit byte, out *pipeline.Port) error {
	k.mu.Lock()
	k.pressed, k.last = append(k.pressed, digit), time.Now()
	full := digit == k.config.End || len(k.pressed) >= k.config.Max
	k.mu.Unlock()
	if full {
		return k.flush(ctx, 0, out)
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return nil
}

// flush sends the entry on, if there is one, and if its last key is as old as
// age. When it returns nil, every entry that was taken before, by Run or by
// Process, has been sent: nothing that is sent afterwards overtakes one.
func (k *Keys) flush(ctx context.Context, age time.Duration, out *pipeline.Port) error {
	select {
	case k.flushing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-k.flushing }()
	keys := k.empty(age)
	if keys == "" {
		return nil
	}
	f := k.config.Format(keys)
	if f == nil {
		return nil
	}
	return out.Send(ctx, f, frames.Downstream)
}

// empty empties the entry, if its last key is as old as age, and returns it.
func (k *Keys) empty(age time.Duration) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.last) < age {
		return "" // a key has come since its end was decided
	}
	text := string(k.pressed)
	k.pressed = k.pressed[:0]
	return text
}

// Run ends an entry after the pause.
func (k *Keys) Run(ctx context.Context, out *pipeline.Port) error {
	timer := time.NewTimer(k.config.Pause)
	defer timer.Stop()
	for {
		select {
		case <-k.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		k.mu.Lock()
		left := k.config.Pause - time.Since(k.last)
		k.mu.Unlock()
		if left > 0 {
			timer.Reset(left)
			continue
		}
		if err := k.flush(ctx, k.config.Pause, out); err != nil {
			return err
		}
	}
}
