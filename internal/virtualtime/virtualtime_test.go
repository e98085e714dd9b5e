package virtualtime_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/virtualtime"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHoursPassInNoTime(t *testing.T) {
	began := time.Now()
	var passed time.Duration
	err := virtualtime.Run(func() error {
		start := time.Now()
		done := make(chan struct{})
		go func() {
			for range 60 {
				time.Sleep(time.Minute)
			}
			close(done)
		}()
		<-done
		passed = time.Since(start)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if passed != time.Hour {
		t.Errorf("virtual time passed: %v, want exactly 1h", passed)
	}
	if real := time.Since(began); real > time.Minute {
		t.Errorf("an hour of waiting took %v of real time", real)
	}
}

func TestErrorsAndPanicsAreReturned(t *testing.T) {
	want := errors.New("no answer")
	if err := virtualtime.Run(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	err := virtualtime.Run(func() error { panic("lost the thread") })
	if err == nil || !strings.Contains(err.Error(), "lost the thread") || !strings.Contains(err.Error(), "virtualtime_test.go") {
		t.Errorf("a panic was returned as %v, want its value and stack", err)
	}
}
