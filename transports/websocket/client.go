package websocket

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
)

// PCMClient returns what [DialConfig.Serializer] wants to speak [PCM] from the other
// side: it begins with the hello, sends marks back when what was before them has been
// played, discards what the server clears, and can come back. Formats.Output is what
// it sends, 16 kHz mono by default, and Formats.Input what it wants to hear, 24 kHz
// mono by default.
func PCMClient(f Formats) func() Serializer {
	f.Input = cmp.Or(f.Input, audio.Mono(audio.Rate24k))
	f.Output = cmp.Or(f.Output, audio.Mono(audio.Rate16k))
	return func() Serializer { return &pcmClient{pcmAudio: pcmAudio{f}} }
}

type pcmClient struct {
	pcmAudio
	resume Resumption // what is told of it
	answer pcmHello
}

// Tell says what the hello says of coming back.
func (s *pcmClient) Tell(r Resumption) { s.resume = r }

// Told returns what the answer has said.
func (s *pcmClient) Told() Resumption {
	told := Resumption{Call: s.answer.Call, Resumed: s.answer.Resumed}
	if r := s.answer.Resume; r != nil {
		told.Token, told.Received, told.Grace = r.Token, r.Received, time.Duration(r.Grace)*time.Millisecond
	}
	if p := s.answer.Position; p != nil {
		told.At = s.formats.Output.Rate.Duration(p.Input)
	}
	return told
}

// Open says hello and waits for the answer, which comes when the agent listens.
func (s *pcmClient) Open(ctx context.Context, peer Peer, _ string) (Formats, error) {
	hello := pcmHello{
		Type: "hello", Version: pcmVersion, Input: pcmFormatOf(s.formats.Output), Output: pcmFormatOf(s.formats.Input), Marks: true,
	}
	if r := s.resume; r.Wanted || r.Call != "" {
		hello.Resume = &pcmResume{Call: r.Call, Token: r.Token, Received: r.Received}
	}
	b, err := json.Marshal(hello)
	if err != nil {
		return Formats{}, err
	}
	if err := peer.Write(ctx, Message{Data: b}); err != nil {
		return Formats{}, err
	}
	m, err := peer.Read(ctx)
	if err != nil {
		return Formats{}, err
	}
	answer := pcmHello{Input: hello.Input, Output: hello.Output}
	switch err := json.Unmarshal(m.Data, &answer); {
	case m.Binary:
		return Formats{}, refuse(ws.StatusPolicyViolation, "there is audio before the answer to the hello")
	case err != nil:
		return Formats{}, refuse(ws.StatusInvalidFramePayloadData, "the answer to the hello is not the JSON that is expected")
	case answer.Type != "hello":
		return Formats{}, refuse(ws.StatusPolicyViolation, "the hello was answered with the type %.20q", answer.Type)
	case answer.Version != pcmVersion:
		return Formats{}, refuse(ws.StatusPolicyViolation, "the server answers with version %d, which is not known here", answer.Version)
	}
	s.answer = answer
	s.formats = Formats{Input: answer.Output.format(), Output: answer.Input.format()}
	return s.formats, nil
}

func (s *pcmClient) Decode(m Message) ([]frames.Frame, error) {
	said, fs, err := s.decode(m)
	switch said.Type {
	case "mark":
		answer, err := json.Marshal(struct {
			Type string `json:"type"`
			Name string `json:"name"`
		}{"mark", said.Name})
		return []frames.Frame{&Reply{Message: Message{Data: answer}, AfterAudio: true}}, err
	case "clear":
		return []frames.Frame{&Discard{}}, nil
	}
	return fs, err
}

// Interrupt asks the agent for silence.
func (s *pcmClient) Interrupt() (Message, error) {
	return Message{Data: []byte(`{"type":"interrupt"}`)}, nil
}

// PipecatClient returns the serializer that speaks [Pipecat] from the other side, to
// servers of Pipecat's as well: it sends 16 kHz mono, hears what each frame says, and
// begins with client-ready. What the server answers to that, and all its other
// messages, are [frames.TransportMessageInput]. An interruption of the server's
// discards what has not been played. There are no marks.
func PipecatClient() Serializer { return &pipecatClient{} }

type pipecatClient struct{ pipecat pipecat }

// Open sends client-ready. Not every bot answers it.
func (s *pipecatClient) Open(ctx context.Context, peer Peer, id string) (Formats, error) {
	ready, err := s.pipecat.rtvi.ClientReady(id)
	if err != nil {
		return Formats{}, err
	}
	return Formats{Input: pipecatFormats.Output, Output: pipecatFormats.Input}, peer.Write(ctx, carry(ready))
}

func (s *pipecatClient) Decode(m Message) ([]frames.Frame, error) {
	said, err := s.pipecat.Decode(m)
	for i, f := range said {
		if _, ok := f.(*frames.Interruption); ok {
			said[i] = &Discard{}
		}
	}
	return said, err
}

func (s *pipecatClient) Audio(dst []byte, c playout.Chunk) (Message, error) {
	return s.pipecat.Audio(dst, c)
}

func (s *pipecatClient) Message(message any) (Message, error) { return s.pipecat.Message(message) }

// Interrupt asks the bot for silence.
func (s *pipecatClient) Interrupt() (Message, error) { return s.pipecat.Clear() }
