package oracle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	r := Judge(wellDone().Evidence)
	for _, v := range r.Violations {
		t.Error(v)
	}
	f := r.Figures
	if f.Utterances != 6 || f.Answers != 7 || f.BargeIns != 1 || f.Swaps[novasonic.SwapAge] != 1 || f.Swaps[novasonic.SwapFailure] != 1 || f.Faults["reset"] != 1 {
		t.Errorf("not all was seen: %+v", f)
	}
	if len(f.Added) == 0 || len(f.AddedFailed) == 0 || len(f.Undisturbed) == 0 {
		t.Errorf("latencies were not measured: %+v", f)
	}
}

// cutOut removes samples [from, to) of a block, and moves what comes after.
func cutOut(b *sonictest.AudioBlock, from, to int64) {
	b.PCM = slices.Delete(b.PCM, int(from), int(to))
	for i := range b.Arrivals {
		if b.Arrivals[i].End > audio.Position(from) {
			b.Arrivals[i].End = max(audio.Position(from), b.Arrivals[i].End-audio.Position(to-from))
		}
	}
}

// insert puts samples into a block.
func insert(b *sonictest.AudioBlock, at int64, samples []int16) {
	b.PCM = slices.Insert(b.PCM, int(at), samples...)
	for i := range b.Arrivals {
		if b.Arrivals[i].End > audio.Position(at) {
			b.Arrivals[i].End += audio.Position(len(samples))
		}
	}
}

// delay moves what was heard from piece n on.
func (f *fixture) delay(n int, by time.Duration) {
	for i := n; i < len(f.Evidence.Heard); i++ {
		f.Evidence.Heard[i].At += audio.Position(rate.Samples(by))
	}
}

// pieceOf returns the index of the piece that was heard of an answer's sentence.
func (f *fixture) pieceOf(n, a, s int) int {
	want := f.Streams[n].Answers[a].Sentences[s].PCM
	return slices.IndexFunc(f.Evidence.Heard, func(p Piece) bool { return slices.Equal(p.Samples[:50], want[:50]) })
}

