package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

type densityCommand struct {
	Calls   int           `default:"100" help:"Calls at the same time. Default: ${default}."`
	For     time.Duration `least:"1s" most:"4m" default:"20s" help:"How long each run is measured, up to 4m: streams are replaced after that. Default: ${default}."`
	Rounds  int           `default:"3" help:"Runs of each kind, in turn. Default: ${default}."`
	JSON    bool          `name:"json" help:"Print one JSON object on one line."`
	Worker  string        `hidden:"" enum:",bare,parley" default:""`
	WarmUp  time.Duration `least:"0s" hidden:"" default:"5s"`
	Profile string        `type:"path" placeholder:"FILE" help:"Write a CPU profile of the last run of Parley there."`
}

func (c *densityCommand) Help() string {
	return `Runs real-time calls through whole pipelines (a caller with a microphone, Nova Sonic, a loudspeaker that plays) against the emulator in another process, and, in turn with them, a bare loop on the same SDK that sends and receives the same events and does nothing else. Each run is a process of its own with one core (GOMAXPROCS=1). It is a real-time measurement: leave the machine alone meanwhile.`
}

// density is what one run came to.
type density struct {
	Kind        string  `json:"kind"`
	Calls       int     `json:"calls"`
	CPUPerCall  float64 `json:"cpu_ms_per_call_second"` // of user and system time
	CPUPerEvent float64 `json:"cpu_us_per_event"`       // sent or received
	CallsACore  float64 `json:"calls_a_core"`
	LateP50     float64 `json:"send_late_p50_ms"` // how much later than due audio arrived at the emulator
	LateP99     float64 `json:"send_late_p99_ms"`
	BytesACall  int64   `json:"bytes_a_call"` // of heap and stacks
	EventsUp    int64   `json:"audio_events_up"`
	EventsDown  int64   `json:"audio_events_down"`
	FailedCalls int     `json:"failed_calls"`
}

func (c *densityCommand) Run(ctx context.Context, con console) error {
	switch {
	case c.Calls < 1:
		return usageError{fmt.Errorf("--calls=%d: there must be at least one", c.Calls)}
	case c.Rounds < 1:
		return usageError{fmt.Errorf("--rounds=%d: there must be at least one", c.Rounds)}
	}
	if c.Worker != "" {
		ctx, stop := whileParentLives(ctx)
		defer stop()
		result, err := c.work(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(con.out).Encode(result)
	}
	if c.Profile != "" { // it is written at the end, which is minutes away
		f, err := os.OpenFile(c.Profile, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return pathError("create profile", c.Profile, err, true)
		}
		f.Close() // nothing was written
	}
	ctx, stopHearing := untilSignal(ctx, func() {})
	defer stopHearing()
	err := c.measure(ctx, con)
	if ctx.Err() != nil {
		return interruption("nothing was measured")
	}
	return err
}

// measure runs the emulator, and the runs beside it, in processes of their own,
// which end with ctx and with this process.
func (c *densityCommand) measure(ctx context.Context, con console) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	environ, stop, err := startEmulator(ctx, self, c.Calls)
	if err != nil {
		return err
	}
	defer stop()
	var all []*density // in the order of the runs

	runs := map[string][]density{}
	for round := range c.Rounds {
		for _, kind := range []string{"bare", "parley"} {
			fmt.Fprintf(con.err, "round %d of %d: %s, %s for %v, after %v in which they begin\n", round+1, c.Rounds, kind, count(c.Calls, "call", "calls"), c.For, c.WarmUp)
			work := exec.CommandContext(ctx, self, "bench", "density", "--worker", kind,
				"--calls", fmt.Sprint(c.Calls), "--for", c.For.String(), "--warm-up", c.WarmUp.String())
			if kind == "parley" && c.Profile != "" {
				work.Args = append(work.Args, "--profile", c.Profile)
			}
			work.Env = append(append(wanted(os.Environ()), environ...), "GOMAXPROCS=1")
			work.Stderr = con.err
			if _, err := work.StdinPipe(); err != nil { // see whileParentLives
				return fmt.Errorf("measure %s: %w", kind, err)
			}
			out, err := work.Output()
			if err != nil {
				return fmt.Errorf("measure %s: %w", kind, err)
			}
			var d density
			if err := json.Unmarshal(out, &d); err != nil {
				return fmt.Errorf("read result of %s: %w", kind, err)
			}
			all = append(all, &d)
		}
	}
	// The streams of each run are as many as its calls, unless some failed.
	late, err := stop()
	if err != nil {
		return err
	}
	for i, d := range all {
		of := late[min(i*c.Calls, len(late)):min((i+1)*c.Calls, len(late))]
		d.LateP50, d.LateP99 = quantile(of, 0.5), quantile(of, 0.99)
		runs[d.Kind] = append(runs[d.Kind], *d)
	}
	return c.report(con.out, runs)
}

// wanted is the environment without what would lead the SDK away from the
// emulator.
func wanted(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(sonictest.Unwanted(), name)
	})
}

