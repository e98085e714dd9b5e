package frames

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
)

// Audio is a piece of PCM on a track. It is embedded by the audio frames.
type Audio struct {
	Format audio.Format

	// Samples are signed 16-bit, interleaved by channel. They belong to the
	// frame: never write to them; keep them as long as you like.
	Samples []int16

	// Track names the stream of audio that the samples are part of, and with
	// it the clock that Position counts on: a caller, an agent, a service's
	// voice. Frames of one track are contiguous in Position, but for audio that
	// was lost or dropped, which shows as a gap.
	Track string

	// Position is the index of the first sample on the track's clock, at
	// Format.Rate.
	Position audio.Position
}

// Len returns the number of samples on each channel.
func (a *Audio) Len() int64 { return int64(a.Format.Frames(len(a.Samples))) }

// End returns the position right after the last sample.
func (a *Audio) End() audio.Position { return a.Position + audio.Position(a.Len()) }

// Duration returns how long the samples last.
func (a *Audio) Duration() time.Duration { return a.Format.Duration(len(a.Samples)) }

func (a *Audio) describe(kind string) string {
	return fmt.Sprintf("%s(%s %v @%d %v)", kind, a.Track, a.Format, a.Position, a.Duration().Round(time.Millisecond/10))
}

// AudioInput is live audio from the caller. It is a system frame: it overtakes
// the agent's audio and no interruption drops it, since the words that
// interrupt are in it.
type AudioInput struct {
	System
	Realtime
	Audio
}

func (f *AudioInput) String() string { return f.describe("AudioInput") }

// AudioOutput is audio to be played to the caller: the agent's voice, from a
// text-to-speech service (between [TTSStart] and [TTSStop]) or a
// speech-to-speech model, or any other sound. It may be produced faster than
// it is played; [Playout] tells what was heard.
type AudioOutput struct {
	Data
	Audio
	Response string // the response that it speaks, as in LLMResponseStart; may be empty
}

func (f *AudioOutput) String() string { return f.describe("AudioOutput") }

// TTSStart tells that the speech of a response begins: [AudioOutput] follows.
type TTSStart struct {
	Control
	Response string
}

func (f *TTSStart) String() string { return "TTSStart(" + f.Response + ")" }

// TTSStop tells that the last audio of a response has been sent. It may not
// have been heard yet. No interruption drops it, though one may have dropped
// the [TTSStart].
type TTSStop struct {
	Control
	Uninterruptible
	Response string
}

func (f *TTSStop) String() string { return "TTSStop(" + f.Response + ")" }

// Playout reports what has really been heard on one track of agent audio. The
// output sends it upstream and downstream at the end of each piece that it
// plays, and at once when it is interrupted. It is the only authority on "is
// the agent speaking?" and "what did the caller hear?".
type Playout struct {
	System
	Realtime

	Track    string
	Rate     audio.SampleRate
	Heard    audio.Position // the first sample on the track that has not been heard (yet)
	Response string         // the response that the last heard sample belongs to

	// Output is the same instant on the output's own clock, which counts every
	// sample that left the output, silence included, from its start; at
	// OutputRate.
	Output     audio.Position
	OutputRate audio.SampleRate

	// Flushed says that the audio from Heard up to Queued was thrown away, by
	// an interruption, and will never be heard.
	Flushed bool
	Queued  audio.Position // the end of the audio that was waiting

	// Dropped says that Flushed is not because of an interruption: the peer was too
	// slow to take the audio, or not there. What is behind Queued may still be heard.
	Dropped bool

	// Fade says that what was heard since the last report on the track fades
	// out, because it was cut there, or comes in, after it was held: see
	// audio.FadeOut.
	Fade Fade
}

// Fade is how a piece of audio begins or ends.
type Fade int8

// What a [Playout] says of a piece.
const (
	NoFade Fade = iota
	FadeOut
	FadeIn
)

func (f *Playout) String() string {
	s := fmt.Sprintf("Playout(%s heard %d", f.Track, f.Heard)
	if f.Flushed {
		what := "flushed"
		if f.Dropped {
			what = "dropped"
		}
		s += fmt.Sprintf(", %s %d", what, f.Queued-f.Heard)
	}
	return s + ")"
}

// PausePlayout asks the output to hold the agent's voice where it is, fading
// out: the user may have barged in, and it will be known in a moment. What is
// held waits, and the output reports that the agent stopped speaking. It is held
// until [ResumePlayout], or an [Interruption], which throws it away; an [End]
// lets it go on. Sending either twice changes nothing.
type PausePlayout struct{ System }

func (f *PausePlayout) String() string { return "PausePlayout" }

// ResumePlayout lets the agent's voice go on where it was held: the user has
// said nothing after all.
type ResumePlayout struct{ System }

func (f *ResumePlayout) String() string { return "ResumePlayout" }

// PlayBackground asks the output to play a sound behind the agent's voice: music
// while the caller holds, an office, the clatter of keys while a tool is at work.
// No interruption stops it, and nothing waits for its end.
type PlayBackground struct {
	System

	// Track is what [StopBackground] calls it. One of the same name that plays
	// already fades out.
	Track string

	// Format and Samples are the sound: up to 10 minutes, interleaved. They
	// belong to the frame, as those of all audio frames do.
	Format  audio.Format
	Samples []int16

	Loop bool          // again and again, without a seam
	Gain float64       // in dB, up to +20: 0 plays it as it is
	Duck float64       // by how many dB it is softer while the agent speaks
	Fade time.Duration // in which it comes in, up to 10 s
}

func (f *PlayBackground) String() string {
	return fmt.Sprintf("PlayBackground(%s, %v)", f.Track, f.Format.Duration(len(f.Samples)))
}

// StopBackground ends a sound that [PlayBackground] has begun.
type StopBackground struct {
	System
	Track string        // empty: all of them
	Fade  time.Duration // in which it goes away, up to 10 s
}

func (f *StopBackground) String() string { return "StopBackground(" + f.Track + ")" }
