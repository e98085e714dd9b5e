package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

// samplesOf reads a file whole, as mono.
func samplesOf(t *testing.T, path string) (audio.SampleRate, []int16) {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []int16
	for piece := make([]int16, 4096); ; {
		n, err := r.Read(piece)
		all = append(all, piece[:n]...)
		if err != nil {
			break
		}
	}
	return r.Format().Rate, audio.Remix(nil, all, r.Format().Channels, 1)
}

// said writes a recording in which a clip is said at 3 s and again at 10 s, over
// a faint noise, and returns its path and how long the clip sounds.
func said(t *testing.T) (path string, length float64) {
	t.Helper()
	clips, err := filepath.Glob("../../testdata/calls/clips/*.mp3")
	if err != nil || len(clips) == 0 {
		t.Fatalf("no clips: %v", err)
	}
	rate, clip := samplesOf(t, clips[0])
	second := int(rate)
	loud := func(s int16) bool { return s > 300 || s < -300 }
	for len(clip) > 0 && !loud(clip[0]) {
		clip = clip[1:]
	}
	for len(clip) > 0 && !loud(clip[len(clip)-1]) {
		clip = clip[:len(clip)-1]
	}
	samples := make([]int16, 10*second+len(clip)+3*second)
	for i := range samples {
		samples[i] = int16(i*7919%11 - 5)
	}
	audio.Add(samples[3*second:], clip)
	audio.Add(samples[10*second:], clip)
	path = filepath.Join(t.TempDir(), "said.wav")
	w, err := audiofile.Create(path, audio.Mono(rate))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path, float64(len(clip)) / float64(rate)
}

func TestARecordingIsHeardWhereSomethingIsSaid(t *testing.T) {
	recording, length := said(t)
	for _, engine := range []string{"Silero", "energy"} {
		t.Run(engine, func(t *testing.T) {
			plot := filepath.Join(t.TempDir(), "heard.png")
			status, stdout, stderr := parley(t, "listen", recording, "--engine", engine, "--stop", "1s", "--end", "1s", "--plot", plot, "--json")
			if status != 0 {
				t.Fatalf("exit status %d: %s", status, stderr)
			}
			var h Heard
			if err := json.Unmarshal([]byte(stdout), &h); err != nil || strings.Count(stdout, "\n") != 1 {
				t.Fatalf("%v: %q", err, stdout)
			}
			for what, all := range map[string][]Stretch{"segments": h.Segments, "turns": h.Turns} {
				if len(all) != 2 {
					t.Errorf("%s %v, want 2", what, all)
					continue
				}
				for i, at := range []float64{3, 10} {
					from, to := all[i].From.Duration().Seconds(), all[i].To.Duration().Seconds()
					if math.Abs(from-at) > 0.25 || math.Abs(to-at-length) > 0.25 {
						t.Errorf("%s %d from %.2f to %.2f, want %.2f to %.2f", what, i, from, to, at, at+length)
					}
				}
			}
			picture, err := os.ReadFile(plot)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
				t.Errorf("the plot: %v", err)
			}
		})
	}
}

