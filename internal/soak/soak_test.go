package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheSameSeedMakesTheSamePlan(t *testing.T) {
	o := &Options{}
	var err error
	if o.faults, err = parseFaults("all"); err != nil {
		t.Fatal(err)
	}
	if a, b := draw(7, o), draw(7, o); a.String() != b.String() || len(a.faults) != len(b.faults) || a.behaviour.FinalText != b.behaviour.FinalText {
		t.Errorf("seed 7 makes %v and %v", a, b)
	}
	if a, b := draw(7, o), draw(8, o); a.String() == b.String() {
		t.Errorf("seeds 7 and 8 both make %v", a)
	}
}

func TestPlansCanWork(t *testing.T) {
	o := &Options{}
	for n := range uint64(400) {
		seed := n + n%(newest+1)*generation
		p := draw(seed, o)
		c := novasonic.Config{InputRate: p.input, OutputRate: p.output, Continuation: p.continuation}
		if err := c.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestSeedsOfARunAreAllDifferent(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(50) {
		for n := range 200 {
			s := SeedOf(seed, n)
			if seen[s] {
				t.Fatalf("seed %d, conversation %d: %d was there before", seed, n, s)
			}
			seen[s] = true
		}
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for _, c := range []struct {
		faults      string
		types       int
		credentials bool
		err         string
	}{
		{"all", len(faultTypes()), true, ""},
		{"", len(faultTypes()), true, ""},
		{"none", 0, false, ""},
		{"reset, kill", 2, false, ""},
		{"credentials", 0, true, ""},
		{"reset,flood", 0, false, `there is no fault "flood"`},
	} {
		set, err := parseFaults(c.faults)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %s", c.faults, err, c.err)
			}
		case err != nil || len(set.types) != c.types || set.credentials != c.credentials:
			t.Errorf("%q: %d faults, credentials %v, error %v", c.faults, len(set.types), set.credentials, err)
		}
	}
}

// TestAConversationIsHeldAndJudged does not ask for a conversation without
// fault, which is what the soak test itself is for, but that there was one.
func TestAConversationIsHeldAndJudged(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	r, err := Run(context.Background(), Options{Calls: 1, Seed: 1, Faults: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Conversations != 1 || r.Hours < 0.1 || r.Utterances < 10 || r.Answers < 10 || r.Streams < 2 || r.Undisturbed.Count < 5 {
		t.Errorf("not much of a conversation: %+v", r)
	}
}

// TestABrokenServiceIsFoundOut has conversations whose service is not moved in
// time, and hears of it.
func TestABrokenServiceIsFoundOut(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	var failed []Failure
	r, err := Run(context.Background(), Options{
		Calls: 1, Seed: 1, Faults: "none",
		Configure: func(c *novasonic.Config) { c.Continuation.Prepare = -1 },
		Failed:    func(f Failure) { failed = append(failed, f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.ByKind["G7 expired"] == 0 || len(failed) != 1 || !slices.Equal(r.FailedSeeds, []uint64{SeedOf(1, 0)}) {
		t.Fatalf("streams were never moved, and the report is %+v", r)
	}
	var b strings.Builder
	failed[0].Print(&b, "none")
	if again := fmt.Sprintf("parley soak --replay %d --faults none", failed[0].Seed); !strings.Contains(b.String(), again) || !strings.Contains(b.String(), "ended by the service") {
		t.Errorf("the failure is reported as\n%s", b.String())
	}
}

func TestReplayHoldsOneConversation(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	seed := SeedOf(3, 4)
	r, err := Run(context.Background(), Options{Hours: 100, Replay: &seed, Faults: "none"})
	if err != nil || r.Conversations != 1 {
		t.Errorf("%d conversations, error %v", r.Conversations, err)
	}
}

func TestARunThatIsCutShortSaysHowMuchOfItWasHeld(t *testing.T) {
	for _, c := range []struct {
		o    Options
		held string
	}{
		{Options{Calls: 20, Seed: 1, Faults: "none"}, "violations: 0, but it was interrupted: only 0 of the 20 conversations asked for were held\n"},
		{Options{Hours: 1.5, Seed: 1, Faults: "none"}, "violations: 0, but it was interrupted: only 0.0 of the 1.5 virtual hours asked for were held\n"},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r, err := Run(ctx, c.o)
		if err != nil || !r.Interrupted {
			t.Fatalf("%+v, error %v", r, err)
		}
		var b strings.Builder
		r.Print(&b)
		if !strings.HasSuffix(b.String(), c.held) {
			t.Errorf("it is reported as\n%s", b.String())
		}
	}
}

func TestAnInterruptBehindTheLastConversationIsNone(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seed := SeedOf(1, 0)
	r, err := Run(ctx, Options{Replay: &seed, Faults: "none", Progress: func(*Report) { cancel() }})
	if err != nil || r.Interrupted || r.Conversations != 1 {
		t.Errorf("%+v, error %v", r, err)
	}
}

func TestTheMedianOfAnEvenNumberLiesBetweenTheTwoInTheMiddle(t *testing.T) {
	if got := spread([]time.Duration{4, 1, 2, 40}).Median; got != 3 {
		t.Errorf("the median is %d", got)
	}
}
