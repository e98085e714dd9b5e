package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestSoakReportsInOneLineOfJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of conversation take minutes under the race detector")
	}
	_, out, _ := parley(t, "soak", "--calls", "1", "--faults", "none", "--json")
	if strings.Count(out, "\n") != 1 {
		t.Fatalf("printed %q, want one line", out)
	}
	var r struct {
		Violations *int    `json:"violations"`
		Hours      float64 `json:"hours"`
		Speed      float64 `json:"virtual_hours_per_second"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Violations == nil || r.Hours <= 0 || r.Speed <= 0 {
		t.Errorf("printed %s (%v)", out, err)
	}
}

func TestSoakRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--hours", "0"}, "--hours=0: it must be more than nothing"},
		{[]string{"--hours=-1"}, "--hours=-1"},
		{[]string{"--hours", "inf"}, "--hours=+Inf"},
		{[]string{"--calls=-1"}, "--calls=-1"},
		{[]string{"--faults", "flood"}, `there is no fault "flood"`},
		{[]string{"--replay", "x"}, "--replay"},
		{[]string{"--faults", "kil"}, `did you mean "kill"?`},
		{[]string{"--faults="}, "--faults: it is empty"},
		{[]string{"--calls=0"}, "--calls=0"},
		{[]string{"--workers=-2"}, "--workers=-2"},
		{[]string{"--every: -1s is not allowed: at least 1ms"}, "--every: -1s is not allowed: at least 1ms"},
		{[]string{"--calls=2", "--hours=2"}, "leave one of them out"},
		{[]string{"--replay=7", "--calls=2"}, "leave out --hours, --calls and --seed"},
		{[]string{"--replay=7", "--hours=2"}, "leave out --hours, --calls and --seed"},
		{[]string{"--replay=7", "--seed=2"}, "leave out --hours, --calls and --seed"},
	} {
		status, _, err := parley(t, append([]string{"soak"}, c.args...)...)
		if status != 2 || !strings.Contains(err, c.want) || strings.Count(strings.TrimSpace(err), "\n") != 0 {
			t.Errorf("soak %v: status %d, %q, want 2 and %q in one line", c.args, status, err, c.want)
		}
	}
}

// It is run as a process, and in real time, because signals come from outside.
func TestASoakThatIsInterruptedSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of conversation take minutes under the race detector")
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	status, stdout, stderr := interrupted(t, "soak", "--calls", "1000", "--workers", "1", "--faults", "none", "--every", "1ms", "--json")
	var r struct {
		Interrupted bool     `json:"interrupted"`
		Asked       int      `json:"asked_calls"`
		Held        int      `json:"conversations"`
		Hours       *float64 `json:"asked_hours"`
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v in %q: %s", err, stdout, stderr)
	}
	if status != interruptedStatus || !r.Interrupted || r.Asked != 1000 || r.Held < 1 || r.Held >= 1000 || r.Hours != nil {
		t.Errorf("exit status %d, %+v", status, r)
	}
	if want := fmt.Sprintf("parley: interrupted: %d of the 1000 conversations asked for were held", r.Held); !strings.Contains(stderr, want) {
		t.Errorf("no %q in %s", want, stderr)
	}
}
