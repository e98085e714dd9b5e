package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACallWithoutDevicesEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stats, err := talk(t.Context(), true, false)
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < alone || took > alone+10*time.Second {
			t.Errorf("it took %v, want %v and what the agent still had to say", took, alone)
		}
		if s := stats.Loudspeaker; s.Underruns+s.Overruns != 0 || stats.Microphone.Underruns != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

func TestCtrlCEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := talk(ctx, true, true); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > alone {
			t.Errorf("it took %v", took)
		}
	})
}