// TestEveryViolationIsFound spoils the evidence of a good conversation in one
// way at a time.
func TestEveryViolationIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(f *fixture)
		want  Kind
	}{
		// G1
		{"a sample of silence is lost on its way to the only listener", func(f *fixture) { cutOut(&f.Streams[0].Audio[0], 50_000, 50_001) }, Unheard},
		{"a stretch of speech is lost", func(f *fixture) { u := f.said[2]; cutOut(&f.Streams[0].Audio[0], u.From+100, u.From+900) }, Unheard},
		{"the new stream begins later than the old one ended", func(f *fixture) {
			f.Streams[1].Audio[0].PCM, f.Streams[1].Audio[0].Arrivals = nil, nil
			f.hears(1, 28100*time.Millisecond, 28100*time.Millisecond, 71*time.Second)
		}, Unheard},
		{"a stream is left out for a while and another hears what it does not", func(f *fixture) { cutOut(&f.Streams[1].Audio[0], 8000, 8800) }, Skipped},
		{"a sample is received twice", func(f *fixture) {
			b := &f.Streams[0].Audio[0]
			insert(b, 50_000, slices.Clone(b.PCM[49_900:50_000]))
		}, HeardAgin},
		{"both streams get live audio", func(f *fixture) {
			f.Streams[0].Audio[0].PCM, f.Streams[0].Audio[0].Arrivals = nil, nil
			f.hears(0, 0, 0, 28500*time.Millisecond)
		}, Shared},
		{"live audio waits for the new stream", func(f *fixture) {
			for i := range f.Streams[1].Audio[0].Arrivals {
				if a := &f.Streams[1].Audio[0].Arrivals[i]; a.At < 8900*time.Millisecond {
					a.At = 8900 * time.Millisecond
				}
			}
		}, Deaf},
		{"silence is put into the middle of a word", func(f *fixture) { insert(&f.Streams[0].Audio[0], f.said[2].From+300, make([]int16, 160)) }, Inserted},
		{"a sample is changed", func(f *fixture) { f.Streams[0].Audio[0].PCM[50_000]++ }, Unheard},
		{"a stream gets noise of somebody else's", func(f *fixture) {
			insert(&f.Streams[0].Audio[0], 50_000, talk.NewTrack(99, rate).Samples(0, 400))
		}, Foreign},

		// G2
		{"a request is not answered", func(f *fixture) {
			f.Streams[0].Answers[0].Sentences[0].Sent = 0
			f.Evidence.Heard = f.Evidence.Heard[1:]
		}, Unanswered},
		{"the outcome of a tool is never told", func(f *fixture) {
			n := f.pieceOf(0, 2, 0)
			f.Streams[0].Answers[2].Sentences[0].Sent = 0
			f.Evidence.Heard = slices.Delete(f.Evidence.Heard, n, n+1)
		}, Unanswered},
		{"a second stream answers as well", func(f *fixture) {
			s := &f.Streams[1]
			u := f.said[3]
			f.ear += 8000
			f.speaks(&f.Streams[0], s.Answers[0].Turn, 100*time.Second, 100*time.Second, u.Sentences(), -1)
		}, Twice},
		{"a fragment is answered", func(f *fixture) {
			f.ear += 8000
			f.speaks(&f.Streams[2], sonictest.Turn{Kind: sonictest.Spoken, Text: "zero one pound"}, 100*time.Second, 100*time.Second, []string{talk.Puzzled}, -1)
		}, Fragment},
		{"the answer is by a stream that heard a word in part", func(f *fixture) { f.Streams[0].Answers[0].Turn.Utterance.Words[1].Heard = 0.6 }, InPart},
		{"the answer is by a stream that heard a word twice", func(f *fixture) { f.Streams[0].Answers[0].Turn.Utterance.Words[1].Heard = 1.6 }, InPart},
		{"the answer is by a stream that lacks the first samples", func(f *fixture) {
			b := &f.Streams[1].Audio[0]
			cutOut(b, 0, f.said[3].From+90-f.firstSample(&f.Streams[1]))
		}, InPart},
		{"answers come in the wrong order", func(f *fixture) {
			a, b := f.pieceOf(1, 0, 0), f.pieceOf(1, 2, 0)
			f.Evidence.Heard[a].At, f.Evidence.Heard[b].At = f.Evidence.Heard[b].At+80_000, f.Evidence.Heard[a].At
			slices.SortFunc(f.Evidence.Heard, func(a, b Piece) int { return int(a.At - b.At) })
		}, WrongOrder},

		// G3
		{"a sample in the middle of a sentence is not heard", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = slices.Delete(p.Samples, 4000, 4001)
		}, Missing},
		{"the beginning of an answer is not heard", func(f *fixture) { f.Evidence.Heard[0].Samples = f.Evidence.Heard[0].Samples[80:] }, Missing},
		{"the end of an answer is not heard, and nobody interrupted", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = p.Samples[:len(p.Samples)-160]
		}, Missing},
		{"a stream is left in the middle of an answer", func(f *fixture) {
			a := &f.Streams[0].Answers[2] // the outcome of request 2
			said, p := &a.Sentences[0], &f.Evidence.Heard[f.pieceOf(0, 2, 0)]
			said.Sent, p.Samples, a.Done = 1600, p.Samples[:1600], 0
			out := f.Streams[0].Output
			last := slices.IndexFunc(out, func(o sonictest.OutputLog) bool { return o.Answer == 2 }) + 1
			f.Streams[0].Output = out[:last+1]
		}, Missing},
		{"a sentence in the middle is not heard", func(f *fixture) {
			f.Evidence.Heard = slices.Delete(f.Evidence.Heard, f.pieceOf(1, 0, 0), f.pieceOf(1, 0, 0)+1)
		}, Missing},
		{"a part is heard twice", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = slices.Insert(p.Samples, 4000, slices.Clone(p.Samples[3800:4000])...)
		}, Repeated},
		{"two parts are heard in the wrong order", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = slices.Concat(p.Samples[:2000], p.Samples[3000:4000], p.Samples[2000:3000], p.Samples[4000:])
		}, Reordered},
		{"an answer pauses in the middle of a sentence", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = slices.Insert(p.Samples, 4000, make([]int16, 160)...)
		}, Late},
		{"an answer pauses between two sentences", func(f *fixture) { f.delay(f.pieceOf(1, 0, 1), 200*time.Millisecond) }, Late},
		{"two answers are heard at once", func(f *fixture) {
			a := f.Evidence.Heard[0].Samples
			for i, v := range f.Evidence.Heard[1].Samples[:1000] {
				a[len(a)-1000+i] += v
			}
			f.Evidence.Heard[1].Samples = f.Evidence.Heard[1].Samples[1000:]
		}, Overlapped},
		{"there is sound that nobody sent", func(f *fixture) {
			p := &f.Evidence.Heard[0]
			p.Samples = append(p.Samples, talk.Voice(4711, 400)...)
		}, Strange},
		{"an answer goes on when the caller has interrupted", func(f *fixture) {
			a := &f.Streams[1].Answers[1]
			a.Cut -= 500 * time.Millisecond
		}, TalkedOver},

		// G4
		{"the first answer after a planned move is late", func(f *fixture) { f.delay(f.pieceOf(1, 0, 0), 300*time.Millisecond) }, Slow},
		{"an answer is late though nothing happened", func(f *fixture) { f.delay(0, 300*time.Millisecond) }, Slow},
		{"the first answer is two seconds late, since the stream before had ended", func(f *fixture) { f.begins(Ends); f.Heard[0].At += audio.Position(f.sample(2 * time.Second)) }, Slow},
		{"the answer after a failure is two seconds late", func(f *fixture) { f.delay(f.pieceOf(2, 0, 0), 2*time.Second) }, Slow},

		// G5
		{"a request is not in the history", func(f *fixture) { f.Streams[1].History = f.Streams[1].History[2:] }, BadHistory},
		{"a request is in the history twice", func(f *fixture) {
			h := f.Streams[1].History
			h[0].Text += "\n" + h[0].Text
		}, BadHistory},
		{"a request that is heard again is in the history", func(f *fixture) {
			f.Streams[1].History = append(f.Streams[1].History, sonictest.Message{Role: "USER", Text: f.said[3].Spoken()})
		}, BadHistory},
		{"requests are in the wrong order", func(f *fixture) {
			h := f.Streams[2].History
			first, last := strings.Index(h[0].Text, "star"), len(h)
			_ = first
			for i := range h {
				if h[i].Role == "USER" && strings.Contains(h[i].Text, "five seven seven") {
					last = i
				}
			}
			h[0].Text, h[min(last, len(h)-2)].Text = h[min(last, len(h)-2)].Text, h[0].Text
		}, BadHistory},
		{"a fragment is in the history", func(f *fixture) { f.Streams[1].History[0].Text += "\nzero two" }, BadHistory},
		{"the agent begins the history", func(f *fixture) { f.Streams[1].History = f.Streams[1].History[1:] }, BadHistory},
		{"two messages in a row are of the same role", func(f *fixture) {
			f.Streams[1].History = slices.Insert(f.Streams[1].History, 1, sonictest.Message{Role: "USER", Text: "request 0042 0 please"})
		}, BadHistory},
		{"a message is too long", func(f *fixture) { f.Streams[1].History[1].Text += strings.Repeat(" ", 50_000) }, BadHistory},
		{"an answer is not in the history", func(f *fixture) { f.Streams[1].History[1].Text = "[nothing]" }, BadHistory},
		{"what was not heard is in the history", func(f *fixture) {
			f.Streams[1].History[1].Text += "\nreply 3 part 1 of 2 never said."
		}, BadHistory},
		{"an interrupted answer is in the history as a whole", func(f *fixture) {
			s := f.Streams[1].Answers[1].Sentences[0].Text
			h := f.Streams[2].History
			for i := range h {
				if from, to := strings.Index(h[i].Text, "reply 4 part 1"), strings.Index(h[i].Text, " [interrupted]"); from >= 0 && to >= 0 {
					h[i].Text = h[i].Text[:from] + s + h[i].Text[to+len(" [interrupted]"):]
				}
			}
		}, BadHistory},
		{"an interrupted answer is not marked in the history", func(f *fixture) {
			for i := range f.Streams[2].History {
				f.Streams[2].History[i].Text = strings.ReplaceAll(f.Streams[2].History[i].Text, " [interrupted]", "")
			}
		}, BadHistory},
		{"the outcome of a tool is not in the history", func(f *fixture) {
			f.Streams[1].History[3].Text = strings.ReplaceAll(f.Streams[1].History[3].Text, f.Runs[0].Token(), "")
		}, BadHistory},

		// G6
		{"a tool runs twice", func(f *fixture) { f.Runs = append(f.Runs, f.Runs[0]) }, ToolTwice},
		{"a tool runs that nobody called", func(f *fixture) {
			x := f.Runs[0]
			x.Request = 1
			f.Runs = append(f.Runs, x)
		}, ToolUnknown},
		{"a tool that was called does not run", func(f *fixture) { f.Runs = f.Runs[1:] }, ToolLost},
		{"a result is told to nobody", func(f *fixture) {
			f.Streams[0].Calls[0].Result = ""
			for n := range f.Streams {
				for i := range f.Streams[n].History {
					f.Streams[n].History[i].Text = strings.ReplaceAll(f.Streams[n].History[i].Text, f.Runs[0].Token(), "")
				}
			}
		}, ToolLost},
		{"a result is told to another stream, though the one that called is open", func(f *fixture) {
			f.Streams[0].Calls[0].Result = ""
			f.Streams[1].Texts = append(f.Streams[1].Texts, sonictest.TextLog{At: time.Second, Text: f.Runs[0].Result})
		}, ToolAstray},
		{"a result is told as a result and as text", func(f *fixture) {
			f.Streams[1].Texts = append(f.Streams[1].Texts, sonictest.TextLog{At: time.Second, Text: f.Runs[0].Result})
		}, ToolAstray},
		{"a call gets the result of another", func(f *fixture) {
			f.Streams[0].Calls[0].Result = f.Runs[1].Result
		}, ToolAstray},

		// G7
		{"three streams are open", func(f *fixture) {
			f.Streams = append(f.Streams, sonictest.StreamLog{Number: 3, Opened: noon.Add(25 * time.Second), PromptName: "p", End: sonictest.End{Kind: sonictest.ClosedBoth, At: 2 * time.Second}})
		}, TooMany},
		{"a stream is dropped", func(f *fixture) { f.Streams[0].End.Kind = sonictest.Dropped }, NotClosed},
		{"a stream is left without sessionEnd", func(f *fixture) { f.Streams[0].End.Kind = sonictest.HalfClosed }, NotClosed},
		{"a stream is still open when the server closes", func(f *fixture) { f.Streams[2].End.Kind = sonictest.ServerClosed }, NotClosed},
		{"a stream meets the service's limit", func(f *fixture) {
			f.Streams[0].End.Kind, f.Streams[0].End.Exception = sonictest.Failed, "modelTimeoutException"
		}, Expired},

		// G8
		{"a move is not told of", func(f *fixture) {
			f.Frames = slices.DeleteFunc(f.Frames, func(s Seen) bool { return s.Frame == f.cuts(1) })
		}, NoSwap},
		{"the figures of a move are wrong: replayed", func(f *fixture) { f.cuts(1).Replayed = 0 }, BadSwap},
		{"the figures of a move are wrong: overlapped", func(f *fixture) { f.cuts(1).Overlapped = 0 }, BadSwap},
		{"the figures of a move are wrong: history", func(f *fixture) { f.cuts(1).History++ }, BadSwap},
		{"the figures of a move are wrong: the cut", func(f *fixture) { f.cuts(1).CutAt += 800 }, BadSwap},
		{"the figures of a move are wrong: attempts", func(f *fixture) { f.cuts(1).Attempts = 0 }, BadSwap},
		{"the figures of a move are wrong: the old stream", func(f *fixture) { f.cuts(2).From = 1 }, BadSwap},
		{"a planned move is called a failure", func(f *fixture) { f.cuts(1).Reason = novasonic.SwapFailure }, BadSwap},
		{"a failure is called a planned move", func(f *fixture) { f.cuts(2).Reason = novasonic.SwapAge }, BadSwap},
		{"silence that a dead stream had not received is not heard again", func(f *fixture) { f.dies(49500 * time.Millisecond) }, Unheard},
		{"a move never ends", func(f *fixture) {
			f.Ended = f.Ended.Add(time.Hour)
			f.Frames = slices.DeleteFunc(f.Frames, func(s Seen) bool { w := s.Frame.(*novasonic.Swap); return w.Step == novasonic.SwapClosed })
		}, BadSwap},
		{"the conversation ends by itself", func(f *fixture) { f.Err = errors.New("gave up") }, EndEarly},
		{"a change of voice does not happen", func(f *fixture) {
			f.Asked = append(f.Asked, Asked{At: noon.Add(2 * time.Second), What: novasonic.SwapChange, Voice: "tiffany"})
		}, NoChange},
		{"a change of instructions does not happen", func(f *fixture) {
			f.Asked = append(f.Asked, Asked{At: noon.Add(2 * time.Second), What: novasonic.SwapChange, Instructions: "Be brief."})
		}, NoChange},
		{"a move that was asked for does not happen", func(f *fixture) {
			f.Ended, f.HungUp = noon.Add(time.Hour), noon.Add(time.Hour)
			f.Asked = append(f.Asked, Asked{At: noon.Add(80 * time.Second), What: novasonic.SwapRequest})
		}, NoChange},

		// The service's rules.
		{"a rule is broken", func(f *fixture) {
			f.Streams[0].Violations = []sonictest.Violation{{Event: "audioInput", Text: "no audio, please", Fatal: true}}
		}, Broke},
		{"the brain panics", func(f *fixture) { f.Streams[0].Panic = "oh" }, Crash},
		{"the evidence makes no sense", func(f *fixture) { f.Streams[0].Calls[0].Answer = 77 }, Crash},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := wellDone()
			c.spoil(f)
			r := Judge(f.Evidence)
			if !slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Kind == c.want }) {
				t.Errorf("found %v, want %s", r.Violations, c.want)
			}
			if len(r.Violations) > 0 && len(r.Timeline) == 0 && c.want != Crash {
				t.Error("there is no timeline")
			}
		})
	}
}

