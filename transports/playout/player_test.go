package playout

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// newPlayer plays chunks of 4 samples at 8 kHz unless told otherwise.
func newPlayer(format audio.Format, chunk int64) *player {
	return &player{format: format, chunk: chunk, stopDelay: 3 * chunk}
}

var mono8k = audio.Mono(audio.Rate8k)

// ramp returns the samples first, first+1, …
func ramp(first, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(first + i)
	}
	return s
}

func speech(track, response string, position, first, n int) *frames.AudioOutput {
	return &frames.AudioOutput{
		Audio:    frames.Audio{Format: mono8k, Samples: ramp(first, n), Track: track, Position: audio.Position(position)},
		Response: response,
	}
}

// chunks builds n chunks and returns all samples, and the events in the order
// in which they are told, as words.
func chunks(t interface{ Fatalf(string, ...any) }, p *player, n int) (samples []int16, told []string) {
	for range n {
		dst := make([]int16, int(p.chunk)*p.format.Channels)
		c, err := p.build(dst)
		if err != nil {
			t.Fatalf("build: %v", err)
		}
		samples = append(samples, c.Samples...)
		told = append(told, tell(p, p.position)...)
	}
	return samples, told
}

func tell(p *player, now audio.Position) (told []string) {
	for {
		e, ok := p.next(now)
		if !ok {
			return told
		}
		switch e.kind {
		case eventStarted:
			told = append(told, fmt.Sprintf("started %s @%d", e.span.Response, e.span.Begin))
		case eventStopped:
			told = append(told, fmt.Sprintf("stopped %s @%d", e.span.Response, e.span.End))
		case eventPlayout:
			told = append(told, fmt.Sprintf("heard %s %d @%d", e.span.Track, e.span.To, e.span.End))
		case eventGap:
			told = append(told, fmt.Sprintf("gap %d @%d", e.gap, e.span.Begin))
		case eventMark:
			told = append(told, fmt.Sprintf("%v @%d", e.mark.frame, e.due))
		}
	}
}

func text(s string) mark { return mark{context.Background(), &frames.Text{Text: s}} }

