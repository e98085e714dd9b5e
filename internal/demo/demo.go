// Package demo gives what Parley shows itself with: the recordings of callers
// and the script of the shop that answers them, from testdata/calls.
package demo

import (
	"fmt"
	"io/fs"

	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
)

// ScriptName is the file name of the script.
const ScriptName = "bikeshop.yaml"

// Recordings are the file names of the callers, by what they show: a plain
// conversation with a tool, one in which the caller interrupts the agent, and
// one from a noisy street.
const (
	Order   = "order.mp3"   // 16 kHz MP3
	BargeIn = "bargein.wav" // 8 kHz WAV
	Noisy   = "noisy.mp3"   // 16 kHz MP3
)

// Files returns the recordings, the script and its clips.
func Files() fs.FS { return calls.Files }

// Script reads the script. It takes about a quarter of a second of one core,
// most of it for the recordings.
func Script() (*script.Script, error) {
	s, err := script.Load(calls.Files, ScriptName)
	if err != nil {
		return nil, fmt.Errorf("load the built-in script: %w", err)
	}
	return s, nil
}
