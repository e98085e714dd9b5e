package tracks

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestTheTrackThatWasNotUsedForLongestMakesRoom(t *testing.T) {
	var m Map[int]
	for i := range Most {
		if leaves, full := m.Room(); full {
			t.Fatalf("%q must go of %d", leaves, i)
		}
		m.Put(fmt.Sprintf("%03d", i), i)
	}
	m.Get("000")
	m.Put("001", -1)
	if leaves, full := m.Room(); !full || leaves != "002" {
		t.Fatalf("%q makes room, %v; want 002", leaves, full)
	}
	m.Put("000", -2) // it is there: nobody goes
	m.Put("new", 7)
	var names []string
	for track := range m.All() {
		names = append(names, track)
	}
	if len(names) != Most || slices.Contains(names, "002") || !slices.IsSorted(names) {
		t.Errorf("tracks %v", names)
	}
	for track := range m.All() {
		m.Delete("010")
		if track == "010" {
			t.Error("what was deleted meanwhile was gone through")
		}
	}
	for track, want := range map[string]int{"000": -2, "001": -1, "003": 3, "new": 7} {
		if got, ok := m.Get(track); !ok || got != want {
			t.Errorf("of %s it knows %d, %v; want %d", track, got, ok, want)
		}
	}
	m.Delete("003")
	if _, ok := m.Get("003"); ok {
		t.Error("what was deleted is known")
	}
	if _, full := m.Room(); full {
		t.Error("somebody must go when there is room")
	}
}

func TestAnErrorOfAKindIsReportedOnceInTenSecondsOfItsTrack(t *testing.T) {
	var c Complaints
	bad := errors.New("bad")
	var got []string
	report := func(at int, track, kind string) {
		if err := c.Let(track, kind, bad); err != nil {
			if !errors.Is(err, bad) {
				t.Errorf("the error is %v", err)
			}
			got = append(got, fmt.Sprint(at, track, kind, ": ", err))
		}
	}
	for i := range 1001 { // 20 s
		report(i, "a", "1")
		if i > 300 {
			report(i, "a", "2")
		}
		if i%2 == 0 {
			report(i, "b", "1")
			c.Heard("b", 20*time.Millisecond)
		}
		c.Heard("a", 20*time.Millisecond)
	}
	want := []string{
		"0a1: bad", "0b1: bad", "301a2: bad",
		"500a1: bad (and 499 times more since the last report)",
		"801a2: bad (and 499 times more since the last report)",
		"1000a1: bad (and 499 times more since the last report)",
		"1000b1: bad (and 499 times more since the last report)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("reported\n%q, want\n%q", got, want)
	}
	if err := c.Let("a", "3", nil); err != nil {
		t.Errorf("no error is reported as %v", err)
	}
}

func TestAnErrorOfAudioThatHasNoLengthIsReportedOnce(t *testing.T) {
	var c Complaints
	n := 0
	for range 100_000 {
		if c.Let("a", "no rate", errors.New("no rate")) != nil {
			n++
		}
		c.Heard("a", 0)
	}
	if n != 1 {
		t.Errorf("%d reports", n)
	}
}
