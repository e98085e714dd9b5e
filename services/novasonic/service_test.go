package novasonic_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// answering is a brain that says one sentence to each turn of the user's.
func answering(sentences ...string) sonictest.Brain {
	var answers []sonictest.Answer
	for _, s := range sentences {
		answers = append(answers, sonictest.Say(s))
	}
	return sonictest.Sequence(answers...)
}

func TestAConversationIsHeardAnsweredAndRecorded(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Good morning.", "Six o'clock.")}, novasonic.Config{}, func(r *rig) {
		r.says("12")
		r.waits(8 * time.Second)
		r.says("345")
		r.waits(10 * time.Second)

		if got, want := texts(r, func(f *frames.Transcription) string { return f.Text }), []string{"one two", "three four five"}; !slices.Equal(got, want) {
			t.Errorf("the user was understood as %q, want %q", got, want)
		}
		if got, want := texts(r, func(f *frames.SpokenText) string { return f.Text }), []string{"Good morning.", "Six o'clock."}; !slices.Equal(got, want) {
			t.Errorf("the agent is said to have spoken %q, want %q", got, want)
		}
		// Sample for sample, what was heard is what the service spoke.
		var want []int16
		for _, a := range r.streams()[0].Answers {
			for _, s := range a.Sentences {
				want = append(want, s.PCM...)
			}
		}
		if got := r.ear.heard(); !slices.Equal(got, want) {
			t.Errorf("%d samples were heard, want exactly the %d that the service spoke", len(got), len(want))
		}
		order := []string{}
		for _, f := range r.ear.all() {
			switch f.(type) {
			case *frames.LLMResponseStart, *frames.TTSStart, *frames.TTSStop, *frames.LLMResponseEnd:
				order = append(order, strings.SplitN(f.String(), "(", 2)[0])
			}
		}
		one := []string{"LLMResponseStart", "TTSStart", "TTSStop", "LLMResponseEnd"}
		if want := slices.Concat(one, one); !slices.Equal(order, want) {
			t.Errorf("responses are bracketed by %v, want %v", order, want)
		}
	})
}
