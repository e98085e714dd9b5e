package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSoakReportsInOneLineOfJSON(t *testing.T) {
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
		{[]string{"--workers=-2"}, "--workers=-2"},
	} {
		status, _, err := parley(t, append([]string{"soak"}, c.args...)...)
		if status != 2 || !strings.Contains(err, c.want) || strings.Count(strings.TrimSpace(err), "\n") != 0 {
			t.Errorf("soak %v: status %d, %q, want 2 and %q in one line", c.args, status, err, c.want)
		}
	}
}
