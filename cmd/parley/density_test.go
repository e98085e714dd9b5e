package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheMedianOfTwoRunsIsBetweenThem(t *testing.T) {
	runs := []density{{CPUPerCall: 4}, {CPUPerCall: 1}}
	if got := median(runs, func(d density) float64 { return d.CPUPerCall }); got != 2.5 {
		t.Errorf("the median of 4 and 1 is %v", got)
	}
}

func TestDensityRefusesAtOnceWhatCannotWork(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--calls=0"}, 2, "--calls=0"},
		{[]string{"--rounds=0"}, 2, "--rounds=0"},
		{[]string{"--for=10ms"}, 2, "--for: 10ms is not allowed: at least 1s"},
		{[]string{"--profile", filepath.Join(t.TempDir(), "no", "cpu.pprof")}, 1, "make the folder"},
	} {
		status, _, stderr := parley(t, append([]string{"bench", "density"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit status %d: %s", c.args, status, stderr)
		}
	}
}

// TestAMeasurementLeavesNoProcessBehind uses processes, signals and real time,
// which are what is in question.
func TestAMeasurementLeavesNoProcessBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skipf("the children of a process cannot be found on %s", runtime.GOOS)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := exec.Command(self, "bench", "density", "--calls=1", "--rounds=1", "--for=60s")
			cmd.Env = append(os.Environ(), runMain+"=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			children := map[string]bool{}
			for deadline := time.Now().Add(20 * time.Second); len(children) < 2; time.Sleep(20 * time.Millisecond) {
				for _, pid := range childrenOf(cmd.Process.Pid) {
					children[pid] = true
				}
				if time.Now().After(deadline) {
					t.Errorf("there are %d children, want the emulator and a run", len(children))
					break
				}
			}
			cmd.Process.Signal(signal)
			err := cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); signal != syscall.SIGKILL && (status != interruptedStatus || !strings.Contains(stderr.String(), "parley: interrupted")) {
				t.Errorf("exit status %d (%v): %s", status, err, stderr.String())
			}
			for pid := range children {
				for deadline := time.Now().Add(20 * time.Second); alive(pid); time.Sleep(20 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Errorf("process %s lives on", pid)
						break
					}
				}
			}
		})
	}
}

func childrenOf(pid int) []string {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []string
	for _, f := range files {
		b, _ := os.ReadFile(f) // a thread may have ended
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

// alive tells whether a process runs: one that has ended may wait for somebody to
// ask how.
func alive(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
