package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/internal/talk"
	"github.com/parley-go/parley/transports/playout"
)

// PCM returns the serializer that is used by default: binary messages are
// little-endian 16-bit PCM, interleaved, of any length; text messages are JSON
// objects with a type.
//
// The peer begins, and says what it sends and what it wants to get:
//
//	{"type": "hello", "version": 1, "input": {"rate": 16000, "channels": 1}, "output": {"rate": 24000, "channels": 1}}
//
// What it leaves out is as shown here. The answer comes when the agent is ready, which
// may take seconds; what is said before is not heard. It has the same form, and the
// identity of the call:
//
//	{"type": "hello", "version": 1, "call": "…", "input": {…}, "output": {…}}
//
// From then on both may send:
//
//	{"type": "message", "data": …}   anything of the application's
//	{"type": "dtmf", "digit": "5"}   a key: 0–9, *, #, A–D
//
// the peer:
//
//	{"type": "interrupt"}   silences the agent
//	{"type": "bye"}         ends the call, as closing the connection does
//	{"type": "mark", "name": "7"}   sends a mark back, see below
//
// and the agent's side:
//
//	{"type": "clear"}   what has not been played yet is to be discarded
//
// Audio comes up to [playout.Config.Lead] earlier than it is to be heard, and not
// at all while there is nothing to hear, unless [Config.SendSilence] says so: a
// peer plays what it gets without delay, and silence when it has nothing.
// A type that is not known is ignored.
//
// A peer that knows when it has played what it got says "marks": true in its
// hello. It is sent {"type": "mark", "name": "7"} every now and then, and sends the
// same back when all audio before it has been played, at once if there is none.
// Those of what it discards it may send back or not. Where it tells, what was
// heard is known, and not reckoned from when it was due.
//
// # Coming back
//
// A peer that also says "resume": {} in its hello may come back when the connection
// was lost. The answer has what it needs for that, which it keeps to itself:
//
//	"resume": {"token": "…", "grace_ms": 30000}
//
// For so long after a loss a hello over another connection goes on with the call:
//
//	{"type": "hello", "version": 1, "input": {…}, "output": {…}, "marks": true,
//	 "resume": {"call": "…", "token": "…", "received": 1234}}
//
// The formats are those of the call, and received is how many messages, binary and
// text, it has got in the whole call, without the answers to its hellos.
// The answer, which comes at once, says the same of the other direction, and where
// on the clock of what the peer says, and of what it is sent, the call goes on, in
// samples:
//
//	"resumed": true, "position": {"input": 192000, "output": 288000},
//	"resume": {"token": "…", "grace_ms": 30000, "received": 567}
//
// Then both sides send once more what the other has not got, but for what the peer
// has said, which would be late. A peer plays on what it had when it was lost.
// Where the call is over, or the token is not its own, the connection is closed with
// the code 4410; the connection that was there before, if the server still has it,
// with 4409. A peer should also add ?resume= and the call to the address: it is then
// let in even where there are as many calls as there may be.
func PCM() Serializer { return &pcm{} }

const pcmVersion = 1

type pcm struct {
	pcmAudio
	hello  pcmHello
	resume Resumption // what is told of it
}

// pcmAudio is what both sides have in common.
type pcmAudio struct{ formats Formats }

type pcmFormat struct {
	Rate     int `json:"rate"`
	Channels int `json:"channels"`
}

func (f pcmFormat) format() audio.Format {
	return audio.Format{Rate: audio.SampleRate(f.Rate), Channels: f.Channels}
}

func pcmFormatOf(f audio.Format) pcmFormat { return pcmFormat{int(f.Rate), f.Channels} }

type pcmHello struct {
	Type     string       `json:"type"`
	Version  int          `json:"version"`
	Call     string       `json:"call,omitempty"`
	Input    pcmFormat    `json:"input"`
	Output   pcmFormat    `json:"output"`
	Marks    bool         `json:"marks,omitempty"`
	Resumed  bool         `json:"resumed,omitempty"`
	Position *pcmPosition `json:"position,omitempty"`
	Resume   *pcmResume   `json:"resume,omitempty"`
}

type pcmPosition struct {
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
}

type pcmResume struct {
	Call     string `json:"call,omitempty"`
	Token    string `json:"token,omitempty"`
	Grace    int64  `json:"grace_ms,omitempty"`
	Received uint64 `json:"received,omitempty"`
}

const helloExample = `{"type":"hello","version":1}`

