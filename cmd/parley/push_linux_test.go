package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("this machine has no pseudo-terminals, and PARLEY_REQUIRE_TOOLS is set: %v", err)
		}
		t.Skipf("SKIPPED: this machine has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

func TestPushToTalkOnATerminal(t *testing.T) {
	user, program := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "talk", "--null", "--push-to-talk")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1024)
	go func() { // until the terminal is closed
		for {
			b := make([]byte, 1024)
			n, err := user.Read(b)
			read <- b[:n]
			if err != nil {
				return
			}
		}
	}()
	var shown bytes.Buffer
	wait := func(what string) {
		t.Helper()
		late := time.After(30 * time.Second)
		for !strings.Contains(shown.String(), what) {
			select {
			case b := <-read:
				shown.Write(b)
			case <-late:
				t.Fatalf("%q is not shown:\n%q", what, shown.String())
			}
		}
	}
	wait("(muted: space to talk)")
	if strings.Contains(shown.String(), "(you are heard)") {
		t.Error("one is heard before the space bar is touched")
	}
	fmt.Fprint(user, " ")
	wait("(you are heard)")
	fmt.Fprint(user, "\x03") // Ctrl-C, which is a key here
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%q", err, shown.String())
	}
	wait("audio gaps: 0")
	if s := shown.String(); strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\n") {
		t.Errorf("a line does not begin where lines begin: %q", s)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left as %+v, %v; it was %+v", after, err, before)
	}
}
