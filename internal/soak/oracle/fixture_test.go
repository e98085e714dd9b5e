package oracle

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// The fixture is the evidence of a conversation in which everything went well,
// made by hand: no service took part in it.
//
//	 1 s  request 1 (a short answer)                    stream #0
//	10 s  request 2 (a tool)                            stream #0
//	27 s  request 3 (two sentences)                     cut in it at 28 s: stream #1 hears it whole
//	45 s  request 4 (a long answer), at 51 s request 5  stream #1: a barge-in
//	70 s  request 6 (a slow tool)                       stream #1; it fails at 71 s: stream #2
const (
	rate  = audio.Rate8k
	frame = 100 * time.Millisecond
)

var noon = time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	*Evidence
	said map[int]talk.Utterance
	ear  audio.Position // the end of what was heard
	past []sonictest.Message
}

func (f *fixture) sample(at time.Duration) int64 { return rate.Samples(at) }

func wellDone() *fixture {
	f := &fixture{said: map[int]talk.Utterance{}, Evidence: &Evidence{
		Began: noon, HungUp: noon.Add(110 * time.Second), Ended: noon.Add(111 * time.Second),
		Track:       talk.NewTrack(7, rate),
		OutputBegan: noon, OutputRate: rate, OutputChunk: frame,
	}}
	for n, r := range []struct {
		at   time.Duration
		kind talk.Kind
	}{{1, talk.Short}, {10, talk.FastTool}, {27, talk.Medium}, {45, talk.Long}, {51, talk.Short}, {70, talk.SpokenTool}} {
		u := f.Track.Say(talk.Request{ID: n + 1, Kind: r.kind, More: "77"}, f.sample(r.at*time.Second)+3)
		f.said[n+1] = u
	}
	for at := frame; at <= 109*time.Second; at += frame {
		f.Chunks = append(f.Chunks, Chunk{At: noon.Add(at), From: f.sample(at - frame), To: f.sample(at), Position: audio.Position(f.sample(at - frame))})
	}

	f.open(0, 0, 0)
	f.hears(0, 0, 0, 28*time.Second)
	f.answers(0, 1, -1)
	f.answers(0, 2, -1)
	f.closes(0, 29*time.Second)

	f.open(1, 20*time.Second, 28*time.Second)
	f.hears(1, 28*time.Second, 26500*time.Millisecond, 71*time.Second)
	f.answers(1, 3, -1)
	f.answers(1, 4, 51700*time.Millisecond)
	f.answers(1, 5, -1)
	f.Streams[1].End = sonictest.End{Kind: sonictest.Faulted, At: 51 * time.Second, Message: "RST_STREAM"}
	f.Faults = []Fault{{Stream: 1, Name: "reset", Kind: Ends, Cause: sonictest.Fault{After: 51 * time.Second, Do: sonictest.Reset()}}}

	f.open(2, 71*time.Second, 71050*time.Millisecond)
	f.hears(2, 71050*time.Millisecond, 69500*time.Millisecond, 110*time.Second)
	f.answers(2, 6, -1)
	f.closes(2, 110500*time.Millisecond)

	f.swap(1, novasonic.SwapAge, 1, 20*time.Second, 28*time.Second, 29*time.Second, 1500*time.Millisecond, 1500*time.Millisecond)
	f.swap(2, novasonic.SwapFailure, 2, 71020*time.Millisecond, 71050*time.Millisecond, 71050*time.Millisecond, 1500*time.Millisecond, 1500*time.Millisecond)
	return f
}

// open makes the log of a stream, which is told what was said when its audio
// begins.
func (f *fixture) open(n int, at, listens time.Duration) {
	s := sonictest.StreamLog{Number: n, Opened: noon.Add(at), Accepted: time.Millisecond, PromptName: "prompt", Voice: "matthew", OutputRate: rate}
	s.Audio = []sonictest.AudioBlock{{Rate: rate, Opened: listens - at}}
	s.History = append(s.History, f.past...)
	f.Streams = append(f.Streams, s)
}

func (f *fixture) closes(n int, at time.Duration) {
	s := &f.Streams[n]
	s.End = sonictest.End{Kind: sonictest.ClosedBoth, At: at - s.Opened.Sub(noon)}
}

