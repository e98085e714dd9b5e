package webrtc

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v4/vnet"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// speech is an agent that has so much to say, all of it at once.
func speech(d time.Duration) agent {
	return func(*Call) pipeline.Processor {
		return pipeline.On(func(ctx context.Context, f *frames.DTMFInput, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: tone(audio.Rate16k, d)}}, dir)
		})
	}
}

// sounds is for how long the client has got sound.
func (c *client) sounds() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, p := range c.packets {
		if len(p.Payload) > 20 { // what is silent is shorter
			n++
		}
	}
	return time.Duration(n) * outputChunk
}

func TestTheAgentWaitsForACallerWhoseConnectionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = 10 * time.Second
		w := serve(t, Config{}, speech(length))
		c := w.dial("10.0.0.2", "parley").connect()
		var cut atomic.Bool
		w.router.AddChunkFilter(func(vnet.Chunk) bool { return !cut.Load() })
		c.say(`{"type":"dtmf","digit":"1"}`)
		time.Sleep(2 * time.Second)
		cut.Store(true)
		time.Sleep(12 * time.Second) // more than all of it takes
		if n := c.sounds(); n > 2100*time.Millisecond {
			t.Fatalf("%v came through", n)
		}
		cut.Store(false)
		time.Sleep(15 * time.Second)
		// Until the loss is noticed, at the next check (2 s), it is spoken to nobody.
		if n := c.sounds(); n < length-noTraffic-2100*time.Millisecond || n > length-noTraffic+3*time.Second {
			t.Errorf("of %v the caller has heard %v", length, n)
		}
	})
}

func TestTheAgentWaitsForAConnectionMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = 5 * time.Second
		w := serve(t, Config{}, speech(length))
		c := w.dial("10.0.0.2", "parley").connect()
		c.say(`{"type":"dtmf","digit":"1"}`)
		time.Sleep(time.Second)
		var cut atomic.Bool
		cut.Store(true)
		w.router.AddChunkFilter(func(vnet.Chunk) bool { return !cut.Load() })
		again := w.redial(c.net, "parley")
		again.id = c.id
		if status, text := again.offer(map[string]any{"restart_pc": true}); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		time.Sleep(time.Second)
		cut.Store(false)
		again.waitFor(pion.PeerConnectionStateConnected)
		time.Sleep(10 * time.Second)
		if n := c.sounds() + again.sounds(); n < length-100*time.Millisecond || n > length+300*time.Millisecond {
			t.Errorf("of %v the caller has heard %v, and %v of it over the new connection", length, n, again.sounds())
		}
	})
}