func (s *pcm) Open(ctx context.Context, peer Peer, id string) (Formats, error) {
	m, err := peer.Read(ctx)
	if err != nil {
		return Formats{}, err
	}
	hello := pcmHello{Input: pcmFormat{16000, 1}, Output: pcmFormat{24000, 1}}
	switch err := json.Unmarshal(m.Data, &hello); {
	case m.Binary:
		return Formats{}, refuse(ws.StatusPolicyViolation, "there is audio before the hello: send %s first, if it is PCM that you speak", helloExample)
	case err != nil:
		return Formats{}, refuse(ws.StatusInvalidFramePayloadData, "the hello is not the JSON that is expected: send %s", helloExample)
	case hello.Type != "hello":
		return Formats{}, refuse(ws.StatusPolicyViolation, "the first message has the type %.20q: send %s first", hello.Type, helloExample)
	case hello.Version != pcmVersion:
		return Formats{}, refuse(ws.StatusPolicyViolation, "version %d is not known here: send %s", hello.Version, helloExample)
	}
	s.formats = Formats{Input: hello.Input.format(), Output: hello.Output.format()}
	for _, f := range []audio.Format{s.formats.Input, s.formats.Output} {
		if err := checkFormat(f); err != nil {
			return Formats{}, err
		}
	}
	if hello.Resume != nil && !hello.Marks {
		return Formats{}, refuse(ws.StatusPolicyViolation, "only who sends marks back can come back, for of nobody else it is known what was heard: say \"marks\": true")
	}
	s.hello = hello
	s.hello.Call = id
	return s.formats, nil
}

// Told returns what the hello has said of coming back.
func (s *pcm) Told() Resumption {
	r := s.hello.Resume
	if r == nil {
		return Resumption{}
	}
	return Resumption{Call: r.Call, Token: r.Token, Received: r.Received, Wanted: true}
}

// Tell says what the answer says of coming back.
func (s *pcm) Tell(r Resumption) { s.resume = r }

// Greet returns the answer to the hello.
func (s *pcm) Greet() (Message, error) {
	answer := s.hello
	answer.Resume = nil
	if r := s.resume; r.Call != "" {
		answer.Call = r.Call
		answer.Resume = &pcmResume{Token: r.Token, Grace: r.Grace.Milliseconds(), Received: r.Received}
		if r.Resumed {
			answer.Resumed = true
			answer.Position = &pcmPosition{Input: s.formats.Input.Rate.Samples(r.At), Output: s.formats.Output.Rate.Samples(r.At)}
		}
	}
	b, err := json.Marshal(answer)
	return Message{Data: b}, err
}

func (s *pcm) Decode(m Message) ([]frames.Frame, error) {
	said, fs, err := s.decode(m)
	switch said.Type {
	case "mark":
		return []frames.Frame{&Played{Mark: said.Name}}, nil
	case "interrupt":
		return []frames.Frame{&frames.Interruption{Reason: "the peer asks for silence"}}, nil
	case "bye":
		return []frames.Frame{&frames.End{Reason: hungUp}}, nil
	}
	return fs, err
}

// decode understands what both sides may say, and returns what it was otherwise.
func (s *pcmAudio) decode(m Message) (said talk.Said, fs []frames.Frame, err error) {
	if m.Binary {
		a, err := decodePCM(s.formats.Input, m.Data)
		if err != nil || len(a.Samples) == 0 {
			return said, nil, err
		}
		return said, []frames.Frame{a}, nil
	}
	said, f, err := talk.Decode(m.Data)
	if err != nil || f == nil {
		return said, nil, misspoken(err)
	}
	return said, []frames.Frame{f}, nil
}

// misspoken closes a connection because of what was said on it.
func misspoken(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, talk.ErrForm):
		return refuse(ws.StatusInvalidFramePayloadData, "%v", err)
	}
	return refuse(ws.StatusPolicyViolation, "%v", err)
}

func (s *pcmAudio) Audio(dst []byte, c playout.Chunk) (Message, error) {
	return Message{Binary: true, Data: audio.EncodePCM(dst[:0], c.Samples)}, nil
}

func (s *pcm) Mark(name string) (Message, error) {
	if !s.hello.Marks {
		return Message{}, nil
	}
	return Message{Data: fmt.Appendf(nil, `{"type":"mark","name":%q}`, name)}, nil
}

func (s *pcm) Clear() (Message, error) { return Message{Data: []byte(`{"type":"clear"}`)}, nil }

func (s *pcmAudio) Press(digit byte) (Message, error) { return Message{Data: talk.Press(digit)}, nil }

func (s *pcmAudio) Message(message any) (Message, error) {
	b, err := talk.Message(message)
	return Message{Data: b}, err
}
