package oracle

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// request is one thing that the caller asked for.
type request struct {
	talk.Request
	spoken   *talk.Utterance // nil if it was typed
	from, to time.Time       // when it was made
	next     *request        // what was asked for after it

	replies  []*answer // what streams said to it at once
	outcomes []*answer // and when they knew what its tools had returned

	// either tells that a stream had just been told a result when this was typed, said
	// one thing and failed: nobody can know which of the two that was about.
	either bool
}

// findRequests lists what was asked for, in order.
func (t *trial) findRequests() {
	for _, u := range t.Track.Said() {
		if u.From >= t.all() {
			continue // it was never spoken
		}
		u.To = min(u.To, t.all())
		t.requests = append(t.requests, &request{Request: u.Request, spoken: &u, from: t.spokenAt(u.From), to: t.spokenAt(u.To - 1)})
		t.result.Figures.Utterances++
	}
	for _, y := range t.Typed {
		t.requests = append(t.requests, &request{Request: y.Request, from: y.At, to: y.At})
		t.result.Figures.Typed++
	}
	slices.SortStableFunc(t.requests, func(a, b *request) int { return a.from.Compare(b.from) })
	for i, r := range t.requests[:max(0, len(t.requests)-1)] {
		r.next = t.requests[i+1]
	}
}

func (t *trial) request(id int) *request {
	for _, r := range t.requests {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// answer is one answer of one stream.
type answer struct {
	*sonictest.AnswerLog
	index   int // in the stream's log
	s       *stream
	about   *request // nil if it is to no request: a fragment
	outcome bool     // it tells of what tools returned: of these calls
	calls   []talk.Call

	sentences []*sentence // those of which something was sent
	heard     int64       // samples
	first     time.Time   // when the first of them began to be heard
	last      time.Time   // when the last of them ended
	cutBy     *request    // who made it end before its end
}

// sentence is one of those of an answer.
type sentence struct {
	*sonictest.Said
	number int       // in the answer
	pieces []piece   // as they were sent
	heard  []segment // as they were heard
}

// piece is a part of a sentence that was sent at once: up to sample end.
type piece struct {
	end int
	at  time.Time
}

// segment is a part of a sentence, [from, to), that was heard in one piece.
type segment struct {
	from, to int
	at       audio.Position // on the output's clock
}

// sent tells when a sample of the sentence was.
func (s *sentence) sent(sample int) time.Time {
	i := sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].end > sample })
	if i == len(s.pieces) {
		i--
	}
	return s.pieces[i].at
}

// heardAt is when a position on the output's clock is heard.
func (t *trial) heardAt(p audio.Position) time.Time {
	return t.OutputBegan.Add(t.OutputRate.Duration(int64(p)))
}

// ear decodes what was heard, and checks G3 but for what is cut short.
func (t *trial) ear() {
	t.findAnswers()
	var all []*sentence
	var owners []*answer
	var expected [][]int16
	for _, a := range t.answers {
		for _, s := range a.sentences {
			all, owners = append(all, s), append(owners, a)
			expected = append(expected, s.PCM)
		}
	}
	rec := newRecording(t.Heard, t.OutputRate)
	report := voice.NewDecoder(expected...).Decode(rec.samples)

	for _, g := range report.Segments {
		s, a := all[g.Sentence], owners[g.Sentence]
		seg := segment{g.From, g.To, rec.position(g.At)}
		s.heard = append(s.heard, seg)
		begin, end := t.heardAt(seg.at), t.heardAt(seg.at+audio.Position(g.Len()))
		if a.heard == 0 || begin.Before(a.first) {
			a.first = begin
		}
		if end.After(a.last) {
			a.last = end
		}
		a.heard += int64(g.Len())
	}
	name := func(i int) string { return owners[i].name(all[i]) }
	at := func(i int) time.Time { return t.heardAt(rec.position(i)) }
	for _, g := range report.Gaps {
		t.violate(Missing, at(g.At), "samples %d to %d of %s were never heard", g.From, g.To, name(g.Sentence))
	}
	for _, g := range report.Repeats {
		t.violate(Repeated, at(g.At), "samples %d to %d of %s were heard again", g.From, g.To, name(g.Sentence))
	}
	for _, g := range report.Reordered {
		t.violate(Reordered, at(g.At), "samples %d to %d of %s were heard after later ones", g.From, g.To, name(g.Sentence))
	}
	for _, o := range report.Overlaps {
		t.violate(Overlapped, at(o.At), "%s and %s were heard at once for %v", name(o.First), name(o.Second), t.OutputRate.Duration(int64(o.Length)))
	}
	for _, u := range report.Unknown {
		t.violate(Strange, at(u.At), "%v of sound that no stream has sent", t.OutputRate.Duration(int64(u.Length)))
	}
	for _, a := range t.answers {
		t.inTime(a)
	}
}