// hears gives a stream the caller's audio from a place on, and what comes then
// until to.
func (f *fixture) hears(n int, at, from, to time.Duration) {
	s := &f.Streams[n]
	b := &s.Audio[0]
	add := func(at time.Duration, from, to int64) {
		b.PCM = append(b.PCM, f.Track.Samples(from, to)...)
		b.Samples = audio.Position(len(b.PCM))
		b.Arrivals = append(b.Arrivals, sonictest.Arrival{At: at - s.Opened.Sub(noon), End: b.Samples})
	}
	live := f.sample(at) / f.sample(frame) * f.sample(frame)
	if from < at {
		add(at, f.sample(from), live)
	}
	for _, c := range f.Chunks {
		if c.From >= live && !c.At.After(noon.Add(to)) {
			add(c.At.Sub(noon), c.From, c.To)
		}
	}
}

// answers has a stream hear a request and answer it, and the ear hear that, up
// to cut if it is not negative.
func (f *fixture) answers(n, id int, cut time.Duration) {
	s := &f.Streams[n]
	u := f.said[id]
	first := f.firstSample(s)
	known := f.sentFrom(u.To+f.sample(480*time.Millisecond)-1, s)
	heard := &hearing.Utterance{Text: u.Spoken(), Start: audio.Position(u.From - first), End: audio.Position(u.To - first), Rate: rate}
	for _, w := range strings.Fields(u.Spoken()) {
		heard.Words = append(heard.Words, hearing.Word{Text: w, Heard: 1})
	}
	age := func(at time.Duration) time.Duration { return at - s.Opened.Sub(noon) }
	s.Heard = append(s.Heard, sonictest.Heard{At: age(known), Utterance: heard, Answer: len(s.Answers)})
	f.past = append(f.past, sonictest.Message{Role: "USER", Text: u.Spoken()})

	turn := sonictest.Turn{Kind: sonictest.Spoken, Text: u.Spoken(), Utterance: heard}
	asked := known + 120*time.Millisecond
	if sentences := u.Sentences(); len(sentences) > 0 {
		f.speaks(s, turn, asked, asked+250*time.Millisecond, sentences, cut)
	} else {
		s.Answers = append(s.Answers, sonictest.AnswerLog{At: age(asked), Turn: turn, Done: age(asked) + time.Second})
	}
	for _, c := range u.Calls() {
		called := asked + time.Second
		returned := called + time.Duration(c.Millis)*time.Millisecond
		result := `{"outcome":"` + c.Token() + `"}`
		s.Calls = append(s.Calls, sonictest.CallLog{
			At: age(called), Answer: len(s.Answers) - 1, ID: fmt.Sprint("id", id), Name: talk.Tool, Arguments: c.Arguments(),
			Result: result, ResultAt: age(returned),
		})
		f.Runs = append(f.Runs, Execution{Call: c, Began: noon.Add(called), Returned: noon.Add(returned), Result: result})
		f.past = append(f.past, sonictest.Message{Role: "ASSISTANT", Text: "[lookup: " + result + "]"})
		outcome := sonictest.Turn{Kind: sonictest.ToolResults, Results: []sonictest.ToolResult{{Content: result}}}
		f.speaks(s, outcome, returned+390*time.Millisecond, returned+640*time.Millisecond, u.Outcome(), -1)
	}
}

// speaks has a stream send sentences from a time on, and the ear hear them.
func (f *fixture) speaks(s *sonictest.StreamLog, turn sonictest.Turn, asked, from time.Duration, sentences []string, cut time.Duration) {
	age := func(at time.Duration) time.Duration { return at - s.Opened.Sub(noon) }
	a := sonictest.AnswerLog{At: age(asked), Turn: turn}
	index := len(s.Answers)
	at := from
	chunk := int64(rate.Samples(frame))
	start := audio.Position((rate.Samples(from) + chunk - 1) / chunk * chunk)
	f.ear = max(f.ear, start)
	var text []string
	for n, sentence := range sentences {
		pcm := talk.Voice(uint64(s.Number*1000+index*100+n), int(rate.Samples(voice.Duration(sentence))))
		said := sonictest.Said{Text: sentence, Rate: rate, PCM: pcm, Announced: age(at), Started: age(at)}
		for said.Sent < len(pcm) && (cut < 0 || at < cut) {
			size := min(800, len(pcm)-said.Sent)
			said.Sent += size
			s.Output = append(s.Output, sonictest.OutputLog{At: age(at), Name: "audioOutput", ContentID: fmt.Sprint(index, "-", n), Answer: index, Samples: size})
			at += 40 * time.Millisecond
		}
		heard := pcm[:said.Sent]
		if cut >= 0 {
			until := audio.Position(rate.Samples(cut)) / audio.Position(chunk) * audio.Position(chunk)
			heard = heard[:min(len(heard), max(0, int(until-f.ear)))]
		}
		f.plays(heard)
		switch {
		case len(heard) == len(pcm):
			text = append(text, sentence)
		case len(heard) > 0:
			cut := sentence[:len(sentence)*len(heard)/len(pcm)]
			text = append(text, cut[:max(0, strings.LastIndexByte(cut, ' '))]+" [interrupted]")
		}
		a.Sentences = append(a.Sentences, said)
	}
	a.Done = age(at)
	if cut >= 0 {
		a.Interrupted, a.Cut, a.Done = true, age(cut), 0
	}
	s.Answers = append(s.Answers, a)
	f.past = append(f.past, sonictest.Message{Role: "ASSISTANT", Text: strings.Join(text, "\n")})
	f.merge()
}