// work is one run, in a process of its own.
func (c *densityCommand) work(ctx context.Context) (density, error) {
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return density{}, fmt.Errorf("write profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return density{}, fmt.Errorf("write profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	return densityWork(ctx, c.Worker, c.Calls, c.WarmUp, c.For)
}

// startEmulator starts the emulator in another process and returns the
// variables that point an SDK at it. stop ends it, once, and returns how late
// each audio event arrived, in milliseconds, stream by stream.
func startEmulator(ctx context.Context, self string, calls int) (environ []string, stop func() ([][]float64, error), err error) {
	ctx, cancel := context.WithCancel(ctx)
	emulator := exec.CommandContext(ctx, self, "emulator", "--addr", "127.0.0.1:0", "--streams", fmt.Sprint(2*calls), "--load", "--with-parent")
	emulator.Cancel = func() error { return emulator.Process.Signal(os.Interrupt) }
	emulator.WaitDelay = 30 * time.Second
	var log bytes.Buffer
	emulator.Stderr = &log
	fail := func(err error) ([]string, func() ([][]float64, error), error) {
		cancel()
		return nil, nil, fmt.Errorf("start emulator: %w", err)
	}
	if _, err := emulator.StdinPipe(); err != nil { // see whileParentLives
		return fail(err)
	}
	out, err := emulator.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := emulator.Start(); err != nil {
		return fail(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		v, ok := strings.CutPrefix(lines.Text(), "export ")
		if !ok {
			break // the line behind the last variable
		}
		name, value, _ := strings.Cut(v, "=")
		environ = append(environ, name+"="+strings.Trim(value, "'"))
	}
	if len(environ) == 0 {
		_ = emulator.Wait()
		return fail(errors.New(oneLine(errors.New(log.String()))))
	}
	return environ, sync.OnceValues(func() (late [][]float64, err error) {
		cancel()
		for lines.Scan() {
			if err := json.Unmarshal(lines.Bytes(), &late); err != nil {
				return nil, fmt.Errorf("read lateness: %w", err)
			}
		}
		_ = emulator.Wait() // it was told to end
		return late, nil
	}), nil
}

// reportLateness writes, as JSON, by how many milliseconds each audio event of
// each stream arrived later than the earliest of its stream would have it. The
// first seconds, in which calls are set up, are left out.
func reportLateness(w io.Writer, srv *sonictest.Server) error {
	const setUp = 5 * time.Second
	late := [][]float64{}
	for _, s := range srv.Streams() {
		stream := []float64{}
		for _, block := range s.Audio {
			due := func(a sonictest.Arrival) time.Duration { return a.At - block.Rate.Duration(int64(a.End)) }
			earliest := time.Duration(math.MaxInt64)
			for _, a := range block.Arrivals {
				earliest = min(earliest, due(a))
			}
			for _, a := range block.Arrivals {
				if a.At > setUp {
					stream = append(stream, float64(due(a)-earliest)/float64(time.Millisecond))
				}
			}
		}
		late = append(late, stream)
	}
	return json.NewEncoder(w).Encode(late)
}

// quantile returns the qth quantile of all values.
func quantile(streams [][]float64, q float64) float64 {
	all := slices.Concat(streams...)
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))]
}

// whileParentLives returns a context for a process that another one started with
// a pipe as its standard input. The pipe ends with that other one, however it
// ends, and the context with the pipe. It is to be called once: what waits for the
// pipe goes on until it ends or this process does.
func whileParentLives(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // nothing is ever sent
	}()
	return ctx, cancel
}

// median returns the median of what of returns for each run; of an even number,
// the middle of the two in the middle.
func median(runs []density, of func(density) float64) float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func (c *densityCommand) report(w io.Writer, runs map[string][]density) error {
	cpu := func(d density) float64 { return d.CPUPerCall }
	event := func(d density) float64 { return d.CPUPerEvent }
	ratio := func(of func(density) float64) float64 { return median(runs["parley"], of) / median(runs["bare"], of) }
	if c.JSON {
		return json.NewEncoder(w).Encode(map[string]any{"runs": runs, "cpu_ratio": ratio(event), "cpu_ratio_per_call": ratio(cpu)})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "median of runs\tCPU a call\tan event\tcalls a core\tsend late p50\tp99\tbytes a call\tevents up\tdown\tfailed\t")
	for _, kind := range []string{"bare", "parley"} {
		r := runs[kind]
		m := func(of func(density) float64) float64 { return median(r, of) }
		fmt.Fprintf(t, "%s\t%.2f ms/s\t%.0f µs\t%.0f\t%.1f ms\t%.1f ms\t%.0f KB\t%.0f\t%.0f\t%.0f\t\n", kind,
			m(cpu), m(event), m(func(d density) float64 { return d.CallsACore }),
			m(func(d density) float64 { return d.LateP50 }), m(func(d density) float64 { return d.LateP99 }),
			m(func(d density) float64 { return float64(d.BytesACall) / 1000 }),
			m(func(d density) float64 { return float64(d.EventsUp) }), m(func(d density) float64 { return float64(d.EventsDown) }),
			m(func(d density) float64 { return float64(d.FailedCalls) }))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// The two are not answered at the same instants, and so not quite as often.
	_, err := fmt.Fprintf(w, "CPU of an event in Parley: %.2f times that of the bare loop (of a call: %.2f)\n", ratio(event), ratio(cpu))
	return err
}