func (a *answer) name(s *sentence) string {
	return a.String() + ", sentence " + strconv.Itoa(s.number+1)
}

func (a *answer) String() string {
	switch {
	case a.about == nil:
		return a.s.String() + "'s answer to a fragment"
	case a.outcome:
		return a.s.String() + "'s outcome of request " + strconv.Itoa(a.about.ID)
	}
	return a.s.String() + "'s answer to request " + strconv.Itoa(a.about.ID)
}

// findAnswers lists what the streams answered, and to what.
func (t *trial) findAnswers() {
	for _, s := range t.streams {
		for i := range s.Answers {
			a := &answer{AnswerLog: &s.Answers[i], index: i, s: s}
			a.about, a.calls = t.askedFor(&a.Turn)
			a.outcome = len(a.calls) > 0
			for n := range a.Sentences {
				if said := &a.Sentences[n]; said.Sent > 0 {
					a.sentences = append(a.sentences, &sentence{Said: said, number: n})
				}
			}
			a.findPieces()
			t.answers = append(t.answers, a)
			switch {
			case a.about == nil:
			case a.outcome:
				a.about.outcomes = append(a.about.outcomes, a)
			default:
				a.about.replies = append(a.about.replies, a)
			}
		}
	}
}

// askedFor tells which request a turn is about, and the outcome of which calls
// it is told.
func (t *trial) askedFor(turn *sonictest.Turn) (*request, []talk.Call) {
	switch turn.Kind {
	case sonictest.Spoken:
		if r, ok := talk.ParseSpoken(turn.Text); ok {
			if asked := t.request(r.ID); asked != nil && asked.Spoken() == turn.Text {
				return asked, nil
			}
		}
		return nil, nil
	case sonictest.Written:
		if r, ok := talk.ParseTyped(turn.Text); ok {
			return t.request(r.ID), nil
		}
	}
	var calls []talk.Call
	for _, r := range turn.Results {
		calls = append(calls, talk.Tokens(r.Content)...)
	}
	if turn.Kind == sonictest.Written {
		calls = talk.Tokens(turn.Text)
	}
	if len(calls) == 0 {
		return nil, nil
	}
	return t.request(calls[0].Request), calls
}

// findPieces finds out when each part of each sentence was sent.
func (a *answer) findPieces() {
	block, n := "", -1
	for _, o := range a.s.Output {
		if o.Name != "audioOutput" || o.Answer != a.index {
			continue
		}
		if o.ContentID != block {
			block = o.ContentID
			n++
		}
		if n >= len(a.sentences) {
			return
		}
		s := a.sentences[n]
		end := o.Samples
		if len(s.pieces) > 0 {
			end += s.pieces[len(s.pieces)-1].end
		}
		s.pieces = append(s.pieces, piece{end, a.s.at(o.At)})
	}
}

// inTime checks that there is no pause in an answer, unless it was sent with one.
func (t *trial) inTime(a *answer) {
	var last audio.Position
	begun := false
	for _, s := range a.sentences {
		for _, g := range s.heard {
			if begun && g.at > last {
				due := t.heardAt(last)
				if sent := s.sent(g.from).Add(t.OutputChunk + 5*time.Millisecond); sent.After(due) {
					due = sent
				}
				if at := t.heardAt(g.at); at.After(due) {
					t.violate(Late, at, "%s paused for %v before sample %d, which was sent in time", a.name(s), at.Sub(t.heardAt(last)), g.from)
				}
			}
			begun, last = true, g.at+audio.Position(g.to-g.from)
		}
	}
}

// recording is what was heard, with its pauses shortened.
type recording struct {
	samples []int16
	starts  []int            // where each piece begins in samples …
	at      []audio.Position // … and on the output's clock
}

func newRecording(pieces []Piece, rate audio.SampleRate) recording {
	most := audio.Position(rate.Samples(time.Second))
	var r recording
	var end audio.Position
	for i, p := range pieces {
		pause := p.At - end
		if i == 0 || pause > most {
			pause = most
		}
		r.samples = append(r.samples, make([]int16, max(0, pause))...)
		r.starts, r.at = append(r.starts, len(r.samples)), append(r.at, p.At)
		r.samples = append(r.samples, p.Samples...)
		end = p.At + audio.Position(len(p.Samples))
	}
	return r
}