// TestWhatAFailureExcuses has what would be a violation without the failure.
func TestWhatAFailureExcuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(f *fixture)
	}{
		{"silence that a stalled stream had not received", func(f *fixture) {
			f.Faults[0].Kind = Deafens
			f.dies(49500 * time.Millisecond)
		}},
		{"no goodbye", func(f *fixture) {
			f.Streams[1].Violations = []sonictest.Violation{{At: 51 * time.Second, Text: "the input ended without sessionEnd"}}
		}},
		{"a first answer that comes two seconds later, since the stream before had stalled", func(f *fixture) { f.begins(Deafens); f.Heard[0].At += audio.Position(f.sample(2 * time.Second)) }},
		{"an answer that comes a second later", func(f *fixture) { f.delay(f.pieceOf(2, 0, 0), time.Second) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := wellDone()
			c.happen(f)
			if r := Judge(f.Evidence); len(r.Violations) > 0 {
				t.Errorf("found %v, want nothing", r.Violations)
			}
		})
	}
}

func TestHardlyAWordOfWhatAFailedStreamSentNeedNotBeInTheHistory(t *testing.T) {
	const text = "reply 1 part 1 of 1 amber birch cedar dune ember fjord."
	pcm := talk.Voice(1, int(rate.Samples(4*time.Second)))
	for name, tc := range map[string]struct {
		sent time.Duration
		want int
	}{
		"hardly a word": {300 * time.Millisecond, 0},
		"half of it":    {2 * time.Second, 1},
		"all of it":     {4 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := &trial{Evidence: &Evidence{Began: noon, OutputBegan: noon, OutputRate: rate, OutputChunk: frame}, wrong: map[string]bool{}}
			failed := &stream{StreamLog: &sonictest.StreamLog{}, struck: &strike{Fault{Kind: Ends}, noon}}
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 1, Opened: noon, Audio: make([]sonictest.AudioBlock, 1)}}
			a := &answer{AnswerLog: &sonictest.AnswerLog{}, s: failed, about: &request{Request: talk.Request{ID: 1}}}
			said := &sentence{Said: &sonictest.Said{Text: text, PCM: pcm}, heard: []segment{{to: int(rate.Samples(tc.sent))}}}
			// It is heard for a tenth of a second when the next is told.
			j.saidSentence(told{s: next, at: noon.Add(frame)}, a, said, map[*answer]int{})
			if n := len(j.result.Violations); n != tc.want {
				t.Errorf("%d violations, want %d: %v", n, tc.want, j.result.Violations)
			}
		})
	}
}

