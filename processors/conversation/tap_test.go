package conversation

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
)

// interruption returns one that a pipeline has told of.
func interruption(t *testing.T) (told *frames.Interruption) {
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if f, ok := f.(*frames.Interruption); ok {
				told = f
			}
			return out.Send(ctx, f, dir)
		}))
		h.Interrupt("barge-in")
	})
	return told
}

// Everybody is told of an interruption for himself: a tap may be told, and the next
// answer come by there, before the processor at the output is.
func TestAnAnswerBehindAnInterruptionIsNotInterruptedByIt(t *testing.T) {
	f := interruption(t)
	p := New(Config{})
	p.note(&frames.LLMText{Response: "r", Text: "Good morning."}, frames.Downstream, atVoice)
	p.note(f, frames.Downstream, atVoice)
	p.note(&frames.LLMText{Response: "s", Text: "Sorry?"}, frames.Downstream, atVoice)
	p.note(f, frames.Downstream, atOutput)
	got := p.Transcript().Entries
	if len(got) != 2 || got[0].State != Unheard || got[1].State != Announced {
		t.Errorf("it has %+v, want the first unheard and the second announced", got)
	}
}