// position returns where a sample of the recording is on the output's clock.
func (r recording) position(i int) audio.Position {
	n := sort.Search(len(r.starts), func(n int) bool { return r.starts[n] > i }) - 1
	if n < 0 {
		return 0
	}
	return r.at[n] + audio.Position(i-r.starts[n])
}

// ---- G2

// answered checks that each request was answered once, and nothing else was.
func (t *trial) answered() {
	for _, a := range t.answers {
		if a.heard == 0 {
			continue
		}
		t.result.Figures.Answers++
		if a.about == nil {
			if !t.excusedFragment(a) {
				t.violate(Fragment, a.first, "the caller heard what %v said to %q, which is no whole request", a.s, a.Turn.Text)
			}
			continue
		}
		t.heardWhole(a)
	}
	for _, a := range t.answers {
		t.wholeAnswer(a)
		t.saidToItsEnd(a)
	}
	for _, r := range t.requests {
		t.answeredOnce(r, false, r.replies)
		t.answeredOnce(r, true, r.outcomes)
	}
	t.inTheirOrder()
}

// excusedFragment tells whether a stream could not know better: what it had not
// heard was no longer kept, and that was said.
func (t *trial) excusedFragment(a *answer) bool {
	w := a.s.swap
	return w != nil && w.Lost > 0
}

// heardWhole checks that the stream which answered had heard all of the request,
// once.
func (t *trial) heardWhole(a *answer) {
	u := a.Turn.Utterance
	if a.about.spoken == nil || u == nil || a.outcome {
		return
	}
	for i, w := range u.Words {
		if i == 0 && w.Heard < 0.95 && t.excusedFragment(a) {
			continue // its beginning was no longer kept, and it was understood nevertheless
		}
		if w.Heard < 0.95 || w.Heard > 1.05 {
			t.violate(InPart, a.first, "%v answered request %d, of whose word %q it had heard %.0f %%", a.s, a.about.ID, w.Text, 100*w.Heard)
			return
		}
	}
	// Of whose beginning there was less than that, nobody could know as the stream took
	// over.
	const soundless = 10 * time.Millisecond
	from, to := a.about.spoken.From+t.Track.Rate().Samples(soundless), a.about.spoken.To
	received := a.s.received(from, to)
	if w := a.s.swap; received < to-from && !t.lost(from, to) && (w == nil || t.duration(to-from-received) > w.Lost) {
		t.violate(InPart, a.first, "%v answered request %d, of which it had received %d samples of %d", a.s, a.about.ID, received, to-from)
	}
}

func (t *trial) answeredOnce(r *request, outcome bool, by []*answer) {
	what := "answer"
	if outcome {
		what = "outcome"
	}
	var heard []*answer
	told := map[talk.Call]bool{}
	for _, a := range by {
		if a.heard == 0 {
			continue
		}
		fresh := !outcome
		for _, c := range a.calls {
			fresh = fresh || !told[c]
			told[c] = true
		}
		if fresh && outcome && len(heard) > 0 {
			continue // of another call
		}
		heard = append(heard, a)
	}
	if len(heard) == 2 && t.superseded(r, heard[0]) && heard[0].s.failed(heard[1].first) {
		r.either = true
		return
	}
	if len(heard) > 1 {
		t.violate(Twice, heard[1].first, "the caller heard the %s to request %d %d times: by %v at %s and by %v", what, r.ID, len(heard),
			heard[0].s, clock(heard[0].first.Sub(t.Began)), heard[1].s)
	}
	if len(heard) > 0 {
		return
	}
	if outcome {
		t.outcomeHeard(r)
		return
	}
	if len(r.Sentences()) > 0 && !t.needsNoAnswer(r) && !slices.ContainsFunc(by, r.overtaken) {
		t.violate(Unanswered, r.to, "request %d, made until then, was never answered", r.ID)
	}
}

// reference is how long after the end of a request the first sample of its
// answer is heard, at most, if nothing happens.
func (t *trial) reference() time.Duration {
	return time.Second + t.frame() + t.OutputChunk + t.roundTrip()
}

