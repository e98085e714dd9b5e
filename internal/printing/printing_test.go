package printing

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAClockIsReadInMinutesSecondsAndTenths(t *testing.T) {
	for at, want := range map[time.Duration]string{
		0: "00:00.0", 949 * time.Millisecond: "00:00.9", 59_949 * time.Millisecond: "00:59.9", 59_960 * time.Millisecond: "01:00.0",
		3_599_960 * time.Millisecond: "60:00.0", 12*time.Minute + 34500*time.Millisecond: "12:34.5",
	} {
		if got := Clock(at); got != want {
			t.Errorf("%v is %s, want %s", at, got, want)
		}
	}
}

func TestALineSteersNoTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb\tc": "a b c", "\x1b[31mred": "\ufffd[31mred", "नमस्ते": "नमस्ते", "👩\u200d👧": "👩\u200d👧", "\u202eright to left": "\ufffdright to left",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