func TestAudioIsCutIntoChunksAndTheLastIsFilledUp(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addAudio(speech("a", "r", 100, 1, 3))
	p.addAudio(speech("a", "r", 103, 4, 3))
	got, told := chunks(t, p, 6)
	if want := []int16{1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("played %v, want %v", got, want)
	}
	want := []string{"started r @0", "heard a 104 @4", "heard a 106 @6", "stopped r @6"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if !p.idle() {
		t.Error("not idle when all was told")
	}
}

func TestTTSStopBehindTheAudioEndsTheSpeechAtOnce(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addAudio(speech("a", "r", 0, 1, 4))
	p.addMark(mark{context.Background(), &frames.TTSStop{Response: "r"}})
	_, told := chunks(t, p, 1)
	_, later := chunks(t, p, 1)
	want := []string{"started r @0", "heard a 4 @4", "TTSStop(r) @4"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told with the last chunk (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stopped r @4"}, later); diff != "" {
		t.Errorf("told with the next (-want +got):\n%s", diff)
	}
}

func TestFramesKeepTheirPlaceInTheAudio(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addMark(text("before"))
	p.addAudio(speech("a", "", 0, 1, 6))
	p.addMark(text("between"))
	p.addAudio(speech("a", "", 6, 7, 2))
	p.addMark(text("after"))
	p.addMark(text("and more"))
	_, told := chunks(t, p, 2)
	want := []string{
		`Text("before") @0`, "started  @0", "heard a 4 @4",
		`Text("between") @6`, "heard a 8 @8", `Text("after") @8`, `Text("and more") @8`,
	}
	// Of what is due at one instant, system frames come first.
	want[0], want[1] = want[1], want[0]
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestGapInsideAResponseIsMeasuredToTheSample(t *testing.T) {
	for name, c := range map[string]struct {
		first, second *frames.AudioOutput
		wait          int // chunks in between
		gap           int64
	}{
		"the same response, late":       {speech("a", "r", 0, 1, 6), speech("a", "r", 6, 7, 4), 1, 2 + 4},
		"the same response, very late":  {speech("a", "r", 0, 1, 6), speech("a", "r", 6, 7, 4), 20, 2 + 80},
		"no response named, soon":       {speech("a", "", 0, 1, 8), speech("a", "", 8, 9, 4), 2, 8},
		"no response named, much later": {speech("a", "", 0, 1, 8), speech("a", "", 8, 9, 4), 20, 0},
		"another response":              {speech("a", "r", 0, 1, 6), speech("a", "s", 6, 7, 4), 1, 0},
		"in time":                       {speech("a", "r", 0, 1, 8), speech("a", "r", 8, 9, 4), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(mono8k, 4)
			p.addAudio(c.first)
			chunks(t, p, 2+c.wait)
			p.addAudio(c.second)
			_, told := chunks(t, p, 1)
			gaps := 0
			if c.gap > 0 {
				gaps = 1
				if want := fmt.Sprintf("gap %d @%d", c.gap, 8+4*c.wait); told[0] != want {
					t.Errorf("told %q, want %q first", told, want)
				}
			}
			if p.stats.Gaps != gaps || p.stats.GapSamples != c.gap {
				t.Errorf("%d gaps of %d samples, want %d of %d", p.stats.Gaps, p.stats.GapSamples, gaps, c.gap)
			}
		})
	}
}

func TestInterruptionThrowsAwayWhatWasNotBuiltAndTellsHowMuch(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addAudio(speech("a", "r", 100, 1, 10))
	p.addMark(text("gone"))
	p.addMark(mark{context.Background(), &frames.SpokenText{Text: "stays"}})
	p.addAudio(speech("a", "r", 110, 11, 5))
	p.addAudio(speech("b", "s", 0, 50, 8))
	chunks(t, p, 1)
	dst := make([]int16, 4)
	if _, err := p.build(dst); err != nil {
		t.Fatal(err)
	}
	tracks, survivors := p.flush(p.position, false)

	type cut struct {
		Track         string
		Heard, Queued audio.Position
		Any           bool
	}
	var got []cut
	for _, f := range tracks {
		if f.kind == eventPlayout {
			got = append(got, cut{f.span.Track, f.span.To, f.queued, f.cut})
		}
	}
	if diff := cmp.Diff([]cut{{"a", 108, 115, true}, {"b", 0, 8, true}}, got); diff != "" {
		t.Errorf("cut (-want +got):\n%s", diff)
	}
	if len(survivors) != 1 || survivors[0].frame.String() != `SpokenText("stays")` {
		t.Errorf("survivors %v, want the spoken text", survivors)
	}
	if want := (7 + 8) * time.Second / 8000; p.stats.Flushed != want {
		t.Errorf("%v flushed, want %v", p.stats.Flushed, want)
	}
	after, told := chunks(t, p, 2)
	if !audio.IsSilent(after) || len(told) > 0 || !p.idle() {
		t.Errorf("after the interruption it played %v and told %q", after, told)
	}
}

func TestInterruptionOfASinkThatCanFlushCountsOnlyWhatWasHeard(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addAudio(speech("a", "r", 0, 1, 100))
	for range 5 { // ahead by a lead of five chunks
		if _, err := p.build(make([]int16, 4)); err != nil {
			t.Fatal(err)
		}
	}
	tell(p, 10)
	tracks, _ := p.flush(10, true)
	if len(tracks) != 2 || tracks[0].span.To != 10 || tracks[0].queued != 100 || tracks[1].kind != eventStopped || tracks[1].span.End != 10 || !tracks[1].cut {
		t.Errorf("cut %+v, want heard 10 of 100 and the end of the speech", tracks)
	}
	if p.position != 12 || p.stats.Speech != 10 {
		t.Errorf("the clock goes on at %d with %d samples of speech, want 12 and 10", p.position, p.stats.Speech)
	}
}

func TestSpeechThatIsTakenBackBeforeItsFirstSampleHasNotStarted(t *testing.T) {
	for heard, want := range map[audio.Position]int{7: 0, 8: 0, 9: 1} {
		p := newPlayer(mono8k, 4)
		chunks(t, p, 2)
		p.addAudio(speech("a", "r", 0, 1, 100)) // from 8 on
		for range 3 {
			if _, err := p.build(make([]int16, 4)); err != nil {
				t.Fatal(err)
			}
		}
		settled, _ := p.flush(heard, true)
		started, stopped := 0, 0
		for _, e := range settled {
			switch e.kind {
			case eventStarted:
				started++
			case eventStopped:
				stopped++
			}
		}
		if started != want || stopped != want {
			t.Errorf("heard up to %d, the speech has started %d times and stopped %d times, want %d", heard, started, stopped, want)
		}
	}
}

func TestAudioOfAnotherRateKeepsItsPositions(t *testing.T) {
	for _, in := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate44k, audio.Rate48k} {
		t.Run(in.String(), func(t *testing.T) {
			p := newPlayer(audio.Mono(audio.Rate24k), 480)
			n := int(in) // one second
			tone := make([]int16, n)
			for i := range tone {
				tone[i] = int16(10000 * math.Sin(2*math.Pi*440*float64(i)/float64(in)))
			}
			p.addAudio(&frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(in), Samples: tone, Track: "a", Position: 1000}})
			var out []int16
			var spans []Span
			for range 60 {
				dst := make([]int16, 480)
				c, err := p.build(dst)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, dst...)
				spans = append(spans, c.Spans...)
			}
			if got := spans[len(spans)-1].To; got != audio.Position(1000+n) {
				t.Errorf("heard up to %d, want %d", got, 1000+n)
			}
			end := int(spans[len(spans)-1].End)
			if d := end - 24000; d < 0 || d > 200 {
				t.Errorf("it ended at %d, want 24000 and the filter's delay at most", end)
			}
			at := audio.Position(1000)
			for _, s := range spans {
				if s.From != at {
					t.Fatalf("a span begins at %d of the track, the one before ended at %d", s.From, at)
				}
				at = s.To
				// What is heard at a place is the sample that the span names.
				if want := 24000 * int64(s.To-1000) / int64(in); s.To < audio.Position(1000+n) && math.Abs(float64(int64(s.End)-want)) > 200 {
					t.Errorf("sample %d is heard at %d, want about %d", s.To, s.End, want)
				}
			}
			if rms := audio.RMS(out[480:23500]); math.Abs(rms-audio.RMS(tone)) > 0.1 {
				t.Errorf("the level changed from %.2f to %.2f dB", audio.RMS(tone), rms)
			}
		})
	}
}