// outage is for how long nobody listened to what was being said, in a time.
func (t *trial) outage(from, to time.Time) time.Duration {
	var sum time.Duration
	if len(t.listeners) > 0 && t.firstFailed() != nil {
		sum += max(0, earlier(t.listeners[0].heard, to).Sub(later(t.Began, from)))
	}
	for _, s := range t.listeners {
		if k := s.took; k != nil && k.failure {
			sum += max(0, earlier(k.at.Add(t.catchingUp(s)), to).Sub(later(k.down, from)))
		}
	}
	if n := len(t.listeners); n > 0 {
		if last := t.listeners[n-1]; last.failed(to) {
			sum += max(0, to.Sub(later(last.struck.at, from)))
		}
	}
	return sum
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// needsNoAnswer tells whether a request may go unanswered: the caller went on
// before it could be answered, or the conversation ended, or no stream could
// say anything.
func (t *trial) needsNoAnswer(r *request) bool {
	ref := t.reference()
	if r.spoken == nil {
		ref += time.Second
	}
	end := t.HungUp
	if t.Err != nil || end.IsZero() {
		end = t.Ended
	}
	if t.lostWith(r) || t.silenced(r) {
		return true
	}
	if r.to.Add(ref + t.outage(r.from, end)).After(end) {
		return true
	}
	return r.next != nil && r.next.from.Before(r.to.Add(ref+t.outage(r.from, r.next.from)))
}

// superseded tells whether what was typed was answered by a stream that had been about to
// speak of a result.
func (t *trial) superseded(r *request, by *answer) bool {
	return r.spoken == nil && slices.ContainsFunc(t.answers, func(a *answer) bool {
		return a.s == by.s && a.outcome && a.heard == 0 && a.Interrupted && a.s.at(a.Cut).Sub(r.to).Abs() < time.Second
	})
}

// overtaken tells whether an answer, of which nothing was heard, was about to begin when
// the caller spoke again: what is typed may have to wait for what is being said.
func (r *request) overtaken(a *answer) bool {
	return r.next != nil && a.Interrupted && !a.s.at(a.Cut).Before(r.next.from)
}

// lostWith tells whether a part of the request was no longer kept when a stream
// took over that would have had to hear it, and that was said.
func (t *trial) lostWith(r *request) bool {
	if r.spoken == nil {
		return false
	}
	for _, s := range t.listeners {
		if first := s.runs[0].from; first > r.spoken.From && first < r.spoken.To {
			if w := s.swap; w != nil && w.Lost > 0 {
				return true
			}
		}
	}
	return false
}

// silenced tells whether the request was heard by a stream that could not say
// anything any more, which nobody can know.
func (t *trial) silenced(r *request) bool {
	for _, s := range t.listeners {
		if s.struck == nil || s.struck.fault.Kind != Silences && s.struck.fault.Kind != Deafens {
			continue
		}
		if s.heard.Before(r.to.Add(time.Second)) && s.struck.at.Before(r.to.Add(t.reference())) && !s.ended.Before(r.from) && s.struck.fault.Kind == Silences {
			return true
		}
	}
	return false
}

// outcomeHeard checks that the outcome of a request's tools, of which nothing
// was heard, did not have to be.
func (t *trial) outcomeHeard(r *request) {
	var ran *Execution
	for i := range t.Runs {
		if t.Runs[i].Request == r.ID {
			ran = &t.Runs[i]
		}
	}
	if ran == nil {
		return
	}
	end := t.HungUp
	if t.Err != nil || end.IsZero() {
		end = t.Ended
	}
	const patience = 35 * time.Second // a moment that interrupts nobody is waited for
	if ran.Returned.Add(patience).After(end) || t.silenced(r) {
		return
	}
	if s := t.listenerAt(ran.Returned); s != nil && s.failed(ran.Returned) && s.struck.fault.Kind == Silences {
		return // it was given the result, and could not say so
	}
	for _, s := range t.streams {
		if s.struck == nil || s.struck.fault.Kind != Silences {
			continue
		}
		for _, x := range s.Texts {
			if at := s.at(x.At); strings.Contains(x.Text, ran.Result) && s.failed(at.Add(10*time.Second)) {
				return // the same, in words
			}
		}
	}
	for _, a := range r.outcomes {
		if a.Interrupted || a.cutBy != nil || a.s.failed(a.s.at(a.At).Add(2*time.Second)) || a.s.failed(a.last) {
			return
		}
	}
	for _, a := range t.answers {
		if a.outcome && a.about != r && (a.heard > 0 || a.Interrupted || a.cutBy != nil) && a.s.Opened.Before(ran.Returned) && !later(a.first, a.s.at(a.At)).Before(ran.Returned) && (a.s.failed(ran.Returned.Add(patience)) || a.s.ended.Before(ran.Returned.Add(patience))) {
			return // nobody can know that it was not about this as well, and the stream ended before it went on
		}
	}
	t.violate(Unanswered, ran.Returned, "what the tool returned to request %d was never told to the caller", r.ID)
}

// wholeAnswer checks that of an answer all was heard that was sent, unless
// there was a reason.
func (t *trial) wholeAnswer(a *answer) {
	if len(a.sentences) == 0 {
		return
	}
	for _, s := range a.sentences {
		if len(s.heard) > 0 && s.heard[0].from > 0 {
			t.violate(Missing, t.heardAt(s.heard[0].at), "the first %d samples of %s were not heard", s.heard[0].from, a.name(s))
		}
	}
	// From here on nothing was heard.
	missing, from := a.unheardFrom()
	if missing == nil {
		return
	}
	for _, s := range a.sentences[slices.Index(a.sentences, missing)+1:] {
		if len(s.heard) > 0 {
			t.violate(Missing, t.heardAt(s.heard[0].at), "%s was heard, but samples %d to %d of %s were not", a.name(s), from, missing.Sent, a.name(missing))
			return
		}
	}
	due := later(a.last, missing.sent(from))
	for busy := true; busy; { // what was being heard then came first
		busy = false
		for _, b := range t.answers {
			if b != a && b.heard > 0 && b.last.After(due) && !b.first.After(due.Add(t.OutputChunk)) {
				due, busy = b.last, true
			}
		}
	}
	switch {
	case a.heard == 0 && t.unwanted(a):
	case a.s.failed(missing.sent(from).Add(50 * time.Millisecond)):
		// It was on its way when the stream failed.
	case t.Err != nil && due.After(t.Ended.Add(-time.Second-t.OutputChunk)):
	case t.cutShort(a, due):
		t.result.Figures.BargeIns++
	default:
		t.violate(Missing, due, "samples %d to %d of %s, and all after them, were not heard, though nobody interrupted", from, missing.Sent, a.name(missing))
	}
}

// saidToItsEnd checks that no stream was left that was in the middle of an answer
// which the caller heard, unless it was about to be ended by the service.
func (t *trial) saidToItsEnd(a *answer) {
	s := a.s
	if a.heard == 0 || a.about == nil || a.Done != 0 || a.Interrupted || s.End.Kind != sonictest.ClosedBoth || s.failed(s.ended) {
		return
	}
	over := t.HungUp
	if t.Err != nil || over.IsZero() {
		over = t.Ended
	}
	due := s.Opened.Add(cmp.Or(t.Service.Limits.Life, 8*time.Minute))
	for _, k := range t.Service.Credentials {
		if !k.Expires.IsZero() && k.AccessKeyID == s.AccessKey {
			due = earlier(due, k.Expires)
		}
	}
	if !s.ended.Before(over) || !s.ended.Before(due.Add(-1500*time.Millisecond)) || t.cutShort(a, a.last) {
		return
	}
	t.violate(Missing, s.ended, "%v was left in the middle of an answer: of %v nothing more was heard", s, a)
}

// unheardFrom returns the first sample that was sent and not heard, and none
// after which was in that sentence.
func (a *answer) unheardFrom() (*sentence, int) {
	for _, s := range a.sentences {
		to := 0
		for _, g := range s.heard {
			to = max(to, g.to)
		}
		if to < s.Sent {
			return s, to
		}
	}
	return nil, 0
}

// unwanted tells whether an answer was rightly thrown away before any of it was
// heard: it is to a fragment, or another stream gave it.
func (t *trial) unwanted(a *answer) bool {
	if a.about == nil {
		return true
	}
	others := a.about.replies
	if a.outcome {
		others = a.about.outcomes
	}
	for _, o := range others {
		if o != a && o.heard > 0 {
			return true
		}
	}
	return false
}

// cutShort tells whether the caller said something that ended the answer. The
// last thing said is what did.
func (t *trial) cutShort(a *answer, at time.Time) bool {
	for _, r := range slices.Backward(t.requests) {
		if r == a.about || a.about != nil && r.from.Before(a.about.to) && !a.outcome {
			continue
		}
		slack := t.reference() + t.outage(r.from, at)
		if !r.from.After(at.Add(t.OutputChunk)) && at.Before(r.to.Add(slack)) {
			a.cutBy = r
			return true
		}
	}
	return false
}

// inTheirOrder checks that answers are heard in the order of the requests. What
// tools returned may come when it comes.
func (t *trial) inTheirOrder() {
	var last *answer
	heard := slices.Clone(t.answers)
	slices.SortStableFunc(heard, func(a, b *answer) int { return a.first.Compare(b.first) })
	for _, a := range heard {
		if a.heard == 0 || a.outcome || a.about == nil || a.about.spoken == nil {
			continue
		}
		if last != nil && a.about.from.Before(last.about.from) {
			t.violate(WrongOrder, a.first, "request %d was answered after request %d, which was made later", a.about.ID, last.about.ID)
		}
		last = a
	}
}
