package main

import (
	"bytes"
	"encoding/json"
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
	for _, engine := range []string{"silero", "energy"} {
		t.Run(engine, func(t *testing.T) {
			plot := filepath.Join(t.TempDir(), "heard.png")
			status, stdout, stderr := parley(t, "listen", recording, "--engine", engine, "--stop", "1s", "--plot", plot, "--json")
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
		{"listen " + recording + " --confidence 1.5", 2, "--confidence: 1.5"},
		{"listen " + recording + " --stop=-1s", 2, "--stop: -1s"},
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
		t.Skip("a process cannot be sent an interrupt on Windows, and no pipe has a path")
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
	cmd := exec.Command(self, "listen", "/dev/stdin", "--engine", "energy", "--json", "--plot", plot)
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
