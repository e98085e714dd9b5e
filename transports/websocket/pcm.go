package websocket

import (
	"context"
	"encoding/json"
	"fmt"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
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
func PCM() Serializer { return &pcm{} }

const pcmVersion = 1

type pcm struct {
	formats Formats
	hello   pcmHello
}

type pcmFormat struct {
	Rate     int `json:"rate"`
	Channels int `json:"channels"`
}

func (f pcmFormat) format() audio.Format {
	return audio.Format{Rate: audio.SampleRate(f.Rate), Channels: f.Channels}
}

type pcmHello struct {
	Type    string    `json:"type"`
	Version int       `json:"version"`
	Call    string    `json:"call,omitempty"`
	Input   pcmFormat `json:"input"`
	Output  pcmFormat `json:"output"`
	Marks   bool      `json:"marks,omitempty"`
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
		return Formats{}, refuse(ws.StatusPolicyViolation, "there is audio before the hello: send %s first", helloExample)
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
	hello.Call = id
	s.hello = hello
	return s.formats, nil
}

// Greet returns the answer to the hello.
func (s *pcm) Greet() (Message, error) {
	answer, err := json.Marshal(s.hello)
	return Message{Data: answer}, err
}

func (s *pcm) Decode(m Message) ([]frames.Frame, error) {
	if m.Binary {
		a, err := decodePCM(s.formats.Input, m.Data)
		if err != nil || len(a.Samples) == 0 {
			return nil, err
		}
		return []frames.Frame{a}, nil
	}
	var said struct {
		Type  string          `json:"type"`
		Data  json.RawMessage `json:"data"`
		Digit string          `json:"digit"`
		Name  string          `json:"name"`
	}
	if err := json.Unmarshal(m.Data, &said); err != nil {
		return nil, refuse(ws.StatusInvalidFramePayloadData, "a text message is not the JSON that is expected: %v", err)
	}
	switch said.Type {
	case "message":
		return []frames.Frame{&frames.TransportMessageInput{Message: said.Data}}, nil
	case "dtmf":
		if !isKey(said.Digit) {
			return nil, refuse(ws.StatusPolicyViolation, "%.20q is not a key: 0–9, *, # and A–D are", said.Digit)
		}
		return []frames.Frame{&frames.DTMFInput{Digit: said.Digit[0]}}, nil
	case "mark":
		return []frames.Frame{&Played{Mark: said.Name}}, nil
	case "interrupt":
		return []frames.Frame{&frames.Interruption{Reason: "the peer asks for silence"}}, nil
	case "bye":
		return []frames.Frame{&frames.End{Reason: hungUp}}, nil
	}
	return nil, nil
}

// isKey reports whether a text is one key of a telephone.
func isKey(s string) bool {
	return len(s) == 1 && (s[0] >= '0' && s[0] <= '9' || s[0] >= 'A' && s[0] <= 'D' || s[0] == '*' || s[0] == '#')
}

func (s *pcm) Audio(dst []byte, c playout.Chunk) (Message, error) {
	return Message{Binary: true, Data: audio.EncodePCM(dst[:0], c.Samples)}, nil
}

func (s *pcm) Mark(name string) (Message, error) {
	if !s.hello.Marks {
		return Message{}, nil
	}
	return Message{Data: fmt.Appendf(nil, `{"type":"mark","name":%q}`, name)}, nil
}

func (s *pcm) Clear() (Message, error) { return Message{Data: []byte(`{"type":"clear"}`)}, nil }

func (s *pcm) Press(digit byte) (Message, error) {
	return Message{Data: fmt.Appendf(nil, `{"type":"dtmf","digit":"%c"}`, digit)}, nil
}

func (s *pcm) Message(message any) (Message, error) {
	b, err := json.Marshal(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{"message", message})
	return Message{Data: b}, err
}
