package webrtc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// TestAConversationThroughAStorm holds a conversation of Nova Sonic's over a network
// that delays packets, lets them overtake each other, and loses some both ways, while
// it moves from stream to stream: every question is understood as a whole, and
// answered once, and the answers arrive.
func TestAConversationThroughAStorm(t *testing.T) {
	questions := 30
	if testing.Short() {
		questions = 6
	}
	for _, loss := range []float64{0, 0.05} {
		t.Run(fmt.Sprintf("loss=%v", loss), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storm(t, loss, questions) })
		})
	}
}

func storm(t *testing.T, loss float64, questions int) {
	service := sonictest.NewServer(sonictest.Config{Brain: sonictest.Echo()})
	if err := service.StartPipe(); err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	cfg := service.AWSConfig()
	w := serve(t, Config{}, func(*Call) pipeline.Processor {
		return novasonic.New(novasonic.Config{AWS: &cfg, Continuation: novasonic.Continuation{Prepare: 40 * time.Second}})
	})
	c := w.dial("10.0.0.2", "parley").connect()
	time.Sleep(2 * time.Second)
	w.lose(loss)

	const pause = 6 * time.Second
	rnd := rand.New(rand.NewPCG(1, 3))
	var said []int16
	var want []string
	for range questions {
		keys := fmt.Sprint(100 + rnd.IntN(900))
		said = append(said, hearing.Speak(audio.Rate48k, keys)...)
		said = audio.AppendSilence(said, int(audio.Rate48k.Samples(pause)))
		want = append(want, words(keys))
	}
	sent, _ := spoken(t, said, 0.1)
	for i := range sent {
		sent[i].at += time.Duration(rnd.IntN(60)) * time.Millisecond
	}
	slices.SortStableFunc(sent, func(a, b arrival) int { return int(a.at - b.at) })
	c.talk(sent)
	time.Sleep(2 * time.Second)

	var heard, answered []string
	for _, s := range service.Streams() {
		for _, h := range s.Heard {
			if h.Text != "" {
				heard = append(heard, h.Text)
			}
		}
		for _, a := range s.Answers {
			for _, sentence := range a.Sentences {
				answered = append(answered, strings.TrimSuffix(strings.TrimPrefix(sentence.Text, "You said "), "."))
			}
		}
	}
	// The keys are tones of 90 ms, much less than a word: one in ten may be lost where
	// one in twenty packets is.
	understood := 0
	for i := range min(len(heard), len(want)) {
		for _, w := range strings.Fields(want[i]) {
			if strings.Contains(heard[i], w) {
				understood++
			}
		}
	}
	if len(heard) != len(want) || float64(understood) < (1-2*loss)*3*float64(questions) {
		t.Errorf("the service has heard\n%q, and was asked\n%q: %d words of %d", heard, want, understood, 3*questions)
	}
	if !slices.Equal(answered, heard) {
		t.Errorf("it has answered\n%q, and heard\n%q", answered, heard)
	}
	if n := len(service.Streams()); n < questions/10 {
		t.Errorf("there were %d streams", n)
	}

	// What the caller gets of each answer, by the packets with sound, between those
	// that begin a spurt of talk.
	c.mu.Lock()
	packets := slices.Clone(c.packets)
	c.mu.Unlock()
	dec, err := opus.NewDecoder(audio.Mono(audio.Rate16k))
	if err != nil {
		t.Fatal(err)
	}
	loud, spurts := 0, 0
	last := time.Time{}
	for _, p := range packets {
		samples, err := dec.Decode(nil, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if audio.RMS(samples) < -40 {
			continue
		}
		if p.at.Sub(last) > 2*time.Second {
			spurts++
		}
		last = p.at
		loud++
	}
	var spoke time.Duration
	for _, s := range service.Streams() {
		for _, a := range s.Answers {
			for _, sentence := range a.Sentences {
				spoke += audio.Rate24k.Duration(int64(len(sentence.PCM)))
			}
		}
	}
	got := time.Duration(loud) * 20 * time.Millisecond
	s := w.only().Stats()
	w.close()
	t.Logf("%d questions, %v of answers, %v arrived in %d spurts; %+v", questions, spoke, got, spurts, s)
	if spurts != questions {
		t.Errorf("the answers came in %d spurts, want %d", spurts, questions)
	}
	if least := time.Duration(float64(spoke) * (1 - 2*loss) * 0.85); got < least {
		t.Errorf("the agent spoke for %v, of which %v arrived", spoke, got)
	}
	if loss > 0 && (s.Receiver.Recovered == 0 || s.Receiver.Late > s.Receiver.Packets/100 || s.Loss > loss*3 || s.Loss == 0 && !testing.Short()) {
		t.Errorf("%+v", s.Receiver)
	}
}

// words is what the emulator hears of keys.
func words(keys string) string {
	names := strings.Fields("zero one two three four five six seven eight nine")
	var all []string
	for _, k := range keys {
		all = append(all, names[k-'0'])
	}
	return strings.Join(all, " ")
}
