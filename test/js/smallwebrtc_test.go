package js

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/webrtc"
)

// TestPipecatsClientHoldsACallOverWebRTC is on real sockets and in real time, since
// the other end is a process.
func TestPipecatsClientHoldsACallOverWebRTC(t *testing.T) {
	program := node(t, "@roamhq/wrtc")
	// Chirps are found again whatever a codec and a jitter buffer have done to them.
	question, answer := chirp(audio.Rate48k, 2*time.Second, 300, 1500), chirp(audio.Rate24k, time.Second, 2000, 500)
	g := &guest{answer: slices.Clone(answer), expects: 16000 * 5 / 2}
	var data string
	server, err := webrtc.NewServer(webrtc.Config{Addr: "127.0.0.1:0"}, func(c *webrtc.Call) (*pipeline.Pipeline, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		data = string(c.Data)
		return pipeline.New(pipeline.Config{}, c.Input(), g, c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	answered := hold(t, program, "smallwebrtc.mjs", answering(t, server), question)
	g.mu.Lock()
	defer g.mu.Unlock()
	if data != `{"greeting":"hello"}` {
		t.Errorf("the offer came with %s", data)
	}
	if like := found(resample(t, g.heard, audio.Rate16k, audio.Rate8k), chirp(audio.Rate8k, 2*time.Second, 300, 1500)); like < 0.9 {
		t.Errorf("the agent did not hear the question: the likeness is %.3f", like)
	}
	heard := resample(t, answered, audio.Rate48k, audio.Rate8k)
	if like := found(heard, chirp(audio.Rate8k, time.Second, 2000, 500)); like < 0.8 {
		t.Errorf("the client did not hear the answer: the likeness is %.3f", like)
	}
	if len(g.messages) != 1 || !strings.Contains(g.messages[0], "good morning") {
		t.Errorf("the agent was told %q", g.messages)
	}
}

// chirp is a tone that goes from one frequency to another.
func chirp(rate audio.SampleRate, d time.Duration, from, to float64) []int16 {
	s := make([]int16, rate.Samples(d))
	for i := range s {
		t, length := float64(i)/float64(rate), d.Seconds()
		s[i] = int16(10000 * math.Sin(2*math.Pi*(from*t+(to-from)*t*t/2/length)))
	}
	return s
}

// found returns how much some part of what was heard is what was said, from 0 to 1.
// What a jitter buffer has stretched in between still counts: it is looked for in
// pieces of a quarter of a second.
func found(heard, said []int16) float64 {
	n := len(said) / 8
	total := 0.0
	for i := range 8 {
		piece := said[i*n : (i+1)*n]
		best := 0.0
		for at := 0; at+n <= len(heard); at++ {
			var ab, aa, bb float64
			for j := 0; j < n; j += 4 {
				x, y := float64(piece[j]), float64(heard[at+j])
				ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
			}
			best = max(best, ab/math.Sqrt(aa*bb+1))
		}
		total += best
	}
	return total / 8
}
