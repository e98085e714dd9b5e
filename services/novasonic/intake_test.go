package novasonic

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// click sends audio of a format from a position on, for a while, in pieces, with one
// loud sample in it, and returns where on the caller's track that was found, in
// seconds.
func (d *desk) click(f audio.Format, from audio.Position, long time.Duration, piece int, at audio.Position) float64 {
	d.t.Helper()
	begin := d.v.ring.end
	for p, end := from, from+audio.Position(f.Rate.Samples(long)); p < end; p += audio.Position(piece) {
		n := min(piece, int(end-p))
		samples := make([]int16, n*f.Channels)
		if i := int(at - p); 0 <= i && i < n {
			for c := range f.Channels {
				samples[i*f.Channels+c] = 20000
			}
		}
		d.v.userAudio(&frames.AudioInput{Audio: frames.Audio{Format: f, Track: "caller", Position: p, Samples: samples}})
	}
	heard, first := d.v.ring.since(begin)
	loudest := 0
	for i, s := range heard {
		if s > heard[loudest] {
			loudest = i
		}
	}
	if len(heard) == 0 || heard[loudest] < 1000 {
		d.t.Fatal("the click was not heard")
	}
	return float64(d.v.callerAt(first+audio.Position(loudest))) / float64(d.v.cfg.InputRate)
}

func TestPositionsAreThoseOfTheCallersSamplesAtAnyRate(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, 11025, audio.Rate16k, 22050, audio.Rate24k, 44100, audio.Rate48k} {
		for _, channels := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				withDesk(t, func(d *desk) {
					// The second time behind a gap, and the third in another format.
					other := audio.Format{Rate: audio.Rate32k, Channels: 1}
					for i, c := range []struct {
						format audio.Format
						from   time.Duration
						piece  time.Duration
					}{
						{audio.Format{Rate: rate, Channels: channels}, 0, 20 * time.Millisecond},
						{audio.Format{Rate: rate, Channels: channels}, 5 * time.Second, time.Millisecond},
						{other, 6 * time.Second, 10 * time.Millisecond},
						{audio.Format{Rate: rate, Channels: channels}, 9 * time.Second, 20 * time.Millisecond},
					} {
						from := audio.Position(c.format.Rate.Samples(c.from))
						at := from + audio.Position(c.format.Rate.Samples(500*time.Millisecond))
						got := d.click(c.format, from, time.Second, int(c.format.Rate.Samples(c.piece)), at)
						want := float64(at) / float64(c.format.Rate)
						if off := (got - want) * float64(d.v.cfg.InputRate); off < -1.01 || off > 1.01 {
							t.Errorf("%v, %d: a sample at %.4f s is said to be at %.4f s, %.1f samples off", c.format, i, want, got, off)
						}
					}
				})
			})
		}
	}
}

func TestWhatAnEarlierStreamHeardIsNoOverlap(t *testing.T) {
	withDesk(t, func(d *desk) {
		second := audio.Position(d.v.cfg.InputRate)
		d.v.ring.write(make([]int16, 10*second))
		d.c.from = 6 * second
		d.v.deadFrom, d.v.deafFrom = 6*second, 8*second
		for from, want := range map[audio.Position][2]time.Duration{0: {4 * time.Second, 2 * time.Second}, 7 * second: {3 * time.Second, time.Second}, 9 * second: {time.Second, 0}} {
			if got := d.v.overlap(d.c, from); got != want[0] {
				t.Errorf("from %v on the old stream overlaps by %v, want %v", d.v.cfg.InputRate.Duration(int64(from)), got, want[0])
			}
			if got := d.v.overlap(nil, from); got != want[1] {
				t.Errorf("from %v on one that has died overlaps by %v, want %v", d.v.cfg.InputRate.Duration(int64(from)), got, want[1])
			}
		}
	})
}

func TestAStoppedProcessIsNotMadeUpForInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withDesk(t, func(d *desk) {
			d.v.accounted = time.Now()
			time.Sleep(time.Hour)
			d.v.keepAlive()
			if got := d.v.cfg.InputRate.Duration(int64(d.c.clock.sent)); got > time.Second {
				t.Errorf("%v of silence were sent at once", got)
			}
		})
	})
}
