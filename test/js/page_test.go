package js

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/testdata/calls"
)

// callers are what the page can call over.
var callers = map[string]string{"webrtc": "WebRTC", "websocket": "WebSocket"}

// TestAConversationInABrowser drives the page of `parley serve` in Chromium, whose
// microphone is a shipped recording. It is in real time.
func TestAConversationInABrowser(t *testing.T) {
	program := node(t, "puppeteer-core")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatal("chromium is not installed, and PARLEY_REQUIRE_TOOLS is set")
		}
		t.Skip("SKIPPED: chromium is not installed, so no browser talks to the page")
	}
	url, logged := parleyServes(t)
	caller := filepath.Join(t.TempDir(), "caller.wav")
	// The call begins some time after the microphone.
	writeWAV(t, caller, append(make([]int16, 2*48000), recording(t, "order.mp3", audio.Rate48k)...))
	const seconds = "26"
	t.Run("over", func(t *testing.T) {
		for transport, way := range callers {
			t.Run(transport, func(t *testing.T) {
				t.Parallel()
				heardFile, screenshot := filepath.Join(t.TempDir(), "heard.pcm"), filepath.Join(t.ArtifactDir(), transport+".png")
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, program, "page.mjs", chromium, url, transport, caller, seconds, heardFile, screenshot)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("page.mjs: %v\n%s%s", err, out, stderr.Bytes())
				}
				var page struct {
					Service, Way, Button, After, Problem string
					Latency, Median, Stream, Moves, Rate int
					Lines                                []struct{ Who, Text string }
					Problems                             []string
					Restarted                            bool
					Sockets                              int
				}
				if err := json.Unmarshal(out, &page); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if len(page.Problems) > 0 || page.Problem != "" {
					t.Errorf("the page complains: %q %q", page.Problem, page.Problems)
				}
				if !strings.HasPrefix(page.Service, "Emulator: ") || page.Way != way || page.Button != "Hang up" || page.After != "Start talking" {
					t.Errorf("the page shows %s", out)
				}
				if page.Latency < 300 || page.Latency > 4000 || page.Median < 300 || page.Median > 4000 {
					t.Errorf("the page shows latencies of %d and %d ms", page.Latency, page.Median)
				}
				if page.Restarted != (transport == "webrtc") || (page.Sockets == 2) != (transport == "websocket") {
					t.Errorf("another way was found: %v, over %d sockets", page.Restarted, page.Sockets)
				}
				if page.Moves < 1 || page.Stream < 2 {
					t.Errorf("the page shows %d moves, and stream %d", page.Moves, page.Stream)
				}
				var lines []string
				for _, l := range page.Lines {
					lines = append(lines, l.Who+": "+l.Text)
				}
				for _, want := range []string{
					"Agent: Of course. What is wrong with it?",
					"Agent: That sounds like new brake pads, and a shorter chain.",
					"Agent: We can do both in one day.",
					`Tool: get_opening_hours({"day":"Saturday"}) → {"day":"Saturday","open":true,"hours":"ten to four"}`,
					"Agent: On Saturday we are open from ten to four.",
				} {
					if !slices.Contains(lines, want) {
						t.Errorf("the page does not show %q, but\n%s", want, strings.Join(lines, "\n"))
					}
				}
				// What the browser got is what the agent said.
				b, err := os.ReadFile(heardFile)
				if err != nil {
					t.Fatal(err)
				}
				heard := resample(t, audio.DecodePCM(nil, b), audio.SampleRate(page.Rate), audio.Rate8k)
				for clip, wasSaid := range map[string]bool{"repair.mp3": true, "brakes.mp3": true, "oneday.mp3": true, "price.mp3": false} {
					like := found(heard, recording(t, "clips/"+clip, audio.Rate8k))
					t.Logf("%s: %.3f", clip, like)
					if like > 0.65 != wasSaid { // a browser's jitter buffer stretches
						t.Errorf("that %s was heard is %v: the likeness is %.3f", clip, !wasSaid, like)
					}
				}
			})
		}
	})
	if l := logged(); strings.Count(l, "call is over") != len(callers) || strings.Contains(l, "level=ERROR") {
		t.Errorf("the server's log:\n%s", l)
	}
}

// TestThePageSaysWhatToDo has calls refused in Chromium, by the keyboard alone.
func TestThePageSaysWhatToDo(t *testing.T) {
	program := node(t, "puppeteer-core")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatal("chromium is not installed, and PARLEY_REQUIRE_TOOLS is set")
		}
		t.Skip("SKIPPED: chromium is not installed, so no browser shows the page")
	}
	one, _ := parleyServes(t, "--calls", "1")
	secret, _ := parleyServes(t, "--token", "sesame")
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "pagefails.mjs", chromium, one, secret)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pagefails.mjs: %v\n%s%s", err, out, stderr.Bytes())
	}
	var page struct{ Focus, Second, Button, Stranger, Gone string }
	if err := json.Unmarshal(out, &page); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if page.Focus != "talk" || page.Button != "Start talking" {
		t.Errorf("the focus is on %q, and the button that began the call says %q when it was to end it", page.Focus, page.Button)
	}
	for what, said := range map[string][2]string{
		"too many calls": {page.Second, "The call was refused: too many calls: try again later."},
		"no token":       {page.Stranger, "The call was refused: not authenticated. Is the token in the address right (?token=…)?"},
		"no server":      {page.Gone, "The server cannot be reached. Is it running?"},
	} {
		if said[0] != said[1] {
			t.Errorf("%s: the page says %q, want %q", what, said[0], said[1])
		}
	}
}

// parleyServes builds and runs `parley serve`, and returns its address. logged ends it
// and returns its log. args are flags of it.
func parleyServes(t *testing.T, args ...string) (url string, logged func() string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "parley")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/parley-go/parley/cmd/parley").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--rotate-every", "12s")
	cmd.Args = append(cmd.Args, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	logged = func() string {
		if !ended {
			ended = true
			cmd.Process.Signal(os.Interrupt)
			if err := cmd.Wait(); err != nil {
				t.Errorf("parley serve: %v", err)
			}
			http.DefaultClient.CloseIdleConnections()
		}
		return stderr.String()
	}
	t.Cleanup(func() { logged() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
			return at, logged
		}
	}
	t.Fatal("it does not listen: " + stderr.String())
	return "", nil
}

// recording returns a recording at a rate.
func recording(t *testing.T, name string, rate audio.SampleRate) []int16 {
	t.Helper()
	s, format, err := calls.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return resample(t, s, format.Rate, rate)
}

func resample(t *testing.T, s []int16, from, to audio.SampleRate) []int16 {
	t.Helper()
	if from == to {
		return s
	}
	r, err := audio.NewResampler(from, to, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r.Flush(r.Resample(nil, s))
}

func writeWAV(t *testing.T, path string, samples []int16) {
	t.Helper()
	w, err := audiofile.Create(path, audio.Mono(audio.Rate48k))
	if err == nil {
		err = w.Write(samples)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}
