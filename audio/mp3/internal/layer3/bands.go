package layer3

import "math"

const (
	lines     = 576 // frequency lines, and samples, of a granule
	bandCount = 22  // scale factor bands; the last has no scale factor
	lastBand  = bandCount - 1
)

// bandEdges is where each scale factor band starts, and where the last ends.
type bandEdges [bandCount + 1]int

// Long blocks only: ISO/IEC 11172-3, table B.8, and ISO/IEC 13818-3, table B.2.
var bandsAt = map[int]bandEdges{
	16000: {0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576},
	22050: {0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576},
	24000: {0, 6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 114, 136, 162, 194, 232, 278, 332, 394, 464, 540, 576},
	32000: {0, 4, 8, 12, 16, 20, 24, 30, 36, 44, 54, 66, 82, 102, 126, 156, 194, 240, 296, 364, 448, 550, 576},
	44100: {0, 4, 8, 12, 16, 20, 24, 30, 36, 44, 52, 62, 74, 90, 110, 134, 162, 196, 238, 288, 342, 418, 576},
	48000: {0, 4, 8, 12, 16, 20, 24, 30, 36, 42, 50, 60, 72, 88, 106, 128, 156, 190, 230, 276, 330, 384, 576},
}

// At 24 kHz decoders disagree where band 18 starts: at line 332, as the standard
// says in its corrected print, or at line 330, as it said before. So that both
// decode the same, no region of the Huffman codes ends there, and the bands on
// both sides have the same step.
const (
	disputedRate = 24000
	disputedBand = 18
)

// Masking spreads by these many decibels less for each bark of distance:
// little towards higher frequencies, much towards lower ones.
const (
	slopeUp   = 10.0
	slopeDown = 25.0
)

// A bandLayout is what the noise allocation knows of a sampling rate.
type bandLayout struct {
	edges bandEdges
	// up[b] and down[b] are the shares of the energy of band b that mask
	// in the band above it and in the band below it.
	up, down [bandCount]float64
	// disputed is a band whose first line is not certain, or 0.
	disputed int
}

func newBandLayout(rate int) *bandLayout {
	l := &bandLayout{edges: bandsAt[rate]}
	if rate == disputedRate {
		l.disputed = disputedBand
	}
	centre := func(b int) float64 {
		hz := float64(l.edges[b]+l.edges[b+1]) / 2 * float64(rate) / (2 * lines)
		return bark(hz)
	}
	for b := range bandCount {
		if b < lastBand {
			l.up[b] = math.Pow(10, -slopeUp/10*(centre(b+1)-centre(b)))
		}
		if b > 0 {
			l.down[b] = math.Pow(10, -slopeDown/10*(centre(b)-centre(b-1)))
		}
	}
	return l
}

// bark is the critical band rate of a frequency (Traunmüller's formula).
func bark(hz float64) float64 { return 26.81*hz/(1960+hz) - 0.53 }
