package keypad

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/internal/tracks"
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
	// own. It is sent downstream, and no interruption drops it ([frames.Keep]); nil
	// sends nothing. Format is called by one goroutine at a time and must return
	// soon.
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
// swallowed. No interruption drops an entry: it is what the caller has said.
//
// The keys of each track are an entry of their own. Of more than 64 tracks with an
// entry, the one on which no key has come for longest ends its.
type Keys struct {
	config KeysConfig

	// flushing holds something while an entry is taken and sent. Not a mutex:
	// Send may wait for room, and whoever waits for it minds its context.
	flushing chan struct{}

	mu      sync.Mutex
	entries tracks.Map[*entry] // those that are not over
	wake    chan struct{}
}

// entry is what has been pressed on a track.
type entry struct {
	keys []byte
	last time.Time // when the last of them came
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
			if err := k.flush(ctx, out, all); err != nil {
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
	return k.press(ctx, f, out)
}

func (k *Keys) press(ctx context.Context, f *frames.DTMFInput, out *pipeline.Port) error {
	if leaves, full := k.room(f.Track); full {
		if err := k.flush(ctx, out, of(leaves)); err != nil {
			return err
		}
	}
	if k.add(f) {
		return k.flush(ctx, out, of(f.Track))
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return nil
}

// room returns whose entry must end before one of a track can begin, if any must.
func (k *Keys) room(track string) (leaves string, full bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.entries.Get(track); known {
		return "", false
	}
	return k.entries.Room()
}

// add adds a key to the entry of its track, and reports whether that ends it.
func (k *Keys) add(f *frames.DTMFInput) (ends bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, known := k.entries.Get(f.Track)
	if !known {
		e = &entry{}
		k.entries.Put(f.Track, e)
	}
	e.keys, e.last = append(e.keys, f.Digit), time.Now()
	return f.Digit == k.config.End || len(e.keys) >= k.config.Max
}

// over reports whether the entry of a track is over.
type over func(track string, e *entry) bool

func all(string, *entry) bool { return true }

func of(name string) over { return func(track string, _ *entry) bool { return track == name } }

func (k *Keys) paused(_ string, e *entry) bool { return time.Since(e.last) >= k.config.Pause }

// flush sends on the entries that are over. When it returns nil, every entry that
// was taken before, by Run or by Process, has been sent: nothing that is sent
// afterwards overtakes one.
func (k *Keys) flush(ctx context.Context, out *pipeline.Port, over over) error {
	select {
	case k.flushing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-k.flushing }()
	for {
		keys := k.next(over)
		if keys == "" {
			return nil
		}
		f := k.config.Format(keys)
		if f == nil {
			continue
		}
		if err := out.Send(ctx, frames.Keep(f), frames.Downstream); err != nil {
			return err
		}
	}
}

// next removes an entry that is over and returns its keys, or nothing if there is
// none.
func (k *Keys) next(over over) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for track, e := range k.entries.All() {
		if over(track, e) { // it may have gone on since that was decided
			k.entries.Delete(track)
			return string(e.keys)
		}
	}
	return ""
}

// Run ends entries after the pause.
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
		if err := k.flush(ctx, out, k.paused); err != nil {
			return err
		}
		if left, waits := k.left(); waits {
			timer.Reset(left)
		}
	}
}

// left returns how long it is until an entry is over, if there is one.
func (k *Keys) left() (left time.Duration, waits bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	left = k.config.Pause
	for _, e := range k.entries.All() {
		left, waits = min(left, k.config.Pause-time.Since(e.last)), true
	}
	return left, waits
}
