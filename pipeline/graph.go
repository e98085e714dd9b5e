package pipeline

import (
	"fmt"
	"reflect"

	"github.com/parley-go/parley/frames"
)

// builder makes the nodes of a run from the processors of a pipeline.
type builder struct {
	run       *run
	names     map[string]bool
	given     map[Processor]bool
	exclusive map[string]string // the name of the first of each kind of Exclusive in the row
	scope     *scope
	depth     int // how many Parallels and Switches are open around what is built
	err       error
}

// segment is a part of the graph with one entry and one exit; both are nil for
// an empty one.
type segment struct{ first, last *node }

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("pipeline: "+format, args...)
	}
}

func (b *builder) row(processors []Processor, where string) segment {
	var all segment
	for i, p := range processors {
		all = join(all, b.add(p, fmt.Sprintf("%s%d", where, i+1)))
	}
	return all
}

func join(a, z segment) segment {
	switch {
	case a.first == nil:
		return z
	case z.first == nil:
		return a
	}
	a.last.links[frames.Downstream] = link{to: z.first}
	z.first.links[frames.Upstream] = link{to: a.last}
	return segment{a.first, z.last}
}

func (b *builder) add(p Processor, where string) segment {
	switch p := p.(type) {
	case nil:
		b.fail("processor %s is nil", where)
		return segment{}
	case *chain:
		return b.row(p.processors, where+".")
	case *inline:
		return b.addInline(p.processor, where)
	case *parallel:
		return b.addBranches("Parallel", p.branches, nil, where)
	case *switcher:
		return b.addSwitch(p, where)
	}
	n := b.node(p, where)
	return segment{n, n}
}

// addInline adds p without queues: each of its members, if it is a chain.
func (b *builder) addInline(p Processor, where string) segment {
	switch p := p.(type) {
	case *inline:
		return b.addInline(p.processor, where)
	case *chain:
		var all segment
		for i, member := range p.processors {
			all = join(all, b.addInline(member, fmt.Sprintf("%s.%d", where, i+1)))
		}
		return all
	case *parallel, *switcher:
		b.fail("processor %s is Inline of branches, which need the queues where they part and meet: put Inline around processors within the branches", where)
		return segment{}
	}
	s := b.add(p, where)
	if b.err != nil {
		return s
	}
	n := s.first
	if _, ok := p.(interface{ sameForBothLanes() }); ok {
		n.system = nil // ProcessSystem is Process
	}
	switch {
	case n.system != nil:
		b.fail("processor %s, %s, is Inline of a SystemProcessor, which takes its time and needs queues of its own: leave Inline away", where, n.name)
	case len(b.run.nodes) > 1: // the first needs a queue, for what comes from outside
		n.inline = true
	}
	return s
}

// node makes the node of one processor.
func (b *builder) node(p Processor, where string) *node {
	if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer || v.Kind() == reflect.Func {
		if v.IsNil() {
			b.fail("processor %s is a nil %T", where, p)
		} else if v.Kind() == reflect.Pointer && v.Type().Elem().Size() > 0 {
			if b.given[p] {
				b.fail("processor %s is a %T that is in the pipeline already: each place needs a processor of its own", where, p)
			}
			b.given[p] = true
		}
	}
	n := b.bare(b.nameOf(p, where))
	n.proc = p
	if s, ok := p.(Exclusive); ok && b.err == nil {
		b.only(s, n.name, where)
	}
	n.system, _ = p.(SystemProcessor)
	if n.system == nil {
		n.ordBed = n.sysBed
	}
	return n
}

// only refuses the second of a kind in a row.
func (b *builder) only(p Exclusive, name, where string) {
	kind := ""
	if err := protect(func() { kind = p.Exclusive() }); err != nil {
		b.fail("processor %s, %s, does not say what it is: %w", where, name, err)
		return
	}
	if first, ok := b.exclusive[kind]; ok && kind != "" {
		b.fail("processor %s, %s, is a second %s, behind %s, and could not work: run a pipeline for each call (docs/transports.md tells how two callers are connected)", where, name, kind, first)
	}
	b.exclusive[kind] = name
}

// bare makes a node with two goroutines and no processor.
func (b *builder) bare(name string) *node {
	r := b.run
	n := &node{run: r, name: b.unique(name), scope: b.scope, branched: b.depth > 0, sysBed: newBed(), ordBed: newBed()}
	n.logger = r.cfg.Logger.With("processor", n.name)
	n.port = Port{node: n}
	n.turn = Port{node: n, turning: true}
	n.sysLane.limit, n.upLane.limit = r.cfg.SystemQueueSize, r.cfg.SystemQueueSize
	n.downLane.limit = r.cfg.QueueSize
	n.sys.limit, n.ord.limit = 1, 1
	r.nodes = append(r.nodes, n)
	return n
}

func (b *builder) nameOf(p Processor, where string) (name string) {
	if named, ok := p.(Namer); ok && b.err == nil {
		if err := protect(func() { name = named.Name() }); err != nil {
			b.fail("processor %s, a %T, has no name: %w", where, p, err)
		}
		if name != "" {
			return name
		}
	}
	t := reflect.TypeOf(p)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.String()
}

// unique makes a name that no other node has: the second "tts" is "tts#2".
func (b *builder) unique(name string) string {
	for i, full := 2, name; ; i++ {
		if !b.names[full] {
			b.names[full] = true
			return full
		}
		full = fmt.Sprintf("%s#%d", name, i)
	}
}

// assignGuests gives each inline node to the next node upstream of it that has
// goroutines: that one tells it of interruptions.
func (r *run) assignGuests() {
	for _, n := range r.nodes {
		if !n.inline {
			continue
		}
		host := n.links[frames.Upstream].to
		for host.inline {
			host = host.links[frames.Upstream].to
		}
		host.guest = append(host.guest, n)
	}
}
