package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-go/parley/frames"
)

// maxBranches is how many branches can part at one place: a bit each.
const maxBranches = 64

// router is what the engine's own nodes do, where branches part and meet. It
// sees the tag that tells from which branch a frame came.
type router interface {
	route(ctx context.Context, n *node, it *item, system bool) error
}

type parallel struct {
	structure
	branches []Processor
}

// Parallel sends each frame into every branch at once, and lets what comes out
// of them go on together. A frame that several branches pass on goes on once,
// when it first comes out. [frames.Start], [frames.End], [frames.Stop],
// [frames.Heartbeat] and frames that embed [frames.Barrier] go on when they have come out
// of all branches, so that nothing is left behind in a slow one. The order of frames is kept in each
// branch, and not between branches. An empty Chain makes a branch in which
// frames simply pass. There may be up to 64 branches.
//
// The slowest branch holds back the others once its queue is full. Duplicates
// are recognised as long as a branch is not behind by more than 65,536 data and
// control frames, which is ten minutes of audio in pieces of 10 ms, or by more
// system frames than its queues hold; a processor that keeps frames for longer
// sends them on as new ones.
func Parallel(branches ...Processor) Processor { return &parallel{branches: branches} }

// branches is where branches part and meet: a node at either end.
type branches struct {
	entry, exit *node
	heads       []link  // from entry downstream
	tails       []link  // from exit upstream
	choice      *choice // for a switch, nil otherwise

	inside [2][2]passage // by direction, and by lane: system and ordered

	// Each is used by one goroutine: that of the exit and the lane.
	arrived [2]map[uint64]uint64
	beat    uint64 // the last heartbeat that came out of any branch
}

// addBranches makes the nodes for branches that part and meet. choice is nil
// for parallel ones.
func (b *builder) addBranches(name string, parts []Processor, ch *choice, where string) segment {
	if len(parts) == 0 || len(parts) > maxBranches {
		b.fail("processor %s, a %s, has %d branches; it can have 1 to %d", where, name, len(parts), maxBranches)
		return segment{}
	}
	br := &branches{choice: ch}
	br.arrived = [2]map[uint64]uint64{{}, {}}
	br.entry = b.bare(name)
	br.entry.router = br
	outer := b.scope
	b.depth++
	before, within := b.exclusive, maps.Clone(b.exclusive)
	var all []segment
	ordered := make([]bool, len(parts))
	for i, part := range parts {
		begin := len(b.run.nodes)
		if ch != nil {
			b.scope = &scope{outer: outer, choice: ch, branch: i}
		}
		b.exclusive = maps.Clone(before)
		all = append(all, b.add(part, fmt.Sprintf("%s[%d]", where, i+1)))
		maps.Copy(within, b.exclusive)
		ordered[i] = !slices.ContainsFunc(b.run.nodes[begin:], func(n *node) bool { return n.router != nil })
	}
	b.scope, b.exclusive = outer, within
	b.depth--
	br.exit = b.bare(br.entry.name + " end")
	br.exit.router = br

	for i, s := range all {
		tag := uint16(i)
		head, tail := link{br.exit, tag}, link{br.entry, tag}
		if s.first != nil {
			s.last.links[frames.Downstream] = head
			s.first.links[frames.Upstream] = tail
			head, tail = link{to: s.first}, link{to: s.last}
		}
		br.heads = append(br.heads, head)
		br.tails = append(br.tails, tail)
		if ch != nil {
			ch.addService(s.first, i)
		}
	}
	size := minPassing
	for _, n := range b.run.nodes {
		size += n.downLane.limit + maxBatch
	}
	for dir := range br.inside {
		for lane := range br.inside[dir] {
			br.inside[dir][lane] = passage{keep: size, most: size, ordered: ordered, past: make([]uint64, len(parts))}
		}
		br.inside[dir][laneIndex(false)].most = max(size, maxPassing)
	}
	return segment{br.entry, br.exit}
}

func laneIndex(system bool) int {
	if system {
		return 0
	}
	return 1
}

func (br *branches) route(ctx context.Context, n *node, it *item, system bool) error {
	parting := (n == br.entry) == (it.dir() == frames.Downstream)
	switch {
	case !parting:
		return br.merge(ctx, n, it, system)
	case n == br.entry:
		return br.part(ctx, n, br.heads, it, system)
	}
	return br.part(ctx, n, br.tails, it, system)
}

// part sends a frame into the branches: all of them, or the chosen one.
func (br *branches) part(ctx context.Context, n *node, into []link, it *item, system bool) error {
	if br.choice != nil {
		if f, ok := it.frame.(*frames.SwitchService); ok && br.choice.obey(n, f) {
			return nil
		}
		if !isForAll(it.frame) {
			return n.run.send(ctx, &n.port, into[br.choice.active.Load()], it.frame, it.dir())
		}
	}
	if it.dir() != frames.Downstream || barrierOf(it.frame) == noBarrier {
		br.inside[it.dir()][laneIndex(system)].enter(it.frame.ID())
	}
	var errs []error
	for _, l := range into {
		if err := n.run.send(ctx, &n.port, l, it.frame, it.dir()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// merge lets a frame out that comes from a branch, unless another branch has
// let it out, or it must wait for the other branches.
func (br *branches) merge(ctx context.Context, n *node, it *item, system bool) error {
	f, lane := it.frame, laneIndex(system)
	kind := barrierOf(f)
	switch {
	case it.dir() == frames.Downstream && kind != noBarrier:
		if !br.allArrived(lane, kind, f.ID(), it.tag()) {
			return nil
		}
		n.barriers[kind].in.Store(f.ID())
	case br.choice != nil && !br.choice.lets(it, system):
		n.run.observeDrop(f, n, it.dir(), Inactive)
		return nil
	case !br.inside[it.dir()][lane].lets(f.ID(), it.tag(), frames.IsBarrier(f)):
		return nil
	}
	return n.port.Send(ctx, f, it.dir())
}

// allArrived notes that a barrier came out of the branch tag, and reports
// whether that was the last.
func (br *branches) allArrived(lane int, kind barrier, id uint64, tag uint16) bool {
	if kind == heartbeatBarrier && id > br.beat {
		delete(br.arrived[lane], br.beat) // it is here or lost, or there would be no new one
		br.beat = id
	}
	all := ^uint64(0) >> (maxBranches - len(br.heads))
	have := br.arrived[lane][id] | 1<<tag
	if have != all {
		br.arrived[lane][id] = have
		return false
	}
	delete(br.arrived[lane], id)
	return true
}

// isForAll reports whether a frame goes to every service of a switch.
func isForAll(f frames.Frame) bool {
	if _, ok := f.(*frames.UpdateSettings); ok {
		return true
	}
	return barrierOf(f) != noBarrier
}