func TestWhatAStreamHeardAndCouldNotTellNeedNotBeInTheHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		told time.Duration // after the end of the request: the stream is closed
		want bool
	}{
		"it was closed at once":          {0, false},
		"it was closed when it had told": {2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := wellDone()
			j := &trial{Evidence: f.Evidence, wrong: map[string]bool{}}
			j.result.Figures.Faults = map[string]int{}
			j.findStreams()
			j.hearing()
			j.findRequests()
			first := j.streams[0]
			heard := first.at(first.Heard[0].At)
			first.ended = heard.Add(tc.told)
			last := told{s: j.streams[2], at: j.streams[2].began()}
			if got := j.knownBefore(j.request(1), last); got != tc.want {
				t.Errorf("known: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWhatAStreamWouldHaveHeardNextNeedNotBeInItsHistory(t *testing.T) {
	const spoken = 5000 // where a request begins
	for name, tc := range map[string]struct {
		from, to int64 // what the stream has heard of the caller
		failed   bool
		want     bool
	}{
		"it failed during the replay":            {4000, 4800, true, true},
		"it failed where the request begins":     {4000, 5000, true, true},
		"it was well":                            {4000, 4800, false, false},
		"it had heard of the request":            {4000, 5800, true, false},
		"it was given what came after, and died": {5600, 6400, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{}, ended: noon, runs: []run{{from: tc.from, to: tc.to}}}
			if tc.failed {
				s.struck = &strike{Fault{Kind: Ends}, noon}
			}
			if got := s.onItsWay(spoken); got != tc.want {
				t.Errorf("on its way: %v, want %v", got, tc.want)
			}
		})
	}
	if (&stream{StreamLog: &sonictest.StreamLog{}}).onItsWay(spoken) {
		t.Error("nothing is on its way to a stream that heard nothing")
	}
}

func TestAResultMayBeToldAgainIfNothingOfItWasHeard(t *testing.T) {
	f := wellDone()
	f.Streams[1].Texts = append(f.Streams[1].Texts, sonictest.TextLog{At: time.Second, Text: f.Runs[0].Result})
	f.Evidence.Heard = slices.Delete(f.Evidence.Heard, 1, 2) // what stream #0 said of it
	for _, v := range Judge(f.Evidence).Violations {
		if v.Kind == ToolAstray {
			t.Errorf("found %v", v)
		}
	}
}

func TestATypedRequestThatIsStillToBeAskedNeedNotBeInTheHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		asked bool      // of a later stream
		reply []*answer // of an earlier one
		want  bool
	}{
		"a later stream is asked":                {true, nil, false},
		"an answer was announced, and not heard": {true, []*answer{{}}, false},
		"an answer was heard":                    {true, []*answer{{heard: 1, first: noon.Add(500 * time.Millisecond)}}, true},
		"nobody is":                              {false, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &request{Request: talk.Request{ID: 7}, to: noon, replies: tc.reply}
			listens := []sonictest.AudioBlock{{}}
			first := &stream{StreamLog: &sonictest.StreamLog{Opened: noon.Add(time.Second), Audio: listens}}
			second := &stream{StreamLog: &sonictest.StreamLog{Opened: noon.Add(2 * time.Second), Audio: listens}}
			if tc.asked {
				second.Texts = []sonictest.TextLog{{Text: r.Typed()}}
			}
			j := &trial{Evidence: &Evidence{}, heirs: []*stream{first, second}}
			if got := j.knownBefore(r, told{s: first, at: first.began()}); got != tc.want {
				t.Errorf("known: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAnAnswerOfWhichNothingWasHeardEndedWithWhatWasHeardThen(t *testing.T) {
	by := &request{from: noon}
	queued := &answer{cutBy: by}
	j := &trial{answers: []*answer{{cutBy: by, heard: 1, last: noon.Add(time.Second)}, {heard: 1, last: noon.Add(time.Minute)}, queued}}
	if got := j.endOf(queued).Sub(noon); got != time.Second {
		t.Errorf("it ended %v after the caller began to speak, want 1s", got)
	}
}

// TestADistantServiceIsJudgedByWhatTheClientCouldKnow has the conversation of the
// fixture with a service that is far away: its own logs have what was sent to it later,
// and what it did earlier.
func TestADistantServiceIsJudgedByWhatTheClientCouldKnow(t *testing.T) {
	const d = 150 * time.Millisecond
	f := wellDone()
	f.Streams = fromTheClient(f.Streams, -d)
	f.Faults[0].Cause.After -= 2 * d
	first, near := f.Streams[0], wellDone().Streams[0]
	if !first.Opened.Equal(near.Opened.Add(d)) || first.Answers[0].At != near.Answers[0].At-2*d || first.Audio[0].Arrivals[0].At != near.Audio[0].Arrivals[0].At {
		t.Fatal("the logs are not those of a service that is far away")
	}
	if len(Judge(f.Evidence).Violations) == 0 {
		t.Error("nothing is wrong with them, read as those of one next door")
	}
	f.Service.Distance = d
	if r := Judge(f.Evidence); len(r.Violations) > 0 {
		t.Errorf("found %v, want nothing", r.Violations)
	}
}

func TestAChangeWaitsForAStreamThatDrains(t *testing.T) {
	for name, tc := range map[string]struct {
		drains time.Duration // how long the first stream does, behind the change
		want   int
	}{
		"it has drained": {0, 1},
		"it drains":      {30 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			listens := []sonictest.AudioBlock{{}}
			opened := func(at, end time.Duration) *stream {
				return &stream{StreamLog: &sonictest.StreamLog{Opened: noon.Add(at), Audio: listens}, ended: noon.Add(end)}
			}
			asked := 20 * time.Second
			j := &trial{Evidence: &Evidence{Began: noon, HungUp: noon.Add(100 * time.Second), Ended: noon.Add(100 * time.Second)}, heirs: []*stream{
				opened(0, asked+tc.drains), opened(10*time.Second, 85*time.Second), opened(80*time.Second, 100*time.Second),
			}}
			j.Asked = []Asked{{At: noon.Add(asked), What: novasonic.SwapRequest}}
			j.demands()
			if n := len(j.result.Violations); n != tc.want {
				t.Errorf("%d violations, want %d: %v", n, tc.want, j.result.Violations)
			}
		})
	}
}

func TestWhoSpokeLastCutTheAnswer(t *testing.T) {
	first := &request{from: noon, to: noon.Add(2 * time.Second)}
	second := &request{from: noon.Add(2500 * time.Millisecond), to: noon.Add(4 * time.Second)}
	a := &answer{}
	j := &trial{Evidence: &Evidence{}, requests: []*request{first, second}}
	if !j.cutShort(a, noon.Add(2600*time.Millisecond)) || a.cutBy != second {
		t.Errorf("it was cut by %v, want the second request", a.cutBy)
	}
}

func TestWhatWasNoLongerKeptAndSaidToBeLostMayHaveBeenHeardInPart(t *testing.T) {
	for name, tc := range map[string]struct {
		heard []float64
		from  int64 // of the 8000 samples that the request has
		lost  time.Duration
		want  int
	}{
		"all was heard":                         {[]float64{1, 1}, 0, 0, 0},
		"the beginning was lost":                {[]float64{0.8, 1}, 400, 50 * time.Millisecond, 0},
		"nobody said that it was":               {[]float64{0.8, 1}, 400, 0, 1},
		"it is not what is missing":             {[]float64{1, 0.8}, 400, 50 * time.Millisecond, 1},
		"more is missing":                       {[]float64{0.8, 1}, 1200, 50 * time.Millisecond, 1},
		"the beginning was heard, but not well": {[]float64{0.8, 1}, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{}, runs: []run{{from: tc.from, to: 8000}}, swap: &novasonic.Swap{SwapStatus: novasonic.SwapStatus{Lost: tc.lost}}}
			u := &hearing.Utterance{}
			for _, h := range tc.heard {
				u.Words = append(u.Words, hearing.Word{Heard: h})
			}
			a := &answer{s: s, about: &request{spoken: &talk.Utterance{From: 0, To: 8000}}}
			a.AnswerLog = &sonictest.AnswerLog{Turn: sonictest.Turn{Utterance: u}}
			j := &trial{Evidence: &Evidence{Track: talk.NewTrack(1, rate)}}
			if j.heardWhole(a); len(j.result.Violations) != tc.want {
				t.Errorf("violations %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}

func TestSilenceThatWasGivenAgainToAStreamThatStalledMayBeLost(t *testing.T) {
	var sent []Chunk
	for n := range int64(40) {
		sent = append(sent, Chunk{At: noon.Add(time.Duration(n+1) * frame), From: n * 800, To: (n + 1) * 800})
	}
	const distance = 75 * time.Millisecond
	for name, tc := range map[string]struct {
		from, to int64
		fault    FaultKind
		after    time.Duration // the stream took over, that it stalled
		replayed int64         // to it, in several windows
		want     bool
	}{
		"right behind what it had received":        {8000, 9600, Silences, 0, 0, true},
		"behind what others had received":          {8400, 9600, Silences, 0, 0, true},
		"it had received of it":                    {7999, 9600, Silences, 0, 0, false},
		"it was sent when it was listening":        {8000, 16800, Silences, 200 * time.Millisecond, 16000, false},
		"it was sent behind a replay of two waits": {8000, 16800, Silences, 200 * time.Millisecond, 20000, true},
		"it was sent behind that, when it stalled": {8000, 16800, Silences, 50 * time.Millisecond, 20000, false},
		"the next stream has received of it":       {8000, 10400, Silences, 0, 0, false},
		"everybody could know of the failure":      {8000, 9600, Ends, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			// It is given two seconds at once, takes one, and stalls.
			at := noon.Add(2 * time.Second)
			stalled := &stream{StreamLog: &sonictest.StreamLog{Audio: make([]sonictest.AudioBlock, 1)}, heard: at, struck: &strike{Fault{Kind: tc.fault}, at.Add(tc.after)}, runs: []run{{to: 8000}}, took: &takeover{replayed: tc.replayed}}
			first := &stream{StreamLog: &sonictest.StreamLog{Number: 1}}
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 2, Opened: at.Add(time.Second), Audio: make([]sonictest.AudioBlock, 1)}, heard: at.Add(time.Second), previous: stalled, runs: []run{{from: 9600, to: 32000}}}
			if tc.to == 16800 {
				next.runs[0].from = tc.to
			}
			next.took = &takeover{at: next.heard, cut: 8000, failure: true, down: at.Add(tc.after), evident: tc.fault == Ends}
			j := &trial{Evidence: &Evidence{Track: talk.NewTrack(1, rate), Chunks: sent}, listeners: []*stream{first, stalled, next}, heirs: []*stream{first, stalled, next}}
			j.Service.Distance = distance
			if got := j.inFlight(tc.from, tc.to); got != tc.want {
				t.Errorf("excused: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSilenceOnItsWayToAStreamThatDiedBehindTheCutMayBeLost(t *testing.T) {
	const d = 60 * time.Millisecond
	cut := noon.Add(time.Second)
	long := []sonictest.Message{{Text: strings.Repeat("word ", 20_000)}}
	for name, tc := range map[string]struct {
		died    time.Duration // after the cut, as the client learns
		history []sonictest.Message
		begins  time.Duration // of the next one's audio, after the cut
		want    bool
	}{
		"before it could arrive":       {2*d - time.Millisecond, nil, 0, true},
		"while the next one was told":  {d, long, 2 * d, true},
		"before the next one was told": {d, nil, 2 * d, false},
		"when it must have got it":     {2*d + time.Millisecond, nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			// The last of what the old stream is sent leaves at the cut.
			chunk := Chunk{At: cut, From: 7200, To: 8000}
			old := &stream{StreamLog: &sonictest.StreamLog{Opened: noon, Audio: make([]sonictest.AudioBlock, 1)}, struck: &strike{Fault{Kind: Ends}, cut.Add(tc.died)}}
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 1, Opened: cut, History: tc.history, Audio: []sonictest.AudioBlock{{Opened: tc.begins}}}, heard: cut.Add(frame), previous: old, runs: []run{{from: 8000, to: 16000}}}
			next.took = &takeover{at: next.heard, cut: 7200}
			j := &trial{Evidence: &Evidence{Track: talk.NewTrack(1, rate), Chunks: []Chunk{chunk}}, listeners: []*stream{old, next}, heirs: []*stream{old, next}}
			j.Service.Distance = d
			if got := j.inFlight(7200, 8000); got != tc.want {
				t.Errorf("excused: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSilenceAtTheEndMayBeLostWithAStreamThatHeardNothing(t *testing.T) {
	at := noon.Add(time.Minute)
	last := &stream{StreamLog: &sonictest.StreamLog{}, silent: at.Add(-5 * time.Second), runs: []run{{}}}
	for name, tc := range map[string]struct {
		kind   sonictest.EndKind
		failed time.Duration // after then
		ended  time.Duration
		runs   []run
		want   bool
	}{
		"it had failed":       {sonictest.Dropped, -time.Second, time.Second, nil, true},
		"it failed later":     {sonictest.Dropped, time.Millisecond, time.Second, nil, false},
		"it heard something":  {sonictest.Dropped, -time.Second, time.Second, []run{{}}, false},
		"it was refused":      {sonictest.Refused, -time.Second, time.Second, nil, false},
		"it was another time": {sonictest.Dropped, -10 * time.Second, -9 * time.Second, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{End: sonictest.End{Kind: tc.kind}}, ended: at.Add(tc.ended), runs: tc.runs, struck: &strike{Fault{Kind: Ends}, at.Add(tc.failed)}}
			if got := (&trial{streams: []*stream{last, s}}).deafHeir(last, at); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestAStreamThatIsLeftAsItHearsThingsAgainHearsThemToTheEnd(t *testing.T) {
	const d = 20 * time.Millisecond
	for name, tc := range map[string]struct {
		replayed int64 // to the old stream
		want     int
	}{
		"several windows of it":  {5 * 8000 * 10, 0},
		"no more than in flight": {800, 1},
	} {
		t.Run(name, func(t *testing.T) {
			at := noon.Add(10 * time.Second)
			old := &stream{StreamLog: &sonictest.StreamLog{}, silent: at.Add(200 * time.Millisecond), ended: at.Add(time.Second), runs: []run{{to: 8000}}, took: &takeover{at: at.Add(-time.Millisecond), replayed: tc.replayed}}
			old.End.Kind = sonictest.ClosedBoth
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 1}, heard: at, previous: old, runs: []run{{from: 8000, to: 16000}}}
			j := &trial{Evidence: &Evidence{Track: talk.NewTrack(1, rate)}}
			j.Service.Distance = d
			if j.tookOver(next); len(j.result.Violations) != tc.want {
				t.Errorf("found %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}

func TestAnAnswerThatTheCallerSpokeBeforeNeedNotBeHeard(t *testing.T) {
	for name, tc := range map[string]struct {
		interrupted bool
		cut         time.Duration // after the caller spoke
		want        bool
	}{
		"it was interrupted":           {true, 100 * time.Millisecond, true},
		"by something before":          {true, -time.Millisecond, false},
		"it was not, and is not heard": {false, 100 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &request{next: &request{from: noon.Add(time.Second)}}
			a := &answer{s: &stream{StreamLog: &sonictest.StreamLog{Opened: noon}}, AnswerLog: &sonictest.AnswerLog{Interrupted: tc.interrupted, Cut: time.Second + tc.cut}}
			if got := r.overtaken(a); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestWhatWasTypedBehindAResultMayBeAskedAgain(t *testing.T) {
	type change func(r *request, outcome, first *answer)
	for name, tc := range map[string]struct {
		change change
		want   int
	}{
		"since the stream has said one thing and failed": {func(*request, *answer, *answer) {}, 0},
		"it has not failed":            {func(_ *request, _, first *answer) { first.s.struck = nil }, 1},
		"it was told no result":        {func(_ *request, o, _ *answer) { o.outcome = false }, 1},
		"it was told that by another":  {func(_ *request, o, _ *answer) { o.s = &stream{StreamLog: o.s.StreamLog} }, 1},
		"it has said that, too":        {func(_ *request, o, _ *answer) { o.heard = 1 }, 1},
		"it was told that long before": {func(_ *request, o, _ *answer) { o.Cut -= 2 * time.Second }, 1},
		"it was spoken":                {func(r *request, _, _ *answer) { r.spoken = &talk.Utterance{} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{Opened: noon}, struck: &strike{Fault{Kind: Silences}, noon.Add(12 * time.Second)}}
			r := &request{Request: talk.Request{ID: 1}, to: noon.Add(10 * time.Second)}
			outcome := &answer{AnswerLog: &sonictest.AnswerLog{Interrupted: true, Cut: 10 * time.Second}, s: s, outcome: true}
			first := &answer{AnswerLog: &sonictest.AnswerLog{}, s: s, heard: 1, first: noon.Add(11 * time.Second)}
			second := &answer{AnswerLog: &sonictest.AnswerLog{}, s: &stream{StreamLog: &sonictest.StreamLog{}}, heard: 1, first: noon.Add(20 * time.Second)}
			tc.change(r, outcome, first)
			j := &trial{Evidence: &Evidence{Began: noon}, answers: []*answer{outcome, first, second}}
			if j.answeredOnce(r, false, []*answer{first, second}); len(j.result.Violations) != tc.want || r.either != (tc.want == 0) {
				t.Errorf("found %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}

func TestOfTwoMovesInARowEachStreamHasItsOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		cuts, audio []time.Duration // when moves are told, and streams begin to hear
		want        []int           // the move of each
	}{
		"each right behind its own":        {[]time.Duration{0, 80}, []time.Duration{1, 81}, []int{1, 2}},
		"late, behind both":                {[]time.Duration{0, 80}, []time.Duration{82, 90}, []int{1, 2}},
		"late, and the next near":          {[]time.Duration{0, 120}, []time.Duration{80, 130}, []int{1, 2}},
		"the first died before it heard":   {[]time.Duration{0, 80}, []time.Duration{81}, []int{2}},
		"the second is told of by nothing": {[]time.Duration{0}, []time.Duration{1, 500}, []int{1, 0}},
		"the frame comes behind":           {[]time.Duration{80}, []time.Duration{1}, []int{0}},
		"both in one instant":              {[]time.Duration{0, 0}, []time.Duration{0, 0}, []int{1, 2}},
		"and the second died before":       {[]time.Duration{0, 0}, []time.Duration{0}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			open := func(at time.Duration) *stream {
				return &stream{StreamLog: &sonictest.StreamLog{Opened: noon.Add(at), Audio: make([]sonictest.AudioBlock, 1)}, runs: []run{{}}}
			}
			j := &trial{Evidence: &Evidence{}, streams: []*stream{open(-time.Minute)}}
			for n, at := range tc.cuts {
				j.Frames = append(j.Frames, Seen{At: noon.Add(at * time.Millisecond), Frame: &novasonic.Swap{SwapStatus: novasonic.SwapStatus{Number: n + 1, Step: novasonic.SwapCut}}})
			}
			for _, at := range tc.audio {
				j.streams = append(j.streams, open(at*time.Millisecond))
			}
			j.findSwaps()
			for i, want := range tc.want {
				got := 0
				if w := j.heirs[i+1].swap; w != nil {
					got = w.Number
				}
				if got != want {
					t.Errorf("stream %d has move %d, want %d", i, got, want)
				}
			}
		})
	}
}

func TestAStreamThatWasNeverToListenIsNobodysHeir(t *testing.T) {
	cut := Seen{At: noon, Frame: &novasonic.Swap{SwapStatus: novasonic.SwapStatus{Step: novasonic.SwapCut}}}
	for name, tc := range map[string]struct {
		kind  sonictest.EndKind
		began time.Duration // after a cut
		ended time.Duration // after it began
		runs  []run
		want  bool
	}{
		"let go":                          {sonictest.ClosedBoth, time.Minute, 0, nil, true},
		"died as it was let go":           {sonictest.Faulted, time.Minute, 0, nil, true},
		"died as it was told to listen":   {sonictest.Faulted, 0, 0, nil, false},
		"lived on":                        {sonictest.ClosedBoth, time.Minute, time.Second, nil, false},
		"heard something, and was closed": {sonictest.ClosedBoth, time.Minute, 0, []run{{}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{Opened: noon.Add(tc.began), Audio: make([]sonictest.AudioBlock, 1), End: sonictest.End{Kind: tc.kind}}, ended: noon.Add(tc.began + tc.ended), runs: tc.runs}
			j := &trial{Evidence: &Evidence{}, cuts: []Seen{cut}}
			if got := j.unneeded(s); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestWhatWasHeardAgainButForItsBeginningHasOtherWords(t *testing.T) {
	for name, tc := range map[string]struct {
		lost time.Duration
		from int64
		want bool
	}{
		"the beginning was no longer kept": {time.Second, 1000, true},
		"nobody says so":                   {0, 1000, false},
		"all of it was":                    {time.Second, 0, false},
		"it was another's":                 {time.Second, 9000, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{runs: []run{{from: tc.from}}, swap: &novasonic.Swap{SwapStatus: novasonic.SwapStatus{Lost: tc.lost}}}
			j := &trial{listeners: []*stream{s}}
			if got := j.heardInPart(&request{spoken: &talk.Utterance{From: 0, To: 8000}}); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestOfTwoResultsOneMayNotBeToldIfTheOtherWasCut(t *testing.T) {
	for name, tc := range map[string]struct {
		cut   bool
		began time.Duration // after the second result was told
		want  int
	}{
		"cut before it was heard":          {true, 200 * time.Millisecond, 0},
		"begun before the second was told": {true, -200 * time.Millisecond, 1},
		"not cut":                          {false, 200 * time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := &request{Request: talk.Request{ID: 1}}, &request{Request: talk.Request{ID: 2}}
			told := noon.Add(time.Minute)
			s := &stream{StreamLog: &sonictest.StreamLog{Opened: noon}, ended: told.Add(2 * time.Second)}
			a := &answer{AnswerLog: &sonictest.AnswerLog{At: time.Minute + tc.began}, s: s, about: first, outcome: true}
			if tc.cut {
				a.cutBy = &request{Request: talk.Request{ID: 3}}
			}
			j := &trial{
				Evidence: &Evidence{Began: noon, HungUp: noon.Add(time.Hour), Ended: noon.Add(time.Hour), Runs: []Execution{{Call: talk.Call{Request: 2}, Returned: told, Result: "2"}}},
				streams:  []*stream{s}, requests: []*request{first, second}, answers: []*answer{a}, wrong: map[string]bool{},
			}
			if j.outcomeHeard(second); len(j.result.Violations) != tc.want {
				t.Errorf("found %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}

func TestASentenceThatAFailedStreamDoesNotEndSeemsToGoOnForAWhile(t *testing.T) {
	const text = "reply 1 part 1 of 1 amber birch cedar dune ember fjord."
	pcm := talk.Voice(1, int(rate.Samples(4*time.Second)))
	for name, tc := range map[string]struct {
		failed bool
		told   time.Duration // after the last of it was heard
		want   int
	}{
		"a moment later":         {true, time.Second, 0},
		"long after":             {true, 3 * time.Second, 1},
		"it has not failed, too": {false, time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			half := len(pcm) / 2
			end := noon.Add(rate.Duration(int64(half)))
			j := &trial{Evidence: &Evidence{Began: noon, OutputBegan: noon, OutputRate: rate, OutputChunk: frame}, wrong: map[string]bool{}}
			stalled := &stream{StreamLog: &sonictest.StreamLog{}}
			if tc.failed {
				stalled.struck = &strike{Fault{Kind: Silences}, noon}
			}
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 1, Opened: noon, Audio: make([]sonictest.AudioBlock, 1)}}
			a := &answer{AnswerLog: &sonictest.AnswerLog{}, s: stalled, about: &request{Request: talk.Request{ID: 1}}, heard: int64(half), last: end}
			said := &sentence{Said: &sonictest.Said{Text: text, PCM: pcm}, heard: []segment{{to: half}}}
			h := told{s: next, at: end.Add(tc.told), lines: []assistedLine{{text: text}}}
			if j.saidSentence(h, a, said, map[*answer]int{}); len(j.result.Violations) != tc.want {
				t.Errorf("found %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}

func TestAnAnswerThatTheCallerSpokeOverAtItsEndMayCountAsCut(t *testing.T) {
	const text = "reply 1 part 1 of 1 amber birch cedar dune ember fjord."
	pcm := talk.Voice(1, int(rate.Samples(4*time.Second)))
	end := noon.Add(4 * time.Second)
	for name, tc := range map[string]struct {
		spoke time.Duration // after the end of it was heard
		text  string
		want  int
	}{
		"a moment before the end":   {-200 * time.Millisecond, "reply 1 part 1 of 1 amber birch cedar", 0},
		"and half of it is missing": {-200 * time.Millisecond, "reply 1 part 1 of 1", 1},
		"long before the end":       {-2 * time.Second, "reply 1 part 1 of 1 amber birch cedar", 1},
		"behind it":                 {time.Millisecond, "reply 1 part 1 of 1 amber birch cedar", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stream{StreamLog: &sonictest.StreamLog{}}
			next := &stream{StreamLog: &sonictest.StreamLog{Number: 1, Opened: noon, Audio: make([]sonictest.AudioBlock, 1)}}
			j := &trial{Evidence: &Evidence{Began: noon, OutputBegan: noon, OutputRate: rate, OutputChunk: frame}, wrong: map[string]bool{},
				requests: []*request{{spoken: &talk.Utterance{}, from: end.Add(tc.spoke)}}}
			a := &answer{AnswerLog: &sonictest.AnswerLog{}, s: s, about: &request{Request: talk.Request{ID: 1}}, heard: int64(len(pcm)), last: end}
			said := &sentence{Said: &sonictest.Said{Text: text, PCM: pcm}, heard: []segment{{to: len(pcm)}}}
			h := told{s: next, at: end.Add(10 * time.Second), lines: []assistedLine{{text: tc.text, cut: true}}}
			if j.saidSentence(h, a, said, map[*answer]int{}); len(j.result.Violations) != tc.want {
				t.Errorf("found %v, want %d", j.result.Violations, tc.want)
			}
		})
	}
}
