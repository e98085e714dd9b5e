// Parley lets people and recordings talk to voice agents, runs an emulator of
// Amazon Nova Sonic, and measures how many calls a machine carries. Its help
// tells more:
//
//	go run ./cmd/parley --help
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
)

const about = `Real-time voice agents: play a caller's recording into an agent, or emulate Amazon Nova Sonic for any AWS SDK.

Without an AWS account, start here:

  parley call testdata/calls/order.mp3 -o conversation.wav

Exit status: 0 all went well, 1 something failed (one line on standard error says what, where and how to mend it), 2 the command line makes no sense, 130 it was interrupted before it was done.`

// commands is the command line.
type commands struct {
	Call     callCommand      `cmd:"" help:"Play a caller's recording into an agent and write the conversation."`
	Talk     talkCommand      `cmd:"" help:"Talk to an agent through microphone and loudspeaker."`
	Serve    serveCommand     `cmd:"" help:"Let callers talk to an agent: from a web page, from programs, from the telephone."`
	Listen   listenCommand    `cmd:"" help:"Hear a recording as an agent would, and draw what is speech."`
	Emulator emulatorCommand  `cmd:"" help:"Run an emulator of Amazon Nova Sonic that any AWS SDK can talk to."`
	Bench    benchCommand     `cmd:"" help:"Measure."`
	Soak     soakCommand      `cmd:"" help:"Hold conversations of many virtual hours while everything fails, and check that nothing is lost."`
	Voices   voicesCommand    `cmd:"" help:"List the voices of a model."`
	Version  kong.VersionFlag `help:"Print the version and exit."`
}

// console is where a command prints.
type console struct {
	out, err io.Writer
	in       *os.File // nil if there is none
	terminal bool     // err is a terminal, on which a line can be redrawn
}

func main() {
	info, err := os.Stderr.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	os.Exit(run(context.Background(), os.Args[1:], console{out: os.Stdout, err: os.Stderr, in: os.Stdin, terminal: terminal}))
}

// run is the program. It returns its exit status.
func run(ctx context.Context, args []string, con console) (status int) {
	out := &checked{Writer: con.out}
	con.out = out
	defer func() {
		if status == 0 && out.err != nil {
			fmt.Fprintf(con.err, "parley: write standard output: %s: send it elsewhere\n", oneLine(out.err))
			status = 1
		}
	}()
	// kong leaves by calling its Exit; what it was called with is kept so that
	// deferred functions run and tests go on.
	type exit struct{ status int }
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(exit)
			if !ok {
				panic(p)
			}
			status = e.status
		}
	}()
	var cli commands
	parser, err := kong.New(&cli, append(mappers(),
		kong.Name("parley"),
		kong.Description(about),
		kong.Writers(con.out, con.err),
		kong.Exit(func(status int) { panic(exit{status}) }),
		kong.Vars{"version": version(), "default_model": novasonic.ModelV2},
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(con),
	)...)
	if err != nil {
		panic(err) // the commands above are wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	cmd, err := parser.Parse(args)
	if out.err != nil {
		return 0 // it becomes 1 when that is said
	}
	if err != nil {
		fmt.Fprintf(con.err, "parley: %s\n", explain(err))
		return 2
	}
	if err := cmd.Run(); err != nil {
		var usage usageError
		if errors.As(err, &usage) {
			fmt.Fprintf(con.err, "parley: %v\n", oneLine(err))
			return 2
		}
		for _, line := range lines(err) {
			fmt.Fprintf(con.err, "parley: %v\n", line)
		}
		var exit exitError
		if errors.As(err, &exit) {
			return exit.status
		}
		return 1
	}
	return 0
}

// checked is standard output, which may be a file on a full disk. It remembers
// the first failure: what asks for it may not have looked.
type checked struct {
	io.Writer
	mu  sync.Mutex // protects err
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if err != nil {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			err = e.Err // that it is standard output is said
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = cmp.Or(c.err, err)
	}
	return n, err
}

// unchecked is what is behind standard output, for a program that is run: it
// may need the terminal itself.
func unchecked(w io.Writer) io.Writer {
	if c, ok := w.(*checked); ok {
		return c.Writer
	}
	return w
}

// exitError is a failure with an exit status of its own: that of a program that
// was run, or that of being interrupted.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

// interruptedStatus is the exit status after SIGINT and SIGTERM, as of a shell
// whose command got SIGINT.
const interruptedStatus = 130

// interruption is the error of what was not done because of a signal.
func interruption(format string, args ...any) error {
	return exitError{fmt.Errorf("interrupted: "+format, args...), interruptedStatus}
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// lines are the mistakes in a script, each in a line, or any other error in one.
func lines(err error) []string {
	var all []string
	for _, e := range parts(err) {
		if _, mistake := e.(*script.Error); !mistake {
			return []string{oneLine(err)}
		}
		all = append(all, oneLine(e))
	}
	return all
}

// parts are the errors that an error was joined of; itself if it is one.
func parts(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}

// oneLine keeps the promise of one line for an error that has several parts, and
// says what two parts have in common once. It may be printed on a terminal.
func oneLine(err error) string {
	var parts []string
	for line := range strings.FieldsFuncSeq(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(line)
		if line == "" || slices.ContainsFunc(parts, func(p string) bool { return strings.HasSuffix(p, line) || strings.HasSuffix(line, p) }) {
			continue
		}
		parts = append(parts, line)
	}
	return printing.OneLine(strings.Join(parts, "; "))
}

// version is the module's version, or that of the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "parley (version unknown)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return fmt.Sprintf("parley %s %s", v, info.GoVersion)
}
