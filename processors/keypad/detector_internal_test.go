package keypad

import (
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline/pipelinetest"
)

// What a detector remembers of a call does not show from outside.
func TestTonesThatAreOverAreForgotten(t *testing.T) {
	for _, remove := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDetector(DetectorConfig{Remove: remove})
			h := pipelinetest.New(t, d)
			tones, err := dtmf.Generator{Rate: audio.Rate8k}.Append(nil, "1234567890")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				at := audio.Position(i * len(tones))
				h.Send(&frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: tones, Track: "caller", Position: at}})
			}
			keys := 0
			for _, f := range h.All() {
				if _, ok := f.(*frames.DTMFInput); ok {
					keys++
				}
			}
			l, _ := d.lines.Get("caller")
			if keys != 100 || len(l.tones) > 20 {
				t.Errorf("remove %v: of %d keys, it remembers %d tones", remove, keys, len(l.tones))
			}
		})
	}
}
