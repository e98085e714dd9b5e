package local

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
)

// Kind says what a device does.
type Kind uint8

const (
	Microphone  Kind = iota + 1 // hears: whatever audio can be recorded from
	Loudspeaker                 // is heard: whatever audio can be played on
)

// String returns "microphone" or "loudspeaker".
func (k Kind) String() string {
	if k == Loudspeaker {
		return "loudspeaker"
	}
	return "microphone"
}

// Device is a microphone or a loudspeaker of this machine.
type Device struct {
	Name    string
	Kind    Kind
	Default bool // the system's choice where none is named

	id any // the backend's
}

var (
	// ErrNoCgo is matched by the errors of a program that was built without cgo:
	// it cannot reach the machine's devices.
	ErrNoCgo = errors.New("this program was built without cgo, which microphones and loudspeakers need")

	// ErrNoDevice is matched by the errors of a machine without a microphone or a
	// loudspeaker, or without one of the name.
	ErrNoDevice = errors.New("there is no such device")
)

// DeviceError is a failure of a device when the call begins.
type DeviceError struct {
	Kind   Kind
	Device string // its name; empty if none was found
	Err    error
}

// Error says what to do about it, too.
func (e *DeviceError) Error() string {
	if e.Device == "" {
		return fmt.Sprintf("open %v: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("open %v %q: %v: see that it works in other programs and that none of them keeps it, choose another by its name, or use the null device", e.Kind, e.Device, e.Err)
}

// Unwrap returns Err.
func (e *DeviceError) Unwrap() error { return e.Err }

// system is what a machine has of audio. It is the seam between this package and
// the library that reaches the devices. Its methods are called by one goroutine
// at a time, and may take a while.
type system interface {
	// devices lists what there is now.
	devices() ([]Device, error)

	// open prepares a device; the default one of that kind if id is nil. Its
	// samples are 16 bits and mono, at a rate that the device chooses.
	open(kind Kind, id any, period time.Duration) (stream, error)

	close()
}

// stream is a device that is open.
type stream interface {
	rate() audio.SampleRate

	// start has the device call data for each period, from a goroutine or thread
	// of its own that must not be held up: with what a microphone heard, or for
	// what a loudspeaker is to play. It calls stopped if it stops of its own
	// accord, which ends the stream; it may do so more than once, and after close.
	start(data func([]int16), stopped func()) error

	// close returns when data is not called any more.
	close()
}

// Devices lists the microphones and loudspeakers of this machine. Without cgo
// it fails with [ErrNoCgo].
func Devices() ([]Device, error) {
	s, err := newSystem()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	defer s.close()
	all, err := s.devices()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return all, nil
}

const mendNone = "connect one, see that the sound server runs and that this program may use it, or use the null device"

// unnamed is what the default device is called where the system does not say which
// it is.
func unnamed(kind Kind) string { return "the default " + kind.String() }

// choose finds the device of a kind that is meant by a name: the one that is
// called so, or else the only one whose name has it as a part; letters may be
// small or capital. An empty name is the default device, whose id is nil, so that
// the system chooses it and may change its mind.
func choose(all []Device, kind Kind, name string) (Device, error) {
	var names []string
	var exact, partly []Device
	standard := Device{Kind: kind, Name: unnamed(kind), Default: true}
	for _, d := range all {
		if d.Kind != kind {
			continue
		}
		names = append(names, fmt.Sprintf("%q", d.Name))
		if d.Default {
			standard.Name = d.Name
		}
		if strings.EqualFold(d.Name, name) {
			exact = append(exact, d)
		}
		if strings.Contains(strings.ToLower(d.Name), strings.ToLower(name)) {
			partly = append(partly, d)
		}
	}
	switch list := strings.Join(names, ", "); {
	case len(names) == 0:
		return Device{}, fmt.Errorf("%w: this machine has no %v: %s", ErrNoDevice, kind, mendNone)
	case name == "":
		return standard, nil
	case len(exact) > 0: // two of the same make: the first
		return exact[0], nil
	case len(partly) == 1:
		return partly[0], nil
	case len(partly) == 0:
		return Device{}, fmt.Errorf("%w: no %v is called %q: there are %s", ErrNoDevice, kind, name, list)
	default:
		names = names[:0]
		for _, d := range partly {
			names = append(names, fmt.Sprintf("%q", d.Name))
		}
		return Device{}, fmt.Errorf("%q could be more than one %v: say which of %s", name, kind, strings.Join(names, ", "))
	}
}
