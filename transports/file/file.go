package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/playout"
)

// Config says what is played and what is written. Only Input must be given.
type Config struct {
	// Input is the path of the caller's recording: WAV or MP3. Two channels
	// are mixed to one.
	Input string

	// Output is the path of the conversation: WAV or MP3, as its extension
	// says. If it is empty, nothing is written.
	Output string

	// Layout says what the channels of the conversation are; by default the
	// caller is left and the agent right.
	Layout recorder.Layout

	// Rate is the rate of the conversation; 24 kHz by default. MP3 has 8,
	// 11.025, 16, 22.05, 24, 32, 44.1 and 48 kHz.
	Rate audio.SampleRate

	// Track is the name of the caller's audio; "caller" by default.
	Track string

	// Chunk is the length of the pieces in both directions, from 1 ms to 1 s;
	// 20 ms by default.
	Chunk time.Duration

	// HangUpAfter is how long the agent must have been silent, after the end of
	// the recording, for the caller to hang up; 3 s by default. It should be
	// longer than the agent takes to answer.
	HangUpAfter time.Duration

	// MaxTail is how long the caller listens at most after the end of the
	// recording, however much the agent says; by default one minute, and longer
	// by as much as HangUpAfter is longer than its default.
	MaxTail time.Duration

	// MaxDuration is how long the call may last in all; 0 means no limit.
	MaxDuration time.Duration

	// Progress is called after each piece of the recording, and of the silence
	// behind it. It must return soon.
	Progress func(Progress)

	// Playout is for what is seldom changed of the output. Name, Format, Chunk,
	// Clock and MaxLate are set by this package.
	Playout playout.Config
}

// Progress is where a call is.
type Progress struct {
	Position time.Duration // in the recording, or in the silence behind it
	Total    time.Duration // how long the recording is; 0 if that is not known in advance
	Tail     bool          // the recording is over, the caller listens
}

const (
	defaultRate        = audio.Rate24k
	defaultTrack       = "caller"
	defaultChunk       = 20 * time.Millisecond
	defaultHangUpAfter = 3 * time.Second
	defaultMaxTail     = time.Minute
)

func (c Config) withDefaults() Config {
	if c.Rate == 0 {
		c.Rate = defaultRate
	}
	if c.Track == "" {
		c.Track = defaultTrack
	}
	if c.Chunk == 0 {
		c.Chunk = defaultChunk
	}
	if c.HangUpAfter == 0 {
		c.HangUpAfter = defaultHangUpAfter
	}
	if c.MaxTail == 0 {
		c.MaxTail = defaultMaxTail + max(0, c.HangUpAfter-defaultHangUpAfter)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Input == "":
		return errors.New("there is no recording to play: set Input to a WAV or MP3 file")
	case sameFile(c.Input, c.Output):
		return fmt.Errorf("%s is the recording that is played: it would be written over; choose another file for the conversation", c.Output)
	case c.Chunk < time.Millisecond || c.Chunk > time.Second:
		return fmt.Errorf("a chunk of %v is not between 1ms and 1s", c.Chunk)
	case c.HangUpAfter < 0 || c.MaxTail < 0 || c.MaxDuration < 0:
		return errors.New("HangUpAfter, MaxTail and MaxDuration cannot be negative")
	}
	return nil
}

// sameFile reports whether two paths lead to one file, by whatever links.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// Transport is one call. Make it with [New]; it serves one run of a pipeline.
type Transport struct {
	config   Config
	input    *Input
	output   *playout.Output
	timeline *recorder.Timeline
}

// New opens the recording and reserves the conversation's file, which replaces
// one of that name only when the call begins, so that a bad path or file is
// refused at once, in one line that says what, where and how to
// mend it; see package audiofile. An ordinary file is read through to see that it
// is whole: one that was cut off is refused, with the command that keeps what
// there is of it. The files are closed when the pipeline ends; if it is never run, by
// [Transport.Close].
func New(cfg Config) (*Transport, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure call: %w", err)
	}
	reader, err := openWhole(cfg.Input)
	if err != nil {
		return nil, err
	}
	t := &Transport{config: cfg}
	if t.timeline, err = recorder.NewTimeline(cfg.Rate, cfg.Layout); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	sink := &conversation{timeline: t.timeline}
	if cfg.Output != "" {
		if sink.file, err = audiofile.Reserve(cfg.Output, t.timeline.Format()); err != nil {
			reader.Close() // it was only read; the failure to create is what matters
			return nil, err
		}
	}
	clock := &playout.Clock{}
	p := cfg.Playout
	p.Name, p.Format, p.Chunk, p.Clock = "file output", audio.Mono(cfg.Rate), cfg.Chunk, clock
	p.MaxLate = -1 // nobody is disturbed by audio that is caught up, and left and right stay together
	t.output = playout.New(p, sink)
	t.input = &Input{transport: t, reader: reader, clock: clock}
	return t, nil
}

// openWhole opens a recording, and looks through it first: it would be a pity to
// find out at its end, with a caller in the middle of a sentence, that it was cut
// off.
func openWhole(path string) (*audiofile.Reader, error) {
	r, err := audiofile.Open(path)
	if err != nil || !isRegular(path) {
		return r, err
	}
	if err := audiofile.Check(path); err != nil {
		r.Close() // it was only read
		return nil, err
	}
	return r, nil
}

// isRegular reports whether a path is that of an ordinary file, which can be
// read twice.
func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Input returns the caller: the first processor of the pipeline.
func (t *Transport) Input() *Input { return t.input }

// Output returns the agent's voice: the last processor of the pipeline.
func (t *Transport) Output() *playout.Output { return t.output }

// Stats tells what the output has played, how much of it was late, and so on.
func (t *Transport) Stats() playout.Stats { return t.output.Stats() }

// Duration returns how long the recording is; 0 if that is not known in
// advance.
func (t *Transport) Duration() time.Duration { return t.input.reader.Duration() }

// Close closes the files of a transport whose pipeline was never run.
func (t *Transport) Close() error {
	return errors.Join(t.input.Close(context.Background()), t.output.Close(context.Background()))
}
