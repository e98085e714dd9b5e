//go:build cgo

package local

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gen2brain/malgo"
)

// miniaudioNull is miniaudio's null device: see backends.
const miniaudioNull malgo.Backend = 14

// It takes the second that it takes: miniaudio's threads know no virtual time.
func TestMiniaudioKeepsPace(t *testing.T) {
	transport, err := New(Config{system: func() (system, error) { return newMalgo([]malgo.Backend{miniaudioNull}) }})
	if err != nil {
		t.Fatal(err)
	}
	c := run(t, transport)
	time.Sleep(1200 * time.Millisecond)
	stats := transport.Stats()
	c.end()
	for _, s := range []DeviceStats{stats.Microphone, stats.Loudspeaker} {
		if s.Device == "" || s.Rate == 0 || s.Lost != 0 {
			t.Errorf("stats: %+v", s)
		}
	}
	if n := len(c.tape.all(t)); n < 16000 {
		t.Errorf("a second of microphone has %d samples, want 16000", n)
	}
	if n := transport.output.Stats().Output; n < 24000 {
		t.Errorf("a second of loudspeaker has %d samples, want 24000", n)
	}
}

func TestAMachineWithoutSoundSystemSaysSo(t *testing.T) {
	elsewhere := malgo.Backend(malgo.BackendCoreaudio)
	if runtime.GOOS == "darwin" {
		elsewhere = malgo.BackendWasapi
	}
	_, err := New(Config{system: func() (system, error) { return newMalgo([]malgo.Backend{elsewhere}) }})
	if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "install or start one") {
		t.Errorf("it says %v", err)
	}
}
