package recorder

import (
	"slices"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// What was dropped in the middle of a frame is not recorded, and what comes behind it
// is.
func TestWhatTheOutputHasDroppedWasNotHeard(t *testing.T) {
	u := &unheard{}
	f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(8000), Samples: ramp(1, 1000), Track: "agent", Position: 5000}}
	u.add(f)
	var got []int16
	for _, r := range []struct{ heard, dropped audio.Position }{{5100, 0}, {5200, 0}, {5200, 5360}, {5360, 5400}, {5400, 5400}, {5500, 0}, {5500, 5700}, {6000, 0}} {
		p := &frames.Playout{Track: "agent", Rate: 8000, Heard: r.heard, Flushed: r.dropped > 0, Dropped: r.dropped > 0, Queued: max(r.heard, r.dropped)}
		for _, part := range u.take(p) {
			got = append(got, part.samples...)
		}
	}
	if want := slices.Concat(ramp(1, 200), ramp(401, 100), ramp(701, 300)); !slices.Equal(got, want) {
		t.Errorf("%d samples were heard, want %d", len(got), len(want))
	}
	if u.length != 0 || len(u.pieces) != 0 {
		t.Errorf("%v in %d pieces wait", u.length, len(u.pieces))
	}
}