func TestStereoIsMixedForAMonoSink(t *testing.T) {
	p := newPlayer(mono8k, 4)
	p.addAudio(&frames.AudioOutput{Audio: frames.Audio{Format: audio.Stereo(audio.Rate8k), Samples: []int16{10, 20, 30, 50, -4, 4}, Track: "a"}})
	got, told := chunks(t, p, 1)
	if want := []int16{15, 40, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("played %v, want %v", got, want)
	}
	if want := "heard a 3 @3"; told[1] != want {
		t.Errorf("told %q, want %q", told, want)
	}
}

// at returns speech of a rate.
func at(rate audio.SampleRate, position, n int, response string) *frames.AudioOutput {
	return &frames.AudioOutput{
		Audio:    frames.Audio{Format: audio.Mono(rate), Samples: ramp(1, n), Track: "a", Position: audio.Position(position)},
		Response: response,
	}
}

var rates = []struct{ in, out audio.SampleRate }{{24000, 8000}, {24000, 16000}, {16000, 24000}, {8000, 24000}, {22050, 24000}, {44100, 8000}, {8000, 44100}}

func TestAnAnswerBeginsWithTheFirstSampleThatIsOfIt(t *testing.T) {
	for _, r := range rates {
		resampler, err := audio.NewResampler(r.in, r.out, 1)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1000; n < 1010; n++ { // samples of the answer before
			p := newPlayer(audio.Mono(r.out), 12_000)
			p.addAudio(at(r.in, 0, n, "r"))
			p.addAudio(at(r.in, n, 1000, "s"))
			c, err := p.build(make([]int16, 12_000))
			if err != nil || len(c.Spans) < 2 || c.Spans[0].Response != "r" || c.Spans[1].Response != "s" {
				t.Fatalf("%v: spans %+v, %v", r, c.Spans, err)
			}
			// Behind the filter's delay, sample i of the output is heard at the time of
			// the input's i·in/out.
			i := int(c.Spans[1].Begin) - resampler.Delay()
			if in, out := int(r.in), int(r.out); i*in < n*out || (i-1)*in >= n*out {
				t.Errorf("%v: sample %d of the output is said to be the first behind %d of the input", r, i, n)
			}
		}
	}
}

