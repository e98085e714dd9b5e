package turn

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
)

// sendingElsewhere makes a processor of which another goroutine is sending
// something, after which it sends what before tells.
func sendingElsewhere(cfg Config, before ...effect) *Processor {
	p := New(cfg)
	p.machine = newMachine(cfg)
	p.machine.take()
	p.live.Store(true)
	p.sending, p.outbox = true, before
	return p
}

func TestATranscriptIsNotDroppedByWhatWasDecidedBeforeItCame(t *testing.T) {
	p := sendingElsewhere(Config{Start: Words(2)}, effect{kind: doDrop})
	f := &frames.Transcription{Text: "one"}
	if err := p.words(t.Context(), f, frames.Downstream, nil, p.final(f)); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.sending = false
	p.deliver()
	if !slices.Equal(p.kept, []frames.Frame{f}) {
		t.Errorf("%v is kept back, want the transcript that came afterwards", p.kept)
	}
}

func TestAMuteGoesBehindTheVoiceThatWasHeardBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sendingElsewhere(Config{})
		go p.voice(&frames.VADStarted{}, frames.Downstream, spot{}, (*machine).voiceOn)
		synctest.Wait()
		p.Mute(true)
		var order []effectKind
		p.mu.Lock()
		for _, e := range p.outbox {
			order = append(order, e.kind)
		}
		p.sending, p.outbox = false, nil
		p.sent.Broadcast()
		p.mu.Unlock()
		if want := []effectKind{doVoice, doInterrupt, doStarted, doStopped, doMute}; !slices.Equal(order, want) {
			t.Errorf("it is to do %v, want %v", order, want)
		}
	})
}
