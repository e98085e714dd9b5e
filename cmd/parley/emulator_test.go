package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// temporary makes the folder for temporary files one of the test's own, and returns
// it.
func temporary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

func TestAnEmulatorWhoseVariablesCannotBePrintedEndsAtOnce(t *testing.T) {
	dir := temporary(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // it would serve until then
	defer cancel()
	var stderr bytes.Buffer
	status := run(ctx, []string{"emulator", "--addr", "127.0.0.1:0"}, console{out: full{}, err: &stderr})
	if status != 1 || ctx.Err() != nil || !strings.Contains(stderr.String(), "parley: write standard output: no space left on device") {
		t.Errorf("exit status %d (%v): %s", status, ctx.Err(), &stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

func TestAnEmulatorWhoseReaderHasGoneLeavesNothingBehind(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGPIPE on Windows")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := temporary(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "emulator", "--addr", "127.0.0.1:0")
	cmd.Env, cmd.Stdout = append(os.Environ(), runMain+"=1"), w
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Run() // the exit status tells
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "write standard output: broken pipe") {
		t.Errorf("%v: %s", cmd.ProcessState, &stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

func TestAnEmulatorWithoutAPlaceForItsCertificateNamesTMPDIR(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the variable has another name on Windows")
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "no"))
	status, _, stderr := parley(t, "emulator", "--addr", "127.0.0.1:0")
	if status != 1 || !strings.Contains(stderr, "; set TMPDIR to a folder in which files can be made\n") || strings.Contains(stderr, "--addr") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

func TestTheVariablesOfAnEmulatorLeadPastAProxy(t *testing.T) {
	t.Setenv("NO_PROXY", "a.b")
	t.Setenv("no_proxy", "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // in place of a signal, on a real socket
	defer cancel()
	var stdout, stderr bytes.Buffer
	run(ctx, []string{"emulator", "--addr", "127.0.0.1:0"}, console{out: &stdout, err: &stderr})
	for _, want := range []string{"export NO_PROXY='a.b,127.0.0.1'\n", "export no_proxy='127.0.0.1'\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in %s%s", want, &stdout, &stderr)
		}
	}
}
