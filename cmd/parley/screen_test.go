package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/services/novasonic"
)

func TestTextFromTheServiceCannotSteerTheTerminal(t *testing.T) {
	evil := "Hi\x1b[2J\x1b]0;owned\a\r\nparley: all is well\u202e\u009b31m\tna\u00efve \u4f60\u597d \U0001f469\u200d\U0001f680"
	var out bytes.Buffer
	newScreen(&out, console{}).line(Line{Who: "agent", Text: evil})
	for what, got := range map[string]string{"a line": strings.TrimSuffix(out.String(), "\n"), "an error": oneLine(errors.New(evil))} {
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }); i >= 0 {
			t.Errorf("%s is printed as %q", what, got)
		}
		if !strings.HasSuffix(got, "na\u00efve \u4f60\u597d \U0001f469\u200d\U0001f680") {
			t.Errorf("%s does not keep what is harmless: %q", what, got)
		}
	}
}

func TestASentenceThatWasInterruptedIsCorrectedOnTheScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	status, stdout, stderr := parley(t, "call", "--fast", calls+"bargein.wav")
	if status != 0 {
		t.Fatal(stderr)
	}
	s := summaryOf(t, calls+"bargein.wav")
	i := slices.IndexFunc(s.Lines, func(l Line) bool { return l.Interrupted })
	if i < 0 || s.Lines[i].Text == "" {
		t.Fatalf("nothing was interrupted: %+v", s.Lines)
	}
	cut := s.Lines[i]
	said := printing.Clock(cut.Start.Duration()) + "  agent   " + cut.Text
	if n := strings.Count(stdout, said); n != 1 {
		t.Errorf("%q is printed %d times, want when it begins", said, n)
	}
	if heard := printing.Clock(cut.Start.Duration()) + "  agent   (interrupted; heard was: " + cut.Text + ")\n"; strings.Count(stdout, heard) != 1 {
		t.Errorf("no %q in\n%s", heard, stdout)
	}
}

func TestSpeechThatNobodyHeardIsAFailure(t *testing.T) {
	failed, cut := step(20, 1, novasonic.SwapFailure, novasonic.SwapBegun, 1, 0), step(21, 1, novasonic.SwapFailure, novasonic.SwapCut, 1, 2)
	failed.Err = errors.New("connection refused")
	lossy := cut
	lossy.Lost = seconds(2)
	lent := step(21, 1, novasonic.SwapDoubt, novasonic.SwapCut, 1, 2)
	lent.Lost = seconds(2)
	again := step(40, 2, novasonic.SwapFailure, novasonic.SwapRetried, 2, 0)
	died := step(45, 3, novasonic.SwapFailure, novasonic.SwapRetried, 2, 0) // a move for another reason until then
	for name, c := range map[string]struct {
		steps []told
		want  []string // nothing for no error
	}{
		"there was no move":              {},
		"the old stream has heard it":    {[]told{lent}, nil},
		"it came back":                   {[]told{failed, cut}, nil},
		"a move was not over":            {[]told{step(20, 1, novasonic.SwapAge, novasonic.SwapReady, 1, 2)}, nil},
		"it did not come back":           {[]told{failed}, []string{"lost at 00:20.0", "did not come back", "connection refused"}},
		"it did not come back twice":     {[]told{failed, cut, again}, []string{"lost at 00:40.0"}},
		"it died when a move had begun":  {[]told{step(30, 3, novasonic.SwapAge, novasonic.SwapBegun, 2, 0), died}, []string{"lost at 00:45.0"}},
		"it was away for too long":       {[]told{failed, lossy}, []string{"2s of what the caller said"}},
		"that, and it did not come back": {[]told{failed, lossy, again}, []string{"2s of what", "lost at 00:40.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := follow(t, c.steps...).unheard()
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("error: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
		})
	}
}

func TestAnEmulatorSaysWhatItHasServed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // in place of a signal, on a real socket
	defer cancel()
	var stdout, stderr bytes.Buffer
	if status := run(ctx, []string{"emulator", "--addr", "127.0.0.1:0"}, console{out: &stdout, err: &stderr}); status != 0 {
		t.Fatalf("exit status %d: %s", status, &stderr)
	}
	if want := "Closing; 0 streams were served, 0 refused, and clients broke 0 rules.\n"; !strings.HasSuffix(stderr.String(), want) {
		t.Errorf("no %q at the end of\n%s", want, &stderr)
	}
	for n, want := range map[int]string{0: "0 rules", 1: "1 rule", 2: "2 rules"} {
		if got := count(n, "rule", "rules"); got != want {
			t.Errorf("%d of them are %q", n, got)
		}
	}
}
