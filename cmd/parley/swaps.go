package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/parley-go/parley/internal/printing"
	"github.com/parley-go/parley/services/novasonic"
)

// Swap is a move of the call from one stream of the service to another, as far as
// it came. Figures are 0 where it did not come to them.
type Swap struct {
	Number int     `json:"number"` // counts the moves from 1
	Reason string  `json:"reason"` // "age", "credentials", "change", "failure" or "request"
	Step   string  `json:"step"`   // the last that was reached: "closed" or "gone" if all went well
	From   int     `json:"from_stream"`
	To     int     `json:"to_stream,omitempty"` // left out if it was never open
	Forced bool    `json:"forced"`              // there was no time left to wait for silence
	Begun  Millis  `json:"begun_ms"`            // when the next stream began to be opened, in the call
	CutAt  *Millis `json:"cut_at_ms,omitempty"` // from where on in the call only the new stream heard; left out if it never did

	Prepare    Millis `json:"prepare_ms"`    // to open the next stream
	Wait       Millis `json:"wait_ms"`       // for a good moment
	Cut        Millis `json:"cut_ms"`        // to hand over
	Deaf       Millis `json:"deaf_ms"`       // nobody listened: what was said then was heard again
	Drain      Millis `json:"drain_ms"`      // the old stream had something left to say or to tell
	Replayed   Millis `json:"replayed_ms"`   // of the caller, that the new stream heard from before the cut
	Overlapped Millis `json:"overlapped_ms"` // of that, what both had heard
	Lost       Millis `json:"lost_ms"`       // of the caller, that nobody heard
	OutputGap  Millis `json:"output_gap_ms"` // silence within the agent's speech because of the move
	History    int    `json:"history_bytes"` // that the new stream was told

	Attempts int    `json:"attempts"` // to open the next stream
	Error    string `json:"error,omitempty"`
}

// moves follows what the service tells of its moves.
type moves struct {
	began time.Time // when the call did; zero before the caller was heard
	list  []*move
}

// move is one move, with when it came to each of its steps.
type move struct {
	novasonic.SwapStatus
	reached []reached
}

type reached struct {
	step   novasonic.SwapStep
	reason novasonic.SwapReason
	at     time.Time
	to     int
}

// callerHeard notes that the caller's audio up to an instant of the call has
// come now. What came with the least delay tells best when the call began.
func (m *moves) callerHeard(upTo time.Duration) {
	if began := time.Now().Add(-upTo); m.began.IsZero() || began.Before(m.began) {
		m.began = began
	}
}

func (m *moves) see(s novasonic.SwapStatus) {
	i := slices.IndexFunc(m.list, func(o *move) bool { return o.Number == s.Number })
	if i < 0 {
		i = len(m.list)
		m.list = append(m.list, &move{})
	}
	o := m.list[i]
	if s.Err == nil {
		s.Err = o.Err // the reason is told once
	}
	o.SwapStatus = s
	o.reached = append(o.reached, reached{s.Step, s.Reason, time.Now(), s.To})
}

// when is when a move came to a step for the first time; zero if it did not.
func (m *move) when(step novasonic.SwapStep) time.Time {
	for _, r := range m.reached {
		if r.step == step {
			return r.at
		}
	}
	return time.Time{}
}

// cutAt is where on the caller's clock the cut is, if there was one.
func (m *move) cutAt() (time.Duration, bool) {
	if m.Rate == 0 {
		return 0, false
	}
	return m.Rate.Duration(int64(m.CutAt)), true
}

// at is an instant in the call: its beginning if nothing was heard of the caller
// yet.
func (m *moves) at(t time.Time) time.Duration {
	if m.began.IsZero() {
		return 0
	}
	return max(0, t.Sub(m.began))
}

