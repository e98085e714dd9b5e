package conversation

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheMemoryOfACallIsBoundedByMaxBytes(t *testing.T) {
	long := func(i int) string { return fmt.Sprint(i) + strings.Repeat("x", 4000) + ". " }
	for name, frame := range map[string]func(i int) []frames.Frame{
		"answers that are not spoken": func(i int) []frames.Frame {
			return []frames.Frame{&frames.LLMText{Response: fmt.Sprint("r", i/100), Text: long(i)}}
		},
		"one answer that is not spoken": func(i int) []frames.Frame {
			return []frames.Frame{&frames.LLMText{Response: "r", Text: long(i)}}
		},
		"answers that are heard": func(i int) []frames.Frame {
			at := audio.Position(i) * 480
			return []frames.Frame{
				&frames.LLMText{Response: fmt.Sprint("r", i/100), Text: long(i)},
				&frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: make([]int16, 480), Track: "tts", Position: at}, Response: fmt.Sprint("r", i/100)},
				&frames.Playout{Track: "tts", Rate: 24000, Heard: at + 480, Queued: at + 480, Output: at + 480, OutputRate: 24000},
			}
		},
		"calls of tools that do not return": func(i int) []frames.Frame {
			return []frames.Frame{&frames.FunctionCall{CallID: fmt.Sprint(i), Name: "get", Arguments: []byte(`"` + long(i) + `"`)}}
		},
		"a text of which the beginning is kept": func(i int) []frames.Frame {
			return []frames.Frame{&frames.Transcription{Track: "caller", Text: strings.Repeat("y", 1<<20)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 10_000
			if strings.HasPrefix(name, "a text") {
				n = 100
			}
			p := New(Config{MaxBytes: 1 << 20, MaxText: 16 << 10})
			before := heap()
			for i := range n {
				for _, f := range frame(i) {
					p.note(f, frames.Downstream, atOutput)
				}
			}
			// An entry is some hundred bytes beside its texts.
			if grown := heap() - before; grown > 3<<20 {
				t.Errorf("with MaxBytes 1 MiB the heap has grown by %d KiB", grown>>10)
			}
			if b := p.book; len(b.entries) < 50 || b.dropped == 0 {
				t.Errorf("there are %d entries, and %d are dropped", len(b.entries), b.dropped)
			}
			runtime.KeepAlive(p)
		})
	}
}

func TestACallThatSaysNothingCostsLittle(t *testing.T) {
	all := make([]*Processor, 1000)
	before := heap()
	for i := range all {
		all[i] = New(Config{})
	}
	if each := (heap() - before) / int64(len(all)); each > 4<<10 {
		t.Errorf("a processor costs %d bytes before anything is said", each)
	}
	runtime.KeepAlive(all)
}

func TestASentenceStaysInItsPlaceWhenTheOneBeforeIsDropped(t *testing.T) {
	p := New(Config{MaxEntries: 2})
	for _, f := range []frames.Frame{
		&frames.LLMText{Response: "r", Text: "One two three."}, &frames.LLMText{Response: "r", Text: " Four five six."},
		&frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: make([]int16, 48000), Track: "tts"}, Response: "r"},
		&frames.TTSStop{Response: "r"},
		&frames.Transcription{Track: "caller", Text: "Hm."}, // drops the first
		&frames.Playout{Track: "tts", Rate: 24000, Heard: 36000, Queued: 36000, Output: 36000, OutputRate: 24000},
	} {
		p.note(f, frames.Downstream, atOutput)
	}
	e := p.Transcript().Entries
	if len(e) != 2 || e[1].Text != "Four five six." && e[0].Text != "Four five six." {
		t.Fatalf("it has %+v", e)
	}
	if e[0].Who != Agent {
		e[0] = e[1]
	}
	if from := e[0].Place.Start; from < 20000 || from > 26000 {
		t.Errorf("the second sentence begins at %d of 48000", from)
	}
}
