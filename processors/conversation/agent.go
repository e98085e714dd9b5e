package conversation

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/spoken"
)

// response is one answer of the agent.
type response struct {
	id        string
	notes     []*note // its sentences, oldest first
	pending   []*note // those that have no audio yet
	runs      []*run  // its audio
	last      string  // the last text, as it came
	ended     bool    // the model has ended it …
	brokenOff bool    // … before it was complete
	cut       bool    // an interruption has ended it
}

// run is audio without another text in between: that of the sentences which were
// announced before it. It is usually one.
type run struct {
	of       *response
	rate     audio.SampleRate
	from, to audio.Position
	notes    []*note
	complete bool           // no more of it comes
	cut      bool           // the rest will not be heard
	reason   string         // why
	heard    audio.Position // the first that was not (yet)
	settled  bool           // it was heard to its end
	over     bool           // nothing more will be told of it
}

// voice is a track of the agent's.
type voice struct {
	track string
	rate  audio.SampleRate
	sent  audio.Position // the end of what was sent
	heard audio.Position
	runs  []*run // not over

	// What was dropped last on the way to the caller, without a pause.
	lostFrom, lostTo audio.Position
}

// slack is how much of a sentence may go unheard: a resampler before the
// loudspeaker keeps the last of it until more comes. By as much positions may go
// back: where audio is converted, they are rounded.
const slack = 20 * time.Millisecond

// ---- answers

// answer returns the answer with an identifier that new text belongs to.
func (b *book) answer(id string) *response {
	if r := b.latest(id); r != nil && !r.cut && (!r.ended || id != "") {
		if r.ended {
			b.issue(BadOrder, fmt.Sprintf("a text behind the end of answer %q", id))
		}
		return r
	}
	return b.newAnswer(id)
}

