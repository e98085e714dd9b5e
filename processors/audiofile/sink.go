package audiofile

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/convert"
	"github.com/parley-go/parley/pipeline"
)

// SinkConfig says what a [Sink] writes, and where. Only Path must be given.
type SinkConfig struct {
	// Path is a WAV or MP3 file; if it exists it is replaced.
	Path string

	// Caller writes the caller's voice, [frames.AudioInput], from its first
	// sample on; gaps in its positions after that, of up to a minute each, become
	// silence. By default it is the agent's, [frames.AudioOutput], as it comes
	// from the service: without the pauses, and with what was interrupted.
	Caller bool

	// Track is the one that is written. By default it is that of the first audio
	// that arrives for the caller, as each track has a clock of its own, and all
	// of them, as they come, for the agent.
	Track string

	// Format is that of the file; 24 kHz mono by default.
	Format audio.Format
}

// maxGap bounds the silence, in samples a second, that a jump in the positions
// of a stream may cost.
const maxGap = 60

// Sink is a processor that writes the audio which flows past it to a file. A
// failure to write is reported once, and the audio flows on.
type Sink struct {
	config SinkConfig
	writer *Writer
	chosen bool // the caller's track is

	next      audio.Position     // behind the audio that came last, at its rate
	converter *convert.Converter // of its format; nil before the first
	taken     int64              // frames that the converter was given
	over      float64            // frames of the file, less than one, that are more than what came before
	buffer    []int16
	broken    bool
}

// NewSink makes a sink. That the file cannot be written is reported when the
// pipeline starts.
func NewSink(cfg SinkConfig) *Sink {
	if cfg.Format == (audio.Format{}) {
		cfg.Format = audio.Mono(audio.Rate24k)
	}
	return &Sink{config: cfg}
}

// Name returns "file sink".
func (s *Sink) Name() string { return "file sink" }

// Start creates the file.
func (s *Sink) Start(context.Context, *pipeline.Port) error {
	w, err := Create(s.config.Path, s.config.Format)
	s.writer = w
	return err
}

// Process passes everything on, and writes what is to be written.
func (s *Sink) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	if err := out.Send(ctx, f, dir); err != nil {
		return err
	}
	a := s.wanted(f)
	if a == nil || dir != frames.Downstream || s.broken {
		return nil
	}
	if err := s.write(a); err != nil {
		s.broken = true
		return err
	}
	return nil
}

func (s *Sink) wanted(f frames.Frame) *frames.Audio {
	var a *frames.Audio
	switch f := f.(type) {
	case *frames.AudioInput:
		if s.config.Caller {
			a = &f.Audio
		}
	case *frames.AudioOutput:
		if !s.config.Caller {
			a = &f.Audio
		}
	}
	switch {
	case a == nil, s.config.Track != "" && a.Track != s.config.Track,
		s.chosen && a.Track != s.config.Track: // it may be ""
		return nil
	}
	return a
}

func (s *Sink) write(a *frames.Audio) error {
	if err := a.Format.Validate(); err != nil {
		return failed("write", s.config.Path, err, "")
	}
	s.buffer = s.buffer[:0]
	gap := s.gapBefore(a)
	if s.converter == nil || a.Format != s.converter.In() {
		if err := s.convertFrom(a.Format); err != nil {
			return failed("write", s.config.Path, err, "")
		}
	}
	if gap > 0 {
		s.take(make([]int16, int(gap)*a.Format.Channels))
	}
	s.next = a.End()
	s.take(a.Samples)
	return s.writer.Write(s.buffer)
}

// gapBefore returns how much silence, at the rate of a, goes before it. The
// first audio of the caller decides on the track and on where the file begins.
func (s *Sink) gapBefore(a *frames.Audio) int64 {
	if !s.config.Caller {
		return 0
	}
	if !s.chosen {
		s.chosen, s.config.Track = true, a.Track
		return 0
	}
	return min(int64(a.Position-s.next.At(s.converter.In().Rate, a.Format.Rate)), maxGap*int64(a.Format.Rate))
}

// convertFrom prepares for audio of another format than before.
func (s *Sink) convertFrom(in audio.Format) error {
	s.finish()
	c, err := convert.New(in, s.config.Format)
	if err != nil {
		return fmt.Errorf("convert %v: %w", in, err)
	}
	s.converter = c
	return nil
}

// take appends samples to the buffer in the file's format.
func (s *Sink) take(samples []int16) {
	s.taken += int64(s.converter.In().Frames(len(samples)))
	s.buffer = s.converter.Convert(s.buffer, samples)
}

// finish appends what the converter still holds. It has made whole frames of what
// may have been none; of the parts that came on top with each format, so that the
// file does not become longer and longer, a whole one is left out again.
func (s *Sink) finish() {
	if s.converter == nil {
		return
	}
	s.buffer = s.converter.Finish(s.buffer)
	in, out := int64(s.converter.In().Rate), int64(s.config.Format.Rate)
	if part := s.taken % in * out % in; part > 0 {
		s.over += float64(in-part) / float64(in)
	}
	if s.over >= 1 {
		s.over--
		s.buffer = s.buffer[:len(s.buffer)-s.config.Format.Channels]
	}
	s.converter, s.taken = nil, 0
}

// Close completes the file.
func (s *Sink) Close(context.Context) error {
	s.buffer = s.buffer[:0]
	s.finish()
	if !s.broken {
		if err := s.writer.Write(s.buffer); err != nil {
			s.writer.Close() // the failure to write is what matters
			return err
		}
	}
	return s.writer.Close()
}
