package keypad

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
)

// Between the decision that an entry is over and its end another key may come, for
// an instant that no test can hit from outside.
func TestAnEntryThatGoesOnAfterItsEndWasDecidedIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeys(KeysConfig{})
		k.add(&frames.DTMFInput{Digit: '1'})
		k.add(&frames.DTMFInput{Digit: '2'})
		time.Sleep(k.config.Pause - 1)
		if got := k.next(k.paused); got != "" {
			t.Errorf("%q was cut off", got)
		}
		time.Sleep(time.Nanosecond)
		if got := k.next(k.paused); got != "12" {
			t.Errorf("the entry is %q, want 12", got)
		}
	})
}
