package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/demo"
)

// sameSamples says where two channels begin and cease to differ.
func sameSamples(t *testing.T, what string, want, got []int16, rate audio.SampleRate) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("the %s's channel is %v long, without moves %v", what, rate.Duration(int64(len(got))), rate.Duration(int64(len(want))))
	}
	n, first, last := 0, 0, 0
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			if n == 0 {
				first = i
			}
			n, last = n+1, i
		}
	}
	if n > 0 {
		t.Errorf("the %s's channel has %d other samples than without moves, from %v to %v", what, n, rate.Duration(int64(first)), rate.Duration(int64(last)))
	}
}

// The emulator answers the same words in the same time whichever stream hears
// them, so that nothing but the moves can make a difference.
func TestACallThatMovesSoundsSampleForSampleAsOneThatDoesNot(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	for _, recording := range []string{demo.Order, demo.BargeIn, demo.Noisy} {
		dir := t.TempDir()
		whole := summaryOf(t, calls+recording, "-o", filepath.Join(dir, "whole.wav"))
		caller, agent, rate := stereo(t, filepath.Join(dir, "whole.wav"))
		for every, least := range map[string]int{"20s": 1, "5s": 4} {
			t.Run(recording+" every "+every, func(t *testing.T) {
				path := filepath.Join(dir, every+".wav")
				s := summaryOf(t, calls+recording, "-o", path, "--rotate-every", every)
				left, right, _ := stereo(t, path)
				sameSamples(t, "caller", caller, left, rate)
				sameSamples(t, "agent", agent, right, rate)
				if !slices.Equal(who(s, "caller"), who(whole, "caller")) || !slices.Equal(who(s, "agent"), who(whole, "agent")) {
					t.Errorf("it is told otherwise: %v", s.Lines)
				}
				if len(s.Swaps) < least || s.Streams < least+1 || s.AudioGaps != 0 || len(s.Errors) > 0 || s.ToolCalls != whole.ToolCalls {
					t.Errorf("%d moves between %d streams, %d gaps, %d tool calls, errors %q", len(s.Swaps), s.Streams, s.AudioGaps, s.ToolCalls, s.Errors)
				}
				for i, w := range s.Swaps {
					if w.Number != i+1 || w.Reason != "age" || w.From != i+1 || w.Lost != 0 || w.Deaf != 0 || w.OutputGap != 0 || w.Error != "" {
						t.Errorf("move %+v", w)
					}
				}
			})
		}
	}
}

func TestTheSummaryTellsOfEveryMove(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	status, stdout, stderr := parley(t, "call", "--fast", "--json", "--rotate-every", "5s", calls+demo.BargeIn)
	if status != 0 {
		t.Fatal(stderr)
	}
	var raw struct{ Swaps []map[string]any }
	if err := json.Unmarshal([]byte(stdout), &raw); err != nil {
		t.Fatal(err)
	}
	for _, swap := range raw.Swaps {
		for _, name := range []string{
			"number", "reason", "step", "from_stream", "to_stream", "forced", "begun_ms", "cut_at_ms", "prepare_ms", "wait_ms", "cut_ms",
			"deaf_ms", "drain_ms", "replayed_ms", "overlapped_ms", "lost_ms", "output_gap_ms", "history_bytes", "attempts",
		} {
			if _, ok := swap[name]; !ok {
				t.Errorf("move %v has no %s", swap["number"], name)
			}
		}
	}

	status, stdout, stderr = parley(t, "call", "--fast", "--rotate-every", "5s", calls+demo.BargeIn)
	if status != 0 {
		t.Fatal(stderr)
	}
	_, table, found := strings.Cut(stdout, "moves between streams")
	if lines := strings.Count(strings.TrimSpace(table), "\n"); !found || lines != 1+len(raw.Swaps) || !strings.Contains(table, "1 → 2") {
		t.Errorf("%d moves, and the table is\n%s", len(raw.Swaps), table)
	}
	if _, stdout, _ = parley(t, "call", "--fast", calls+demo.Noisy); strings.Contains(stdout, "moves") {
		t.Errorf("a call on one stream tells of moves:\n%s", stdout)
	}
}

// named is what the signs of a drawing are called. It must be well-formed.
func named(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := xml.NewDecoder(file)
	title := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatalf("%s is not well-formed: %v", path, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			title = token.Name.Local == "title"
		case xml.EndElement:
			title = false
		case xml.CharData:
			if title {
				names = append(names, string(token))
			}
		}
	}
}

func TestATimelineShowsWhoSpokeAndWhichStreamListened(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	path := write(t, "call.svg", []byte("an older and very much longer drawing: "+strings.Repeat("x", 1<<20)))
	s := summaryOf(t, calls+demo.BargeIn, "--rotate-every", "5s", "--timeline", path)
	if s.Timeline != path {
		t.Errorf("the summary names %q", s.Timeline)
	}
	all := strings.Join(named(t, path), "\n")
	for _, want := range []string{
		"caller, 0:01", "Hi there. Can you tell me how a full service works?", "agent, 0:04", "(interrupted)", "barge-in at 0:11.6",
		"stream 1, listening from 0:00.0", "stream 1, draining", "stream 2, standby", "move 1 for age", "hears again",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing is called %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "died") {
		t.Errorf("a stream is said to have died:\n%s", all)
	}
}

func TestACallThatDoesNotBeginDrawsAndWritesNothing(t *testing.T) {
	for flag, extension := range map[string]string{"--timeline": ".svg", "--transcript": ".json"} {
		keep, fresh := write(t, "keep"+extension, []byte("precious")), filepath.Join(t.TempDir(), "new"+extension)
		for _, path := range []string{keep, fresh} {
			if status, _, _ := parley(t, "call", "--fast", calls+demo.BargeIn, "--script", "nowhere.yaml", flag, path); status != 1 {
				t.Errorf("exit status %d", status)
			}
		}
		if b, err := os.ReadFile(keep); err != nil || string(b) != "precious" {
			t.Errorf("%s: the file now holds %d bytes (%v)", flag, len(b), err)
		}
		if _, err := os.Stat(fresh); err == nil {
			t.Errorf("%s: there is a file for a call that never was", flag)
		}
	}
}
