//go:build cgo

package local

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/gen2brain/malgo"

	"github.com/parley-go/parley/audio"
)

// backends are miniaudio's, in its order of preference, without its null device:
// it would be taken where there is no other, and nobody would know. malgo lacks
// one of miniaudio's list (custom), so that its BackendNull is that one.
var backends = []malgo.Backend{
	malgo.BackendWasapi, malgo.BackendDsound, malgo.BackendWinmm, malgo.BackendCoreaudio, malgo.BackendSndio, malgo.BackendAudio4,
	malgo.BackendOss, malgo.BackendPulseaudio, malgo.BackendAlsa, malgo.BackendJack, malgo.BackendAaudio, malgo.BackendOpensl,
}

// newSystem reaches the devices through miniaudio.
func newSystem() (system, error) { return newMalgo(backends) }

// malgoSystem is miniaudio.
type malgoSystem struct {
	context *malgo.AllocatedContext
	stuck   bool // a device that was not closed still needs the context
}

func newMalgo(backends []malgo.Backend) (system, error) {
	c, err := malgo.InitContext(backends, malgo.ContextConfig{}, nil)
	if errors.Is(err, malgo.ErrNoBackend) {
		return nil, fmt.Errorf("%w: this machine has no sound system that is known: install or start one (on Linux: PipeWire, PulseAudio, or the library libasound2), or use the null device", ErrNoDevice)
	}
	if err != nil {
		return nil, fmt.Errorf("reach sound system: %w", err)
	}
	return &malgoSystem{context: c}, nil
}

// close also leaves a record of malgo's behind, of some hundred bytes.
func (s *malgoSystem) close() {
	if s.stuck {
		return
	}
	_ = s.context.Uninit() // it fails only where there was nothing to undo
	s.context.Free()
}

// plugins are what ALSA lists although there is no device behind it: ways to
// convert sound on its way to one, and to other sound systems.
var plugins = []string{
	"Discard all samples (playback) or generate zero samples (capture)", "Rate Converter Plugin Using ", "Plugin using Speex DSP",
	"Plugin for channel upmix", "Plugin for channel downmix", "JACK Audio Connection Kit", "Open Sound System", "PulseAudio Sound Server",
}

func (s *malgoSystem) devices() (all []Device, err error) {
	for _, k := range []struct {
		kind Kind
		of   malgo.DeviceType
	}{{Microphone, malgo.Capture}, {Loudspeaker, malgo.Playback}} {
		found, err := s.context.Devices(k.of)
		if err != nil {
			return nil, fmt.Errorf("list %vs: %w", k.kind, err)
		}
		for _, d := range found {
			if slices.ContainsFunc(plugins, func(name string) bool { return strings.HasPrefix(d.Name(), name) }) {
				continue
			}
			all = append(all, Device{Name: d.Name(), Kind: k.kind, Default: d.IsDefault != 0, id: d.ID})
		}
	}
	return all, nil
}

func (s *malgoSystem) open(kind Kind, id any, period time.Duration) (stream, error) {
	config := malgo.DefaultDeviceConfig(malgo.Capture)
	side := &config.Capture
	if kind == Loudspeaker {
		config = malgo.DefaultDeviceConfig(malgo.Playback)
		side = &config.Playback
	}
	config.PeriodSizeInMilliseconds = uint32(period.Milliseconds())
	config.Periods = devicePeriods
	config.SampleRate = 0 // the device's own: audio.Resampler does better than miniaudio's
	config.NoPreSilencedOutputBuffer = 1
	side.Format, side.Channels = malgo.FormatS16, 1
	var pin runtime.Pinner
	defer pin.Unpin()
	if id, ok := id.(malgo.DeviceID); ok {
		pin.Pin(&id) // miniaudio copies it
		side.DeviceID = unsafe.Pointer(&id)
	}
	m := &malgoStream{system: s, kind: kind}
	device, err := malgo.InitDevice(s.context.Context, config, malgo.DeviceCallbacks{Data: m.call, Stop: m.stop})
	if err != nil {
		return nil, err
	}
	m.device = device
	return m, nil
}

// malgoStream is a device that miniaudio has opened.
type malgoStream struct {
	system  *malgoSystem
	device  *malgo.Device
	kind    Kind
	data    func([]int16)
	stopped func()
}

func (m *malgoStream) rate() audio.SampleRate { return audio.SampleRate(m.device.SampleRate()) }

func (m *malgoStream) start(data func([]int16), stopped func()) error {
	m.data, m.stopped = data, stopped
	return m.device.Start()
}

// closeWithin is how long a device may take to close. One whose driver has lost it
// may never do.
const closeWithin = 3 * time.Second

// close stops the device first: ma_device_uninit alone waits for ever for a stream
// that PulseAudio has ended. What is stuck all the same is left behind.
func (m *malgoStream) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.device.Stop() // it fails where the device is gone
		m.device.Uninit()
	}()
	select {
	case <-done:
	case <-time.After(closeWithin):
		m.system.stuck = true
	}
}

// call is called by a thread of miniaudio's.
func (m *malgoStream) call(out, in []byte, n uint32) {
	b := in
	if m.kind == Loudspeaker {
		b = out
	}
	if len(b) == 0 {
		return
	}
	// miniaudio allocates its buffers by the sample, in the machine's own order.
	m.data(unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), n))
}

// stop is called by a thread of miniaudio's.
func (m *malgoStream) stop() { m.stopped() }
