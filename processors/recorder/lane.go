package recorder

import (
	"slices"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/convert"
)

// lane is one voice of a recording: mono, at the recording's rate, placed on
// its clock to the sample. Audio arrives at any rate with its position; where
// it is contiguous it is resampled as one stream, whose filter delay is taken
// out, so that nothing shifts and nothing drifts.
type lane struct {
	rate audio.SampleRate

	// runs hold the lane from start on, in order. What lies between them is zero;
	// it takes no memory, since nothing tells how long a peer has been silent but
	// the peer.
	start audio.Position
	runs  []run

	anchor anchor

	// The contiguous audio that is being added.
	in        audio.SampleRate   // its rate; 0 before the first
	next      audio.Position     // where its next sample belongs, at rate in
	converter *convert.Converter // from rate in
	finished  bool               // nothing of it is held back, nothing can continue it
	cursor    audio.Position     // where the next converted sample belongs
	scratch   []int16
	late      int64 // samples that came after their place had been written
	jumps     int64 // how often positions went too far ahead
}

// run is a stretch of a lane that is in memory.
type run struct {
	begin   audio.Position
	samples []int16
}

func (r run) end() audio.Position { return r.begin + audio.Position(len(r.samples)) }

// anchor says that positions from a second of the voice's own clock on belong
// so many seconds earlier. Whole seconds are exact at every rate.
type anchor struct{ from, earlier int64 }

// at returns how many seconds earlier than it says a position belongs.
func (a anchor) at(second int64) int64 {
	if second >= a.from {
		return a.earlier
	}
	return 0
}

// second returns the second, rounded down, in which a position is.
func second(p audio.Position, rate audio.SampleRate) int64 {
	s := int64(p) / int64(rate)
	if int64(p)%int64(rate) < 0 {
		s--
	}
	return s
}

// place returns where audio at position belongs, on the same clock, and whether
// that is no later than the second last.
func (l *lane) place(position audio.Position, in audio.SampleRate, last int64) (audio.Position, bool) {
	s := second(position, in)
	earlier := l.anchor.at(s)
	return position - audio.Position(earlier*int64(in)), s-earlier <= last
}

// reanchor has the voice go on in the second after frontier, as if position were
// there.
func (l *lane) reanchor(position audio.Position, in audio.SampleRate, frontier int64) audio.Position {
	s := second(position, in)
	// What was sent before and overtaken belongs with it.
	l.anchor = anchor{from: s - int64(patience.Seconds()), earlier: s - frontier - 1}
	l.jumps++
	return position - audio.Position(l.anchor.earlier*int64(in))
}

// add places mono samples whose first one is at position on a clock of rate in.
// What is at most slack samples away from where the last ended continues it:
// positions that were converted between rates are off by one or two.
func (l *lane) add(samples []int16, position audio.Position, in audio.SampleRate, slack audio.Position) error {
	if d := position - l.next; l.in == in && -slack <= d && d <= slack {
		position = l.next
	}
	if over := l.overlap(position, in); over > 0 { // seen before, by another tap
		if over >= int64(len(samples)) {
			return nil
		}
		samples, position = samples[over:], position+audio.Position(over)
	}
	if l.in != in || position != l.next || l.finished {
		l.finish()
		if err := l.begin(position, in); err != nil {
			return err
		}
	}
	l.next += audio.Position(len(samples))
	l.scratch = l.converter.Convert(l.scratch[:0], samples)
	l.put(l.scratch)
	return nil
}

// overlap returns how many samples at position were added before.
func (l *lane) overlap(position audio.Position, in audio.SampleRate) int64 {
	if l.in != in {
		return 0
	}
	return max(0, int64(l.next-position))
}

func (l *lane) begin(position audio.Position, in audio.SampleRate) error {
	if in != l.in {
		c, err := convert.New(audio.Mono(in), audio.Mono(l.rate))
		if err != nil {
			return err
		}
		l.in, l.converter = in, c
	}
	l.next, l.cursor, l.finished = position, position.At(in, l.rate), false
	return nil
}

// finish ends the contiguous audio: what is held back of it is brought out.
func (l *lane) finish() {
	if l.converter == nil || l.finished {
		return
	}
	l.scratch = l.converter.Finish(l.scratch[:0])
	l.put(l.scratch)
	l.finished = true
}

// put places samples at the cursor.
func (l *lane) put(samples []int16) {
	at := l.cursor
	l.cursor += audio.Position(len(samples))
	if at < l.start {
		gone := min(int64(l.start-at), int64(len(samples)))
		l.late += gone
		samples, at = samples[gone:], at+audio.Position(gone)
	}
	if len(samples) == 0 {
		return
	}
	for len(samples) > 0 {
		n := l.putRun(samples, at)
		samples, at = samples[n:], at+audio.Position(n)
	}
}

// putRun places samples up to the next run at most, and returns how many.
func (l *lane) putRun(samples []int16, at audio.Position) int {
	i := l.after(at)
	n := len(samples)
	if i < len(l.runs) {
		n = int(min(int64(n), int64(l.runs[i].begin-at)))
	}
	if i == 0 || at-l.runs[i-1].end() > audio.Position(l.rate) {
		l.runs = slices.Insert(l.runs, i, run{at, slices.Clone(samples[:n])})
		return n
	}
	r := &l.runs[i-1] // a second of silence is not worth a run
	from := int(at - r.begin)
	r.samples = audio.AppendSilence(r.samples, from+n-len(r.samples))
	copy(r.samples[from:], samples[:n])
	return n
}

// after returns the index of the first run that begins after position.
func (l *lane) after(position audio.Position) int {
	i := len(l.runs)
	for i > 0 && l.runs[i-1].begin > position {
		i--
	}
	return i
}

// end returns the position after the last sample.
func (l *lane) end() audio.Position {
	if n := len(l.runs); n > 0 {
		return max(l.start, l.runs[n-1].end())
	}
	return l.start
}

// copyTo copies the lane from position on to dst; where there is nothing, zeros.
func (l *lane) copyTo(dst []int16, position audio.Position) {
	clear(dst)
	end := position + audio.Position(len(dst))
	for _, r := range l.runs {
		from, to := max(position, r.begin, l.start), min(end, r.end())
		if from < to {
			copy(dst[from-position:], r.samples[from-r.begin:to-r.begin])
		}
	}
}

// forget drops what is before position.
func (l *lane) forget(position audio.Position) {
	if position <= l.start {
		return
	}
	l.start = position
	gone := 0
	for gone < len(l.runs) && l.runs[gone].end() <= position {
		gone++
	}
	if gone == len(l.runs) && gone > 0 { // as nearly always: its memory serves the next
		last := l.runs[gone-1].samples
		clear(l.runs)
		l.runs = append(l.runs[:0], run{position, last[:0]})
		return
	}
	l.runs = slices.Delete(l.runs, 0, gone)
	if len(l.runs) > 0 && l.runs[0].begin < position {
		r := &l.runs[0]
		n := copy(r.samples, r.samples[position-r.begin:])
		r.begin, r.samples = position, r.samples[:n]
	}
}
