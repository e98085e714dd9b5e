package reception

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow takes a while to end.
func slow(d time.Duration) *pipeline.Pipeline {
	return pipeline.New(pipeline.Config{EndTimeout: time.Hour}, pipeline.On(func(ctx context.Context, f *frames.End, dir frames.Direction, out *pipeline.Port) error {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return out.Send(ctx, f, dir)
	}))
}

func TestThereIsRoomForSoMany(t *testing.T) {
	r := New(2)
	for range 2 {
		if err := r.Enter(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Enter(nil); !errors.Is(err, ErrFull) {
		t.Errorf("the third: %v", err)
	}
	if err := r.Enter(func() bool { return false }); !errors.Is(err, ErrFull) {
		t.Errorf("one that needs room: %v", err)
	}
	if err := r.Enter(func() bool { return true }); err != nil || r.Calls() != 3 {
		t.Errorf("one that needs none: %v, %d calls", err, r.Calls())
	}
	for range 3 {
		r.Leave()
	}
	if err := r.Shutdown(t.Context(), nil); err != nil || r.Calls() != 0 {
		t.Errorf("%v, %d calls", err, r.Calls())
	}
	if err := r.Enter(nil); !errors.Is(err, ErrDraining) || !r.Draining() {
		t.Errorf("afterwards: %v", err)
	}
	if err := r.Run(t.Context(), slow(0)); !errors.Is(err, ErrDraining) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAgentsFinishUntilTheTimeIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		takes, allowed time.Duration
		want           error
	}{
		"in time":  {10 * time.Second, time.Minute, nil},
		"too late": {time.Minute, 10 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(1)
				if err := r.Enter(nil); err != nil {
					t.Fatal(err)
				}
				go func() {
					defer r.Leave()
					r.Run(r.Context(), slow(c.takes))
				}()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), c.allowed)
				defer cancel()
				began, also := time.Now(), false
				err := r.Shutdown(ctx, func() { also = r.Draining() })
				if !errors.Is(err, c.want) || time.Since(began) != 10*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				if !also || r.Context().Err() == nil {
					t.Errorf("also: %v, the context: %v", also, r.Context().Err())
				}
			})
		})
	}
}

func TestAnAgentsFunctionReturnsAPipeline(t *testing.T) {
	if _, err := Make(func() (*pipeline.Pipeline, error) { return nil, nil }); err == nil {
		t.Error("nothing was taken for a pipeline")
	}
	if _, err := Make(func() (*pipeline.Pipeline, error) { return nil, errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the function's error became %v", err)
	}
	if p, err := Make(func() (*pipeline.Pipeline, error) { panic("oh") }); p != nil || err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("a panic became %v, %v", p, err)
	}
}