func TestAFrameAmongAudioOfAnotherRateKeepsItsPlace(t *testing.T) {
	for _, r := range rates {
		p := newPlayer(audio.Mono(r.out), 12_000)
		p.addAudio(at(r.in, 0, 1000, "r"))
		p.addMark(text("between"))
		p.addAudio(at(r.in, 1000, 1000, "s")) // which begins where the mark is
		c, err := p.build(make([]int16, 12_000))
		if err != nil || len(c.Spans) < 2 {
			t.Fatalf("%v: spans %+v, %v", r, c.Spans, err)
		}
		for _, e := range p.events {
			if e.kind == eventMark && (e.due-c.Spans[1].Begin < -1 || e.due-c.Spans[1].Begin > 1) {
				t.Errorf("%v: it is due at %d, and what is behind it begins at %d", r, e.due, c.Spans[1].Begin)
			}
		}
	}
}

// Whatever pieces audio comes in, and whenever, all of it is played once and in
// order, and the reports name every sample of it.
func TestNothingIsLostRepeatedOrMisplaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunk := rapid.Int64Range(1, 50).Draw(t, "chunk")
		p := newPlayer(mono8k, chunk)
		var want, played []int16
		heard := audio.Position(0)
		var spoken, at int64
		step := func() {
			dst := make([]int16, chunk)
			c, err := p.build(dst)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.Spans {
				if s.From != heard || s.To-s.From != s.End-s.Begin || s.Begin < c.Position || s.End > c.Position+audio.Position(chunk) {
					t.Fatalf("span %+v after %d was heard", s, heard)
				}
				heard = s.To
				played = append(played, dst[s.Begin-c.Position:s.End-c.Position]...)
				spoken += int64(s.End - s.Begin)
			}
			at += chunk
			if c.Position+audio.Position(chunk) != audio.Position(at) {
				t.Fatalf("chunk at %d, want %d", c.Position, at-chunk)
			}
			tell(p, p.position)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "build") {
				step()
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "mark") == 0 {
				p.addMark(text("x"))
			}
			n := rapid.IntRange(1, 200).Draw(t, "n")
			p.addAudio(speech("a", rapid.SampledFrom([]string{"", "r", "s"}).Draw(t, "response"), len(want), len(want), n))
			want = append(want, ramp(len(want), n)...)
		}
		for i := 0; !p.idle(); i++ {
			if i > 100_000 {
				t.Fatalf("never idle: %+v", p)
			}
			step()
		}
		if !slices.Equal(want, played) {
			t.Fatalf("played %d samples, want the %d that were sent", len(played), len(want))
		}
		if p.queued != 0 || p.marks != 0 || p.stats.Speech != spoken {
			t.Fatalf("%v queued, %d marks, %d spoken; want 0, 0 and %d", p.queued, p.marks, p.stats.Speech, spoken)
		}
	})
}
