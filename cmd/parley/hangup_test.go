package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
)

// nearlyFull is a pipe that takes so many more bytes and then keeps whoever writes
// waiting.
func nearlyFull(t *testing.T, room int) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	const holds = 64 << 10 // on Linux
	w.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, err := w.Write(make([]byte, holds-room)); err != nil {
		t.Skipf("SKIPPED: pipes are smaller than 64 KiB here, which plays a log that nobody reads: %v", err)
	}
	return w
}

// It is run as a process, and in real time, because signals come from outside.
func TestASecondSignalEndsACallAtOnceAndKeepsWhatThereIs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: it fills a pipe to the brim, and knows how much that is on Linux only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, stuck := range map[string]bool{"in order": false, "though its log is not read": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			recording, transcript := filepath.Join(dir, "o.wav"), filepath.Join(dir, "said.json")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, self, "call", "--json", calls+"order.mp3", "-o", recording, "--transcript", transcript)
			cmd.Env = append(os.Environ(), runMain+"=1")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if stuck {
				cmd.Stderr = nearlyFull(t, 120) // who answers, and no more
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				// 6 s of two channels: the caller has been understood.
				if info, err := os.Stat(recording); err == nil && info.Size() > 6*4*24000 || time.Now().After(deadline) {
					break
				}
			}
			cmd.Process.Signal(os.Interrupt)
			time.Sleep(150 * time.Millisecond) // as fast as people are
			cmd.Process.Signal(os.Interrupt)
			began := time.Now()
			cmd.Wait() // the exit status tells
			if took := time.Since(began); cmd.ProcessState.ExitCode() != interruptedStatus || took > 1500*time.Millisecond {
				t.Errorf("%v after %v: %s", cmd.ProcessState, took, &stderr)
			}
			if !stuck && !strings.HasSuffix(stderr.String(), "\nparley: interrupted: the call was cut off\n") {
				t.Errorf("it says %s", &stderr)
			}
			var s Summary
			if err := json.Unmarshal(stdout.Bytes(), &s); err != nil || s.Error != "interrupted: the call was cut off" || s.Ended != "interrupted" || s.Output != recording || s.Saved != transcript {
				t.Errorf("%v: %s", err, &stdout)
			}
			written, err := os.ReadFile(recording)
			if err != nil || len(written) < 44 || int(binary.LittleEndian.Uint32(written[40:])) != (len(written)-44)/4*4 {
				t.Errorf("%v: %d bytes, of which the header tells %d", err, len(written)-44, binary.LittleEndian.Uint32(written[40:]))
			}
			var said struct{ Entries []any }
			content, err := os.ReadFile(transcript)
			if err := errors.Join(err, json.Unmarshal(content, &said)); err != nil || len(said.Entries) == 0 {
				t.Errorf("the transcript is %q (%v)", content, err)
			}
		})
	}
}

func TestAHeaderIsCompleted(t *testing.T) {
	whole := wavOf(t, audio.Mono(8000), 800)
	behind := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(behind[4:], 36+100)
	binary.LittleEndian.PutUint32(behind[40:], 100)
	for name, c := range map[string]struct{ before, after []byte }{
		"behind":       {behind, whole},
		"half a frame": {append(bytes.Clone(behind), 1), append(bytes.Clone(whole), 1)},
		"not WAV":      {[]byte(strings.Repeat("x", 100)), []byte(strings.Repeat("x", 100))},
		"too short":    {whole[:20], whole[:20]},
	} {
		path := write(t, "o.wav", c.before)
		completeHeader(path)
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, c.after) {
			t.Errorf("%s: it is not as it should be (%v)", name, err)
		}
	}
}
