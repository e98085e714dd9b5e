package main

import (
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestABadCommandLineNamesTheHelpThatHelps(t *testing.T) {
	for line, want := range map[string]string{
		"--vers":                          `unknown flag --vers, did you mean "--version"? Try parley --help`,
		"cal":                             "Try parley --help",
		"call --lod x.wav":                "unknown flag --lod. Try parley call --help",
		"call":                            "Try parley call --help",
		"soak --hors 2":                   `unknown flag --hors, did you mean "--hours"? Try parley soak --help`,
		"bench density --call":            `did you mean "--calls"? Try parley bench density --help`,
		"call x.wav -o":                   "--output: it needs a file behind it. Try parley call --help",
		"call x.wav --seed":               "--seed: it needs a value behind it. Try parley call --help",
		"emulator env -u X true":          "unknown flag -u; if it is the program's, write -- before the program: parley emulator -- COMMAND. Try parley emulator --help",
		"emulator --addr 127.0.0.1":       "--addr 127.0.0.1: it is not of the form HOST:PORT",
		"emulator --addr 127.0.0.1:70000": `--addr 127.0.0.1:70000: "70000" is no port`,
		"emulator --life=0":               "--life=0s: it must be more than nothing",
		"voices --model nova":             "--model nova: it is not known",
		"voices --model=":                 "--model: it is empty",
	} {
		status, stdout, stderr := parley(t, strings.Fields(line)...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("parley %s: exit status %d, %s%s; want %q", line, status, stdout, stderr, want)
		}
	}
}

func TestAProgramThatWasEndedWithTheEmulatorIsNoSuccess(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil || runtime.GOOS == "windows" {
		t.Skip("there is no program that sleeps, or no way to interrupt it")
	}
	status, _, stderr := signalled(t, syscall.SIGTERM, "emulator", "--addr", "127.0.0.1:0", "--", "sleep", "60")
	if status != interruptedStatus || !strings.Contains(stderr, "parley: interrupted: sleep was ended\n") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}
