package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/transports/local"
)

// Where there is no microphone, none is to be looked for.
func TestTalkWithoutDevicesAsksForNone(t *testing.T) {
	status, stdout, stderr := parley(t, "talk", "--null", "--max-duration", "200ms")
	if status != 0 || !strings.Contains(stdout, "Nobody is heard: there are no devices.") || !strings.Contains(stdout, "audio gaps:") || strings.Contains(stdout, "microphone, and is it on") {
		t.Errorf("exit status %d: %s%s", status, stdout, stderr)
	}
}

func TestTalkHoldsACallWithoutDevices(t *testing.T) {
	dir := t.TempDir()
	record, transcript := filepath.Join(dir, "call.wav"), filepath.Join(dir, "call.json")
	status, stdout, stderr := parley(t, "talk", "--null", "--half-duplex", "--max-duration", "1s", "--json", "--record", record, "--transcript", transcript)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	var s Talk
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("%v: it printed %q", err, stdout)
	}
	if s.Service != "emulator" || s.Duration < 1000 || s.Duration > 5000 || s.Streams != 1 || s.Ended != "the call has lasted 1s" || s.Errors != nil || s.Error != "" {
		t.Errorf("summary: %+v", s)
	}
	if s.Microphone.Name != "null microphone" || s.Microphone.RateHz != 48000 || s.Loudspeaker.Name != "null loudspeaker" || s.Summary.Output != record || s.Saved != transcript {
		t.Errorf("summary: %+v", s)
	}
	for _, want := range []string{"Emulator:", "Microphone: null microphone. Loudspeaker: null loudspeaker."} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, stderr)
		}
	}
	f, err := os.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := wav.NewReader(f)
	if err != nil || r.Format().Channels != 2 {
		t.Errorf("the recording: %v", err)
	}
	if b, err := os.ReadFile(transcript); err != nil || !json.Valid(b) {
		t.Errorf("the transcript: %v, %q", err, b)
	}
}

func TestTalkRefusesWhatMakesNoSense(t *testing.T) {
	for args, want := range map[string]string{
		"--null --input x":           "leave it out, or --input and --output",
		"--null --output x":          "leave it out, or --input and --output",
		"--null --max-duration=-1s":  "--max-duration: -1s is not allowed: at least 1ms",
		"--null --record x.flac":     "name a .wav or .mp3 file",
		"--null --transcript x.doc":  "name a .json, .vtt or .txt file",
		"--null --push-to-talk":      "standard input is not a terminal",
		"--null --voice nobody":      "--voice nobody",
		"--null --input":             "it needs a value behind it",
		"--null surprise":            "unexpected argument surprise",
		"--null --rotate-every 100h": "--rotate-every",
	} {
		status, stdout, stderr := parley(t, append([]string{"talk"}, strings.Fields(args)...)...)
		if status != 2 || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") > 1 {
			t.Errorf("%s: exit status %d, %q, %q; want %q", args, status, stdout, stderr, want)
		}
	}
}

func TestTalkSaysWhatToDoWithoutADevice(t *testing.T) {
	status, stdout, stderr := parley(t, "talk", "--input", "no microphone has such a name", "--max-duration", "1ms")
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
	for _, want := range []string{"--null", "--list-devices", "parley serve"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	if _, err := local.Devices(); err == nil {
		return
	}
	// Without cgo, or without a sound system, there is no list either.
	if status, _, stderr := parley(t, "talk", "--list-devices"); status != 1 || !strings.Contains(stderr, "list devices: ") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
}

// child runs the program as a process of its own.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	return cmd
}

func TestTalkHangsUpInOrderWhenItIsInterrupted(t *testing.T) {
	cmd := child(t, "talk", "--null")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), "Ctrl-C hangs up") {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, stderr.String())
	}
	if said := strings.Join(all, "\n"); !strings.Contains(said, "Hanging up") || !strings.Contains(said, "audio gaps: 0") || strings.Contains(said, "before its time") {
		t.Errorf("it printed:\n%s", said)
	}
}

func TestTheSpaceBarIsHeldOrTouched(t *testing.T) {
	type stretch struct{ from, to time.Duration }
	ms := func(all ...int) (d []time.Duration) {
		for _, n := range all {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	held := ms(1000)
	for at := 1500; at <= 3000; at += 33 { // it repeats after half a second
		held = append(held, ms(at)...)
	}
	for name, tc := range map[string]struct {
		presses []time.Duration
		want    stretch // talking, to within 300 ms at the end
	}{
		"held":                   {held, stretch{time.Second, 3 * time.Second}},
		"touched twice":          {ms(1000, 4000), stretch{time.Second, 4 * time.Second}},
		"touched twice, quickly": {ms(1000, 1200), stretch{time.Second, 1200 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys := make(chan struct{})
				go func() {
					start := time.Now()
					for _, at := range tc.presses {
						time.Sleep(at - time.Since(start))
						keys <- struct{}{}
					}
				}()
				var key touch
				var got []stretch
				start := time.Now()
				end := time.After(10 * time.Second)
				for over := false; !over; {
					was := key.talking
					select {
					case <-keys:
						key.press(time.Now())
					case <-key.over():
						key.release()
					case <-end:
						over = true
					}
					switch now := time.Since(start); {
					case key.talking && !was:
						got = append(got, stretch{from: now})
					case was && !key.talking:
						got[len(got)-1].to = now
					}
				}
				if len(got) != 1 || got[0].from != tc.want.from || got[0].to < tc.want.to || got[0].to > tc.want.to+300*time.Millisecond {
					t.Errorf("talking: %v, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestALevelIsABar(t *testing.T) {
	for level, want := range map[float64]int{math.Inf(-1): 0, -90: 0, -48: 0, -47: 1, -24: 8, -3: 15, 0: 16, 3: 16} {
		got := bar(level)
		if n := strings.Count(got, "▮"); n != want || len([]rune(got)) != 16 {
			t.Errorf("%v dBFS is drawn as %s, want %d of 16", level, got, want)
		}
	}
}

func TestTheMeterLeavesTheTranscriptAlone(t *testing.T) {
	var out, err bytes.Buffer
	mic, failed := local.New(local.Config{Null: true})
	if failed != nil {
		t.Fatal(failed)
	}
	con := console{out: &out, err: &err, terminal: true}
	talk := &talking{command: &talkCommand{}, mic: mic, con: con, human: &out, screen: newScreen(&out, con)}
	talk.look()
	talk.draw()
	drawn := err.String()
	if !strings.HasPrefix(drawn, "\ryou ▯") || !strings.Contains(drawn, "agent ▯") || strings.Contains(drawn, "\n") {
		t.Errorf("the meter: %q", drawn)
	}
	talk.println("hello")
	if wiped := strings.TrimPrefix(err.String(), drawn); strings.ReplaceAll(wiped, " ", "") != "\r\r" || len(wiped) != len([]rune(drawn))+1 || out.String() != "hello\n" {
		t.Errorf("a line is printed as %q behind %q", out.String(), wiped)
	}
}
