package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// letter asks to be delivered; parcel as well, urgently.
type (
	letter struct{ frames.Data }
	parcel struct{ frames.System }
)

func (*letter) String() string    { return "letter" }
func (*letter) Unhandled() string { return "letter: hire a postman" }
func (*parcel) String() string    { return "parcel" }
func (*parcel) Unhandled() string { return "parcel: buy a van" }

// told keeps what a run reports.
type told struct {
	mu   sync.Mutex
	errs []*frames.Error
}

func (c *told) add(f *frames.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, f)
}

func (c *told) texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, f := range c.errs {
		all = append(all, f.Processor+": "+f.Err.Error())
	}
	return all
}

func TestWhatNobodyDoesIsReportedOnceForEachType(t *testing.T) {
	for name, last := range map[string]func() pipeline.Processor{
		"a processor": pass,
		"inline":      func() pipeline.Processor { return pipeline.Inline(pass()) },
		"a chain":     func() pipeline.Processor { return pipeline.Chain(pass(), pass()) },
		"branches":    func() pipeline.Processor { return pipeline.Parallel(pass(), pass()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard told
				r := start(t, pipeline.Config{OnError: heard.add}, last())
				r.send(&letter{}, &letter{}, &parcel{}, &letter{}, &parcel{})
				synctest.Wait()
				r.finish()
				texts := heard.texts()
				if len(texts) != 2 {
					t.Fatalf("it reports %q, want two", texts)
				}
				said := map[string]bool{}
				for _, f := range heard.errs {
					said[f.Err.Error()] = true
					if !errors.Is(f.Err, pipeline.ErrUnhandled) || f.Kind != frames.ErrorApplication || f.Fatal {
						t.Errorf("it reports %v", f)
					}
				}
				if !said["nobody did what was asked for: letter: hire a postman"] || !said["nobody did what was asked for: parcel: buy a van"] {
					t.Errorf("it reports %q", texts)
				}
			})
		})
	}
}

func TestWhatSomebodyDoesIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard told
		r := start(t, pipeline.Config{OnError: heard.add},
			pipeline.On(func(context.Context, *letter, frames.Direction, *pipeline.Port) error { return nil }),
			on(func(ctx context.Context, _ *probe, _ frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, &parcel{}, frames.Upstream) // nobody is asked there
			}))
		r.send(&letter{}, &probe{})
		synctest.Wait()
		r.finish()
		if texts := heard.texts(); len(texts) != 0 {
			t.Errorf("it reports %q", texts)
		}
	})
}
