package sonictest_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// verbatim is a brain that says what it reads, however long.
var verbatim = sonictest.BrainFunc(func(_ *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
	return sonictest.Say(t.Text + t.Latest.Content)
})

func TestASentenceThatWouldTakeHoursCostsNoMoreThanItsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	huge := strings.Repeat("a", 600_000) // eleven hours of speech, two gigabytes
	tests := map[string]struct {
		brain     sonictest.Brain
		maxTokens string
		limits    sonictest.Limits
		spoken    time.Duration
	}{
		"with little to spend":    {brain: verbatim, maxTokens: `{"inferenceConfiguration":{"maxTokens":10}}`},
		"without maxTokens":       {brain: verbatim, maxTokens: `{}`, spoken: 120 * time.Second},
		"with a limit of 5 s":     {brain: verbatim, maxTokens: `{}`, limits: sonictest.Limits{Sentence: 5 * time.Second}, spoken: 5 * time.Second},
		"that is only echoed":     {brain: sonictest.Echo(), maxTokens: `{}`, spoken: 31 * time.Second},
		"with much more to spend": {brain: verbatim, maxTokens: `{"inferenceConfiguration":{"maxTokens":1000000}}`, spoken: 120 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Brain: test.brain, Limits: test.limits}, func(t *testing.T, srv *sonictest.Server) {
				bytes := allocated(func() {
					p := open(t, srv)
					p.send(events(`{"event":{"sessionStart":`+test.maxTokens+`}}`, promptStart, system, audioStart)...)
					p.pace(silence(100 * time.Millisecond))
					p.send(text("C", "USER", true, huge)...)
					p.pace(silence(2 * time.Second))
				})
				if bytes > 300<<20 {
					t.Errorf("%d MB were allocated", bytes>>20)
				}
				log, _ := srv.Stream(0)
				var spoken time.Duration
				for _, said := range log.Answers[0].Sentences {
					spoken += said.Rate.Duration(int64(len(said.PCM)))
				}
				if spoken.Round(time.Second) != test.spoken {
					t.Errorf("%v of speech were made, want %v", spoken, test.spoken)
				}
			})
		})
	}
}

func TestATooLongRecordingOfTheBrainsIsCut(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate24k} {
		sentence := sonictest.Sentence{Text: "…", Audio: make([]int16, rate.Samples(3*time.Second)), Rate: rate}
		cfg := sonictest.Config{
			Brain:  sonictest.Sequence(sonictest.Answer{Sentences: []sonictest.Sentence{sentence}}),
			Limits: sonictest.Limits{Sentence: time.Second},
		}
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			talk(t, srv, join(words("1"), silence(5*time.Second)))
			log, _ := srv.Stream(0)
			if said := log.Answers[0].Sentences[0]; len(said.PCM) != 24_000 || said.Sent != len(said.PCM) {
				t.Errorf("%d of %d samples of a second were said", said.Sent, len(said.PCM))
			}
		})
	}
}

func TestTheEchoOfAHugeToolResultIsShort(t *testing.T) {
	cfg := sonictest.Config{Brain: sonictest.Replies(map[string]sonictest.Answer{"one": sonictest.Call("t", "{}")})}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(events(`{"event":{"sessionStart":{}}}`, promptStart, system, audioStart)...)
		p.pace(join(words("1"), silence(2*time.Second)))
		all := p.until("toolUse")
		p.send(toolStart("T", all[len(all)-1].str("toolUseId")), toolResult("T", `{"a":"`+strings.Repeat("x", 400_000)+`"}`), contentEnd("T"))
		p.pace(silence(2 * time.Second))
		log, _ := srv.Stream(0)
		said := log.Answers[len(log.Answers)-1].Sentences[0]
		if d := said.Rate.Duration(int64(len(said.PCM))); d < 30*time.Second || d > 32*time.Second {
			t.Errorf("the echo takes %v, want some 30 s", d)
		}
	})
}

func TestAnAnswerThatMaxTokensCutsStillEnds(t *testing.T) {
	answer := sonictest.Say("Short.", strings.Repeat("A very long sentence indeed. ", 20))
	answer.Calls = []sonictest.ToolCall{{Name: "t", After: 2}}
	serve(t, sonictest.Config{Brain: sonictest.Sequence(answer)}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(events(strings.Replace(sessionStart, "4096", "30", 1), promptStart, system, audioStart)...)
		p.pace(join(words("1"), silence(6*time.Second)))
		p.until("contentEnd AUDIO")
		p.until("toolUse TOOL")
		p.until("contentEnd TOOL TOOL_USE")
	})
}
