package novasonic_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// The files scenario_*_test.go are the scenarios that every conversation has to
// survive. None of them asks the engine how it went: what counts is what the
// emulator's streams heard and said, and what came out of the loudspeaker.

// scene is a call in a room with a little noise, which makes every sample of
// the caller's unlike every other: so it can be told which stream heard which.
type scene struct {
	*rig
	room *room
}

// room is between the caller's microphone and the processor.
type room struct {
	noise *rand.Rand

	mu      sync.Mutex
	sent    []int16 // all that the processor was given
	played  []played
	detects atomic.Bool // it tells of speech, as a detector of voice activity does
	loud    int         // pieces in a row that were loud
	quiet   int         // … and quiet
	speaks  bool
}

// played is what the loudspeaker reported, and when.
type played struct {
	at       time.Time
	response string
	heard    time.Duration
}

func (*room) Name() string { return "room" }

func (m *room) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.AudioInput:
		samples := make([]int16, len(f.Samples))
		for i, s := range f.Samples {
			samples[i] = s + int16(m.noise.IntN(41)-20) // -69 dBFS
		}
		m.mu.Lock()
		m.sent = append(m.sent, samples...)
		m.mu.Unlock()
		noisy := &frames.AudioInput{Audio: f.Audio}
		noisy.Samples = samples
		if err := out.Send(ctx, noisy, dir); err != nil {
			return err
		}
		return m.detect(ctx, noisy, out)
	case *frames.Playout:
		m.mu.Lock()
		m.played = append(m.played, played{time.Now(), f.Response, f.Rate.Duration(int64(f.Heard))})
		m.mu.Unlock()
	}
	return out.Send(ctx, f, dir)
}

// detect tells of speech 60 ms after it began, and 300 ms after it ended.
func (m *room) detect(ctx context.Context, f *frames.AudioInput, out *pipeline.Port) error {
	if !m.detects.Load() {
		return nil
	}
	if slices.Max(f.Samples) > 1000 {
		m.loud, m.quiet = m.loud+1, 0
	} else {
		m.loud, m.quiet = 0, m.quiet+1
	}
	back := func(pieces int) audio.Position { return f.End() - audio.Position(pieces*len(f.Samples)) }
	switch {
	case !m.speaks && m.loud == 3:
		m.speaks = true
		return out.Send(ctx, &frames.VADStarted{Track: f.Track, Position: back(m.loud), Rate: f.Format.Rate}, frames.Downstream)
	case m.speaks && m.quiet == 15:
		m.speaks = false
		return out.Send(ctx, &frames.VADStopped{Track: f.Track, Position: back(m.quiet), Rate: f.Format.Rate}, frames.Downstream)
	}
	return nil
}

func (m *room) all() []int16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

// pause is the longest pause inside an answer, as the loudspeaker played it.
func (m *room) pause() (longest time.Duration, in string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := 1; i < len(m.played); i++ {
		a, b := m.played[i-1], m.played[i]
		if p := b.at.Sub(a.at) - (b.heard - a.heard); a.response == b.response && p > longest {
			longest, in = p, a.response
		}
	}
	return longest, in
}

// outcome is what a call has to come to, whatever became of its streams.
type outcome struct {
	agent []string // what was heard of the agent, sentence by sentence; cut says which were cut short
	user  []string // what the user is said to have said; nil: not checked

	streams int   // that were accepted; 0: any number
	doomed  []int // streams that the scenario ends, or refuses
	most    int   // streams open at once; default 2

	forbidden string // what the service says to a rule that the scenario has broken

	again  time.Duration // user audio that more than one stream may hear; default none
	deaf   time.Duration // silence of the user's that no stream may hear, since one died; default none
	pauses time.Duration // inside an answer; default none

	anyOrder bool // the record is in the order in which its texts came
	errors   int  // error frames; -1: not checked
}

// cut is a sentence of which only the beginning is heard.
func cut(sentence string) string { return sentence + " …" }

// play holds a call, ends it in order, and checks what it came to.
func play(t *testing.T, sc sonictest.Config, nc novasonic.Config, want outcome, during func(s *scene)) {
	t.Helper()
	playOut(t, sc, nc, &want, during)
}

// playOut is play for a scenario which finds out only on the way what it has to
// come to.
func playOut(t *testing.T, sc sonictest.Config, nc novasonic.Config, want *outcome, during func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := enter(t, sc, nc)
		during(s)
		s.leave(*want)
	})
}

