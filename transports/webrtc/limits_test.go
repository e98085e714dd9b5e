package webrtc

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
)

func TestCandidatesAreCountedFromOfferToOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "parley").connect()
		some := func(n int) int {
			status, _ := w.request("PATCH", map[string]any{"pc_id": c.id, "candidates": slices.Repeat([]map[string]any{{"candidate": "", "sdp_mid": "0"}}, n)})
			return status
		}
		for range 2 {
			if status := some(maxCandidates); status != http.StatusOK {
				t.Errorf("as many as may be: %d", status)
			}
			if status := some(1); status != http.StatusBadRequest {
				t.Errorf("one more, in another request: %d", status)
			}
			if status, text := c.offer(nil); status != http.StatusOK {
				t.Fatalf("%d: %s", status, text)
			}
		}
	})
}

func TestKeysAmongTheAudioHaveALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{MaxMessageRate: 1}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley").connect()
		sent, _ := spoken(t, tone(audio.Rate48k, 100*time.Millisecond), 0)
		c.talk(sent)
		for i := range uint32(50) { // in half a second
			time.Sleep(10 * time.Millisecond)
			c.raw(105, c.packet.Timestamp+480*(i+1), []byte{1, 10, 0, 160})
		}
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.other); n < 4 || n > 6 {
			t.Errorf("%d keys were heard", n)
		}
	})
}

func TestWhatWaitsHasALimit(t *testing.T) {
	sent, _ := spoken(t, tone(audio.Rate48k, 100*time.Millisecond), 0)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := newReceiver(audio.Mono(audio.Rate16k), 400*time.Millisecond, start)
	if err != nil {
		t.Fatal(err)
	}
	const more = 10
	for i := range maxWaiting + more { // and nobody takes it
		r.push(uint16(i), uint32(i*120), sent[0].packet, start)
	}
	if s := r.Stats(); len(r.waiting) != maxWaiting || s.Refused != more {
		t.Errorf("%d packets wait, %d were refused", len(r.waiting), s.Refused)
	}
	for i := range 2 * maxNumbers {
		r.skip(uint16(i))
	}
	if n := len(r.skipped); n > maxNumbers {
		t.Errorf("%d numbers are kept", n)
	}
}

func TestASenderThatBeginsAnewIsHeardAtOnce(t *testing.T) {
	for name, jump := range map[string]struct{ number, time int }{
		"other numbers":    {maxNumbers + 10, 0},
		"earlier numbers":  {-maxNumbers - 30, 0},
		"other timestamps": {0, maxJump + 960},
		"earlier ones":     {0, -maxJump - 48000},
	} {
		sent, _ := spoken(t, tone(audio.Rate48k, time.Second), 0)
		for i := range sent[25:] {
			sent[25+i].number += jump.number
			sent[25+i].time += jump.time
		}
		got := receive(t, sent, time.Second)
		if got.stats.Concealed > 0 || got.stats.Late > 0 || len(got.samples) < 49*320 || len(got.samples) > 52*320 {
			t.Errorf("%s: %d samples, %+v", name, len(got.samples), got.stats)
		}
	}
}
