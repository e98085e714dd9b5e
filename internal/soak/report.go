package soak

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what came of a run.
type Report struct {
	Seed          uint64   `json:"seed"`
	Faults        string   `json:"faults"`
	AskedHours    float64  `json:"asked_hours,omitempty"` // of virtual time; one of these two is there
	AskedCalls    int      `json:"asked_calls,omitempty"` // conversations
	Interrupted   bool     `json:"interrupted"`           // before all that was asked for had been held
	Conversations int      `json:"conversations"`
	Hours         float64  `json:"hours"` // of virtual time
	Violations    int      `json:"violations"`
	FailedSeeds   []uint64 `json:"failed_seeds"`

	// ByKind counts the violations of each kind, Swaps the changes of streams
	// for each reason, and Injected the faults of each kind that struck.
	ByKind   map[string]int `json:"violations_by_kind"`
	Swaps    map[string]int `json:"swaps"`
	Injected map[string]int `json:"faults_injected"`

	Utterances int `json:"utterances"`
	Typed      int `json:"typed"`
	Answers    int `json:"answers"`
	BargeIns   int `json:"barge_ins"`
	Streams    int `json:"streams"`

	WorstReplay  Millis `json:"worst_replay_ms"`
	WorstOverlap Millis `json:"worst_overlap_ms"`
	LostSilence  Millis `json:"lost_silence_ms"`
	LostSpeech   Millis `json:"lost_speech_ms"`

	// How much later than due the first sample of an answer was heard: where
	// nothing had happened since the caller began to speak, where a planned
	// change of streams had, and where a failure had.
	Undisturbed Spread `json:"added_latency_undisturbed"`
	Planned     Spread `json:"added_latency_planned"`
	Failures    Spread `json:"added_latency_failures"`

	Elapsed        float64 `json:"elapsed_s"`
	HoursPerSecond float64 `json:"virtual_hours_per_second"`

	undisturbed, planned, failures []time.Duration
}

// Millis is a duration that is written in milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.1f", time.Duration(m).Seconds()*1000), nil
}

func (m Millis) String() string { return time.Duration(m).Round(time.Millisecond).String() }

// Spread tells about many durations.
type Spread struct {
	Count  int    `json:"count"`
	Median Millis `json:"median_ms"`
	P99    Millis `json:"p99_ms"`
	Worst  Millis `json:"worst_ms"`
}

func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Clone(all)
	slices.Sort(all)
	at := func(q float64) Millis { return Millis(all[int(q*float64(len(all)-1))]) }
	median := (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	return Spread{Count: len(all), Median: Millis(median), P99: at(0.99), Worst: at(1)}
}

func newReport(o *Options) *Report {
	faults := o.Faults
	if faults == "" {
		faults = "all"
	}
	r := &Report{Seed: o.Seed, Faults: faults, FailedSeeds: []uint64{}, ByKind: map[string]int{}, Swaps: map[string]int{}, Injected: map[string]int{}}
	switch {
	case o.Replay != nil:
		r.AskedCalls = 1
	case o.Calls > 0:
		r.AskedCalls = o.Calls
	default:
		r.AskedHours = o.Hours
	}
	return r
}

// Held says how much of what was asked for was held.
func (r *Report) Held() string {
	if r.AskedCalls > 0 {
		return fmt.Sprintf("%d of the %s asked for", r.Conversations, count(r.AskedCalls, "conversation", "conversations"))
	}
	return fmt.Sprintf("%.1f of the %g virtual hours asked for", r.Hours, r.AskedHours)
}

