package main

import (
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/parley-go/parley/services/novasonic"
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
		"emulator --life=0":               "--life: 0s is not allowed: at least 1ms. Try parley emulator --help",
		"voices --model nova":             "--model nova: it is not known",
		"voices --model=":                 "--model: it is empty",
		"serve --public-ip=":              "--public-ip: it is empty: name a value, or leave it out",
		"serve --origin=a.example,,b":     `--origin: "a.example,,b": there is an empty one among them`,
	} {
		status, stdout, stderr := parley(t, strings.Fields(line)...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("parley %s: exit status %d, %s%s; want %q", line, status, stdout, stderr, want)
		}
	}
}

func TestHelpIsACommandToo(t *testing.T) {
	for line, same := range map[string]string{"help": "--help", "help call": "call --help", "help bench density": "bench density --help"} {
		status, stdout, stderr := parley(t, strings.Fields(line)...)
		_, want, _ := parley(t, strings.Fields(same)...)
		if status != 0 || stdout != want || !strings.Contains(want, "Usage: parley") {
			t.Errorf("parley %s: exit status %d, %s%s", line, status, stdout, stderr)
		}
	}
}

func TestAVoiceIsKnownInAnyCase(t *testing.T) {
	a := agentFlags{Service: "emulator", Model: novasonic.ModelV2, Voice: "Matthew"}
	if err := a.check(); err != nil || a.config().Voice != "matthew" {
		t.Errorf("%v, %q", err, a.config().Voice)
	}
}

func TestABadDurationIsNamedWithItsFlagAndWhatIsAllowed(t *testing.T) {
	var cli commands
	parser, err := kong.New(&cli, append(mappers(), kong.Vars{"version": "", "default_model": novasonic.ModelV2})...)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	refused := func(flag string, line []string, value string, want ...string) {
		tried++
		status, stdout, stderr := parley(t, line...)
		for _, want := range append(want, "--"+flag, value) {
			if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
				t.Errorf("parley %q: exit status %d, %s%s; want %q", line, status, stdout, stderr, want)
			}
		}
	}
	kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		n, ok := node.(*kong.Node)
		if !ok || n.Type != kong.CommandNode {
			return next(nil)
		}
		command := strings.Fields(n.Path())
		for _, p := range n.Positional {
			if p.Required {
				command = append(command, "x.wav")
			}
		}
		for _, f := range n.Flags {
			if f.Target.Type() != reflect.TypeFor[time.Duration]() && f.Target.Type() != reflect.TypeFor[*time.Duration]() {
				continue
			}
			refused(f.Name, append(command, "--"+f.Name+"=-1s"), "-1s", "least")
			refused(f.Name, append(command, "--"+f.Name, "-1s"), "-1s", "least")
			refused(f.Name, append(command, "--"+f.Name, "5"), `"5"`, "write it as 90s, 1m30s or 2h")
			refused(f.Name, append(command, "--"+f.Name), "it needs a duration, such as 90s")
			if most := f.Tag.Get("most"); most != "" {
				refused(f.Name, append(command, "--"+f.Name, "100h"), "100h0m0s", "at most")
			}
		}
		return next(nil)
	})
	if tried < 50 {
		t.Errorf("only %d lines were tried", tried)
	}
	for _, line := range []string{"call x.wav --max-duration 0s", "talk --max-duration 0s"} {
		refused("max-duration", strings.Fields(line), "0s", "at least 1ms")
	}
}

func TestAProgramThatWasEndedWithTheEmulatorIsNoSuccess(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil || runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there is no program that sleeps, or no way to interrupt it")
	}
	status, _, stderr := signalled(t, syscall.SIGTERM, "emulator", "--addr", "127.0.0.1:0", "--", "sleep", "60")
	if status != interruptedStatus || !strings.Contains(stderr, "parley: interrupted: sleep was ended\n") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}