// swaps are the moves for the summary.
func (m *moves) swaps() []Swap {
	all := []Swap{}
	for _, o := range m.list {
		s := Swap{
			Number: o.Number, Reason: string(o.Reason), Step: string(o.Step), From: o.From, To: o.To, Forced: o.Forced,
			Begun:   millis(m.at(o.reached[0].at)),
			Prepare: millis(o.Prepare), Wait: millis(o.Wait), Cut: millis(o.Cut), Deaf: millis(o.Deaf), Drain: millis(o.Drain),
			Replayed: millis(o.Replayed), Overlapped: millis(o.Overlapped), Lost: millis(o.Lost), OutputGap: millis(o.OutputGap),
			History: o.History, Attempts: o.Attempts,
		}
		if at, some := o.cutAt(); some {
			cut := millis(at)
			s.CutAt = &cut
		}
		if o.Err != nil {
			s.Error = oneLine(o.Err)
		}
		all = append(all, s)
	}
	return all
}

// unheard is an error if there is something of the caller that the service never
// heard: the call was over before it came back, or it was away for too long.
func (m *moves) unheard() error {
	var errs []error
	var lost time.Duration
	for _, o := range m.list {
		if o.Reason == novasonic.SwapFailure { // else the old stream has heard it
			lost += o.Lost
		}
	}
	if lost > 0 {
		errs = append(errs, fmt.Errorf("%v of what the caller said was heard by nobody: the service was away for too long", lost.Round(100*time.Millisecond)))
	}
	if m.lost() {
		last := m.list[len(m.list)-1]
		i := slices.IndexFunc(last.reached, func(r reached) bool { return r.reason == novasonic.SwapFailure })
		err := fmt.Errorf("the service was lost at %s and did not come back: nobody heard the caller from there on", printing.Clock(m.at(last.reached[i].at)))
		if last.Err != nil {
			err = fmt.Errorf("%w: %w", err, last.Err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// lost tells whether the service failed and did not come back.
func (m *moves) lost() bool {
	if len(m.list) == 0 {
		return false
	}
	last := m.list[len(m.list)-1]
	_, heard := last.cutAt()
	return last.Reason == novasonic.SwapFailure && !heard
}

// survived are those of some errors after which the conversation went on. The last
// stream that ended told that it would.
func (m *moves) survived(errs []error) (texts []string) {
	last := -1
	for i, err := range errs {
		if m.lost() && errors.Is(err, novasonic.ErrContinuing) {
			last = i
		}
	}
	for i, err := range errs {
		if i != last {
			texts = append(texts, err.Error())
		}
	}
	return texts
}

// swapTable is the moves as lines for people: nothing if there were none.
func swapTable(swaps []Swap) []string {
	if len(swaps) == 0 {
		return nil
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "move\tcut at\twhy\tstreams\tprepare\twait\tcut\tdrain\treplayed\toverlapped\tgap\thistory\t\n")
	for _, s := range swaps {
		cut, to := "–", "–"
		if s.CutAt != nil {
			ms := int64(*s.CutAt)
			cut = fmt.Sprintf("%02d:%02d.%03d", ms/60_000, ms/1000%60, ms%1000)
		}
		if s.To > 0 {
			to = fmt.Sprint(s.To)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d → %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d B\t%s\n", s.Number, cut, s.Reason, s.From, to,
			s.Prepare, s.Wait, s.Cut, s.Drain, s.Replayed, s.Overlapped, s.OutputGap, s.History, s.remarks())
	}
	w.Flush() // a Buffer takes everything
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return append([]string{"moves between streams, in milliseconds:"}, lines...)
}

// remarks is what is not usual about a move.
func (s *Swap) remarks() string {
	var r []string
	if s.Forced {
		r = append(r, "forced")
	}
	if s.Attempts > 1 {
		r = append(r, fmt.Sprintf("%d attempts", s.Attempts))
	}
	if s.Deaf > 0 {
		r = append(r, fmt.Sprintf("nobody listened for %d", s.Deaf))
	}
	if s.Lost > 0 {
		r = append(r, fmt.Sprintf("%d LOST", s.Lost))
	}
	switch {
	case s.Step == string(novasonic.SwapAbandoned):
		r = append(r, "abandoned")
	case s.CutAt == nil:
		r = append(r, "the call ended first")
	}
	if s.Error != "" {
		r = append(r, s.Error)
	}
	if len(r) == 0 {
		return ""
	}
	return "  " + strings.Join(r, ", ")
}
