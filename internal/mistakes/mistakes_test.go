package mistakes_test

import (
	"errors"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/mistakes"
)

func TestADurationOutOfItsLimitsIsNamedWithThem(t *testing.T) {
	for _, c := range []struct {
		d, least, most time.Duration
		want           string
	}{
		{0, time.Millisecond, 0, ""},
		{time.Millisecond, time.Millisecond, 0, ""},
		{time.Hour, time.Millisecond, 0, ""},
		{time.Second, time.Millisecond, time.Second, ""},
		{-time.Second, time.Millisecond, 0, "Stop is -1s: at least 1ms, or 0 for the default"},
		{500 * time.Microsecond, time.Millisecond, 0, "Stop is 500µs: at least 1ms, or 0 for the default"},
		{time.Second + 1, time.Millisecond, time.Second, "Stop is 1.000000001s: 1ms to 1s, or 0 for the default"},
		{800, time.Millisecond, time.Second, "Stop is 800ns: 1ms to 1s, or 0 for the default (800 nanoseconds: was another unit meant? write 800*time.Millisecond, or time.Second)"},
		{800, time.Millisecond, 0, "Stop is 800ns: at least 1ms, or 0 for the default (800 nanoseconds: was another unit meant? write 800*time.Millisecond, or time.Second)"},
	} {
		var l mistakes.List
		l.Duration("Stop", c.d, c.least, c.most)
		got := ""
		if err := l.Err(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v, %v to %v: %q, want %q", c.d, c.least, c.most, got, c.want)
		}
	}
}

type adapter func()

func TestNothingIsFoundInAnInterface(t *testing.T) {
	var none *int
	for _, c := range []struct {
		v    any
		want bool
	}{
		{nil, true}, {none, true}, {adapter(nil), true},
		{new(int), false}, {adapter(func() {}), false}, {0, false}, {struct{}{}, false}, {[]int(nil), false},
	} {
		if got := mistakes.IsNil(c.v); got != c.want {
			t.Errorf("IsNil of a %T: %v", c.v, got)
		}
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	var l mistakes.List
	l.Join(nil)
	if err := l.Err(); err != nil {
		t.Errorf("none is %v", err)
	}
	found := errors.New("found by another")
	l.Add("Max is %d: at least 1", -1)
	l.Join(found)
	if err := l.Err(); !errors.Is(err, found) || err.Error() != "Max is -1: at least 1\nfound by another" {
		t.Errorf("%v", err)
	}
}
