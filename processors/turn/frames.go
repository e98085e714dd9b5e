package turn

import (
	"fmt"

	"github.com/parley-go/parley/frames"
)

// Button tells, in either direction, that the button of push to talk is held, or
// is no longer. It does what [Processor.Press] does, and passes on.
type Button struct {
	frames.System
	Pressed bool
}

func (f *Button) String() string { return fmt.Sprintf("Button(%v)", f.Pressed) }

// SetMute mutes the caller, or no longer, in either direction. It does what
// [Processor.Mute] does, and passes on.
type SetMute struct {
	frames.System
	On bool
}

func (f *SetMute) String() string { return fmt.Sprintf("SetMute(%v)", f.On) }
