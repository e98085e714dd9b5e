package playout

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// flat is speech with the same value all over, which shows where it fades.
func flat(position, n int) *frames.AudioOutput {
	f := speech("a", "r", position, 0, n)
	for i := range f.Samples {
		f.Samples[i] = 1000
	}
	return f
}

// faded are n samples of flat speech that go or come.
func faded(n int, in bool) []int16 {
	s := slices.Repeat([]int16{1000}, n)
	if in {
		audio.FadeIn(s, 1, 0, int64(n))
	} else {
		audio.FadeOut(s, 1, 0, int64(n))
	}
	return s
}

func fading(fade int64) *player {
	p := newPlayer(mono8k, 40)
	p.fade = fade
	return p
}

func settledAs(settled []event) (told []string) {
	for _, e := range settled {
		switch e.kind {
		case eventPlayout:
			told = append(told, fmt.Sprintf("heard %d @%d fade %d flushed %v to %d", e.span.To, e.span.End, e.fade, e.cut, e.queued))
		case eventStopped:
			told = append(told, fmt.Sprintf("stopped @%d", e.span.End))
			if e.held || !e.cut {
				told = append(told, "but not as interrupted")
			}
		}
	}
	return told
}

func TestSpeechThatIsCutFadesOutAtTheBeginningOfTheNextChunk(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 1000))
	before, _ := chunks(t, p, 2)
	settled, _ := p.flush(p.position, false)
	after, _ := chunks(t, p, 2)
	if want := slices.Repeat([]int16{1000}, 80); !slices.Equal(before, want) {
		t.Errorf("before the cut: %v", before)
	}
	if want := append(faded(10, false), make([]int16, 70)...); !slices.Equal(after, want) {
		t.Errorf("after it: %v, want %v", after, want)
	}
	want := []string{fmt.Sprintf("heard 90 @90 fade %d flushed true to 1000", frames.FadeOut), "stopped @90"}
	if diff := cmp.Diff(want, settledAs(settled)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if p.stats.Speech != 90 || p.stats.Gaps != 0 || !p.idle() {
		t.Errorf("stats %+v, idle %v", p.stats, p.idle())
	}
}

func TestAFadeEndsWhereAnotherAnswerBegins(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 44))
	other := flat(44, 1000)
	other.Response = "s"
	p.addAudio(other)
	chunks(t, p, 1)
	settled, _ := p.flush(p.position, false)
	if got, _ := chunks(t, p, 1); !slices.Equal(got, append(faded(4, false), make([]int16, 36)...)) {
		t.Errorf("after the cut: %v", got)
	}
	want := []string{fmt.Sprintf("heard 44 @44 fade %d flushed true to 1044", frames.FadeOut), "stopped @44"}
	if diff := cmp.Diff(want, settledAs(settled)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestWhatIsSaidAfterACutFollowsTheFade(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 1000))
	chunks(t, p, 1)
	p.flush(p.position, false)
	next := speech("a", "s", 1000, 1, 30)
	p.addAudio(next)
	c, err := p.build(make([]int16, 40))
	if err != nil || !slices.Equal(c.Samples, append(faded(10, false), next.Samples...)) {
		t.Errorf("%v, %v", c.Samples, err)
	}
	if len(c.Spans) != 2 || c.Spans[0].To != 50 || c.Spans[0].End != 50 || c.Spans[1].Begin != 50 || c.Spans[1].To != 1030 {
		t.Errorf("spans %+v", c.Spans)
	}
}

func TestACutInAPauseBringsNothingBack(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 20))
	chunks(t, p, 1)
	p.addAudio(flat(20, 1000))
	p.flush(p.position, false)
	if got, _ := chunks(t, p, 1); !audio.IsSilent(got) {
		t.Errorf("%v", got)
	}
}

func TestWhatASinkHasTakenBackDoesNotFade(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 1000))
	chunks(t, p, 3)
	p.flush(50, true)
	if got, _ := chunks(t, p, 1); !audio.IsSilent(got) || p.position != 120 {
		t.Errorf("%v, position %d", got, p.position)
	}
}

