package layer3

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestReservoirGivesEveryFrameItsMainData(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 50 {
		const header = 4
		space, limit := 20+rng.IntN(300), rng.IntN(512)
		r := reservoir{limit: limit}
		type sent struct {
			begin int
			main  []byte
		}
		var frames []sent
		var out []byte
		for n := range 100 {
			begin := r.free()
			if begin > limit {
				t.Fatalf("main data would begin %d bytes back, more than %d", begin, limit)
			}
			main := make([]byte, rng.IntN(begin+space+1))
			for i := range main {
				main[i] = byte(1 + rng.IntN(255))
			}
			frames = append(frames, sent{begin, main})
			out = r.add(out, []byte{0xff, 0xfb, byte(n), 0}, space, main)
		}
		out = r.flush(out)

		if len(out) != len(frames)*(header+space) {
			t.Fatalf("%d bytes for %d frames of %d", len(out), len(frames), header+space)
		}
		// As a decoder would: all spaces in a row, and each frame's data
		// begins so many bytes before its own.
		var spaces []byte
		for n := range frames {
			f := out[n*(header+space):]
			if f[2] != byte(n) {
				t.Fatalf("frame %d has the header of %d", n, f[2])
			}
			spaces = append(spaces, f[header:header+space]...)
		}
		for n, f := range frames {
			from := n*space - f.begin
			if got := spaces[from : from+len(f.main)]; !bytes.Equal(got, f.main) {
				t.Fatalf("frame %d does not find its main data", n)
			}
		}
	}
}
