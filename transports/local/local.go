package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/playout"
)

// Config says which devices are used. The zero value takes the default ones.
type Config struct {
	// Microphone and Loudspeaker are names of devices, or parts of them that no
	// other has; letters may be small or capital. See [Devices]. Empty: the
	// default one of the system, which may become another during the call.
	Microphone  string
	Loudspeaker string

	// Null takes no device at all: the microphone hears silence, and the
	// loudspeaker is heard by nobody. For tests, and machines without sound. It
	// needs no cgo.
	Null bool

	// InputRate is the rate of what is heard, 16 kHz by default, and OutputRate
	// that of what is said, 24 kHz by default: what speech services take and
	// give. The devices' own may be others; what they are is converted.
	InputRate  audio.SampleRate
	OutputRate audio.SampleRate

	// Track is the name of the caller's audio; "caller" by default.
	Track string

	// Chunk is the length of the pieces in both directions, from 5 to 100 ms; 20
	// ms by default.
	Chunk time.Duration

	// Period is how much audio the devices are to give and take at once, from 2 to
	// 100 ms; 10 ms by default. A loudspeaker holds three.
	Period time.Duration

	// Cushion is how much audio waits for the loudspeaker when a chunk is late, up
	// to a second; 20 ms by default. It is what a busy machine, or a wireless
	// loudspeaker, needs more of, and gets by itself when it runs dry, up to 100
	// ms more. The agent is heard as much later.
	Cushion time.Duration

	// Playout is for what is seldom changed of the output. Name, Format, Chunk,
	// Lead and Clock are set by this package.
	Playout playout.Config

	system func() (system, error) // another one in tests
}

const (
	defaultInputRate  = audio.Rate16k
	defaultOutputRate = audio.Rate24k
	defaultTrack      = "caller"
	defaultChunk      = 20 * time.Millisecond
	defaultPeriod     = 10 * time.Millisecond
	defaultCushion    = 20 * time.Millisecond
)

func (c Config) withDefaults() Config {
	if c.InputRate == 0 {
		c.InputRate = defaultInputRate
	}
	if c.OutputRate == 0 {
		c.OutputRate = defaultOutputRate
	}
	if c.Track == "" {
		c.Track = defaultTrack
	}
	if c.Chunk == 0 {
		c.Chunk = defaultChunk
	}
	if c.Period == 0 {
		c.Period = defaultPeriod
	}
	if c.Cushion == 0 {
		c.Cushion = defaultCushion
	}
	switch {
	case c.system != nil:
	case c.Null:
		c.system = newNull
	default:
		c.system = newSystem
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Chunk < 5*time.Millisecond || c.Chunk > 100*time.Millisecond:
		return fmt.Errorf("its Chunk is %v, and not between 5ms and 100ms: 0 is the default, 20ms", c.Chunk)
	case c.Period < 2*time.Millisecond || c.Period > 100*time.Millisecond:
		return fmt.Errorf("its Period is %v, and not between 2ms and 100ms: 0 is the default, 10ms", c.Period)
	case c.Cushion < 0 || c.Cushion > time.Second:
		return fmt.Errorf("its Cushion is %v, and not between 0 and 1s: 0 is the default, 20ms", c.Cushion)
	case c.Null && c.Microphone+c.Loudspeaker != "":
		return errors.New("it names a device, and asks for none with Null: leave one out")
	}
	for _, r := range []audio.SampleRate{c.InputRate, c.OutputRate} {
		if r < audio.Rate8k || r > 192000 {
			return fmt.Errorf("a rate of %d Hz is not between 8000 and 192000: InputRate is 16000 by default, OutputRate 24000", int(r))
		}
	}
	return nil
}

// deviceBuffer is how much a loudspeaker holds that it was given.
func (c Config) deviceBuffer() time.Duration { return devicePeriods * c.Period }

// Transport is a microphone and a loudspeaker. Make it with [New]; it serves one
// run of a pipeline.
type Transport struct {
	config  Config
	clock   *playout.Clock
	input   *Input
	speaker *speaker
	output  *playout.Output
	events  chan event
}

// New chooses the devices, so that a name that is wrong is refused at once, with
// those that there are. They are opened when the pipeline starts, and closed when
// it ends.
//
// It fails with [ErrNoCgo] in a program that was built without cgo, and with
// [ErrNoDevice] where there is no such device.
func New(cfg Config) (*Transport, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure local audio: %w", err)
	}
	if err := cfg.look(); err != nil {
		return nil, fmt.Errorf("open local audio: %w", err)
	}
	t := &Transport{config: cfg, clock: &playout.Clock{}, events: make(chan event, 16)}
	wake := make(chan struct{}, 1)
	t.input = &Input{transport: t, wake: wake}
	t.input.keeper = t.keep(Microphone, cfg.Microphone, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	t.speaker = &speaker{transport: t}
	t.speaker.keeper = t.keep(Loudspeaker, cfg.Loudspeaker, func() {})
	p := cfg.Playout
	p.Name, p.Format, p.Chunk, p.Clock = "local output", audio.Mono(cfg.OutputRate), cfg.Chunk, t.clock
	p.Lead = cfg.deviceBuffer() + cfg.Cushion
	t.output = playout.New(p, t.speaker)
	t.input.level.Store(math.Float64bits(math.Inf(-1)))
	t.speaker.level.Store(math.Float64bits(math.Inf(-1)))
	return t, nil
}

// look finds out whether the devices are there.
func (c Config) look() error {
	s, err := c.system()
	if err != nil {
		return err
	}
	defer s.close()
	all, err := s.devices()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%w: this machine has neither microphone nor loudspeaker: %s", ErrNoDevice, mendNone)
	}
	_, mic := choose(all, Microphone, c.Microphone)
	_, speaker := choose(all, Loudspeaker, c.Loudspeaker)
	return errors.Join(mic, speaker)
}

func (t *Transport) keep(kind Kind, name string, wake func()) *keeper {
	return &keeper{kind: kind, name: name, period: t.config.Period, system: t.config.system, wake: wake, tell: func(e event) {
		select {
		case t.events <- e:
		default: // there is no input that would tell it
		}
	}}
}

// Input returns the caller: the first processor of the pipeline.
func (t *Transport) Input() *Input { return t.input }

// Output returns the agent's voice: the last processor of the pipeline.
func (t *Transport) Output() *playout.Output { return t.output }

// Mute makes the microphone hear silence, or lets it hear again. It may be called
// at any time from any goroutine.
func (t *Transport) Mute(on bool) { t.input.muted.Store(on) }

// Muted reports whether it hears silence.
func (t *Transport) Muted() bool { return t.input.muted.Load() }

// Close is for a transport whose pipeline was never run; there is nothing to
// close then.
func (t *Transport) Close() error {
	return errors.Join(t.input.Close(context.Background()), t.speaker.Close(context.Background()))
}
