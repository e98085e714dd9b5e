package recorder

import (
	"github.com/parley-go/parley/audio"
)

// lane is one voice of a recording: mono, at the recording's rate, placed on
// its clock to the sample. Audio arrives at any rate with its position; where
// it is contiguous it is resampled as one stream, whose filter delay is taken
// out, so that nothing shifts and nothing drifts.
type lane struct {
	rate audio.SampleRate

	// samples holds the lane from start on. What lies between pieces is zero.
	start   audio.Position
	samples []int16

	// The contiguous audio that is being added.
	in        audio.SampleRate // its rate; 0 before the first
	next      audio.Position   // where its next sample belongs, at rate in
	resampler *audio.Resampler // nil if in is rate
	skip      int              // resampled samples to leave out: the filter's delay
	finished  bool             // nothing of it is left in the filter, nothing can continue it
	cursor    audio.Position   // where the next resampled sample belongs
	scratch   []int16
	late      int64 // samples that came after their place had been written
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
	if l.resampler == nil {
		l.put(samples)
		return nil
	}
	l.scratch = l.resampler.Resample(l.scratch[:0], samples)
	n := min(l.skip, len(l.scratch))
	l.skip -= n
	l.put(l.scratch[n:])
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
	l.next, l.cursor = position, position.At(in, l.rate)
	switch {
	case in == l.rate:
		l.resampler = nil
	case in != l.in || l.resampler == nil:
		r, err := audio.NewResampler(in, l.rate, 1)
		if err != nil {
			return err
		}
		l.resampler = r
	}
	l.in, l.skip, l.finished = in, 0, false
	if l.resampler != nil {
		l.skip = l.resampler.Delay()
	}
	return nil
}

// finish ends the contiguous audio: what the filter holds is brought out.
func (l *lane) finish() {
	if l.resampler == nil || l.finished {
		return
	}
	l.scratch = l.resampler.Flush(l.scratch[:0])
	l.put(l.scratch[min(l.skip, len(l.scratch)):])
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
	from := int(at - l.start)
	if need := from + len(samples) - len(l.samples); need > 0 {
		l.samples = audio.AppendSilence(l.samples, need)
	}
	copy(l.samples[from:], samples)
}

// end returns the position after the last sample.
func (l *lane) end() audio.Position { return l.start + audio.Position(len(l.samples)) }

// copyTo copies the lane from position on to dst; where there is nothing, zeros.
func (l *lane) copyTo(dst []int16, position audio.Position) {
	clear(dst)
	if position < l.start {
		skip := min(int64(l.start-position), int64(len(dst)))
		dst, position = dst[skip:], l.start
	}
	if from := int64(position - l.start); from < int64(len(l.samples)) {
		copy(dst, l.samples[from:])
	}
}

// forget drops what is before position.
func (l *lane) forget(position audio.Position) {
	n := min(int64(position-l.start), int64(len(l.samples)))
	if n > 0 {
		l.samples = append(l.samples[:0], l.samples[n:]...)
	}
	l.start = max(l.start, position)
}
