package playout

import (
	"github.com/parley-go/parley/audio"
)

// segment converts audio of one track and format, without a pause in it, to the
// output's format, and knows which sample of the track each sample of the output
// is. Its input is counted in frames from its beginning, its output likewise.
//
// The resampler's output lags behind its input; the segment's end is flushed
// out of it when the audio has run dry.
type segment struct {
	track     string
	in        audio.Format
	out       audio.Format
	resampler *audio.Resampler // nil if the rates are the same
	pieces    []piece          // from the one that is being played
	fed       int64            // frames that went in
	played    int64            // frames that came out and were played
	ready     []int16          // came out, not played
	remixed   []int16          // scratch
	flushed   bool
}

// piece is a part of a segment that has contiguous positions and one response.
type piece struct {
	start    int64 // in the segment's input
	position audio.Position
	response string
}

// newSegment reuses the resampler and buffers of an earlier segment, which may
// be nil.
func newSegment(track string, in, out audio.Format, old *segment) (*segment, error) {
	s := &segment{track: track, in: in, out: out}
	if old != nil {
		s.ready, s.remixed, s.pieces = old.ready[:0], old.remixed[:0], old.pieces[:0]
	}
	if in.Rate == out.Rate {
		return s, nil
	}
	if old != nil && old.resampler != nil && old.in.Rate == in.Rate {
		s.resampler = old.resampler
		s.resampler.Reset()
		return s, nil
	}
	// Channels are changed first, so that there is one filter for mono output.
	r, err := audio.NewResampler(in.Rate, out.Rate, out.Channels)
	s.resampler = r
	return s, err
}

// takes reports whether audio of that track and format continues the segment.
func (s *segment) takes(track string, in audio.Format) bool {
	return s != nil && !s.flushed && s.track == track && s.in == in
}

// delay returns by how many frames the output lags behind.
func (s *segment) delay() int64 {
	if s.resampler == nil {
		return 0
	}
	return int64(s.resampler.Delay())
}

// feed converts samples, which begin at position on the track.
func (s *segment) feed(samples []int16, position audio.Position, response string) {
	if !s.continues(position, response) {
		s.pieces = append(s.pieces, piece{s.fed, position, response})
	}
	s.fed += int64(s.in.Frames(len(samples)))
	if s.resampler == nil {
		s.ready = audio.Remix(s.ready, samples, s.in.Channels, s.out.Channels)
		return
	}
	s.remixed = audio.Remix(s.remixed[:0], samples, s.in.Channels, s.out.Channels)
	s.ready = s.resampler.Resample(s.ready, s.remixed)
}

func (s *segment) continues(position audio.Position, response string) bool {
	if len(s.pieces) == 0 {
		return false
	}
	last := s.pieces[len(s.pieces)-1]
	return last.response == response && last.position+audio.Position(s.fed-last.start) == position
}

// flush brings out what the filter still holds.
func (s *segment) flush() {
	if s.resampler != nil && !s.flushed {
		s.ready = s.resampler.Flush(s.ready)
	}
	s.flushed = true
}

// available returns how many frames are ready to be played.
func (s *segment) available() int64 { return int64(s.out.Frames(len(s.ready))) }

// play moves ready frames to dst, up to the end of a piece or of dst. It returns
// how many, and which part of the track they are.
func (s *segment) play(dst []int16, at audio.Position) (int64, Span) {
	s.turnPage()
	n := min(int64(s.out.Frames(len(dst))), s.available())
	if len(s.pieces) > 1 {
		n = min(n, s.outputOf(s.pieces[1].start)-s.played)
	}
	values := int(n) * s.out.Channels
	copy(dst, s.ready[:values])
	s.ready = append(s.ready[:0], s.ready[values:]...)

	first := s.pieces[0]
	span := Span{Track: s.track, Response: first.response, Rate: s.in.Rate, Begin: at, End: at + audio.Position(n)}
	span.From = s.trackPosition()
	s.played += n
	if len(s.pieces) > 1 && s.played >= s.outputOf(s.pieces[1].start) {
		span.To = first.position + audio.Position(s.pieces[1].start-first.start)
	} else {
		span.To = s.trackPosition()
	}
	return n, span
}

// follows reports whether what is played next continues a span.
func (s *segment) follows(last Span) bool {
	s.turnPage()
	return s.track == last.Track && s.pieces[0].response == last.Response && s.trackPosition() == last.To
}

// turnPage drops the pieces that were played entirely, but for the last.
func (s *segment) turnPage() {
	for len(s.pieces) > 1 && s.played >= s.outputOf(s.pieces[1].start) {
		s.pieces = append(s.pieces[:0], s.pieces[1:]...)
	}
}

// trackPosition returns the first position on the track that has not been
// played.
func (s *segment) trackPosition() audio.Position {
	heard := audio.Position(max(0, s.played-s.delay())).At(s.out.Rate, s.in.Rate)
	first := s.pieces[0]
	return first.position + min(max(0, heard-audio.Position(first.start)), audio.Position(s.fed-first.start))
}

// outputOf returns the first output frame which is not of the input before start.
func (s *segment) outputOf(start int64) int64 {
	if s.resampler == nil {
		return start
	}
	in, out := int64(s.in.Rate), int64(s.out.Rate)
	return start/in*out + (start%in*out+in-1)/in + s.delay()
}

// end returns the position on the track after the last sample that went in.
func (s *segment) end() audio.Position {
	last := s.pieces[len(s.pieces)-1]
	return last.position + audio.Position(s.fed-last.start)
}
