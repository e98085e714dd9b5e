package keypad

import (
	"testing"
	"testing/synctest"
	"time"
)

// Between the decision that an entry is over and its end another key may come, for
// an instant that no test can hit from outside.
func TestAnEntryThatGoesOnAfterItsEndWasDecidedIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeys(KeysConfig{})
		k.pressed, k.last = []byte("12"), time.Now()
		time.Sleep(k.config.Pause - 1)
		if got := k.empty(k.config.Pause); got != "" {
			t.Errorf("%q was cut off", got)
		}
		time.Sleep(time.Nanosecond)
		if got := k.empty(k.config.Pause); got != "12" {
			t.Errorf("the entry is %q, want 12", got)
		}
	})
}
