package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/frames"
)

// SwitchConfig configures a [Switch]. The zero value is a good one.
type SwitchConfig struct {
	// Name is what [frames.SwitchService] and errors call the switch.
	// Default "Switch".
	Name string

	// FailOver says for which errors of the active service, other than fatal
	// ones, another takes its place. nil means those that will not go away by
	// themselves and are not the application's own: authentication, invalid
	// request, quota and unclassified ones. It must be quick; a panic ends the run.
	FailOver func(*frames.Error) bool
}

type switcher struct {
	structure
	cfg      SwitchConfig
	services []Processor
}

// Switch chooses one of several services: the first to begin with. Frames go to
// the active one only; [frames.Start], [frames.End], [frames.Stop],
// [frames.Heartbeat] and [frames.UpdateSettings] go to all, and so do
// interruptions. What an inactive service still sends is dropped, but for
// errors and uninterruptible frames: the last words that it understood are not
// lost.
//
// Where the active service reports a fatal error, or one for which
// SwitchConfig.FailOver holds, the next one that has not failed becomes the
// active one at once, and the error goes on upstream as one that is not fatal
// and wraps a [*FailoverError]. A service that cannot start, panics or fails
// while it is not active is out of the choice. Only when no service is left is
// a fatal error fatal for the run.
//
// [frames.SwitchService] makes a service the active one, in order with the
// frames around it, from either direction. A service is named like its (first)
// processor in the pipeline.
func Switch(cfg SwitchConfig, services ...Processor) Processor {
	if cfg.Name == "" {
		cfg.Name = "Switch"
	}
	if cfg.FailOver == nil {
		cfg.FailOver = isLasting
	}
	return &switcher{cfg: cfg, services: services}
}

func isLasting(f *frames.Error) bool {
	return !f.Kind.Temporary() && f.Kind != frames.ErrorApplication
}

// FailoverError tells that a switch has replaced a service that failed.
type FailoverError struct {
	Switch, From, To string
	Err              error // why
}

// Error says who took whose place, and why.
func (e *FailoverError) Error() string {
	return fmt.Sprintf("%s goes on with %s after %s failed: %v", e.Switch, e.To, e.From, e.Err)
}

// Unwrap returns Err.
func (e *FailoverError) Unwrap() error { return e.Err }

// scope is one service of a switch, as its nodes know it.
type scope struct {
	outer  *scope
	choice *choice
	branch int
}

// choice is the state of a switch in a run.
type choice struct {
	cfg    SwitchConfig
	active atomic.Int32

	mu       sync.Mutex
	services []*node // the first node of each; nil for an empty one
	failed   []bool
	gone     []bool // failed for good: a processor of it has panicked or did not start
}

func (b *builder) addSwitch(s *switcher, where string) segment {
	return b.addBranches(s.cfg.Name, s.services, &choice{cfg: s.cfg}, where)
}

func (c *choice) addService(first *node, i int) {
	c.services = append(c.services, first)
	c.failed = append(c.failed, false)
	c.gone = append(c.gone, false)
}

func (c *choice) nameOf(i int) string {
	if n := c.services[i]; n != nil {
		return n.name
	}
	return fmt.Sprintf("service %d", i+1)
}

// lets reports whether a frame may leave the switch.
func (c *choice) lets(it *item, system bool) bool {
	if int32(it.tag()) == c.active.Load() {
		return true
	}
	if _, ok := it.frame.(*frames.UpdateSettings); ok {
		return false // it was sent to all, and comes from the active one as well
	}
	if system {
		_, ok := it.frame.(*frames.Error)
		return ok
	}
	return survives(it.frame)
}

// obey switches by command. It reports whether the command was for this switch
// alone.
func (c *choice) obey(n *node, f *frames.SwitchService) bool {
	if f.Switch != "" && f.Switch != c.cfg.Name {
		return false
	}
	c.mu.Lock()
	to := -1
	for i := range c.services {
		if c.nameOf(i) == f.Service {
			to = i
		}
	}
	dead := to >= 0 && c.gone[to]
	if to >= 0 && !dead {
		c.failed[to] = false
		c.active.Store(int32(to))
	}
	names := make([]string, len(c.services))
	for i := range c.services {
		names[i] = c.nameOf(i)
	}
	c.mu.Unlock()
	switch {
	case dead:
		n.report(Classify(frames.ErrorApplication, fmt.Errorf("switch to service %q: it has failed for good", f.Service)))
	case to < 0 && f.Switch != "":
		n.report(Classify(frames.ErrorApplication, fmt.Errorf("switch to service %q: there is none of that name, only %s", f.Service, strings.Join(names, ", "))))
	}
	return f.Switch != ""
}

// failOver notes an error of a service. It returns the error to send on in its
// place, or nil if the switch can do nothing about it.
func (r *run) failOver(c *choice, branch int, f *frames.Error) *frames.Error {
	lasting := f.Fatal
	if !lasting {
		r.call("FailOver", func() { lasting = c.cfg.FailOver(f) })
	}
	if !lasting {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from := int(c.active.Load())
	if branch != from {
		c.failed[branch] = c.failed[branch] || f.Fatal
		return &frames.Error{Processor: f.Processor, Kind: f.Kind, Err: f.Err}
	}
	for i := 1; i < len(c.services); i++ {
		to := (from + i) % len(c.services)
		if c.failed[to] {
			continue
		}
		c.failed[from] = true
		c.active.Store(int32(to))
		return &frames.Error{Processor: f.Processor, Kind: f.Kind,
			Err: &FailoverError{Switch: c.cfg.Name, From: c.nameOf(from), To: c.nameOf(to), Err: f.Err}}
	}
	return nil
}

// judge decides what becomes of an error that is sent for the first time: the
// switch around its processor may mend it, otherwise a fatal one ends the run.
// It returns the frame to send upstream, or nil.
func (r *run) judge(n *node, f *frames.Error) frames.Frame {
	for s := n.scope; s != nil; s = s.outer {
		if mended := r.failOver(s.choice, s.branch, f); mended != nil {
			r.admitNew(mended)
			return mended
		}
	}
	if !f.Fatal {
		return f
	}
	r.stop(outcome{err: asError(f)})
	return nil
}

// asError returns what Run returns for a fatal error.
func asError(f *frames.Error) *Error {
	err := f.Err
	if own, ok := err.(*Error); ok && own.Processor == "" {
		err = own.Err // its class and fatality are in f
	}
	return &Error{Processor: f.Processor, Class: f.Kind, Fatal: true, Err: err}
}

// die notes that the processor has failed for good: nothing of it is called any
// more but Close.
func (n *node) die() {
	n.dead.Store(true)
	if s := n.scope; s != nil {
		s.choice.mu.Lock()
		s.choice.gone[s.branch] = true
		s.choice.mu.Unlock()
	}
}

// standIn takes the place of a service that has failed for good: it lets pass
// what all branches must let pass.
func (n *node) standIn(ctx context.Context, it *item) error {
	if it.dir() == frames.Downstream && barrierOf(it.frame) != noBarrier {
		return n.port.Send(ctx, it.frame, it.dir())
	}
	return nil
}
