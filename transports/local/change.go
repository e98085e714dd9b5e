package local

import (
	"fmt"

	"github.com/parley-go/parley/frames"
)

// Change tells that a device was lost, or is there again. The input sends one
// in each direction.
type Change struct {
	frames.System
	Kind   Kind
	Device string // its name
	Err    error  // why it was lost; nil if it is there again
}

// String says what happened in a line for people.
func (c *Change) String() string {
	return event{c.Kind, c.Device, c.Err}.String()
}

// event is what a Change tells.
type event struct {
	kind   Kind
	device string
	err    error
}

func (e event) frame() *Change { return &Change{Kind: e.kind, Device: e.device, Err: e.err} }

func (e event) String() string {
	if e.err != nil {
		return fmt.Sprintf("%v %q was lost: %v", e.kind, e.device, e.err)
	}
	return fmt.Sprintf("%v %q is there again", e.kind, e.device)
}