// enter begins a call. tune changes how the service is reached.
func enter(t *testing.T, sc sonictest.Config, nc novasonic.Config, tune ...func(*aws.Config)) *scene {
	t.Helper()
	s := &scene{rig: prepare(t, sc, nc), room: &room{noise: rand.New(rand.NewPCG(sc.Seed, 0x4001))}}
	for _, f := range tune {
		cfg := s.srv.AWSConfig()
		f(&cfg)
		nc.AWS = &cfg
		s.sonic = novasonic.New(nc)
	}
	s.pipe = pipeline.New(pipeline.Config{OnError: s.ear.failed, EndTimeout: 2 * time.Minute}, s.caller, s.room, s.sonic, s.ear)
	s.run()
	return s
}

// leave ends the call in order, and checks what it came to.
func (s *scene) leave(want outcome) {
	s.t.Helper()
	said := len(s.room.all())
	s.pipe.End("the test is over")
	<-s.done
	if s.runErr != nil {
		s.t.Errorf("the run ended with: %v", s.runErr)
	}
	s.srv.Close()
	s.check(want, said)
}

// check compares what the call came to. said is how many samples of the user's
// must have been heard.
func (s *scene) check(want outcome, said int) {
	s.t.Helper()
	s.checkAgent(want)
	s.checkUser(want, said)
	s.checkStreams(want)
	if n := len(s.ear.errors()); want.errors >= 0 && n != want.errors {
		s.t.Errorf("%d error frames, want %d: %v", n, want.errors, s.ear.errors())
	}
	if s.t.Failed() {
		s.timeline()
	}
}

