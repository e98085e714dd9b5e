package hearing

import (
	"math"

	"github.com/parley-go/parley/audio"
)

// All levels are mean squares of samples in [-1, 1).
var (
	// Below inaudible a frame is a keep-alive, a muted microphone, a gap filled
	// with zeros: it says nothing of the room's noise.
	inaudible = level(-78)

	// The noise floor is kept between these: quieter noise than the lowest does
	// not make a whisper speech, and what is louder than the highest is not
	// noise, however long it lasts.
	lowestFloor  = level(-55)
	highestFloor = level(-30)
)

const (
	onsetRatio   = 10  // 10 dB above the floor: speech begins
	sustainRatio = 7.1 // 8.5 dB above the floor: speech goes on

	// The floor is the least power of any smoothingFrames in the last
	// floorBlocks blocks of floorFrames frames: 2.4 s. People who speak without
	// a dip for longer than that are rare.
	floorBlocks     = 8
	floorFrames     = 30
	smoothingFrames = 4

	maxLookBack = 100 // frames: 1 s
)

func level(dB float64) float64 { return math.Pow(10, dB/10) }

// detector tells voiced frames from others by their energy above a noise floor
// that follows the quietest moments (minimum statistics).
type detector struct {
	highPass, x1, y1 float64
	floor            float64
	history          [maxLookBack]float64 // powers of the last frames
	frames           int                  // seen so far

	recent  [smoothingFrames]float64 // powers of the last audible frames
	filled  int
	next    int
	block   int // frames in the current block
	current int
	minima  [floorBlocks]float64
}

func newDetector(rate audio.SampleRate) detector {
	// A one-pole high-pass at 60 Hz takes away offset, hum and rumble.
	d := detector{highPass: 1 - 2*math.Pi*60/float64(rate)}
	for i := range d.minima {
		d.minima[i] = math.Inf(1)
	}
	return d
}

// voiced examines the next frame. In speech it takes less to be voiced.
func (d *detector) voiced(frame []int16, inSpeech bool) bool {
	p := d.power(frame)
	d.history[d.frames%maxLookBack] = p
	d.frames++
	if p < inaudible {
		return false
	}
	d.floor = d.follow(p)
	if inSpeech {
		return p > sustainRatio*d.floor
	}
	return p > onsetRatio*d.floor
}

// lookBack returns how many frames ago speech began, the current one included,
// given what is known of the noise by now: a stream that begins in mid-sentence
// is taken for noise until the first dip in it.
func (d *detector) lookBack() int {
	const breath = 10 // frames: a pause that may be within a word
	first := 1
	for ago := 1; ago <= min(d.frames, maxLookBack) && ago-first <= breath; ago++ {
		if d.history[(d.frames-ago)%maxLookBack] > onsetRatio*d.floor {
			first = ago
		}
	}
	return first
}

func (d *detector) power(frame []int16) float64 {
	var sum float64
	x1, y1 := d.x1, d.y1
	for _, s := range frame {
		x := float64(s) / 32768
		y1 = x - x1 + d.highPass*y1
		x1 = x
		sum += y1 * y1
	}
	d.x1, d.y1 = x1, y1
	return sum / float64(len(frame))
}

// follow updates the noise floor with a frame's power and returns it.
func (d *detector) follow(p float64) float64 {
	d.recent[d.next] = p
	d.next = (d.next + 1) % smoothingFrames
	d.filled = min(d.filled+1, smoothingFrames)
	var sum float64
	for _, r := range d.recent[:d.filled] {
		sum += r
	}
	smooth := sum / float64(d.filled)

	if d.block == floorFrames {
		d.block = 0
		d.current = (d.current + 1) % floorBlocks
		d.minima[d.current] = math.Inf(1)
	}
	d.block++
	d.minima[d.current] = min(d.minima[d.current], smooth)

	floor := math.Inf(1)
	for _, m := range d.minima {
		floor = min(floor, m)
	}
	return min(max(floor, lowestFloor), highestFloor)
}
