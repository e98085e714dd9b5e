package pipelinetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good passes everything on.
func good() pipeline.Processor {
	return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, f, dir)
	})
}

func TestGoodProcessorsPass(t *testing.T) {
	for name, make := range map[string]func() pipeline.Processor{
		"pass-through": good,
		"chain":        func() pipeline.Processor { return pipeline.Chain(good(), pipeline.Inline(good())) },
		"parallel":     func() pipeline.Processor { return pipeline.Parallel(good(), pipeline.Chain(good(), good())) },
		"switch":       func() pipeline.Processor { return pipeline.Switch(pipeline.SwitchConfig{}, good(), good()) },
		"on": func() pipeline.Processor {
			return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, f, dir)
			})
		},
	} {
		t.Run(name, func(t *testing.T) { Check(t, make) })
	}
}

// failures is a T that notes failures, to see whether a rule finds a fault.
type failures struct {
	mu      sync.Mutex
	text    []string
	cleanup []func()
}

type fatal struct{}

func (f *failures) Helper()           {}
func (f *failures) Cleanup(fn func()) { f.cleanup = append(f.cleanup, fn) }
func (f *failures) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, fmt.Sprintf(format, args...))
}

func (f *failures) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(fatal{})
}

// of runs a rule on a processor and returns what it found.
func (f *failures) of(r rule, make func() pipeline.Processor) []string {
	guard := func(fn func()) {
		defer func() {
			if v := recover(); v != nil {
				if _, ok := v.(fatal); !ok {
					panic(v)
				}
			}
		}()
		fn()
	}
	guard(func() { r.check(f, make, knownFrames()) })
	for i := len(f.cleanup) - 1; i >= 0; i-- {
		guard(f.cleanup[i])
	}
	return f.text
}

// broken is good but for what breaks it.
func broken(breaks func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (handled bool, err error)) func() pipeline.Processor {
	return func() pipeline.Processor {
		return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if handled, err := breaks(ctx, f, dir, out); handled || err != nil {
				return err
			}
			return out.Send(ctx, f, dir)
		})
	}
}

func TestEachRuleFindsTheProcessorThatBreaksIt(t *testing.T) {
	release := func() {}
	for name, make := range map[string][]func() pipeline.Processor{
		"starts and ends": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				_, end := f.(*frames.End)
				return end, nil
			}),
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				panic("at once")
			}),
		},
		"passes unknown frames on": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				_, control := f.(*unknownControl)
				return control, nil
			}),
			broken(func(_ context.Context, f frames.Frame, dir frames.Direction, _ *pipeline.Port) (bool, error) {
				_, system := f.(*unknownSystem)
				return system && dir == frames.Upstream, nil
			}),
			broken(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
				if f, ok := f.(*unknownData); ok { // a copy
					return true, out.Send(ctx, &unknownData{n: f.n}, dir)
				}
				return false, nil
			}),
			broken(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
				if _, ok := f.(*unknownControl); ok { // the wrong way
					return true, out.Send(ctx, f, dir.Opposite())
				}
				return false, nil
			}),
			func() pipeline.Processor { // out of order
				var held frames.Frame
				return broken(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
					if _, ok := f.(*unknownData); !ok {
						return false, nil
					}
					if held == nil {
						held = f
						return true, nil
					}
					err := out.Send(ctx, f, dir)
					if err == nil {
						err = out.Send(ctx, held, dir)
					}
					held = nil
					return true, err
				})()
			},
		},
		"passes End on behind what came before": {
			func() pipeline.Processor { // keeps the last frame until after End
				var held frames.Frame
				return broken(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
					switch f.(type) {
					case *unknownData:
						late := held
						held = f
						if late == nil {
							return true, nil
						}
						return true, out.Send(ctx, late, dir)
					case *frames.End:
						if err := out.Send(ctx, f, dir); err != nil {
							return true, err
						}
						return true, out.Send(ctx, held, dir)
					}
					return false, nil
				})()
			},
		},
		"passes Stop on and goes on": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				_, stop := f.(*frames.Stop)
				return stop, nil
			}),
		},
		"goes on after an interruption": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				if _, ok := f.(*frames.Interruption); ok {
					return true, pipeline.Fatal(fmt.Errorf("cannot be interrupted"))
				}
				return false, nil
			}),
			func() pipeline.Processor {
				deaf := false
				return broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
					if _, ok := f.(*frames.Interruption); ok {
						deaf = true
					}
					_, data := f.(*unknownData)
					return deaf && data, nil
				})()
			},
		},
		"keeps uninterruptible frames": {
			func() pipeline.Processor { // has a queue of its own, and empties it
				var queue []frames.Frame
				return broken(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
					switch f.(type) {
					case *frames.Interruption:
						queue = nil
					case *unknownLasting:
						queue = append(queue, f)
						if len(queue) < 2 {
							return true, nil
						}
						f, queue = queue[0], queue[1:]
						return true, out.Send(ctx, f, dir)
					}
					return false, nil
				})()
			},
		},
		"returns soon after an interruption": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				if _, ok := f.(*frames.LLMText); ok {
					time.Sleep(2 * time.Second)
				}
				return false, nil
			}),
		},
		"returns soon after a cancellation": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				if _, ok := f.(*frames.Transcription); ok {
					time.Sleep(2 * time.Second)
				}
				return false, nil
			}),
		},
		"returns from a Send that waits": {
			broken(func(_ context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) (bool, error) {
				for {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					err := out.Send(ctx, f, dir)
					cancel()
					if err == nil {
						return true, nil
					}
					time.Sleep(3 * time.Second) // tries again, whatever the error
					if time.Now().Second() > 30 {
						return true, nil
					}
				}
			}),
		},
		"does not change frames": {
			broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
				if f, ok := f.(*frames.AudioOutput); ok {
					f.Samples[7] = 1
				}
				return false, nil
			}),
			broken(func(_ context.Context, f frames.Frame, dir frames.Direction, _ *pipeline.Port) (bool, error) {
				if f, ok := f.(*frames.AudioInput); ok && dir == frames.Upstream {
					f.Track = "mine"
				}
				return false, nil
			}),
		},
		"leaves no goroutine behind": {
			func() pipeline.Processor {
				stop := make_()
				release = func() { close(stop) }
				once := sync.Once{}
				return broken(func(_ context.Context, _ frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
					once.Do(func() { go func() { <-stop }() })
					return false, nil
				})()
			},
		},
	} {
		i := -1
		for j := range rules {
			if rules[j].name == name {
				i = j
			}
		}
		for k, processor := range make {
			t.Run(fmt.Sprintf("%s/%d", name, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var f failures
					found := f.of(rules[i], processor)
					release()
					release = func() {}
					time.Sleep(2 * Patience) // lets the deaf return
					if len(found) == 0 {
						t.Error("the rule found nothing")
					}
					t.Log(strings.Join(found, "\n"))
				})
			})
		}
	}
}

