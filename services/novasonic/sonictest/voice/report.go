package voice

import (
	"fmt"
	"sort"
	"strings"
)

// Span is a stretch of one sentence: its samples [From, To).
type Span struct {
	Sentence int // index among the expected sentences
	From, To int
	At       int // where in the recording; see the fields of [Report]
}

// Len returns the span's number of samples.
func (s Span) Len() int { return s.To - s.From }

// Stretch is a stretch of the recording: Length samples from At.
type Stretch struct {
	At, Length int
}

// Delay is a pause in the middle of a sentence that the sentence does not have.
type Delay struct {
	Sentence int
	Offset   int // the sample of the sentence that came late
	Stretch      // the pause in the recording
}

// Overlap is a stretch in which two sentences sounded at the same time.
type Overlap struct {
	First, Second int // sentences, in the order in which they began
	Stretch
}

// Report tells what became of every sample of the expected sentences.
type Report struct {
	// Segments are the pieces that were heard, by their position in the
	// recording. A sentence that was heard undisturbed is one segment.
	Segments []Span

	// Gaps are the samples that were never heard, although samples before and
	// after them were. At is where the piece after them was heard.
	Gaps []Span

	// Unheard are the samples that were never heard at the beginning or at the
	// end of a sentence, or all of it: what an interruption leaves. At is -1.
	Unheard []Span

	// Repeats are the samples that were heard again, at At.
	Repeats []Span

	// Reordered are the samples that were heard for the first time, at At,
	// after samples that they precede.
	Reordered []Span

	// Delays are the pauses inside sentences.
	Delays []Delay

	// Overlaps are the stretches in which two sentences sound together.
	Overlaps []Overlap

	// Unknown are the stretches of the recording that hold anything but zeros
	// and are no part of any sentence.
	Unknown []Stretch
}

// Seamless tells whether all that was heard was heard in one piece, in order
// and once: nothing but Segments and Unheard is there.
func (r *Report) Seamless() bool {
	return len(r.Gaps)+len(r.Repeats)+len(r.Reordered)+len(r.Delays)+len(r.Overlaps)+len(r.Unknown) == 0
}

// String lists all that is wrong, a line each; "seamless" if nothing is.
func (r *Report) String() string {
	var b strings.Builder
	spans := func(what string, all []Span) {
		for _, s := range all {
			fmt.Fprintf(&b, "%s: sentence %d, samples %d to %d, at %d\n", what, s.Sentence, s.From, s.To, s.At)
		}
	}
	spans("gap", r.Gaps)
	spans("repeat", r.Repeats)
	spans("reordered", r.Reordered)
	for _, d := range r.Delays {
		fmt.Fprintf(&b, "delay: sentence %d, sample %d, %d samples late at %d\n", d.Sentence, d.Offset, d.Length, d.At)
	}
	for _, o := range r.Overlaps {
		fmt.Fprintf(&b, "overlap: sentences %d and %d, %d samples at %d\n", o.First, o.Second, o.Length, o.At)
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(&b, "unknown: %d samples at %d\n", u.Length, u.At)
	}
	if b.Len() == 0 {
		return "seamless"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// compile completes the report from its segments and overlaps.
func (r *Report) compile(recording []int16, sentences [][]int16) {
	sort.SliceStable(r.Segments, func(i, j int) bool { return r.Segments[i].At < r.Segments[j].At })
	for i, samples := range sentences {
		r.judge(i, len(samples))
	}
	at := 0
	for _, s := range r.Segments {
		r.unknown(recording, at, s.At)
		at = max(at, s.At+s.Len())
	}
	r.unknown(recording, at, len(recording))
}

// judge follows one sentence through the recording.
func (r *Report) judge(sentence, length int) {
	heard := make(map[int]int) // where a covered stretch begins → where it ends; disjoint
	last := Span{To: -1}
	furthest := 0
	pieces := make([]Span, 0, 4)
	for _, s := range r.Segments {
		if s.Sentence != sentence {
			continue
		}
		pieces = append(pieces, s)
		r.Repeats = append(r.Repeats, intersect(heard, s)...)
		for _, fresh := range subtract(s, heard) {
			if fresh.From < furthest {
				r.Reordered = append(r.Reordered, fresh)
			}
			heard[fresh.From] = fresh.To
		}
		if last.To >= 0 && s.From >= last.To {
			pause := s.At - (last.At + last.Len())
			if late := pause - (s.From - last.To); late > 0 {
				r.Delays = append(r.Delays, Delay{Sentence: sentence, Offset: s.From, Stretch: Stretch{At: s.At - late, Length: late}})
			}
		}
		last = s
		furthest = max(furthest, s.To)
	}

	for _, missing := range subtract(Span{Sentence: sentence, To: length}, heard) {
		if missing.From == 0 || missing.To == length {
			missing.At = -1
			r.Unheard = append(r.Unheard, missing)
			continue
		}
		for _, p := range pieces {
			if p.From <= missing.To && missing.To < p.To {
				missing.At = p.At + missing.To - p.From
				break
			}
		}
		r.Gaps = append(r.Gaps, missing)
	}
}

// unknown reports what is not silent in recording[from:to].
func (r *Report) unknown(recording []int16, from, to int) {
	for from < to && recording[from] == 0 {
		from++
	}
	for to > from && recording[to-1] == 0 {
		to--
	}
	if from < to {
		r.Unknown = append(r.Unknown, Stretch{At: from, Length: to - from})
	}
}

// intersect returns the parts of s that are covered.
func intersect(covered map[int]int, s Span) []Span {
	var out []Span
	for _, from := range sortedStarts(covered) {
		a, b := max(from, s.From), min(covered[from], s.To)
		if a < b {
			out = append(out, Span{Sentence: s.Sentence, From: a, To: b, At: s.At + a - s.From})
		}
	}
	return out
}

// subtract returns the parts of s that are not covered.
func subtract(s Span, covered map[int]int) []Span {
	var out []Span
	at := s.From
	for _, from := range sortedStarts(covered) {
		if from > at && at < s.To {
			out = append(out, Span{Sentence: s.Sentence, From: at, To: min(from, s.To), At: s.At + at - s.From})
		}
		at = max(at, covered[from])
	}
	if at < s.To {
		out = append(out, Span{Sentence: s.Sentence, From: at, To: s.To, At: s.At + at - s.From})
	}
	return out
}

func sortedStarts(covered map[int]int) []int {
	starts := make([]int, 0, len(covered))
	for from := range covered {
		starts = append(starts, from)
	}
	sort.Ints(starts)
	return starts
}
