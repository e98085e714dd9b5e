package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/soak"
)

type soakCommand struct {
	Hours  *float64 `placeholder:"H" help:"Virtual hours of conversation. Default: 1."`
	Calls  *int     `placeholder:"N" help:"Hold so many conversations, of about a quarter of an hour each, instead of --hours."`
	Seed   *uint64  `placeholder:"SEED" help:"Of everything random: conversations, faults, the emulator. Default: 1."`
	Faults string   `type:"name" default:"all" placeholder:"LIST" help:"What goes wrong: all, none, or some of those listed above, with commas between. Default: ${default}."`
	Replay *uint64  `placeholder:"SEED" help:"Hold just the conversation of this seed, with the same --faults as when it failed."`
	JSON   bool     `name:"json" help:"Print one JSON object on one line."`

	Workers int           `help:"Conversations held at the same time. Default: one a core."`
	Every   time.Duration `least:"1ms" default:"30s" help:"How often to report progress, where standard error is no terminal. Default: ${default}."`
}

// maxHours takes weeks.
const maxHours = 1_000_000

func (c *soakCommand) Help() string {
	return `Holds random conversations, of many virtual hours, between a caller and the built-in emulator, over the real SDK, while faults strike. Nothing that the service says of itself is trusted: what every stream heard and what the caller heard are compared, sample by sample, with what was said.

A violation prints its seed, what happened, and the command that holds that conversation again. Exit status: 1 if there was one.

Interrupted (SIGINT, SIGTERM or SIGHUP), it ends with the conversations under way, reports what came of them and how much that is of what was asked for, and the exit status is 130 if nothing was violated so far.

Faults: ` + strings.Join(soak.FaultNames(), ", ") + "."
}

// Run soaks.
func (c *soakCommand) Run(ctx context.Context, con console) error {
	if err := c.check(); err != nil {
		return err
	}
	human := con.out
	if c.JSON {
		human = con.err
	}
	// Interrupted, it ends with the conversations under way and reports.
	ctx, stop := untilSignal(ctx, func() {
		fmt.Fprintln(con.err, "Ending with the conversations under way; interrupt again to stop at once.")
	})
	defer stop()
	told := time.Now()
	o := soak.Options{
		Hours: *cmp.Or(c.Hours, new(1.0)), Calls: *cmp.Or(c.Calls, new(int)), Seed: *cmp.Or(c.Seed, new(uint64(1))),
		Faults: c.Faults, Replay: c.Replay, Workers: c.Workers,
		Failed: func(f soak.Failure) {
			if con.terminal {
				fmt.Fprint(con.err, "\r\x1b[K")
			}
			f.Print(human, c.Faults)
		},
		Progress: func(r *soak.Report) {
			line := fmt.Sprintf("%.1f virtual hours, %s, %.3f hours a second, %s", r.Hours,
				count(r.Conversations, "conversation", "conversations"), r.HoursPerSecond, count(r.Violations, "violation", "violations"))
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
	switch {
	case report.Violations > 0:
		return fmt.Errorf("the guarantees of session continuation were violated: %s in %s; hold one of them again with --replay",
			count(report.Violations, "violation", "violations"), count(len(report.FailedSeeds), "conversation", "conversations"))
	case report.Interrupted:
		return interruption("%s were held, and nothing was violated in them", report.Held())
	}
	return nil
}

// check refuses what makes no sense, or would be ignored.
func (c *soakCommand) check() error {
	switch {
	case c.Replay != nil && (c.Hours != nil || c.Calls != nil || c.Seed != nil):
		return usageError{errors.New("--replay holds the one conversation of its seed: leave out --hours, --calls and --seed")}
	case c.Hours != nil && c.Calls != nil:
		return usageError{errors.New("--calls is instead of --hours: leave one of them out")}
	case c.Calls != nil && *c.Calls < 1:
		return usageError{fmt.Errorf("--calls=%d: there must be at least one", *c.Calls)}
	case c.Hours != nil && !(*c.Hours > 0):
		return usageError{fmt.Errorf("--hours=%g: it must be more than nothing", *c.Hours)}
	case c.Hours != nil && *c.Hours > maxHours:
		return usageError{fmt.Errorf("--hours=%g: more than %d are not held at a time", *c.Hours, maxHours)}
	case c.Workers < 0:
		return usageError{fmt.Errorf("--workers=%d: there must be at least one; leave it out for one a core", c.Workers)}
	}
	if err := soak.CheckFaults(c.Faults); err != nil {
		return usageError{fmt.Errorf("--faults: %w", err)}
	}
	return nil
}
