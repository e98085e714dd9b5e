package main

import (
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
)

func Example() {
	main()
	// Output:
	// My card is ****, thanks.
}

func TestRedactKeepsTheRules(t *testing.T) {
	pipelinetest.Check(t, func() pipeline.Processor { return Redact{regexp.MustCompile(`\d{4,}`)} })
}

func TestAnInstructionStaysOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, Redact{regexp.MustCompile(`\d{4,}`)})
		h.Send(&frames.Text{Text: "Charge 49291234.", Instruction: true})
		if got := pipelinetest.Next[*frames.Text](h); got.Text != "Charge ****." || !got.Instruction {
			t.Errorf("it becomes %v", got)
		}
	})
}
