// Package mood defines a frame of its own. It could live in any module.
package mood

import (
	"fmt"

	"github.com/parley-go/parley/frames"
)

// Mood tells how somebody sounds.
type Mood struct {
	frames.Data
	Score float64 // −1 is furious, +1 delighted
}

func (m *Mood) String() string { return fmt.Sprintf("Mood(%+.1f)", m.Score) }
