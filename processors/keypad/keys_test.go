package keypad_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
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