// merge makes one message of neighbours of the same role.
func (f *fixture) merge() {
	var merged []sonictest.Message
	for _, m := range f.past {
		if n := len(merged) - 1; n >= 0 && merged[n].Role == m.Role {
			merged[n].Text += "\n" + m.Text
			continue
		}
		merged = append(merged, m)
	}
	f.past = merged
}

func (f *fixture) plays(samples []int16) {
	if len(samples) == 0 {
		return
	}
	f.Heard = append(f.Heard, Piece{At: f.ear, Samples: append([]int16(nil), samples...)})
	f.ear += audio.Position(len(samples))
}

// firstSample is the caller's sample with which a stream's block begins.
func (f *fixture) firstSample(s *sonictest.StreamLog) int64 {
	t := &trial{Evidence: f.Evidence}
	st := &stream{StreamLog: s}
	from, _ := t.locate(st, 0, 0, -1)
	return from
}

// sentFrom is when a stream got a sample, or later.
func (f *fixture) sentFrom(sample int64, s *sonictest.StreamLog) time.Duration {
	for _, c := range f.Chunks {
		if sample < c.To {
			return max(c.At.Sub(noon), s.Opened.Add(s.Audio[0].Arrivals[0].At).Sub(noon))
		}
	}
	return math.MaxInt64
}

// swap adds the frames of a move.
func (f *fixture) swap(number int, reason novasonic.SwapReason, from int, begun, cut, done, replayed, overlapped time.Duration) {
	history := 0
	for _, m := range f.Streams[from].History {
		history += len(m.Text)
	}
	tell := func(at time.Duration, step novasonic.SwapStep) {
		w := &novasonic.Swap{SwapStatus: novasonic.SwapStatus{Number: number, Reason: reason, Step: step, From: from, To: from + 1, Attempts: 1}}
		if step != novasonic.SwapBegun {
			w.Replayed, w.Overlapped, w.History = replayed, overlapped, history
			w.CutAt, w.Rate = audio.Position(f.sample(cut)), rate
		}
		f.Frames = append(f.Frames, Seen{At: noon.Add(at), Frame: w})
	}
	tell(begun, novasonic.SwapBegun)
	tell(cut, novasonic.SwapCut)
	tell(done, novasonic.SwapClosed)
}

// cuts returns the frame that tells of a cut.
func (f *fixture) cuts(number int) *novasonic.Swap {
	for _, s := range f.Frames {
		if w := s.Frame.(*novasonic.Swap); w.Number == number && w.Step == novasonic.SwapCut {
			return w
		}
	}
	return nil
}

// begins has the conversation begin on a stream that fails before it has heard
// anything. What follows it hears the caller from 1.3 s on, and what came before
// all at once.
func (f *fixture) begins(kind FaultKind) {
	failed := sonictest.StreamLog{Number: 3, Opened: noon, Accepted: time.Millisecond, PromptName: "prompt", Voice: "matthew"}
	failed.End = sonictest.End{Kind: sonictest.Faulted, At: time.Second, Message: "RST_STREAM"}
	f.Streams = append(f.Streams, failed)
	f.Faults = append(f.Faults, Fault{Stream: 3, Name: "first", Kind: kind, Cause: sonictest.Fault{After: time.Second, Do: sonictest.Reset()}})
	arrivals := f.Streams[0].Audio[0].Arrivals
	for i := range arrivals {
		arrivals[i].At = max(arrivals[i].At, 1300*time.Millisecond)
	}
}

// dies has stream 1 fail at an age, somewhat before it has received all that it
// was sent.
func (f *fixture) dies(age time.Duration) {
	f.Streams[1].Audio[0].PCM, f.Streams[1].Audio[0].Arrivals = nil, nil
	f.hears(1, 28*time.Second, 26500*time.Millisecond, 69100*time.Millisecond)
	f.Faults[0].Cause.After = age
	f.Streams[1].End.At = age
	f.cuts(2).Overlapped = 0
}