// count is a number with what it counts.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func (r *Report) add(out outcome, elapsed time.Duration) {
	r.Conversations++
	r.Hours += out.length.Hours()
	r.Violations += len(out.Violations)
	if len(out.Violations) > 0 {
		r.FailedSeeds = append(r.FailedSeeds, out.seed)
	}
	for _, v := range out.Violations {
		r.ByKind[string(v.Kind)]++
	}
	f := out.Figures
	for reason, n := range f.Swaps {
		r.Swaps[string(reason)] += n
	}
	for name, n := range f.Faults {
		r.Injected[name] += n
	}
	r.Utterances += f.Utterances
	r.Typed += f.Typed
	r.Answers += f.Answers
	r.BargeIns += f.BargeIns
	r.Streams += f.Streams
	r.WorstReplay = max(r.WorstReplay, Millis(worst(f.Replayed)))
	r.WorstOverlap = max(r.WorstOverlap, Millis(worst(f.Overlap)))
	r.LostSilence += Millis(f.LostSilence)
	r.LostSpeech += Millis(f.LostSpeech)
	r.undisturbed = append(r.undisturbed, f.Undisturbed...)
	r.planned = append(r.planned, f.Added...)
	r.failures = append(r.failures, f.AddedFailed...)
	r.time(elapsed)
}

func worst(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Max(all)
}

func (r *Report) time(elapsed time.Duration) {
	r.Elapsed = elapsed.Seconds()
	r.HoursPerSecond = r.Hours / r.Elapsed
}

func (r *Report) finish(elapsed time.Duration) {
	r.time(elapsed)
	r.Undisturbed, r.Planned, r.Failures = spread(r.undisturbed), spread(r.planned), spread(r.failures)
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%.1f virtual hours in %v (%.3f hours a second): %s, %s spoken and %d typed, %s heard, %s\n",
		r.Hours, time.Duration(r.Elapsed*float64(time.Second)).Round(time.Second), r.HoursPerSecond,
		count(r.Conversations, "conversation", "conversations"), count(r.Utterances, "request", "requests"), r.Typed,
		count(r.Answers, "answer", "answers"), count(r.BargeIns, "barge-in", "barge-ins"))
	fmt.Fprintf(w, "%s; swaps: %s\n", count(r.Streams, "stream", "streams"), counts(r.Swaps))
	fmt.Fprintf(w, "faults injected: %s\n", counts(r.Injected))
	fmt.Fprintf(w, "worst replay %v, worst overlap %v; lost in failures: %v of silence, and %v of speech that was no longer kept\n", r.WorstReplay, r.WorstOverlap, r.LostSilence, r.LostSpeech)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "added latency\tanswers\tmedian\tp99\tworst\t")
	for _, l := range []struct {
		name string
		Spread
	}{{"undisturbed", r.Undisturbed}, {"after a planned swap", r.Planned}, {"after a failure", r.Failures}} {
		fmt.Fprintf(t, "%s\t%d\t%v\t%v\t%v\t\n", l.name, l.Count, l.Median, l.P99, l.Worst)
	}
	t.Flush() // to a writer whose errors are met again below
	only := ""
	if r.Interrupted {
		only = ", but it was interrupted: only " + r.Held() + " were held"
	}
	if r.Violations == 0 {
		fmt.Fprintf(w, "violations: 0%s\n", only)
		return
	}
	fmt.Fprintf(w, "violations: %d in %s: %s%s\n", r.Violations, count(len(r.FailedSeeds), "conversation", "conversations"), counts(r.ByKind), only)
}

// counts writes a map, the greatest first.
func counts(m map[string]int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, n := range names {
		parts = append(parts, fmt.Sprintf("%s %d", n, m[n]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// Print writes a failure for people, and how to see it again.
func (f Failure) Print(w io.Writer, faults string) {
	fmt.Fprintf(w, "seed %d (%s): %s\n", f.Seed, f.Plan, count(len(f.Violations), "violation", "violations"))
	for i, v := range f.Violations {
		if i == 20 {
			fmt.Fprintf(w, "  … and %d more\n", len(f.Violations)-i)
			break
		}
		fmt.Fprintf(w, "  %v\n", v)
	}
	for _, line := range f.Timeline {
		fmt.Fprintf(w, "    %s\n", line)
	}
	fmt.Fprintf(w, "  again: parley soak --replay %d --faults %s\n", f.Seed, faults)
}
