package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/soak"
)

type soakCommand struct {
	Hours  float64 `default:"1" help:"Virtual hours of conversation. Default: ${default}."`
	Calls  int     `help:"Hold so many conversations, of about a quarter of an hour each, instead of --hours."`
	Seed   uint64  `default:"1" help:"Of everything random: conversations, faults, the emulator. Default: ${default}."`
	Faults string  `default:"all" placeholder:"LIST" help:"What goes wrong: all, none, or some of those listed above, with commas between. Default: ${default}."`
	Replay *uint64 `placeholder:"SEED" help:"Hold just the conversation of this seed, with the same --faults as when it failed."`
	JSON   bool    `name:"json" help:"Print one JSON object on one line."`

	Workers int           `help:"Conversations held at the same time. Default: one a core."`
	Every   time.Duration `default:"30s" help:"How often to report progress, where standard error is no terminal. Default: ${default}."`
}

// maxHours takes weeks.
const maxHours = 1_000_000

func (c *soakCommand) Help() string {
	return `Holds random conversations, of many virtual hours, between a caller and the built-in emulator, over the real SDK, while faults strike. Nothing that the service says of itself is trusted: what every stream heard and what the caller heard are compared, sample by sample, with what was said.

A violation prints its seed, what happened, and the command that holds that conversation again. Exit status: 1 if there was one.

Faults: ` + strings.Join(soak.FaultNames(), ", ") + "."
}

// Run soaks.
func (c *soakCommand) Run(ctx context.Context, con console) error {
	if c.Replay == nil {
		switch {
		case c.Calls < 0:
			return usageError{fmt.Errorf("--calls=%d: there must be at least one", c.Calls)}
		case c.Calls == 0 && !(c.Hours > 0):
			return usageError{fmt.Errorf("--hours=%g: it must be more than nothing", c.Hours)}
		case c.Calls == 0 && c.Hours > maxHours:
			return usageError{fmt.Errorf("--hours=%g: more than %d are not held at a time", c.Hours, maxHours)}
		}
	}
	if err := soak.CheckFaults(c.Faults); err != nil {
		return usageError{fmt.Errorf("--faults: %w", err)}
	}
	if c.Workers < 0 {
		return usageError{fmt.Errorf("--workers=%d: there must be at least one", c.Workers)}
	}
	human := con.out
	if c.JSON {
		human = con.err
	}
	// Interrupted, it ends with the conversations under way and reports.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // the next one kills
	told := time.Now()
	o := soak.Options{
		Hours: c.Hours, Calls: c.Calls, Seed: c.Seed, Faults: c.Faults, Replay: c.Replay, Workers: c.Workers,
		Failed: func(f soak.Failure) {
			if con.terminal {
				fmt.Fprint(con.err, "\r\x1b[K")
			}
			f.Print(human, c.Faults)
		},
		Progress: func(r *soak.Report) {
			line := fmt.Sprintf("%.1f virtual hours, %d conversations, %.3f hours a second, %d violations", r.Hours, r.Conversations, r.HoursPerSecond, r.Violations)
			switch {
			case con.terminal:
				fmt.Fprintf(con.err, "\r\x1b[K%s", line)
			case time.Since(told) >= c.Every:
				fmt.Fprintln(con.err, line)
				told = time.Now()
			}
		},
	}
	report, err := soak.Run(ctx, o)
	if con.terminal {
		fmt.Fprint(con.err, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if c.JSON {
		if err := json.NewEncoder(con.out).Encode(report); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	} else {
		report.Print(human)
	}
	if report.Violations > 0 {
		return errors.New("the guarantees of session continuation were violated")
	}
	return nil
}
