package vad_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/processors/vad"
)

// Whoever follows the advice is not refused again.
func TestTheShortestTimeThatIsNamedIsAccepted(t *testing.T) {
	err := vad.Params{Start: -1}.Validate()
	_, advice, _ := strings.Cut(fmt.Sprint(err), "one window, which ")
	named, _, _ := strings.Cut(advice, " ")
	least, parsed := time.ParseDuration(named)
	if parsed != nil {
		t.Fatalf("%v names no time: %v", err, parsed)
	}
	if err := (vad.Params{Start: least, Stop: least}).Validate(); err != nil {
		t.Error(err)
	}
	if (vad.Params{Start: least - 1}).Validate() == nil {
		t.Errorf("less than %v is accepted as well", least)
	}
}
