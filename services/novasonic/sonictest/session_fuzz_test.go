package sonictest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// FuzzSession: whatever a client sends, and when, the session does not panic,
// ends in time, says nothing after its end, and what it says is well formed:
// every block is begun once, belongs to its type, and is ended at most once.
func FuzzSession(f *testing.F) {
	pcm := func(samples []int16) string {
		return `{"event":{"audioInput":{"promptName":"P","contentName":"A","content":"` + base64.StdEncoding.EncodeToString(audio.EncodePCM(nil, samples)) + `"}}}`
	}
	start := func(name, typ, role, more string) string {
		return `{"event":{"contentStart":{"promptName":"P","contentName":"` + name + `","type":"` + typ + `","role":"` + role + `","interactive":true` + more + `}}}`
	}
	text := func(name string) string {
		return `{"event":{"textInput":{"promptName":"P","contentName":"` + name + `","content":"hello"}}}`
	}
	end := func(name string) string {
		return `{"event":{"contentEnd":{"promptName":"P","contentName":"` + name + `"}}}`
	}
	events := []string{
		`{"event":{"sessionStart":{}}}`,
		`{"event":{"promptStart":{"promptName":"P","audioOutputConfiguration":{"sampleRateHertz":8000,"voiceId":"matthew"}}}}`,
		start("S", "TEXT", "SYSTEM", ""), text("S"), end("S"),
		start("A", "AUDIO", "USER", `,"audioInputConfiguration":{"sampleRateHertz":8000}`),
		pcm(hearing.Speak(audio.Rate8k, "1")), pcm(make([]int16, 8000)), end("A"),
		start("C", "TEXT", "USER", ""), text("C"), end("C"),
		start("T", "TOOL", "TOOL", `,"toolResultInputConfiguration":{"toolUseId":"%s"}`),
		`{"event":{"toolResult":{"promptName":"P","contentName":"T","content":"{}"}}}`, end("T"),
		`{"event":{"promptEnd":{"promptName":"P"}}}`,
		`{"event":{"sessionEnd":{}}}`,
		`{"event":{}}`,
	}
	silence := make([]int16, 8000)
	// A byte is an event, or, from 200, so many tenths of a second.
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 220, 7, 255, 6, 7, 7, 255, 12, 13, 14, 255, 9, 10, 11, 255, 8, 15, 255, 16}, uint64(0), byte(0))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 210, 210, 6, 210, 7, 255, 255}, uint64(1), byte(1))
	f.Add([]byte{0, 1, 9, 10, 11, 5, 7, 255, 6, 7, 205, 9, 10, 11, 255, 6, 7, 255}, uint64(2), byte(2))
	f.Fuzz(func(t *testing.T, ops []byte, seed uint64, form byte) {
		behaviours := []Behaviour{
			{},
			{Interruption: Interruption{Trailing: time.Second, FinalTruncated: true}, FinalText: FinalOutOfOrder, ToolBlocksNested: true},
			{FinalText: FinalAtNextInput, CompletionPerTurn: true, EmptyTranscript: true, Interruption: Interruption{NoMarker: true, FinalBefore: true}},
			{Interruption: Interruption{Never: true}, FinalText: FinalOnWallClock, AudioInToolBlock: true},
		}
		cfg := Config{Seed: seed, Brain: BrainFunc(func(c *Conversation, turn Turn) Answer {
			// Silence costs nothing to make.
			a := Answer{Sentences: []Sentence{{Text: "One sentence.", Audio: silence, Rate: audio.Rate8k}, {Text: "And one more.", Audio: silence, Rate: audio.Rate8k}}}
			if turn.Kind != ToolResults {
				a.Calls = []ToolCall{{Name: "t", After: c.Turns() % 3}}
			}
			return a
		})}.withDefaults()
		model, _ := protocol.ModelOf(ModelV2)
		rec := &recorder{changed: func() {}}
		s := newSession(cfg, behaviours[int(form)%len(behaviours)], model, 0, rec, nil)

		watch := watcher{t: t, open: map[string]string{}, seen: map[string]bool{}}
		now := time.Duration(0)
		if len(ops) > 300 {
			ops = ops[:300]
		}
		for _, op := range ops {
			if op >= 200 {
				now += time.Duration(op-199) * 100 * time.Millisecond
				s.advance(now)
			} else {
				e := events[int(op)%len(events)]
				if id := lastCall(rec); id != "" && op == 12 {
					e = fmt.Sprintf(e, id)
				}
				s.input(now, []byte(e))
			}
			watch.frames(s.take())
		}
		s.advance(max(now, 500*time.Second))
		watch.frames(s.take())
		if !watch.ended || !s.ended || rec.snapshot().End.Kind == Open {
			t.Error("the stream has not ended after 500 s")
		}
	})
}

func lastCall(r *recorder) string {
	if calls := r.snapshot().Calls; len(calls) > 0 {
		return calls[len(calls)-1].ID
	}
	return ""
}

// watcher checks what a session says.
type watcher struct {
	t     *testing.T
	open  map[string]string // type of each open block
	seen  map[string]bool
	ended bool
}

func (w *watcher) frames(all []frame) {
	for _, f := range all {
		if w.ended {
			w.t.Errorf("%+v came after the end", f)
		}
		w.ended = w.ended || f.end
		if f.event != nil {
			w.event(f.event)
		}
	}
}

func (w *watcher) event(b []byte) {
	var envelope struct {
		Event map[string]struct{ SessionID, PromptName, CompletionID, ContentID, Type string }
	}
	if err := json.Unmarshal(b, &envelope); err != nil || len(envelope.Event) != 1 {
		w.t.Fatalf("%s is no event: %v", b, err)
	}
	for name, e := range envelope.Event {
		if e.SessionID == "" || e.PromptName == "" || e.CompletionID == "" {
			w.t.Errorf("%s lacks a name", b)
		}
		switch name {
		case "contentStart":
			if w.seen[e.ContentID] {
				w.t.Errorf("block %s begins twice", e.ContentID)
			}
			w.seen[e.ContentID], w.open[e.ContentID] = true, e.Type
		case "textOutput", "audioOutput", "toolUse":
			want := map[string]string{"textOutput": "TEXT", "audioOutput": "AUDIO", "toolUse": "TOOL"}[name]
			if w.open[e.ContentID] != want {
				w.t.Errorf("%s in a block of type %q", name, w.open[e.ContentID])
			}
		case "contentEnd":
			if w.open[e.ContentID] != e.Type {
				w.t.Errorf("a block of type %q ends as %q", w.open[e.ContentID], e.Type)
			}
			delete(w.open, e.ContentID)
		}
	}
}
