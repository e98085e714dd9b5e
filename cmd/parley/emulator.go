package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

type emulatorCommand struct {
	Command []string `arg:"" optional:"" help:"Program to run with those variables; the emulator ends with it. Write -- before it."`

	Addr       string        `default:"127.0.0.1:8443" placeholder:"HOST:PORT" help:"Address to listen on; port 0 chooses a free one. Default: ${default}."`
	Script     string        `type:"path" placeholder:"FILE" help:"What it knows and says: a YAML file, see docs/emulator-script.md. Default: the built-in one, which knows the shipped recordings."`
	H2C        bool          `name:"h2c" help:"Speak HTTP/2 without TLS, for debugging. Most SDKs have to be told."`
	Seed       uint64        `default:"1" help:"Of everything random."`
	Life       time.Duration `least:"1ms" default:"480s" help:"When a connection is cut. Default: ${default}."`
	Idle       time.Duration `least:"1ms" default:"55s" help:"How long a connection may hear nothing. Default: ${default}."`
	WithParent bool          `hidden:"" help:"End when standard input does."`
	Load       bool          `hidden:"" help:"Answer with audio made in advance, for measurements."`
	Streams    int           `default:"20" help:"How many connections may be open at once; one more is throttled. Default: ${default}."`
}

func (c *emulatorCommand) Help() string {
	return `The emulator speaks the real protocol: HTTP/2 and TLS with a CA of its own, request and chunk signatures, the service's ordering rules, limits and error texts. It is not AWS, and says so.

It runs a program with the variables that point any AWS SDK at it, and ends with it:

  parley emulator -- node my-bot.js

Without a program it prints the variables, as lines for a shell, and runs until it gets SIGINT, SIGTERM or SIGHUP. So eval "$(parley emulator)" waits for ever; in two steps:

  parley emulator > emulator.env &
  until grep -q ^unset emulator.env; do sleep 0.1; done
  . ./emulator.env; node my-bot.js`
}

func (c *emulatorCommand) Run(ctx context.Context, con console) error {
	if _, port, err := net.SplitHostPort(c.Addr); err != nil {
		return usageError{fmt.Errorf("--addr %s: it is not of the form HOST:PORT, such as 127.0.0.1:8443", c.Addr)}
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return usageError{fmt.Errorf("--addr %s: %q is no port: name one up to 65535, or 0 for a free one", c.Addr, port)}
	}
	switch {
	case c.Streams <= 0:
		return usageError{fmt.Errorf("--streams=%d: there must be at least one", c.Streams)}
	}
	script, err := loadScript(c.Script)
	if err != nil {
		return err
	}
	cfg := sonictest.Config{
		Seed:    c.Seed,
		Brain:   script.Brain(),
		Library: script.Library(),
		Limits:  sonictest.Limits{Life: c.Life, Idle: c.Idle, Streams: c.Streams},
	}
	if c.Load {
		const text = "This is an answer that takes a few seconds to say."
		sentence := sonictest.Sentence{Text: text, Audio: voice.Synthesize(text, voice.Options{Rate: audio.Rate24k})}
		cfg.Library, cfg.KeepStreams = nil, 1<<16
		cfg.Brain = sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer {
			return sonictest.Answer{Sentences: []sonictest.Sentence{sentence}}
		})
	}
	srv := sonictest.NewServer(cfg)
	listen := srv.StartTLS
	if c.H2C {
		listen = srv.StartH2C
	}
	// Nothing may end the program before the CA's file is removed: a reader of standard
	// output that goes away is an error like others, for this program but not for one
	// that it runs, which would inherit that the signal is ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, endings()...)
	defer stop()
	if err := listen(c.Addr); err != nil {
		return c.cannotListen(err)
	}
	defer srv.Close()
	if c.WithParent {
		var done context.CancelFunc
		ctx, done = whileParentLives(ctx)
		defer done()
	}
	if len(c.Command) > 0 {
		return c.runCommand(ctx, con, srv)
	}
	fmt.Fprintf(con.err, "An emulator of Amazon Nova Sonic, not AWS, answers at %s. Point an AWS SDK at it with:\n", srv.URL())
	for _, v := range environ(srv) {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(con.out, "export %s=%s\n", name, shellQuote(value))
	}
	// SDKs would prefer these. This line also ends the variables.
	if _, err := fmt.Fprintln(con.out, "unset "+strings.Join(sonictest.Unwanted(), " ")); err != nil {
		return nil // nobody can know how to reach it; run says so
	}
	<-ctx.Done()
	if c.Load {
		return reportLateness(con.out, srv)
	}
	n := srv.Counts()
	fmt.Fprintf(con.err, "Closing; %s served, %d refused, and clients broke %s.\n",
		count(n.Requests-n.Refused, "stream was", "streams were"), n.Refused, count(n.Violations, "rule", "rules"))
	return nil
}

// environ are the variables that point an SDK at the emulator, and past a proxy.
func environ(srv *sonictest.Server) []string {
	direct := slices.DeleteFunc(srv.ChildEnviron(os.Environ()), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name != "NO_PROXY" && name != "no_proxy"
	})
	return append(direct, srv.Environ()...)
}

// cannotListen says what to do about an emulator that does not start.
func (c *emulatorCommand) cannotListen(err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) { // it is the only one
		return fmt.Errorf("%w; set TMPDIR to a folder in which files can be made", err)
	}
	return fmt.Errorf("listen on %s: %w; choose another --addr, port 0 for a free one", c.Addr, err)
}

// count is a number with what it counts.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// shellQuote writes s so that a shell reads it as one word.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// runCommand runs a program that finds the emulator in its environment.
func (c *emulatorCommand) runCommand(ctx context.Context, con console, srv *sonictest.Server) error {
	args := c.Command
	fmt.Fprintf(con.err, "An emulator of Amazon Nova Sonic, not AWS, answers at %s; running %s.\n", srv.URL(), args[0])
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = srv.ChildEnviron(os.Environ())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, unchecked(con.out), con.err
	err := cmd.Run()
	if ctx.Err() != nil {
		return interruption("%s was ended", args[0])
	}
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
			return exitError{fmt.Errorf("%s: %w", args[0], err), exit.ExitCode()}
		}
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}