func TestALongRecordingIsHeardWhole(t *testing.T) {
	once, _ := said(t)
	rate, samples := samplesOf(t, once)
	path := filepath.Join(t.TempDir(), "long.wav")
	w, err := audiofile.Create(path, audio.Mono(rate))
	if err != nil {
		t.Fatal(err)
	}
	const times = 20
	for range times {
		if err := w.Write(samples); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, stdout, stderr := parley(t, "listen", path, "--engine", "energy", "--json")
	var h Heard
	if err := json.Unmarshal([]byte(stdout), &h); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if len(h.Segments) != 2*times || len(h.Turns) != 2*times {
		t.Errorf("%d segments and %d turns, want %d", len(h.Segments), len(h.Turns), 2*times)
	}
}

// TestATurnThatIsTooLongIsToldAsItWouldBeInACall hears five minutes without a pause
// as long as it would have to be.
func TestATurnThatIsTooLongIsToldAsItWouldBeInACall(t *testing.T) {
	once, _ := said(t)
	rate, samples := samplesOf(t, once)
	path := filepath.Join(t.TempDir(), "monologue.wav")
	w, err := audiofile.Create(path, audio.Mono(rate))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0.0
	for whole < 300 {
		if err := w.Write(samples); err != nil {
			t.Fatal(err)
		}
		whole += float64(len(samples)) / float64(rate)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plot := filepath.Join(t.TempDir(), "heard.svg")
	args := []string{"listen", path, "--engine", "energy", "--stop", "30s", "--end", "30s"}
	status, stdout, stderr := parley(t, append(args, "--plot", plot, "--json")...)
	var h Heard
	if err := json.Unmarshal([]byte(stdout), &h); err != nil || status != 0 {
		t.Fatalf("exit status %d, %v: %s", status, err, stderr)
	}
	if len(h.Segments) != 1 || h.Segments[0].Cut || h.Segments[0].To.Duration().Seconds() < whole-10 {
		t.Errorf("segments %+v, want one of all %.1f s", h.Segments, whole)
	}
	// The turn is given 0.2 s after the voice begins, and begins with it.
	if len(h.Turns) != 1 || !h.Turns[0].Cut || h.Turns[0].From != h.Segments[0].From || math.Abs((h.Turns[0].To-h.Turns[0].From).Duration().Seconds()-120.2) > 0.1 {
		t.Errorf("turns %+v, want one that was cut after two minutes", h.Turns)
	}
	if drawn, err := os.ReadFile(plot); err != nil || !bytes.Contains(drawn, []byte("<svg")) {
		t.Errorf("the plot: %v", err)
	}
	if _, stdout, stderr = parley(t, args...); strings.Count(stdout, "ended as too long, in mid-speech") != 1 || stderr != "" {
		t.Errorf("people are told %s%s", stdout, stderr)
	}
}

func TestATurnIsAsLongAsThePausesInItAreShort(t *testing.T) {
	recording, _ := said(t)
	for end, want := range map[string]int{"1s": 2, "12s": 1} {
		_, stdout, stderr := parley(t, "listen", recording, "--end", end, "--json")
		var h Heard
		if err := json.Unmarshal([]byte(stdout), &h); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if len(h.Segments) != 2 || len(h.Turns) != want {
			t.Errorf("--end %s: %d segments and %d turns, want 2 and %d", end, len(h.Segments), len(h.Turns), want)
		}
	}
}

func TestWhatIsHeardIsToldToPeople(t *testing.T) {
	recording, _ := said(t)
	status, stdout, stderr := parley(t, "listen", recording)
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	if n := strings.Count(stdout, "speech  0:"); n != 2 || strings.Count(stdout, "turn    0:") != 2 || !strings.Contains(stdout, "2 segments, 2 turns, by silero") {
		t.Errorf("%s", stdout)
	}
}

func TestAListenerThatCannotHearSaysWhy(t *testing.T) {
	recording, _ := said(t)
	folder := t.TempDir()
	nan := filepath.Join(t.TempDir(), "nan.wav") // a second at 16 kHz
	header := "RIFF\x24\xfa\x00\x00WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x80\x3e\x00\x00\x00\xfa\x00\x00\x04\x00\x20\x00data\x00\xfa\x00\x00"
	if err := os.WriteFile(nan, []byte(header+strings.Repeat("\x00\x00\xc0\x7f", 16_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(folder, "text.wav")
	if err := os.WriteFile(text, []byte("this is no recording at all, whatever it is called\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   string
		status int
		want   string
	}{
		{"listen", 2, "Try parley listen --help"},
		{"listen " + filepath.Join(folder, "none.wav"), 1, "no such file"},
		{"listen " + text, 1, "text.wav"},
		{"listen " + nan, 1, "16000 of its samples are NaN or infinite, the first at 0s"},
		{"listen " + recording + " --confidence 1.5", 2, "--confidence: 1.5"},
		{"listen " + recording + " --stop=-1s", 2, "--stop: -1s"},
		{"listen " + recording + " --engine onnxruntime --confidence 1.5", 2, "--confidence: 1.5"}, // before the engine is opened
		{"listen " + recording + " --engine onnxruntime --plot heard.pdf", 2, "name a .svg or .png file"},
		{"listen " + recording + " --channel left", 2, "is mono: leave --channel out"},
		{"listen " + recording + " --end 0s", 2, "--end: 0s"},
		{"listen " + recording + " --engine webrtc", 2, `"silero","energy","onnxruntime"`},
		{"listen " + recording + " --plot heard.pdf", 2, "name a .svg or .png file"},
		{"listen " + recording + " --plot heard", 2, "name a .svg or .png file"},
		{"listen " + recording + " --plot " + filepath.Join(folder, "no", "heard.svg"), 1, "create plot"},
	} {
		status, stdout, stderr := parley(t, strings.Fields(tc.args)...)
		if status != tc.status || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tc.want) {
			t.Errorf("parley %s: exit status %d, %s%s; want %q", tc.args, status, stdout, stderr, tc.want)
		}
	}
	after, err := os.ReadFile(recording)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the recording was changed (%v)", err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || fmt.Sprint(left) != fmt.Sprint([]string{text}) {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnInstantIsRoundedAsAWhole(t *testing.T) {
	for m, want := range map[Millis]string{0: "0:00.00", 59_994: "0:59.99", 59_995: "1:00.00", 754_321: "12:34.32"} {
		if got := stamp(m); got != want {
			t.Errorf("%d ms is printed as %s, want %s", m, got, want)
		}
	}
}

func TestOneInterruptEndsTheHearingOfAPipeThatHasStalled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: a process cannot be sent an interrupt on Windows, and no pipe has a path")
	}
	recording, length := said(t)
	whole, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	rate, _ := samplesOf(t, recording)
	bytesOf := func(d time.Duration) int { return 44 + 2*int(rate.Samples(d)) }
	beginning := whole[:bytesOf(8*time.Second)] // the first of two that are said
	plot := filepath.Join(t.TempDir(), "heard.svg")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "listen", "-", "--engine", "energy", "--json", "--plot", plot)
	cmd.Env = append(os.Environ(), runMain+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer limit.Stop()
	if _, err := in.Write(beginning); err != nil { // and no more, and no end
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // the signal is to find a process of its own, in real time, which waits
	interrupted := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if took := time.Since(interrupted); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	var h Heard
	if err := json.Unmarshal(stdout.Bytes(), &h); err != nil {
		t.Fatalf("%v: %s%s", err, &stdout, &stderr)
	}
	if status := cmd.ProcessState.ExitCode(); status != interruptedStatus || !h.Interrupted || stderr.String() != "parley: interrupted: the recording was heard up to 0:08.00\n" {
		t.Errorf("exit status %d, interrupted %v: %s", status, h.Interrupted, &stderr)
	}
	if len(h.Turns) != 1 || h.Duration != millis(8*time.Second) || math.Abs(h.Turns[0].To.Duration().Seconds()-3-length) > 0.25 {
		t.Errorf("it heard %+v, want the first that is said, to %.2f", h, 3+length)
	}
	if drawn, err := os.ReadFile(plot); err != nil || !bytes.Contains(drawn, []byte("<svg")) {
		t.Errorf("the plot: %v", err)
	}
}

// twoSided writes a recording with the clip of said, at 3 s and at 10 s, on the left,
// and what right makes of each sample on the right.
func twoSided(t *testing.T, right func(left int16) int16) string {
	t.Helper()
	mono, _ := said(t)
	rate, samples := samplesOf(t, mono)
	both := make([]int16, 0, 2*len(samples))
	for _, s := range samples {
		both = append(both, s, right(s))
	}
	path := filepath.Join(t.TempDir(), "stereo.wav")
	w, err := audiofile.Create(path, audio.Format{Rate: rate, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(both), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOneSideOfAStereoRecordingIsHeard(t *testing.T) {
	quiet := twoSided(t, func(int16) int16 { return 0 })
	inverted := twoSided(t, func(s int16) int16 { return -max(s, -32767) })
	same := twoSided(t, func(s int16) int16 { return s })
	for _, tc := range []struct {
		recording, channel string
		segments           int
		note               string
	}{
		{quiet, "left", 2, ""},
		{quiet, "right", 0, ""},
		{quiet, "mix", 2, "the two sides differ"},
		{inverted, "right", 2, ""},
		{inverted, "mix", 0, "the two sides cancel each other out"},
		{same, "mix", 2, ""},
	} {
		_, stdout, stderr := parley(t, "listen", tc.recording, "--engine", "energy", "--stop", "600ms", "--channel", tc.channel, "--json")
		var h Heard
		if err := json.Unmarshal([]byte(stdout), &h); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		if len(h.Segments) != tc.segments || !strings.Contains(stderr, tc.note) || (stderr == "") != (tc.note == "") {
			t.Errorf("%s, %s: %d segments, want %d; %q, want %q", tc.recording, tc.channel, len(h.Segments), tc.segments, stderr, tc.note)
		}
		if (h.Nothing != "") != (tc.segments == 0) {
			t.Errorf("%s, %s: nothing was heard because %q", tc.recording, tc.channel, h.Nothing)
		}
	}
}

func TestTheWaveformIsThatOfWhatIsHeard(t *testing.T) {
	s := sides{channels: 2, channel: "right"}
	l := &listening{format: audio.Mono(8000)}
	for range 50 {
		l.hears(s.hear([]int16{16384, 0, 16384, 8192}))
	}
	if len(l.picture.Wave) != 1 || l.picture.Wave[0].High != 0.25 || l.length() != 12500*time.Microsecond {
		t.Errorf("it is %v in %v, want one stretch up to 0.25 in 12.5 ms", l.picture.Wave, l.length())
	}
}

// TestWhenAnAgentWouldKnowIsTold expects the detector's word after --stop, the turn's
// after --end, or --stop if that is longer: each within a window of 20 ms and a piece
// of 20 ms.
func TestWhenAnAgentWouldKnowIsTold(t *testing.T) {
	recording, _ := said(t)
	for _, tc := range []struct {
		stop, end     time.Duration
		segment, turn float64
		note          string
	}{
		{600 * time.Millisecond, 600 * time.Millisecond, 0.6, 0.6, ""},
		{600 * time.Millisecond, 900 * time.Millisecond, 0.6, 0.9, ""},
		{600 * time.Millisecond, 100 * time.Millisecond, 0.6, 0.6, "--end 100ms has no effect"},
		{10 * time.Second, 10 * time.Second, 0, 0, ""}, // the recording is over before
	} {
		_, stdout, stderr := parley(t, "listen", recording, "--engine", "energy", "--stop", tc.stop.String(), "--end", tc.end.String(), "--json")
		var h Heard
		if err := json.Unmarshal([]byte(stdout), &h); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		for what, all := range map[string][]Stretch{"segment": h.Segments, "turn": h.Turns} {
			want := map[string]float64{"segment": tc.segment, "turn": tc.turn}[what]
			if len(all) == 0 {
				t.Fatalf("no %s", what)
			}
			last := all[len(all)-1]
			if want == 0 {
				if last.Told != 0 {
					t.Errorf("stop %v: a %s was told of at %v, and the recording was over", tc.stop, what, last.Told)
				}
				continue
			}
			if got := (last.Told - last.To).Duration().Seconds(); math.Abs(got-want-0.01) > 0.031 {
				t.Errorf("stop %v, end %v: a %s was told of after %.3f s, want %.3f", tc.stop, tc.end, what, got, want)
			}
		}
		if !strings.Contains(stderr, tc.note) || (stderr == "") != (tc.note == "") {
			t.Errorf("stop %v, end %v: %q", tc.stop, tc.end, stderr)
		}
	}
}

func TestWhereNothingIsHeardItSaysWhichLimitWasNotReached(t *testing.T) {
	recording, _ := said(t)
	for args, want := range map[string]string{
		"--start 10s":          "(--start 10s: not reached)",
		"--min-volume=-1":      "(--min-volume -1: not reached)",
		"--confidence 0.99999": "(--confidence 0.99999: not reached)",
	} {
		_, stdout, _ := parley(t, append([]string{"listen", recording}, strings.Fields(args)...)...)
		if strings.Count(stdout, "no speech: ") != 1 || strings.Count(stdout, "not reached") != 1 || !strings.Contains(stdout, want) {
			t.Errorf("%s: %s", args, stdout)
		}
	}
}

func TestWhatIsWrongWithStandardInputIsSaidAsOfAPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: standard input has no path on Windows")
	}
	recording, _ := said(t)
	whole, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		sent []byte
		want []string
	}{
		"nothing":   {nil, []string{"open standard input: it holds no audio"}},
		"raw audio": {whole[1044:], []string{"open standard input: ", "raw audio needs a header"}},
		"cut off":   {whole[:len(whole)/2], []string{"parley: read standard input: wav: file is truncated", "whoever sends it"}},
	} {
		cmd := exec.Command(self, "listen", "-", "--engine", "energy")
		cmd.Env = append(os.Environ(), runMain+"=1")
		cmd.Stdin = bytes.NewReader(tc.sent) // by a pipe
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		for _, want := range tc.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %s, want %q", what, out, want)
			}
		}
		if strings.Contains(string(out), "/dev/stdin") || strings.Contains(string(out), "main.") {
			t.Errorf("%s: %s", what, out)
		}
	}
}