func TestSpeechThatIsHeldGoesOnWhereItStopped(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 120))
	p.addMark(text("then"))
	_, told := chunks(t, p, 1)
	p.hold()
	p.hold()
	held, more := chunks(t, p, 3)
	told = append(told, more...)
	p.release()
	p.release()
	on, more := chunks(t, p, 3)
	told = append(told, more...)
	if want := append(faded(10, false), make([]int16, 110)...); !slices.Equal(held, want) {
		t.Errorf("held: %v, want %v", held, want)
	}
	want := append(faded(10, true), slices.Repeat([]int16{1000}, 60)...)
	want = append(want, make([]int16, 50)...)
	if !slices.Equal(on, want) {
		t.Errorf("then: %v, want %v", on, want)
	}
	wantTold := []string{
		"started r @0", "heard a 40 @40",
		"heard a 50 @50", "stopped r @50",
		"started r @160", "heard a 60 @170", "heard a 90 @200", "heard a 120 @230", `Text("then") @230`,
	}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if p.stats.Gaps != 0 || p.stats.Speech != 120 {
		t.Errorf("stats %+v", p.stats)
	}
}

func TestAnInterruptionInThePauseAfterTheLastWordCutsNothing(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 30))
	chunks(t, p, 2) // heard to its end, and not long enough ago to have stopped
	settled, _ := p.flush(p.position, false)
	want := []string{"stopped @30", "but not as interrupted"}
	if diff := cmp.Diff(want, settledAs(settled)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestWhereNothingIsLeftToHoldTheAgentHasJustStopped(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 40))
	_, told := chunks(t, p, 1)
	p.hold()
	_, more := chunks(t, p, 1)
	if want := []string{"started r @0", "heard a 40 @40", "stopped r @40"}; !slices.Equal(append(told, more...), want) {
		t.Errorf("told %v, want %v", append(told, more...), want)
	}
	if p.paused || p.rising {
		t.Error("something is held")
	}
	p.addAudio(flat(40, 40)) // which comes late, and waits
	p.flush(p.position, false)
	p.addAudio(flat(80, 40))
	if got, told := chunks(t, p, 1); !slices.Equal(got, slices.Repeat([]int16{1000}, 40)) || told[0] != "started r @80" {
		t.Errorf("what is said next: %v, %v", got, told)
	}
}

func TestASecondHoldAtOnceFadesOutAndInAgain(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 1000))
	chunks(t, p, 1)
	p.hold()
	p.release() // before anything else was built
	got, _ := chunks(t, p, 1)
	want := slices.Concat(faded(10, false), faded(10, true), slices.Repeat([]int16{1000}, 20))
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestWhatIsHeldIsThrownAwayByAnInterruption(t *testing.T) {
	p := fading(10)
	p.addAudio(flat(0, 1000))
	chunks(t, p, 1)
	p.hold()
	chunks(t, p, 1)
	settled, _ := p.flush(p.position, false)
	want := []string{fmt.Sprintf("heard 50 @80 fade %d flushed true to 1000", frames.NoFade), "stopped @50"}
	if diff := cmp.Diff(want, settledAs(settled)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	p.addAudio(speech("a", "s", 1000, 1, 40))
	if got, _ := chunks(t, p, 1); !slices.Equal(got, ramp(1, 40)) {
		t.Errorf("what is said next is %v: it must neither be held nor fade", got)
	}
}

func TestWhatIsSaidWhileSpeechIsHeldWaitsBehindIt(t *testing.T) {
	p := fading(10)
	p.hold() // in silence
	p.addMark(mark{context.Background(), &frames.Text{Text: "before"}})
	p.addAudio(speech("a", "s", 0, 1, 40))
	got, told := chunks(t, p, 2)
	if !audio.IsSilent(got) || !slices.Equal(told, []string{`Text("before") @0`}) {
		t.Errorf("held: %v, %v", got, told)
	}
	p.release()
	if got, _ := chunks(t, p, 1); !slices.Equal(got, ramp(1, 40)) {
		t.Errorf("%v: nothing had faded out, so nothing fades in", got)
	}
}
