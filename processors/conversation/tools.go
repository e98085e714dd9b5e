package conversation

import (
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// callOf finds a call that is not over.
func (b *book) callOf(id, name string) *note {
	for _, n := range b.calls {
		if !n.gone && n.Call.ID == id && (id != "" || n.Call.Name == name) {
			return n
		}
	}
	return nil
}

// call begins the entry of a call.
func (b *book) call(id, name string, state State) *note {
	n := b.add(Tool, state)
	n.Call = &Call{ID: id, Name: name}
	n.Place, n.Rough = b.rough(""), true
	if len(b.calls) == maxCalls {
		b.issue(TooMuch, "calls that do not end")
		b.calls = append(b.calls[:0:0], b.calls[1:]...)
	}
	b.calls = append(b.calls, n)
	return n
}

func (b *book) called(f *frames.FunctionCall) {
	id, name := b.name(f.CallID), b.name(f.Name)
	n := b.callOf(id, name)
	switch {
	case n == nil || id == "":
		n = b.call(id, name, Called)
	case n.Call.Arguments != nil:
		b.issue(BadOrder, "a call that was made already, of "+name)
		return
	}
	n.Call.Arguments = b.raw(n, "the arguments", f.Arguments)
	b.changed(n)
}

func (b *book) started(f *frames.FunctionCallInProgress) {
	id, name := b.name(f.CallID), b.name(f.Name)
	n := b.callOf(id, name)
	if n == nil {
		b.issue(BadOrder, "a start of a call that was not made, of "+name)
		n = b.call(id, name, Running)
	}
	n.State = Running
	b.changed(n)
}

func (b *book) returned(f *frames.FunctionCallResult) {
	id, name := b.name(f.CallID), b.name(f.Name)
	n := b.callOf(id, name)
	if n == nil {
		b.issue(BadOrder, "a result of a call that was not made, or has returned, of "+name)
		n = b.call(id, name, Returned)
	}
	for i, o := range b.calls {
		if o == n {
			b.calls = append(b.calls[:i:i], b.calls[i+1:]...)
			break
		}
	}
	switch {
	case f.Failed && n.cancelled:
		n.State = Cancelled
	case f.Failed:
		n.State = Failed
	default:
		n.State = Returned
	}
	n.Call.Result = b.raw(n, "the result", f.Result)
	n.Call.Elapsed = max(0, f.Elapsed).Round(time.Microsecond)
	if end := audio.Position(roughRate.Samples(b.now())); end > n.Place.End {
		n.Place.End = end
	}
	b.changed(n)
}

func (b *book) cancelled(f *frames.FunctionCallCancel) {
	for _, n := range b.calls {
		if f.CallID == "" || b.name(f.CallID) == n.Call.ID {
			n.cancelled = true
		}
	}
}
