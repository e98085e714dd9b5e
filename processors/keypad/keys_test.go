package keypad_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/keypad"
)

func TestKeysBecomeOneTextWhenTheEntryIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   keypad.KeysConfig
		press string // a space is a second
		want  []string
	}{
		"by the end key":   {keypad.KeysConfig{}, "12 34#5", []string{`Text("DTMF: 1234#")`, `Text("DTMF: 5")`}},
		"by a pause":       {keypad.KeysConfig{}, "12   3", []string{`Text("DTMF: 12")`, `Text("DTMF: 3")`}},
		"by the length":    {keypad.KeysConfig{Max: 2, Prefix: "keys "}, "123", []string{`Text("keys 12")`, `Text("keys 3")`}},
		"by another key":   {keypad.KeysConfig{End: '*'}, "1#2*", []string{`Text("DTMF: 1#2*")`}},
		"by a short pause": {keypad.KeysConfig{Pause: 500 * time.Millisecond}, "1 2", []string{`Text("DTMF: 1")`, `Text("DTMF: 2")`}},
		"by none":          {keypad.KeysConfig{End: keypad.NoEnd}, "1#2*", []string{`Text("DTMF: 1#2*")`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := dialer{keys: c.press}
				var got []string
				keys := 0
				all, errs := through(t, pipeline.Chain(dial, keypad.NewKeys(c.cfg)))
				if len(errs) > 0 {
					t.Errorf("errors %v", errs)
				}
				for _, f := range all {
					switch f.(type) {
					case *frames.Text:
						got = append(got, f.String())
					case *frames.DTMFInput:
						keys++
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("texts (-want +got):\n%s", diff)
				}
				if want := len(strings.ReplaceAll(c.press, " ", "")); keys != want {
					t.Errorf("%d keys passed, want %d", keys, want)
				}
			})
		})
	}
}

// dialer presses keys before it lets the pipeline end.
type dialer struct{ keys string }

func (d dialer) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.End); ok {
		for _, k := range []byte(d.keys) {
			if k == ' ' {
				time.Sleep(time.Second)
				continue
			}
			if err := out.Send(ctx, &frames.DTMFInput{Digit: k}, dir); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	return out.Send(ctx, f, dir)
}

// entry is an application's own frame.
type entry struct {
	frames.Data
	keys string
}

func (e *entry) String() string { return "entry " + e.keys }

func TestAnEntryIsSentInTheApplicationsOwnForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := func(keys string) frames.Frame {
			if keys == "0#" {
				return nil // nothing is to be sent of this one
			}
			return &entry{keys: keys}
		}
		dial := dialer{keys: "12#0#3"}
		all, errs := through(t, pipeline.Chain(dial, keypad.NewKeys(keypad.KeysConfig{Format: own, Swallow: true})))
		var got []string
		for _, f := range all {
			got = append(got, f.String())
		}
		if want := []string{"entry 12#", "entry 3", "End()"}; !slices.Equal(got, want) || len(errs) > 0 {
			t.Errorf("got %v, want %v; errors %v", got, want, errs)
		}
	})
}

func TestWhatIsNoKeyIsReportedAndNotGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, errs := through(t, pipeline.Chain(dialer{keys: "1x2"}, keypad.NewKeys(keypad.KeysConfig{Swallow: true})))
		var got []string
		for _, f := range all {
			got = append(got, f.String())
		}
		if want := []string{"DTMFInput(x)", `Text("DTMF: 12")`, "End()"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "gather keys: there is no key 'x'") {
			t.Errorf("errors %v", errs)
		}
	})
}

func TestTheKeysOfEachTrackAreAnEntryOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, keypad.NewKeys(keypad.KeysConfig{Swallow: true, Max: 4}))
		press := func(track string, keys string) {
			for _, k := range []byte(keys) {
				h.Send(&frames.DTMFInput{Digit: k, Track: track})
			}
		}
		entries := func(want ...string) {
			t.Helper()
			var got []string
			for _, f := range h.All() {
				got = append(got, f.(*frames.Text).Text)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		press("alice", "1")
		press("bob", "9")
		press("alice", "2")
		press("bob", "8")
		press("alice", "#")
		entries("DTMF: 12#") // and bob's goes on
		h.Advance(time.Second)
		press("alice", "34")
		h.Advance(time.Second)
		entries("DTMF: 98") // two seconds after its last key
		press("carol", "555")
		h.Advance(time.Second)
		entries("DTMF: 34")
		press("carol", "5")
		entries("DTMF: 5555")
		press("bob", "7")
		press("alice", "6")
		h.Advance(2 * time.Second)
		entries("DTMF: 6", "DTMF: 7")
		h.Advance(time.Minute)
		entries()
	})
}

func TestTheEntryThatHasWaitedForLongestEndsWhenThereAreTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, keypad.NewKeys(keypad.KeysConfig{Swallow: true}))
		for i := range 64 {
			h.Send(&frames.DTMFInput{Digit: byte('0' + i%10), Track: fmt.Sprint(i)})
		}
		h.Send(&frames.DTMFInput{Digit: '*', Track: "0"})
		if got := h.All(); len(got) != 0 {
			t.Fatalf("of 64 tracks came %v", got)
		}
		h.Send(&frames.DTMFInput{Digit: '*', Track: "new"})
		if got := h.All(); len(got) != 1 || got[0].String() != `Text("DTMF: 1")` {
			t.Errorf("for another came %v, want what was pressed on track 1", got)
		}
		h.Send(&frames.Stop{})
		if got := h.All(); len(got) != 64+1 {
			t.Errorf("at the end there came %d frames, want 64 entries and it", len(got))
		}
	})
}

// busy does not go on with a word of the agent's until it is let go, and notes what
// comes behind it.
type busy struct {
	got  []string
	free chan struct{}
}

func (b *busy) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.LLMText:
		<-b.free
	case *frames.Text, *entry:
		b.got = append(b.got, f.String())
	}
	return out.Send(ctx, f, dir)
}

func TestNoInterruptionDropsAnEntry(t *testing.T) {
	for want, format := range map[string]func(string) frames.Frame{
		`Text("DTMF: 1234#")`: nil,
		"entry 1234#":         func(keys string) frames.Frame { return &entry{keys: keys} },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &busy{free: make(chan struct{})}
			line := pipeline.New(pipeline.Config{}, keypad.NewKeys(keypad.KeysConfig{Format: format}), b)
			done := make(chan error, 1)
			go func() { done <- line.Run(t.Context()) }()
			send := func(f frames.Frame) {
				if err := line.Send(t.Context(), f); err != nil {
					t.Errorf("send %v: %v", f, err)
				}
				synctest.Wait()
			}
			send(&frames.LLMText{Text: "busy"})
			for _, k := range []byte("1234#") {
				send(&frames.DTMFInput{Digit: k})
			}
			send(&frames.Text{Text: "what may be dropped"})
			line.Interrupt("barge-in")
			synctest.Wait()
			close(b.free)
			send(&frames.End{})
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			if !slices.Equal(b.got, []string{want}) {
				t.Errorf("behind the interruption came %q, want %q", b.got, want)
			}
		})
	}
}