func (b *book) latest(id string) *response {
	for _, r := range slices.Backward(b.responses) {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (b *book) newAnswer(id string) *response {
	if len(b.responses) == maxResponses {
		b.responses = append(b.responses[:0:0], b.responses[1:]...)
	}
	r := &response{id: id}
	b.responses = append(b.responses, r)
	return r
}

// answerBegun notes that an answer begins: if there was one with the same
// identifier, it was another.
func (b *book) answerBegun(id string) {
	id = b.name(id)
	if r := b.latest(id); r == nil || len(r.notes) > 0 || r.ended || r.cut {
		b.newAnswer(id)
	}
}

// answerEnded notes that the model has ended an answer.
func (b *book) answerEnded(f *frames.LLMResponseEnd) {
	r := b.latest(b.name(f.Response))
	if r == nil || r.ended {
		return // an interruption may have dropped all of it
	}
	r.ended = true
	if !f.Interrupted || r.cut {
		return
	}
	r.brokenOff = true
	if n := len(r.runs); n > 0 {
		if last := r.runs[n-1]; last.settled && !last.cut {
			b.cutRun(last, "broken off")
		}
	}
}

// announced notes a text of an answer.
func (b *book) announced(id, text string) {
	id = b.name(id)
	if strings.TrimSpace(text) == "" && b.latest(id) == nil {
		return
	}
	r := b.answer(id)
	if n := r.open(text); n != nil {
		if n.announced == "" {
			n.Clipped = 0
		}
		n.announced = b.text(n, n.announced+text)
		r.last = text
		b.retell(n)
		return
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	n := b.sentence(r, Announced)
	n.announced = b.text(n, text)
	r.pending, r.last = append(r.pending, n), text
	b.retell(n)
}

// forgetGone lets go of the sentences that are no longer remembered, which are the
// first, and of their audio; not of the last, which may go on. It changes nothing
// in the arrays: somebody may be on his way through them.
func (r *response) forgetGone() {
	for len(r.notes) > 1 && r.notes[0].gone {
		r.notes = r.notes[1:]
	}
	for len(r.pending) > 0 && r.pending[0].gone {
		r.pending = r.pending[1:]
	}
	if len(r.pending) == 0 {
		r.pending = nil
	}
	for len(r.runs) > 1 && r.runs[0].over && !slices.ContainsFunc(r.runs[0].notes, func(n *note) bool { return !n.gone }) {
		r.runs = r.runs[1:]
	}
	if len(r.notes) == 1 && r.notes[0].gone { // nor do the arrays hold what they held
		r.notes, r.pending, r.runs = slices.Clone(r.notes), slices.Clone(r.pending), slices.Clone(r.runs)
	}
}

// sentence begins an entry of an answer.
func (b *book) sentence(r *response, s State) *note {
	n := b.add(Agent, s)
	n.of, n.Response = r, r.id
	if len(r.notes) >= 2*maxNotes {
		r.notes = append(r.notes[:0:0], r.notes[maxNotes:]...)
	}
	r.notes = append(r.notes, n)
	return n
}

// retell gives an entry the text that was announced, if no better one is known.
func (b *book) retell(n *note) {
	if !n.worded && n.State != Cut && n.State != Unheard {
		n.Text = strings.TrimSpace(n.announced)
	}
	b.changed(n)
}

// open returns the sentence that a text goes on with; nil if it begins one. A
// model gives tokens, or whole sentences.
func (r *response) open(text string) *note {
	if len(r.notes) == 0 {
		return nil
	}
	n := r.notes[len(r.notes)-1]
	switch {
	case n.gone || n.sure || n.spoken > 0 || n.State.Over():
		return nil
	case n.announced == "":
		return n // its audio came first
	case beginsSentence(n.announced, r.last, text, n.run != nil):
		return nil
	}
	return n
}

// beginsSentence reports whether text begins a sentence behind before, whose last
// piece was last. voiced says that audio came in between.
func beginsSentence(before, last, text string, voiced bool) bool {
	next, _ := utf8.DecodeRuneInString(text)
	trimmed := strings.TrimRightFunc(before, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Pe, unicode.Pf) || r == '"' || r == '\''
	})
	end, _ := utf8.DecodeLastRuneInString(trimmed)
	apart := unicode.IsSpace(next) || strings.TrimRightFunc(before, unicode.IsSpace) != before
	switch {
	case strings.ContainsRune("。！？", end):
		return !unicode.IsPunct(next)
	case strings.ContainsRune(".!?…", end) && apart:
		return true
	case strings.ContainsRune(".!?…", end):
		return sentenceStart(next) && countLetters(last) > 1 // not within "U.S." nor "3.5"
	}
	return voiced && !apart && sentenceStart(next)
}

func sentenceStart(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsTitle(r) || unicode.Is(unicode.Lo, r) || unicode.In(r, unicode.Ps, unicode.Pi) || r == '"' || r == '¿' || r == '¡'
}

func countLetters(s string) (n int) {
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// ---- their audio

// voiceOf returns what is known of a track; nil if nothing.
func (b *book) voiceOf(track string) *voice {
	for _, v := range b.voices {
		if v.track == track {
			return v
		}
	}
	return nil
}

// audioSent notes audio on its way to the output.
func (b *book) audioSent(f *frames.AudioOutput) {
	track := b.name(f.Track)
	if f.Format.Validate() != nil || f.Position < 0 || f.Position > maxPosition || f.Len() == 0 {
		if f.Len() > 0 || f.Format.Validate() != nil {
			b.issue(BadPosition, fmt.Sprintf("audio of track %q at %d of %d Hz", track, f.Position, int(f.Format.Rate)))
		}
		return
	}
	v := b.voiceOf(track)
	if v == nil {
		if len(b.voices) == maxTracks {
			b.issue(TooMuch, "tracks of the agent")
			b.voices = append(b.voices[:0:0], b.voices[1:]...)
		}
		v = &voice{track: track, rate: f.Format.Rate, sent: f.Position, heard: f.Position}
		b.voices = append(b.voices, v)
	}
	gap := audio.Position(f.Format.Rate.Samples(b.cfg.MaxGap))
	if v.rate != f.Format.Rate || f.Position+v.slack() < v.sent || f.Position > v.sent+gap {
		// What is heard of it from now on is told by another clock.
		b.issue(BadPosition, fmt.Sprintf("track %q jumps from %d of %d Hz to %d of %d Hz", track, v.sent, int(v.rate), f.Position, int(f.Format.Rate)))
		for _, r := range v.runs {
			r.over = true
		}
		*v = voice{track: track, rate: f.Format.Rate, heard: f.Position}
	}
	if r := b.speakerOf(b.name(f.Response)); r != nil {
		b.addAudio(v, r, f)
	}
	v.sent = max(v.sent, f.End())
}

// speakerOf returns the answer that audio belongs to; nil if it is no speech.
func (b *book) speakerOf(id string) *response {
	var last *response
	for _, r := range b.responses {
		if r.id != id {
			continue
		}
		last = r
		if !r.cut && len(r.pending) > 0 {
			return r
		}
	}
	switch {
	case last == nil && id != "":
		return b.newAnswer(id) // its words come later, or never
	case id == "" && last != nil && (len(last.runs) == 0 || last.runs[len(last.runs)-1].complete):
		return nil // a sound
	}
	return last
}

func (b *book) addAudio(v *voice, r *response, f *frames.AudioOutput) {
	var current *run
	if n := len(r.runs); n > 0 {
		current = r.runs[n-1]
	}
	if r.cut || current != nil && current.cut && len(r.pending) == 0 {
		return // dropped on its way, or soon
	}
	if current != nil && len(r.pending) == 0 && !current.over && slices.Contains(v.runs, current) {
		current.to = max(current.to, f.End())
		return
	}
	notes := r.pending
	r.pending = nil
	if len(notes) == 0 && len(r.notes) > 0 {
		notes = r.notes[len(r.notes)-1:] // the sentence goes on
	}
	if len(notes) == 0 {
		notes = []*note{b.sentence(r, Announced)}
	}
	b.complete(v)
	if len(v.runs) >= maxRuns {
		b.issue(TooMuch, "audio that waits to be heard")
		v.runs = append(v.runs[:0:0], v.runs[1:]...)
	}
	from := max(f.Position, v.sent) // where they overlap, it is the sentence before that is heard
	u := &run{of: r, rate: v.rate, from: from, to: max(from, f.End()), heard: from, notes: slices.Clone(notes)}
	for _, n := range notes {
		n.run = u
	}
	v.runs = append(v.runs, u)
	if len(r.runs) >= maxNotes {
		r.runs = append(r.runs[:0:0], r.runs[len(r.runs)-1])
	}
	r.runs = append(r.runs, u)
}

// complete notes that the audio so far of a track is followed by another's.
func (b *book) complete(v *voice) {
	for _, u := range slices.Clone(v.runs) {
		u.complete = true
		b.settle(v, u)
	}
}

// voiceEnded notes that the audio of an answer has all been sent.
func (b *book) voiceEnded(id string) {
	id = b.name(id)
	for _, v := range b.voices {
		for _, u := range slices.Clone(v.runs) {
			if u.of.id == id {
				u.complete = true
				b.settle(v, u)
			}
		}
	}
}

// bounds is where on the track a sentence of a run is: the sentences share it by
// their letters.
func (u *run) bounds(n *note) (from, to audio.Position) {
	if len(u.notes) == 1 {
		return u.from, u.to
	}
	before, all := 0, 0
	for _, o := range u.notes {
		if o == n {
			before = all
		}
		all += o.length()
	}
	length, all := int64(u.length()), max(1, all)
	from = u.from + audio.Position(length*int64(before)/int64(all))
	to = u.from + audio.Position(length*int64(before+n.length())/int64(all))
	return min(from, u.to), min(to, u.to)
}

// length is how long the run is, or will be: as long as its text takes to be
// spoken if not all of it has come.
func (u *run) length() audio.Position {
	length := u.to - u.from
	if u.complete && !(u.of.brokenOff && u.last()) {
		return length
	}
	letters := 0
	for _, n := range u.notes {
		letters += n.length()
	}
	return max(length, audio.Position(int64(letters)*int64(u.rate)/spoken.CharactersASecond))
}

func (u *run) last() bool { return u.of.runs[len(u.of.runs)-1] == u }

func (u *run) slack() audio.Position { return audio.Position(u.rate.Samples(slack)) }

func (v *voice) slack() audio.Position { return audio.Position(v.rate.Samples(slack)) }

// whole reports whether all of a run was heard.
func (u *run) whole() bool { return u.complete && u.heard+u.slack() >= u.to }

// end lets go of a run of which nothing more will be told.
func (v *voice) end(u *run) {
	u.over = true
	v.runs = slices.DeleteFunc(v.runs, func(o *run) bool { return o == u })
}

// settle notes that a run has been heard to its end.
func (b *book) settle(v *voice, u *run) {
	if u.over || u.cut || !b.reports || !u.whole() {
		return
	}
	if u.heard >= u.to {
		v.end(u)
	}
	if u.settled {
		return
	}
	u.settled = true
	if u.of.brokenOff && u.last() && len(u.of.pending) == 0 {
		b.cutRun(u, "broken off")
		return
	}
	for _, n := range u.notes {
		b.wasHeard(n)
	}
}

// wasHeard notes that a sentence was heard to its end.
func (b *book) wasHeard(n *note) {
	if n.sure || n.gone || n.lost || n.State == Heard {
		return
	}
	n.State, n.Unheard, n.Reason = Heard, "", ""
	if !n.worded {
		n.Text = strings.TrimSpace(n.announced)
	}
	b.changed(n)
}

// ---- what was heard of it

// playout follows what is heard. Between two reports the audio ran without a
// pause up to the place that the second one names.
func (b *book) playout(p *frames.Playout) {
	track := b.name(p.Track)
	if audio.Mono(p.Rate).Validate() != nil || p.Heard < 0 || p.Heard > maxPosition || !b.tick(p.OutputRate, p.Output) {
		b.issue(BadPosition, fmt.Sprintf("playout of track %q at %d of %d Hz, %d of %d Hz of the output", track, p.Heard, int(p.Rate), p.Output, int(p.OutputRate)))
		return
	}
	b.reports = true
	v := b.voiceOf(track)
	if v == nil {
		b.issue(BadTrack, fmt.Sprintf("playout of track %q, of which no audio came by", track))
		return
	}
	heard := p.Heard.At(p.Rate, v.rate)
	switch {
	case heard > v.sent+v.slack():
		b.issue(BadPosition, fmt.Sprintf("playout of track %q up to %d, of which %d were sent", track, heard, v.sent))
		return
	case heard < v.heard:
		if heard+v.slack() < v.heard {
			b.issue(BadOrder, fmt.Sprintf("playout of track %q goes back from %d to %d", track, v.heard, heard))
		}
		return
	}
	heard = min(heard, v.sent)
	v.heard = heard
	if heard > v.lostTo { // what follows what was dropped adds nothing that was heard
		for _, u := range slices.Clone(v.runs) {
			b.runHeard(v, u, p, heard)
		}
	}
	switch queued := p.Queued.At(p.Rate, v.rate); {
	case p.Dropped:
		b.missed(v, heard, min(queued, v.sent))
	case p.Flushed:
		b.flushed(v, queued)
	}
}

// missed notes that a part of a track does not reach the caller. What is behind it may:
// a sentence is cut if its end is missing, and not for a hole in it.
func (b *book) missed(v *voice, from, to audio.Position) {
	if from > v.lostTo {
		v.lostFrom = from
	}
	v.lostTo, v.heard = to, to
	for _, u := range slices.Clone(v.runs) {
		for _, n := range u.notes {
			if from, to := u.bounds(n); from >= v.lostFrom && to <= v.lostTo && from < to && n.Audio.IsZero() {
				b.wasUnheard(n, "dropped")
				n.lost = true
			}
		}
		if u.complete && !u.cut && u.heard < u.to && u.to <= v.lostTo+u.slack() {
			b.cutRun(u, "dropped")
			v.end(u)
		}
	}
}

// runHeard notes that a track was heard up to a position.
func (b *book) runHeard(v *voice, u *run, p *frames.Playout, heard audio.Position) {
	if u.cut && heard > u.to {
		// It is something else that is heard.
		v.end(u)
		return
	}
	if heard <= u.heard {
		return
	}
	u.heard = min(heard, u.to)
	at := func(q audio.Position) audio.Position {
		return max(0, p.Output-(heard-q).At(v.rate, p.OutputRate))
	}
	for i, n := range u.notes {
		from, to := u.bounds(n)
		if u.heard <= from || n.gone || n.lost {
			continue
		}
		begins := n.Audio.IsZero()
		if begins {
			n.Audio = Span{Track: v.track, Rate: v.rate, Start: from, End: from}
			n.Place = Span{Rate: p.OutputRate, Start: at(from), End: at(from)}
			n.Rough = i > 0 // the first begins with the audio
		}
		n.Audio.End = max(n.Audio.End, min(u.heard, to))
		if n.Place.Rate == p.OutputRate {
			n.Place.End = max(n.Place.End, at(min(u.heard, to)))
		}
		if begins {
			if n.State == Announced {
				n.State = Speaking
			}
			b.changed(n)
			if i > 0 {
				b.wasHeard(u.notes[i-1])
			}
		}
	}
	if u.cut {
		b.cutRun(u, u.reason)
	}
	b.settle(v, u)
}

// flushed notes that nothing more is heard of a track up to a position.
func (b *book) flushed(v *voice, queued audio.Position) {
	for _, u := range slices.Clone(v.runs) {
		if u.from >= queued && !u.cut {
			continue
		}
		if !u.settled {
			b.cutRun(u, u.reason)
		}
		v.end(u)
	}
}

// silenced notes that the agent has stopped to be heard, uninterrupted. An answer
// whose audio was heard as far as there is some has been heard, unless it is held:
// then it goes on, or will be interrupted.
func (b *book) silenced(f *frames.BotStoppedSpeaking) {
	b.tick(f.OutputRate, f.Output)
	if f.Interrupted || b.held {
		return
	}
	for _, v := range b.voices {
		for _, u := range slices.Clone(v.runs) {
			if u.of.id == f.Response && !u.cut && u.heard+u.slack() >= u.to {
				u.complete = true
				b.settle(v, u)
			}
		}
	}
}

// interrupted notes that what was being said is no longer wanted.
func (b *book) interrupted(f *frames.Interruption) {
	if id := f.ID(); id != 0 {
		if id <= b.interruption {
			return // a tap was told before
		}
		b.interruption = id
	}
	b.held = false
	b.interruptAll(b.name(f.Reason), false)
}

func (b *book) interruptAll(reason string, end bool) {
	for _, v := range b.voices {
		for _, u := range slices.Clone(v.runs) {
			if u.cut || u.settled || end && !b.reports {
				continue
			}
			if end && u.heard+u.slack() >= u.to {
				u.complete = true
				b.settle(v, u)
				continue
			}
			b.cutRun(u, reason)
		}
	}
	for _, r := range b.responses {
		if r.cut || end && !b.reports {
			continue
		}
		open := !r.ended || len(r.pending) > 0
		for _, u := range r.runs {
			open = open || u.cut
			b.because(u, reason)
		}
		if !open {
			continue
		}
		r.cut = true
		for _, n := range r.pending {
			b.wasUnheard(n, reason)
		}
		r.pending = nil
	}
}

// because says why a run was cut, if the output has told before that it was.
func (b *book) because(u *run, reason string) {
	if !u.cut || u.reason != "" {
		return
	}
	u.reason = reason
	for _, n := range u.notes {
		if (n.State == Cut || n.State == Unheard) && n.Reason == "" {
			n.Reason = reason
			b.changed(n)
		}
	}
}

func (b *book) wasUnheard(n *note, reason string) {
	if n.sure || n.gone {
		return
	}
	n.State, n.Text, n.Unheard, n.Reason = Unheard, "", strings.TrimSpace(n.announced), reason
	b.changed(n)
}

// cutRun reckons what was heard of a run of which the rest will not be. Where no
// output reports, all that was sent is taken to have been heard.
func (b *book) cutRun(u *run, reason string) {
	u.cut = true
	u.reason = reason
	heard := u.heard
	if !b.reports {
		heard = u.to
	}
	length := u.length()
	for i, n := range u.notes {
		if n.sure || n.gone || n.lost {
			continue
		}
		from, to := u.bounds(n)
		if i == len(u.notes)-1 {
			to = max(to, u.from+length)
		}
		switch text := strings.TrimSpace(n.announced); {
		case heard <= from && !n.Audio.IsZero():
			// What was heard of it was in an earlier run.
		case heard <= from:
			b.wasUnheard(n, reason)
		case heard+u.slack() >= to, n.worded && !b.reports:
			n.Estimated = n.Estimated || !b.reports && !n.worded
			b.wasHeard(n)
		default:
			n.State, n.Reason, n.Estimated = Cut, reason, true
			n.Text = spoken.Part(text, int64(heard-from), int64(to-from))
			n.Unheard = strings.TrimSpace(text[len(n.Text):])
			b.changed(n)
		}
	}
}
