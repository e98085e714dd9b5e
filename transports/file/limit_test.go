package file_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/file"
)

func TestALimitEndsTheCallHoweverMuchTheAgentHasToSay(t *testing.T) {
	for name, cfg := range map[string]file.Config{
		"behind the recording": {MaxTail: 5 * time.Second},
		"of the call":          {MaxDuration: 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Input = record(t, "a.wav", audio.Mono(rate), voice(1, 24000)) // a second
				call := open(t, cfg)
				began := time.Now()
				err := run(t, call, &agent{at: map[audio.Position][]int16{480: voice(1, 90*24000)}})
				if took := time.Since(began); err != nil || took > 7*time.Second {
					t.Errorf("the call lasted %v and ended with %v, want 6s and no error", took, err)
				}
			})
		})
	}
}
