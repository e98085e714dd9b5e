package webrtc

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v4/vnet"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
)

// lose lets the network lose a share of the packets of audio, and their reports: those
// are told by their first byte (RFC 7983).
func (w *world) lose(share float64) {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(1, 7))
	w.router.AddChunkFilter(func(c vnet.Chunk) bool {
		data := c.UserData()
		if len(data) == 0 || data[0] < 128 || data[0] > 191 {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		return rnd.Float64() >= share
	})
}

func TestAStormIsHeardThrough(t *testing.T) {
	for _, c := range []struct {
		name string
		loss float64
		like float64 // of what is heard with what was said, at least
	}{{"a breeze", 0.02, 0.99}, {"a gale", 0.1, 0.96}, {"a storm", 0.2, 0.9}} {
		t.Run(c.name, func(t *testing.T) {
			length := 20 * time.Second
			if testing.Short() {
				if length = 5 * time.Second; c.loss != 0.1 {
					t.Skip("the gale has all of it")
				}
			}
			synctest.Test(t, func(t *testing.T) {
				l := &listener{}
				w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
				c1 := w.dial("10.0.0.2", "parley").connect()
				w.lose(c.loss)
				sent, want := spoken(t, tone(audio.Rate48k, length), 0.2)
				// With jitter and overtaking, too.
				rnd := rand.New(rand.NewPCG(1, 2))
				for i := range sent {
					sent[i].at += time.Duration(rnd.IntN(50)) * time.Millisecond
				}
				slices.SortStableFunc(sent, func(a, b arrival) int { return int(a.at - b.at) })
				c1.talk(sent)
				time.Sleep(time.Second)
				s := w.only().Stats().Receiver
				l.mu.Lock()
				defer l.mu.Unlock()
				best := 0.0
				for lag := range 5 * 320 { // what was lost at the beginning is not missed
					if n := min(len(want)-lag, len(l.heard)); n > 0 {
						best = max(best, same(want[lag:lag+n], l.heard[:n]))
					}
				}
				t.Logf("likeness %.3f, %d of %d packets, %+v", best, s.Packets, len(sent), s)
				if best < c.like || l.gaps > 0 {
					t.Errorf("the likeness is %.3f, want %.3f; there are %d gaps", best, c.like, l.gaps)
				}
				if lost := uint64(len(sent)) - s.Packets; s.Recovered+s.Concealed < lost-2 || s.Recovered < lost/2 || s.Late > lost/10 {
					t.Errorf("%d packets were lost: %+v", lost, s)
				}
			})
		})
	}
}

func TestTheAgentIsToldWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{SendSilence: true}, silence)
		w.dial("10.0.0.2", "parley").connect()
		w.lose(0.25)
		time.Sleep(20 * time.Second)
		s := w.only().Stats()
		if s.Loss < 0.2 || s.Loss > 0.3 {
			t.Errorf("a quarter of the packets is lost, and %.2f is reported", s.Loss)
		}
		w.only().sender.mu.Lock()
		defer w.only().sender.mu.Unlock()
		if l := w.only().sender.loss; l < 0.2 {
			t.Errorf("the encoder reckons with a loss of %.2f", l)
		}
	})
}
