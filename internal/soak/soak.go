package soak

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/services/novasonic"
)

// Options says what to run.
type Options struct {
	// Hours is how much virtual time to pass in conversations. Calls, if set,
	// is how many conversations to hold instead.
	Hours float64
	Calls int

	// Seed makes every random choice. The nth conversation has a seed of its
	// own, SeedOf(Seed, n).
	Seed uint64

	// Replay, if set, is the seed of the one conversation to hold.
	Replay *uint64

	// Faults is "all", "none", or names of FaultNames, separated by commas.
	// Default: all.
	Faults string

	// Workers is how many conversations are held at the same time. Default: one
	// for each core.
	Workers int

	// Configure, if set, may change the configuration of each conversation's
	// service before it is made: to break it on purpose. It is called by
	// several goroutines at once.
	Configure func(*novasonic.Config)

	// Failed, if set, is called with each conversation in which something was
	// violated, and Progress after each conversation, one call at a time.
	Failed   func(Failure)
	Progress func(*Report)

	faults faultSet
}

// Failure is a conversation in which something was violated.
type Failure struct {
	Seed uint64
	Plan string // what kind of conversation it was
	oracle.Result
}

// SeedOf is the seed of the nth conversation of a run.
func SeedOf(seed uint64, n int) uint64 {
	// Short enough to be read out, and different for neighbouring seeds.
	h := (seed+1)*0x9e3779b97f4a7c15 + uint64(n)*0xbf58476d1ce4e5b9
	h ^= h >> 31
	h *= 0x94d049bb133111eb
	return (h^h>>29)&(generation-1) + newest*generation
}

// Seeds are of generations, so many in each. What was added to the test since some
// seeds have found something is only for newer ones: the older are held as they were.
const (
	generation = 1 << 48
	newest     = 2
)

// longest is how much real time a conversation may take. It takes seconds; one
// that does not end has found a way to wait without letting time pass.
const longest = 10 * time.Minute

// Run holds conversations until the time is over, or ctx ends, and reports what
// came of it: if ctx ended before all had been held, the report says so. The
// error is for options that make no sense, and for a conversation that does not
// end.
func Run(ctx context.Context, o Options) (*Report, error) {
	var err error
	if o.faults, err = parseFaults(o.Faults); err != nil {
		return nil, err
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	s := &session{o: &o, report: newReport(&o), began: time.Now()}
	working, stop := context.WithCancel(ctx)
	s.stop = stop
	defer s.stop()
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() { s.work(working) })
	}
	workers.Wait()
	if ctx.Err() != nil {
		_, s.report.Interrupted = s.claim() // unless it came behind the last one
	}
	s.report.finish(time.Since(s.began))
	return s.report, s.err
}

// session is one Run.
type session struct {
	o     *Options
	began time.Time
	stop  context.CancelFunc

	mu     sync.Mutex // guards the following
	next   int        // the number of the next conversation
	report *Report
	err    error
}

// claim returns the seed of the next conversation; false if there is none.
func (s *session) claim() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	switch {
	case s.err != nil, s.o.Replay != nil && n > 0, s.o.Replay == nil && s.o.Calls > 0 && n >= s.o.Calls,
		s.o.Replay == nil && s.o.Calls <= 0 && s.report.Hours >= s.o.Hours:
		return 0, false
	}
	s.next++
	if s.o.Replay != nil {
		return *s.o.Replay, true
	}
	return SeedOf(s.o.Seed, n), true
}

func (s *session) work(ctx context.Context) {
	for ctx.Err() == nil {
		seed, ok := s.claim()
		if !ok {
			return
		}
		done := make(chan outcome, 1)
		go func() { done <- hold(seed, s.o) }()
		overdue := time.NewTimer(longest)
		select {
		case out := <-done:
			s.add(out)
		case <-overdue.C:
			s.mu.Lock()
			s.err = fmt.Errorf("the conversation of seed %d does not end: no virtual time has passed in it for too long", seed)
			s.mu.Unlock()
			s.stop()
		}
		overdue.Stop()
	}
}

// outcome is what came of one conversation.
type outcome struct {
	seed   uint64
	plan   string
	length time.Duration
	oracle.Result
}

func (s *session) add(out outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.add(out, time.Since(s.began))
	if len(out.Violations) > 0 && s.o.Failed != nil {
		s.o.Failed(Failure{Seed: out.seed, Plan: out.plan, Result: out.Result})
	}
	if s.o.Progress != nil {
		s.o.Progress(s.report)
	}
}

// hold holds one conversation and judges it.
func hold(seed uint64, o *Options) (out outcome) {
	out.seed = seed
	var e *oracle.Evidence
	var broken []oracle.Violation
	func() {
		defer func() {
			if p := recover(); p != nil {
				broken = append(broken, oracle.Violation{Kind: oracle.Leaked, Text: fmt.Sprintf("%v\n%s", p, leaked())})
			}
		}()
		err := virtualtime.Run(func() (err error) {
			p := draw(seed, o)
			out.plan = p.String()
			e, err = converse(seed, o)
			return err
		})
		if err != nil {
			broken = append(broken, oracle.Violation{Kind: oracle.Crash, Text: err.Error()})
		}
	}()
	if e != nil && !e.Ended.IsZero() {
		out.length = e.Ended.Sub(e.Began)
		out.Result = oracle.Judge(e)
	}
	out.Violations = append(broken, out.Violations...)
	return out
}

// leaked returns the stacks of goroutines that will never end.
func leaked() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if first, _, _ := strings.Cut(g, "\n"); strings.Contains(first, "synctest") && strings.Contains(first, "durable") {
			found = append(found, g)
		}
	}
	return strings.Join(found[:min(len(found), 5)], "\n\n")
}