// checkAgent compares what the loudspeaker played with what the emulator's
// streams said, by sample, and the text of record with both.
func (s *scene) checkAgent(want outcome) {
	s.t.Helper()
	var texts []string
	var sentences [][]int16
	for _, l := range s.streams() {
		for _, a := range l.Answers {
			for _, said := range a.Sentences {
				texts, sentences = append(texts, said.Text), append(sentences, said.PCM)
			}
		}
	}
	report := voice.Analyse(s.ear.heard(), sentences...)
	if !report.Seamless() {
		s.t.Errorf("the agent was heard with a seam:\n%s", report.String())
	}
	var got []string
	for _, p := range report.Segments {
		text := texts[p.Sentence]
		if p.To < len(sentences[p.Sentence]) {
			text = cut(text)
		}
		if p.From > 0 {
			text = "… " + text
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want.agent) {
		s.t.Errorf("the agent was heard to say\n%q, want\n%q", got, want.agent)
	}
	if p, in := s.room.pause(); p > want.pauses+time.Millisecond {
		s.t.Errorf("%s was heard with a pause of %v", in, p)
	}

	record := of[*frames.SpokenText](s.rig)
	if want.anyOrder {
		slices.SortStableFunc(record, func(a, b *frames.SpokenText) int {
			place := func(f *frames.SpokenText) int { return slices.Index(want.agent, strings.TrimSpace(f.Text)) }
			return place(a) - place(b)
		})
	}
	for _, w := range want.agent {
		whole, isCut := strings.CutSuffix(w, " …")
		if len(record) > 0 && (isCut && record[0].Interrupted && strings.HasPrefix(whole, strings.TrimSpace(record[0].Text)) ||
			!isCut && strings.TrimSpace(record[0].Text) == whole && !record[0].Interrupted) {
			record = record[1:]
			continue
		}
		if !isCut { // of one that was cut perhaps not a word was heard
			s.t.Errorf("%q is not in the record, which is %q", w, said(s.rig))
			return
		}
	}
	if len(record) > 0 {
		s.t.Errorf("the record has more than was heard: %v", record)
	}
	s.checkEnds()
}

// checkEnds checks that every answer that was begun is ended once.
func (s *scene) checkEnds() {
	s.t.Helper()
	var begun []string
	ends := map[string]int{}
	for _, f := range s.ear.all() {
		switch f := f.(type) {
		case *frames.LLMResponseStart:
			begun = append(begun, f.Response)
		case *frames.LLMResponseEnd:
			ends["the answer of "+f.Response]++
		case *frames.TTSStop:
			ends["the speech of "+f.Response]++
		}
	}
	for _, id := range begun {
		for _, what := range []string{"the answer of ", "the speech of "} {
			if n := ends[what+id]; n != 1 {
				s.t.Errorf("%s%s was ended %d times", what, id, n)
			}
		}
	}
}

// checkUser finds every sample of the user's in what the emulator's streams
// heard: none may be missing, and a stream must hear them in order and once.
func (s *scene) checkUser(want outcome, said int) {
	s.t.Helper()
	if got := texts(s.rig, func(f *frames.Transcription) string { return f.Text }); want.user != nil && !slices.Equal(got, want.user) {
		s.t.Errorf("the user is said to have said %q, want %q", got, want.user)
	}
	rate := s.caller.rate
	var heard []voice.Span
	sent := s.room.all()
	decoder := voice.NewDecoder(sent)
	for _, l := range s.streams() {
		if len(l.Audio) > 1 {
			s.t.Errorf("stream %d had %d AUDIO blocks", l.Number, len(l.Audio))
		}
		for _, block := range l.Audio {
			r := decoder.Decode(block.PCM)
			if len(r.Gaps)+len(r.Repeats)+len(r.Reordered)+len(r.Overlaps)+len(r.Unknown) > 0 {
				s.t.Errorf("stream %d did not hear the user as they spoke:\n%s", l.Number, r.String())
			}
			heard = append(heard, r.Segments...)
		}
	}
	slices.SortFunc(heard, func(a, b voice.Span) int { return cmp.Compare(a.From, b.From) })
	end, missing, again := 0, 0, 0
	var holes []string
	for _, h := range append(heard, voice.Span{From: said - int(rate.Samples(200*time.Millisecond)), To: said}) {
		if hole := h.From - end; hole > 0 {
			if slices.Max(sent[end:h.From]) > 100 {
				s.t.Errorf("what the user said from %v to %v was heard by no stream", rate.Duration(int64(end)), rate.Duration(int64(h.From)))
			}
			missing += hole
			holes = append(holes, fmt.Sprintf("%v to %v", rate.Duration(int64(end)), rate.Duration(int64(h.From))))
		}
		if h.To <= end && end >= said {
			continue
		}
		again += max(0, min(end, h.To)-h.From)
		end = max(end, h.To)
	}
	again -= int(rate.Samples(200 * time.Millisecond)) // the span that stands for the end
	if d := rate.Duration(int64(missing)); d > want.deaf {
		s.t.Errorf("%v of the user's audio was heard by no stream, want at most %v: %v", d, want.deaf, holes)
	}
	if d := rate.Duration(int64(max(0, again))); d > want.again {
		s.t.Errorf("%v of what the user said was heard twice, want at most %v", d, want.again)
	}
}

// checkStreams looks at how the streams were used, and left.
func (s *scene) checkStreams(want outcome) {
	s.t.Helper()
	accepted := 0
	for _, l := range s.streams() {
		_, struck := s.struck.Load(l.Number)
		doomed := struck || slices.Contains(want.doomed, l.Number)
		if l.End.Kind != sonictest.Refused {
			accepted++
		}
		for _, v := range l.Violations {
			if doomed && !v.Fatal && v.Event == "" {
				continue // there was nobody to say goodbye to
			}
			if doomed && want.forbidden != "" && strings.Contains(v.Text, want.forbidden) {
				continue
			}
			s.t.Errorf("stream %d broke a rule at %v with %s: %s", l.Number, v.At, v.Event, v.Text)
		}
		if l.End.Kind != sonictest.ClosedBoth && !doomed {
			s.t.Errorf("stream %d was %v after %v: %s", l.Number, l.End.Kind, l.End.At, l.End.Message)
		}
		if l.Panic != "" {
			s.t.Error(l.Panic)
		}
		s.checkHistory(l)
	}
	if want.streams > 0 && accepted != want.streams {
		s.t.Errorf("%d streams were used, want %d", accepted, want.streams)
	}
	most := want.most
	if most == 0 {
		most = 2
	}
	if n := mostOpen(s.streams()); n > most {
		s.t.Errorf("%d streams were open at once", n)
	}
}

// checkHistory checks what holds of the history of every stream.
func (s *scene) checkHistory(l sonictest.StreamLog) {
	s.t.Helper()
	total := 0
	for i, m := range l.History {
		role := "USER"
		if i%2 == 1 {
			role = "ASSISTANT"
		}
		if m.Role != role {
			s.t.Errorf("stream %d: message %d of the history is the %s's", l.Number, i, m.Role)
		}
		total += len(m.Text)
		if len(m.Text) > 50_000 || total > 200_000 {
			s.t.Errorf("stream %d: the history is too long", l.Number)
		}
	}
}

// mostOpen is the most streams that were open at any moment.
func mostOpen(streams []sonictest.StreamLog) int {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, l := range streams {
		if l.End.Kind == sonictest.Refused {
			continue
		}
		changes = append(changes, change{l.Opened, 1})
		if l.End.Kind != sonictest.Open {
			changes = append(changes, change{l.Opened.Add(l.End.At), -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	open, most := 0, 0
	for _, c := range changes {
		open += c.by
		most = max(most, open)
	}
	return most
}

// timeline prints what happened, for whoever has to find out why.
func (s *scene) timeline() {
	s.t.Helper()
	for _, l := range s.streams() {
		at := l.Opened.Sub(s.began)
		s.t.Logf("stream %d: opened at %v, %v at %v (%s)", l.Number, at, l.End.Kind, at+l.End.At, l.End.Message)
		for _, b := range l.Audio {
			s.t.Logf("  audio from %v, %v", at+b.Opened, b.Rate.Duration(int64(b.Samples)))
		}
		for _, h := range l.Heard {
			s.t.Logf("  heard %q at %v", h.Text, at+h.At)
		}
		for _, x := range l.Texts {
			s.t.Logf("  read %q at %v, noticed %v", x.Text, at+x.At, x.Noticed)
		}
		for _, a := range l.Answers {
			for _, said := range a.Sentences {
				s.t.Logf("  said %q, announced at %v, %d of %d samples, interrupted %v", said.Text, at+said.Announced, said.Sent, len(said.PCM), a.Interrupted)
			}
		}
		for _, c := range l.Calls {
			s.t.Logf("  called %s at %v, result %q at %v", c.Name, at+c.At, c.Result, at+c.ResultAt)
		}
		if len(l.History) > 0 && len(l.History) < 12 {
			s.t.Logf("  history %.600q", l.History)
		}
	}
	for _, w := range swaps(s.rig) {
		s.t.Logf("%v forced %v wait %v deaf %v drain %v cut at %v replayed %v overlapped %v lost %v gap %v", w, w.Forced, w.Wait, w.Deaf, w.Drain,
			w.Rate.Duration(int64(w.CutAt)), w.Replayed, w.Overlapped, w.Lost, w.OutputGap)
	}
	s.t.Logf("seen:\n%.4000s", s.ear.transcript())
}

// at waits until the call is so old.
func (s *scene) at(age time.Duration) { time.Sleep(time.Until(s.began.Add(age))) }

// begins makes the caller begin to say something.
func (s *scene) begins(keys string) { s.caller.say(hearing.Speak(s.caller.rate, keys)) }

// sends puts a frame into the pipeline.
func (s *scene) sends(f frames.Frame) {
	s.t.Helper()
	if err := s.pipe.Send(context.Background(), f); err != nil {
		s.t.Errorf("send %v: %v", f, err)
	}
}

// waitsForCut waits until the nth move has been made.
func (s *scene) waitsForCut(n int) {
	s.t.Helper()
	s.waitsFor(fmt.Sprintf("cut %d", n), func(f frames.Frame) bool {
		w, ok := f.(*novasonic.Swap)
		return ok && w.Step == novasonic.SwapCut && w.Number >= n
	})
}

// youSaid is what echo answers to some keys.
func youSaid(keys string) string { return "You said " + hearing.Words(keys) + "." }

// tale are n sentences of five seconds each.
func tale(n int) []string {
	var sentences []string
	for i := range n {
		sentences = append(sentences, fmt.Sprintf("This is sentence number %02d of a tale that takes five seconds for each one.", i+1))
	}
	return sentences
}

// teller is a brain that tells a tale to who says "nine", and says back
// everything else.
func teller(sentences ...string) sonictest.Brain {
	return sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "nine" {
			return sonictest.Say(sentences...)
		}
		return echo().Answer(c, turn)
	})
}

// brief is a configuration of streams that live for a minute.
func brief() novasonic.Config { return novasonic.Config{Continuation: quick()} }

// memory is all of a stream's history in one text.
func memory(l sonictest.StreamLog) string {
	var b strings.Builder
	for _, m := range l.History {
		fmt.Fprintf(&b, "%s: %s\n", m.Role, m.Text)
	}
	return b.String()
}

// cancelCalls ends the tools that are at work.
func (s *scene) cancelCalls() {
	s.t.Helper()
	s.sends(&frames.FunctionCallCancel{Reason: "the test is over"})
	s.waits(time.Second)
}

// delivered is all of the agent's audio that reached the loudspeaker.
func (s *scene) delivered() []int16 {
	var all []int16
	for _, f := range of[*frames.AudioOutput](s.rig) {
		all = append(all, f.Samples...)
	}
	return all
}

// heardBy is how much of the user's audio two streams both heard.
func (s *scene) heardBy(a, b sonictest.StreamLog) time.Duration {
	decoder := voice.NewDecoder(s.room.all())
	both := 0
	for _, x := range decoder.Decode(a.Audio[0].PCM).Segments {
		for _, y := range decoder.Decode(b.Audio[0].PCM).Segments {
			both += max(0, min(x.To, y.To)-max(x.From, y.From))
		}
	}
	return s.caller.rate.Duration(int64(both))
}

// newPipeline is a pipeline without a room.
func newPipeline(r *rig) *pipeline.Pipeline {
	return pipeline.New(pipeline.Config{OnError: r.ear.failed}, r.caller, r.sonic, r.ear)
}

// hears waits until the agent is heard to say something new, to the
// millisecond.
func (s *scene) hears() {
	heard := func() int {
		s.ear.mu.Lock()
		defer s.ear.mu.Unlock()
		return len(s.ear.played)
	}
	for before := heard(); heard() == before; {
		s.waits(time.Millisecond)
	}
}
