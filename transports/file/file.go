package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/fifo"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/playout"
)

// Config says what is played and what is written. Only Input, or Reader, must be
// given.
type Config struct {
	// Input is the path of the caller's recording: an ordinary file, a named pipe
	// or a device; "-" is standard input. What it holds is WAV or MP3, which its
	// content tells, or what InputFormat says. Two channels are mixed to one.
	Input string

	// Reader is read in place of Input. If it is an [io.Closer] it is closed when
	// the call is over, which has to end a Read that waits. If it is not, the
	// goroutine of such a Read stays until it returns. An [io.Seeker] is taken for
	// something that never waits.
	Reader io.Reader

	// InputFormat says what the recording is if that is not to be found out: raw
	// audio tells nothing itself.
	InputFormat Format

	// Repeat is how often the recording is played, one time right behind the
	// other, without a sample between them; 0 is once, and [Forever] until the
	// call ends otherwise. A pipe cannot be repeated. (MP3 has silence of its
	// encoder's at both ends, which is left out if the file tells how much it is:
	// most do.)
	Repeat int

	// RepeatGap is how much silence there is between two times.
	RepeatGap time.Duration

	// Pace says how fast the recording is played; in real time by default.
	Pace Pace

	// Output is the path of the conversation: WAV or MP3, as its extension says,
	// or what OutputFormat says; "-" is standard output. If it is empty, nothing
	// is written. A named pipe, or standard output if it is one, is written as a
	// stream: a WAV header says that the length is not known.
	Output string

	// Writer is written in place of Output, WAV if OutputFormat does not say
	// otherwise. If it is an [io.Closer] it is closed when the call is over.
	Writer io.Writer

	// OutputFormat says how the conversation is written. By default the extension
	// of Output does, and a stream is WAV. Its rate sets Rate; its channels must be
	// those of Layout.
	OutputFormat Format

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

	// MaxDuration is how long the call may last in all; 0 means no limit. From then
	// on neither is heard. What is written goes on in silence until the pipeline has
	// ended: a service may wait for the text of the last words, two seconds with Nova
	// Sonic.
	MaxDuration time.Duration

	// Progress is called after each piece of the recording, and of the silence
	// behind it. It must return soon.
	Progress func(Progress)

	// Playout is for what is seldom changed of the output. Name, Format, Chunk,
	// Clock and MaxLate are set by this package.
	Playout playout.Config
}

// Forever is to repeat a recording until the call ends: see Config.Repeat.
const Forever = -1

// Pace is what holds a recording back.
type Pace uint8

const (
	// RealTime sends each piece when it would have been spoken.
	RealTime Pace = iota

	// Fast sends as much as the pipeline takes, for processors that compute and
	// answer nobody; see the package's documentation.
	Fast
)

// stdio is the path of standard input and output.
const stdio = "-"

// ErrNoFormat is wrapped by the error of [New] for raw audio whose format is not
// given.
var ErrNoFormat = errors.New("it is raw audio, and nothing says of which format")

// Progress is where a call is.
type Progress struct {
	Position time.Duration // in the recording, with its repetitions, or in the silence behind it
	Total    time.Duration // how long that is; 0 if it is not known in advance
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
		c.Rate = cmp.Or(c.OutputFormat.Rate, defaultRate)
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
	if err := c.OutputFormat.check(); err != nil {
		return fmt.Errorf("OutputFormat: %w", err)
	}
	out, channels := c.OutputFormat, c.Layout.Channels()
	switch {
	case c.Input == "" && c.Reader == nil:
		return errors.New("there is no recording to play: set Input to a WAV or MP3 file")
	case c.Input != "" && c.Reader != nil:
		return errors.New("there are two recordings to play: set Input or Reader")
	case c.Output != "" && c.Writer != nil:
		return errors.New("there are two places for the conversation: set Output or Writer")
	case c.Reader == nil && c.Writer == nil && sameFile(c.Input, c.Output):
		return fmt.Errorf("%s is the recording that is played: it would be written over; choose another file for the conversation", c.Output)
	case c.Chunk < time.Millisecond || c.Chunk > time.Second:
		return fmt.Errorf("a chunk of %v is not between 1ms and 1s", c.Chunk)
	case c.HangUpAfter < 0 || c.MaxTail < 0 || c.MaxDuration < 0:
		return errors.New("HangUpAfter, MaxTail and MaxDuration cannot be negative")
	case c.Repeat < Forever:
		return fmt.Errorf("to repeat a recording %d times makes no sense: use Forever, or how often it is to be played", c.Repeat)
	case c.RepeatGap < 0 || c.RepeatGap > time.Hour:
		return fmt.Errorf("a RepeatGap of %v is not between 0 and 1h", c.RepeatGap)
	case c.Pace > Fast:
		return fmt.Errorf("there is no pace %d", c.Pace)
	case c.Pace == Fast && (c.Output != "" || c.Writer != nil):
		return errors.New("a conversation is written as both have heard it, which a recording that is played Fast has no clock for: leave Output away, or run the call in virtual time")
	case c.Pace == Fast && c.Repeat == Forever && c.MaxDuration == 0:
		return errors.New("a recording that is repeated for ever, and Fast, never lets go: set MaxDuration")
	case out.Rate != 0 && out.Rate != c.Rate:
		return fmt.Errorf("the conversation has two rates, %v and %v: set Rate, or that of OutputFormat", c.Rate, out.Rate)
	case out.Channels != 0 && out.Channels != channels:
		return fmt.Errorf("OutputFormat has %d channels and the layout of the conversation %d: leave it out, or choose another Layout", out.Channels, channels)
	}
	return nil
}

