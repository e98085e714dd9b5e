package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/timeline"
	"github.com/parley-go/parley/services/novasonic"
)

// told is a step of a move, so many seconds into the call.
type told struct {
	at float64
	novasonic.SwapStatus
}

// follow tells a call of moves, in virtual time.
func follow(t *testing.T, steps ...told) *moves {
	t.Helper()
	m := &moves{}
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		m.callerHeard(0)
		cuts := map[int]novasonic.SwapStatus{}
		for _, s := range steps {
			if s.Rate == 0 { // figures keep their values in later steps
				s.CutAt, s.Rate = cuts[s.Number].CutAt, cuts[s.Number].Rate
			}
			cuts[s.Number] = s.SwapStatus
			time.Sleep(time.Until(began.Add(seconds(s.at))))
			m.see(s.SwapStatus)
		}
	})
	return m
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func step(at float64, number int, reason novasonic.SwapReason, step novasonic.SwapStep, from, to int) told {
	s := novasonic.SwapStatus{Number: number, Reason: reason, Step: step, From: from, To: to, Attempts: 1}
	if step == novasonic.SwapCut {
		s.CutAt, s.Rate = audio.Position(at*16000), audio.Rate16k
	}
	return told{at, s}
}

// lifeOf is what is drawn of the streams of a call of a minute.
func lifeOf(m *moves) []timeline.Stream {
	c := timeline.Call{Length: time.Minute}
	m.draw(&c)
	return c.Streams
}

func phases(p ...any) (all []timeline.Phase) {
	for i := 0; i+2 < len(p); i += 2 {
		all = append(all, timeline.Phase{State: p[i+1].(timeline.State), From: seconds(p[i].(float64)), To: seconds(p[i+2].(float64))})
	}
	return all
}

func TestTheLivesOfStreamsFollowFromTheStepsOfMoves(t *testing.T) {
	const age, failure = novasonic.SwapAge, novasonic.SwapFailure
	for _, tc := range []struct {
		name  string
		steps []told
		want  []timeline.Stream
	}{
		{"no move", nil, []timeline.Stream{{Number: 1, Phases: phases(0.0, timeline.Listening, 60.0)}}},
		{"a planned move", []told{
			step(20, 1, age, novasonic.SwapBegun, 1, 0), step(21, 1, age, novasonic.SwapReady, 1, 2), step(25, 1, age, novasonic.SwapCut, 1, 2),
			step(28, 1, age, novasonic.SwapDrained, 1, 2), step(29, 1, age, novasonic.SwapClosed, 1, 2),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 25.0, timeline.Draining, 28.0, timeline.Closing, 29.0)},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 21.0, timeline.Standby, 25.0, timeline.Listening, 60.0)},
		}},
		{"a stream that dies while it listens", []told{
			step(20, 1, failure, novasonic.SwapBegun, 1, 0), step(21, 1, failure, novasonic.SwapCut, 1, 2), step(21, 1, failure, novasonic.SwapGone, 1, 2),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 20.0), Died: true},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 21.0, timeline.Listening, 60.0)},
		}},
		{"a stream that dies while the next one waits", []told{
			step(20, 1, age, novasonic.SwapBegun, 1, 0), step(21, 1, age, novasonic.SwapReady, 1, 2),
			step(22, 1, failure, novasonic.SwapBegun, 1, 2), step(22, 1, failure, novasonic.SwapCut, 1, 2), step(22, 1, failure, novasonic.SwapGone, 1, 2),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 22.0), Died: true},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 21.0, timeline.Standby, 22.0, timeline.Listening, 60.0)},
		}},
		{"a standby that dies", []told{
			step(20, 1, age, novasonic.SwapBegun, 1, 0), step(21, 1, age, novasonic.SwapReady, 1, 2), step(22, 1, age, novasonic.SwapRetried, 1, 2),
			step(23, 1, age, novasonic.SwapReady, 1, 3), step(25, 1, age, novasonic.SwapAbandoned, 1, 3),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 60.0)},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 21.0, timeline.Standby, 22.0), Died: true},
			{Number: 3, Phases: phases(20.0, timeline.Opening, 23.0, timeline.Standby, 25.0)},
		}},
		{"a standby that is discarded", []told{
			step(20, 1, age, novasonic.SwapBegun, 1, 0), step(21, 1, age, novasonic.SwapReady, 1, 2), step(22, 1, age, novasonic.SwapDiscarded, 1, 2),
			step(23, 1, age, novasonic.SwapReady, 1, 3), step(25, 1, age, novasonic.SwapCut, 1, 3),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 25.0, timeline.Draining, 60.0)},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 21.0, timeline.Standby, 22.0)},
			{Number: 3, Phases: phases(22.0, timeline.Opening, 23.0, timeline.Standby, 25.0, timeline.Listening, 60.0)},
		}},
		{"a stream that dies while it drains", []told{
			step(20, 1, age, novasonic.SwapBegun, 1, 0), step(20, 1, age, novasonic.SwapReady, 1, 2), step(20, 1, age, novasonic.SwapCut, 1, 2),
			step(23, 1, age, novasonic.SwapGone, 1, 2),
		}, []timeline.Stream{
			{Number: 1, Phases: phases(0.0, timeline.Listening, 20.0, timeline.Draining, 23.0), Died: true},
			{Number: 2, Phases: phases(20.0, timeline.Opening, 20.0, timeline.Standby, 20.0, timeline.Listening, 60.0)},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lifeOf(follow(t, tc.steps...))); diff != "" {
				t.Errorf("streams (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAnswerIsTheStreamsThatBeganIt(t *testing.T) {
	m := follow(t,
		step(20, 1, novasonic.SwapAge, novasonic.SwapBegun, 1, 0), step(20, 1, novasonic.SwapAge, novasonic.SwapReady, 1, 2),
		step(25, 1, novasonic.SwapAge, novasonic.SwapCut, 1, 2), step(30, 1, novasonic.SwapAge, novasonic.SwapDrained, 1, 2),
	)
	for _, tc := range []struct {
		name          string
		begun, voiced float64
		want          int
	}{
		{"before the cut", 24, 24.1, 1},
		{"before the cut, voiced behind it", 24.9, 25.1, 1},
		{"while the old stream drains: it goes on about a tool", 27, 27.1, 1},
		{"and ends the drain", 29.9, 30, 2},
		{"after it", 40, 40.1, 2},
	} {
		at := func(s float64) time.Time { return m.began.Add(seconds(s)) }
		if got := m.speaker(response{at(tc.begun), at(tc.voiced)}); got != tc.want {
			t.Errorf("%s: stream %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestTheTableRemarksWhatIsUnusual(t *testing.T) {
	bad := step(20, 1, novasonic.SwapFailure, novasonic.SwapBegun, 1, 0)
	bad.Err = errors.New("the service\nis tired")
	cut := step(21, 1, novasonic.SwapFailure, novasonic.SwapCut, 1, 2)
	cut.Forced, cut.Attempts, cut.Deaf, cut.Lost, cut.Replayed, cut.History = true, 3, seconds(1), seconds(0.25), seconds(4), 1234
	ready := step(50, 2, novasonic.SwapAge, novasonic.SwapReady, 2, 3)
	table := strings.Join(swapTable(follow(t, bad, cut, ready).swaps()), "\n")
	for _, want := range []string{"00:21.000", "failure", "1 → 2", "4000", "1234 B", "forced", "3 attempts", "nobody listened for 1000", "250 LOST", "the service; is tired", "the call ended first"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if lines := swapTable(nil); !slices.Equal(lines, nil) {
		t.Errorf("without a move there is %q", lines)
	}
}