// make_ makes a channel where make is a variable.
func make_() chan struct{} { return make(chan struct{}) }

func TestEveryRuleIsKeptByAGoodProcessor(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f failures
				if found := f.of(r, good); len(found) != 0 {
					t.Errorf("found %v", found)
				}
			})
		})
	}
}

// own is a frame type that only its processor knows.
type own struct {
	frames.System
	N int
}

func TestFramesOfOnesOwnKeepTheProcessorBusyUnderTheRules(t *testing.T) {
	var made, seen []*own
	busy := With(func() frames.Frame {
		f := &own{N: len(made)}
		made = append(made, f)
		return f
	})
	var mu sync.Mutex // the rules are checked one after the other, a processor's goroutine is its own
	Check(t, broken(func(_ context.Context, f frames.Frame, dir frames.Direction, _ *pipeline.Port) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if f, ok := f.(*own); ok && dir == frames.Downstream {
			seen = append(seen, f)
		}
		return false, nil
	}), busy)
	distinct := map[*own]bool{}
	for _, f := range seen {
		distinct[f] = true
	}
	if len(seen) < len(rules)-2 || len(distinct) != len(seen) {
		t.Errorf("the processor got %d frames of its own type, %d of them different, in %d rules", len(seen), len(distinct), len(rules))
	}
	// What is done to them counts: only the rule about changes may find this, and it does.
	changes := broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
		if f, ok := f.(*own); ok {
			f.N = -1
		}
		return false, nil
	})
	o := options{}
	busy(&o)
	for _, r := range rules {
		synctest.Test(t, func(t *testing.T) {
			var f failures
			r.check(&f, changes, append(knownFrames(), o.frames...))
			for _, clean := range f.cleanup {
				clean()
			}
			if found := len(f.text) > 0; found != (r.name == "does not change frames") {
				t.Errorf("rule %q found %v", r.name, f.text)
			}
		})
	}
}

func TestARuleThatIsSkippedIsNotChecked(t *testing.T) {
	checked := 0
	Check(t, func() pipeline.Processor {
		checked++
		return broken(func(_ context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) (bool, error) {
			if f, ok := f.(*frames.AudioOutput); ok {
				f.Samples[7] = 1
			}
			return false, nil
		})()
	}, Skip("does not change frames", "it does, in this test"))
	if checked < len(rules)-1 {
		t.Errorf("%d processors were made for %d other rules", checked, len(rules)-1)
	}
}
