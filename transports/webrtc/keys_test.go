package webrtc

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestAKeyIsPressedOnceWhateverIsLostOfIt(t *testing.T) {
	type packet struct {
		event     byte
		timestamp uint32
	}
	for name, c := range map[string]struct {
		packets []packet
		want    string
	}{
		"all of them":        {[]packet{{1, 100}, {1, 100}, {1, 100}, {2, 9000}, {2, 9000}}, "12"},
		"the same again":     {[]packet{{1, 100}, {1, 9000}}, "11"},
		"in another order":   {[]packet{{1, 100}, {2, 9000}, {1, 100}, {2, 9000}}, "12"},
		"all sixteen":        {[]packet{{0, 1}, {9, 2}, {10, 3}, {11, 4}, {12, 5}, {15, 6}}, "09*#AD"},
		"no keys":            {[]packet{{16, 1}, {255, 2}}, ""},
		"around the end":     {[]packet{{1, 1<<32 - 10}, {2, 10}, {1, 1<<32 - 10}}, "12"},
		"held for long":      {[]packet{{3, 7}, {3, 7 + 65535}, {3, 7 + 2*65535}}, "3"},
		"another right then": {[]packet{{3, 7}, {4, 7 + 65535}}, "34"},
	} {
		var k keypad
		got := ""
		for _, p := range c.packets {
			if f := k.press(&rtp.Packet{Header: rtp.Header{Timestamp: p.timestamp}, Payload: []byte{p.event, 10, 0, 160}}); f != nil {
				got += string(f.Digit)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var k keypad
	if f := k.press(&rtp.Packet{Payload: []byte{1, 2, 3}}); f != nil {
		t.Error("too short a packet is a key")
	}
}

// As by gateways, keys take the place of audio, in the same stream.
func TestKeysComeAmongTheAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley").connect()
		sent, want := spoken(t, tone(audio.Rate48k, 2*time.Second), 0)
		c.talk(sent[:50])
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			c.raw(105, c.packet.Timestamp+960, []byte{10, 10, 0, 160})
		}
		rest := sent[50:]
		for i := range rest {
			rest[i].number, rest[i].time = i, (i+5)*960
			rest[i].at = time.Duration(i+1) * 20 * time.Millisecond
		}
		c.talk(rest)
		time.Sleep(200 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.other) != 1 {
			t.Fatalf("the pipeline was told %v", l.other)
		}
		if k, ok := l.other[0].(*frames.DTMFInput); !ok || k.Digit != '*' {
			t.Errorf("the pipeline was told %v", l.other)
		}
		half := len(want) / 2
		if out := leftOut(l.heard, want[half+3*320:]); out > 0 {
			t.Errorf("of what was said behind the key, %d pieces are not heard", out)
		}
		// A key is no loss.
		if s := w.only().Stats().Receiver; s.Packets != uint64(len(sent)) || s.Concealed+s.Recovered+s.Late+s.Refused > 0 {
			t.Errorf("%+v", s)
		}
		if n := len(l.heard); n != len(want)+5*320 || l.gaps > 0 {
			t.Errorf("%d samples were heard, with %d gaps, want %d", n, l.gaps, len(want)+5*320)
		}
	})
}

func TestBesideKeysWhatIsLostIsStillLost(t *testing.T) {
	sent, _ := spoken(t, tone(audio.Rate48k, time.Second), 0)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := newReceiver(audio.Mono(audio.Rate16k), 400*time.Millisecond, start)
	if err != nil {
		t.Fatal(err)
	}
	heard := 0
	for i, p := range sent {
		now := start.Add(p.at)
		switch {
		case i >= 20 && i < 25:
			r.skip(uint16(65520 + i)) // which wraps around
		case i == 25 || i == 19: // behind them, and before them
		default:
			r.push(uint16(65520+i), uint32(p.time), p.packet, now)
		}
		for samples, _, _ := r.pull(now); len(samples) > 0; samples, _, _ = r.pull(now) {
			heard += len(samples)
		}
	}
	if s := r.Stats(); s.Concealed+s.Recovered != 2 || s.Late > 0 || len(r.skipped) > 0 {
		t.Errorf("%+v", s)
	}
	if heard != len(sent)*320 {
		t.Errorf("%d samples were heard, want %d", heard, len(sent)*320)
	}
}