// sameFile reports whether two paths lead to one file, by whatever links.
func sameFile(a, b string) bool {
	if a == b && a != stdio {
		return true
	}
	x, err := stat(a, os.Stdin)
	if err != nil || !x.Mode().IsRegular() {
		return false
	}
	y, err := stat(b, os.Stdout)
	return err == nil && os.SameFile(x, y)
}

// stat describes a path, or the standard stream that it stands for.
func stat(path string, standard *os.File) (os.FileInfo, error) {
	if path == stdio {
		return standard.Stat()
	}
	return os.Stat(path)
}

// mayBeRegular reports whether a path is that of an ordinary file, or of something
// that package audiofile has the right words for.
func mayBeRegular(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.IsDir() || info.Mode().IsRegular()
}

func isMP3(path string) bool { return strings.EqualFold(filepath.Ext(path), ".mp3") }

// Transport is one call. Make it with [New]; it serves one run of a pipeline.
type Transport struct {
	config   Config
	input    *Input
	output   *Output
	timeline *recorder.Timeline
	sink     *conversation
}

// New opens the recording and reserves the conversation's file, which replaces
// one of that name only when the call begins, so that a bad path or file is
// refused at once, in one line that says what, where and how to
// mend it; see package audiofile. An ordinary WAV or MP3 file is read through to
// see that it is whole: one that was cut off is refused, with the command that
// keeps what there is of it. Nothing else is read in advance but its beginning: New
// waits for the first sample of a pipe, and for somebody to open the other end of
// a named one.
//
// The files are closed when the pipeline ends; if it is never run, by
// [Transport.Close].
func New(cfg Config) (*Transport, error) { return NewContext(context.Background(), cfg) }

// NewContext is New for a recording that may keep one waiting. When ctx is over,
// nothing more is read of a pipe: NewContext returns its cause, or, in a call that
// is under way, the recording is over there, and the caller hangs up as always.
func NewContext(ctx context.Context, cfg Config) (*Transport, error) {
	cfg = cfg.withDefaults()
	var err error
	if cfg.InputFormat, err = cfg.InputFormat.ofInput(); err != nil {
		err = fmt.Errorf("InputFormat: %w", err)
	} else {
		err = cfg.validate()
	}
	if err != nil {
		return nil, fmt.Errorf("configure call: %w", err)
	}
	timeline, err := recorder.NewTimeline(cfg.Rate, cfg.Layout)
	if err != nil {
		return nil, err
	}
	recording, keeper, err := openFiles(ctx, cfg, timeline.Format())
	if err != nil {
		return nil, err
	}
	sink := &conversation{timeline: timeline, file: keeper}
	t := &Transport{config: cfg, timeline: timeline, sink: sink}
	clock := &playout.Clock{}
	p := cfg.Playout
	p.Name, p.Format, p.Chunk, p.Clock = "file output", audio.Mono(cfg.Rate), cfg.Chunk, clock
	p.MaxLate = -1 // nobody is disturbed by audio that is caught up, and left and right stay together
	t.output = &Output{Output: playout.New(p, sink), fences: make(chan int64, 2)}
	t.input = newInput(t, recording, clock)
	return t, nil
}

// openFiles opens what cfg names: first that which need not be waited for.
func openFiles(ctx context.Context, cfg Config, f audio.Format) (*recording, keeper, error) {
	if fifo.IsNamedPipe(cfg.Output) {
		r, err := openRecording(ctx, cfg)
		if err != nil {
			return nil, nil, err
		}
		k, err := openKeeper(ctx, cfg, f)
		if err != nil {
			r.Close() // it was only read
			return nil, nil, err
		}
		return r, k, nil
	}
	k, err := openKeeper(ctx, cfg, f)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRecording(ctx, cfg)
	if err != nil {
		if k != nil {
			k.Close(ctx) // nothing was written
		}
		return nil, nil, err
	}
	return r, k, nil
}

// Input returns the caller: the first processor of the pipeline.
func (t *Transport) Input() *Input { return t.input }

// Output returns the agent's voice: the last processor of the pipeline.
func (t *Transport) Output() *Output { return t.output }

// Stats is how a call goes.
type Stats struct {
	playout.Stats // of the output: what it has played, how much of it was late, and so on

	// Repeats is how often the recording was begun again.
	Repeats int64

	// Stalls counts how often the producer of a pipe was late, and Starved is how
	// much silence was played in place of what had not come.
	Stalls  int64
	Starved time.Duration

	// Lost is how much of the conversation was not written because its reader is
	// too slow.
	Lost time.Duration
}

// Stats tells how the call goes. It may be called at any time from any goroutine.
func (t *Transport) Stats() Stats {
	s := Stats{Stats: t.output.Stats(), Repeats: t.input.repeats.Load(), Stalls: t.input.stalls.Load()}
	s.Starved = t.input.format.Rate.Duration(t.input.starved.Load())
	if t.sink.file != nil {
		s.Lost = t.sink.file.Lost()
	}
	return s
}

// Duration returns how long the recording is, played once; 0 if that is not known
// in advance.
func (t *Transport) Duration() time.Duration { return t.input.length }

// Close closes the files of a transport whose pipeline was never run.
func (t *Transport) Close() error {
	return errors.Join(t.input.Close(context.Background()), t.output.Close(context.Background()))
}
