package websocket

import (
	"context"
	"fmt"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
)

// Message is one WebSocket message.
type Message struct {
	Binary bool // otherwise it is text, in UTF-8
	Data   []byte
}

// Formats says what a peer sends, and what it is to be sent.
type Formats struct {
	Input  audio.Format
	Output audio.Format
}

// Serializer is the language of a peer. Each connection has one of its own: see
// [Config.Serializer]. One that can do more is a [Greeter], a [Clearer], a
// [Messenger], a [Keypad], a [Marker], a [Chunker], a [Sequencer], a [Leaver], a
// [HangUpper], an [Interrupter] or a [Resumer], too.
//
// Both ends of a connection have one: see [DialConfig.Serializer].
//
// An error that it returns closes the connection: a [Refusal] with its code,
// another one as a protocol error (1002). The peer is told the text.
type Serializer interface {
	// Open conducts what comes before the call. It returns when both formats are
	// known; ctx ends after [Config.HandshakeTimeout]. id is that of the call.
	Open(ctx context.Context, peer Peer, id string) (Formats, error)

	// Decode returns what a message says, as frames:
	//
	//   - [frames.AudioInput], with its format and its samples. The input sets
	//     the rest;
	//   - [frames.DTMFInput] and [frames.TransportMessageInput];
	//   - [frames.Interruption], if it wants the agent to be silent;
	//   - [frames.End], when it hangs up;
	//   - [Reply], to be sent to the peer without anybody else's being told;
	//   - [Discard], if the peer takes back audio that has not been played;
	//   - [Played], for a mark that has come back;
	//   - [frames.Error] with its Err, for a mistake that the peer reports and that
	//     does not end the call. It is reported as the input's.
	//
	// Others go into the pipeline as they are. What there is to ignore is nil.
	// Decode must not keep m.Data. Messages come one at a time.
	Decode(m Message) ([]frames.Frame, error)

	// Audio returns the message that lets the peer hear a chunk, whose format is
	// that of Open. It appends to dst[:0], and must not keep the chunk's samples
	// or dst. Chunks come one at a time, perhaps while Decode is running.
	Audio(dst []byte, c playout.Chunk) (Message, error)
}

// Greeter is a Serializer that tells the peer when the agent listens: what is said
// before is not heard. Greet is called once, when the pipeline has started.
type Greeter interface {
	Greet() (Message, error)
}

// Clearer is a Serializer that can tell a peer to discard what it has not yet
// played. Clear may be called while another method is running.
type Clearer interface {
	Clear() (Message, error)
}

// Messenger is a Serializer that can send an application's messages:
// [frames.TransportMessage] and [frames.TransportMessageUrgent]. Message may be
// called while another method is running.
type Messenger interface {
	Message(message any) (Message, error)
}

// Keypad is a Serializer that can press a key. Press may be called while another
// method is running.
type Keypad interface {
	Press(digit byte) (Message, error)
}

// Marker is a Serializer whose peer tells when it has played what came before a
// mark, so that what was heard is known and not reckoned: see
// [playout.Output.Confirm]. Decode returns [Played] for each that comes back. Marks
// of what an interruption discarded may come back or not; they are ignored. A
// message without data is not sent.
type Marker interface {
	Mark(name string) (Message, error)
}

// Chunker is a Serializer whose peer wants pieces of a certain length. It is asked
// after Open, and only if [playout.Config.Chunk] is not set.
type Chunker interface {
	Chunk() time.Duration
}

// Sequencer is a Serializer whose messages are numbered. Sequence is given each
// right before it is written, in the order in which that is done, and returns what
// is written. Messages that are discarded, because they have become pointless, are
// never given to it. It is called with a lock held, and must not wait.
type Sequencer interface {
	Sequence(m Message) Message
}

// Leaver is a Serializer that takes leave: Leave returns what the peer is told when
// the pipeline has ended, with an error if that was why, and the peer then hangs up
// ([frames.End]), for which it has [Config.HangUpTimeout].
type Leaver interface {
	Leave(failed error) (Message, error)
}

// Interrupter is a Serializer that can ask the other side for silence: see
// [Call.Interrupt].
type Interrupter interface {
	Interrupt() (Message, error)
}

// Resumer is a Serializer whose peer can come back when a connection was lost, with
// a serializer and a connection of their own. The call then goes on with the
// serializer with which it has begun; the other one has opened the connection, and
// is not used any more.
//
// Told returns what the peer has said of it in Open. Tell says what the peer is to
// be told: on a server it is called before Greet, on the side that has dialled before
// Open.
type Resumer interface {
	Tell(Resumption)
	Told() Resumption
}

// HangUpper is a Serializer that can do more to end a call than to close the
// connection, as telephone providers want it. HangUp is called when the pipeline
// has ended, unless the peer itself has hung up; ctx ends after
// [Config.HangUpTimeout].
type HangUpper interface {
	HangUp(ctx context.Context) error
}

// Peer is the other side of a connection before the call has begun.
type Peer interface {
	// Read returns the next message. Its data is valid until the next Read.
	Read(ctx context.Context) (Message, error)
	Write(ctx context.Context, m Message) error
}

// Reply is what [Serializer.Decode] returns to answer the peer.
type Reply struct {
	frames.System
	Message Message // it is not changed any more

	// Early says that it does not wait until the pipeline has started.
	Early bool

	// AfterAudio says that it waits until the audio that has come before it has been
	// played. A server's input plays what it gets at once.
	AfterAudio bool
}

func (r *Reply) String() string { return fmt.Sprintf("Reply(%d bytes)", len(r.Message.Data)) }

// Played is what [Serializer.Decode] returns when a mark has come back.
type Played struct {
	frames.System
	Mark string
}

func (p *Played) String() string { return fmt.Sprintf("Played(%q)", p.Mark) }

// Discard is what [Serializer.Decode] returns when the peer takes back what has not
// been played of its audio. A server's input has nothing to take back.
type Discard struct{ frames.System }

func (d *Discard) String() string { return "Discard" }

// Refusal is why a connection is closed: the code of RFC 6455, section 7.4, and
// a reason for the peer's developer. It is cut after 123 bytes, which is all that
// a close frame has room for.
type Refusal struct {
	Code   ws.StatusCode
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func refuse(code ws.StatusCode, format string, args ...any) error {
	return &Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// checkFormat refuses what cannot be converted.
func checkFormat(f audio.Format) error {
	switch f.Rate {
	case audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate32k, audio.Rate44k, audio.Rate48k:
	default:
		return refuse(ws.StatusPolicyViolation, "audio of %d Hz is not known here: use 8000, 11025, 16000, 22050, 24000, 32000, 44100 or 48000", int(f.Rate))
	}
	if f.Channels != 1 && f.Channels != 2 {
		return refuse(ws.StatusPolicyViolation, "audio has one or two channels, not %d", f.Channels)
	}
	return nil
}

// decodePCM returns the samples of little-endian PCM16 in that format.
func decodePCM(f audio.Format, b []byte) (*frames.AudioInput, error) {
	if unit := 2 * f.Channels; len(b)%unit != 0 {
		return nil, refuse(ws.StatusInvalidFramePayloadData, "%d bytes of audio are not a whole number of samples of %d bytes", len(b), unit)
	}
	return &frames.AudioInput{Audio: frames.Audio{Format: f, Samples: audio.DecodePCM(make([]int16, 0, len(b)/2), b)}}, nil
}
