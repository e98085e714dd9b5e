package websocket

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	ws "github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/internal/talk"
	"github.com/parley-go/parley/transports/playout"
)

// Pipecat returns the serializer for Pipecat's clients: binary messages, each a
// Frame of its frames.proto:
//
//	Frame         = oneof: TextFrame text = 1 | AudioRawFrame audio = 2 | TranscriptionFrame transcription = 3
//	                     | MessageFrame message = 4 | InterruptionFrame interruption = 5
//	TextFrame     = uint64 id = 1, string name = 2, string text = 3
//	AudioRawFrame = uint64 id = 1, string name = 2, bytes audio = 3, uint32 sample_rate = 4, uint32 num_channels = 5, optional uint64 pts = 6
//	MessageFrame  = string data = 1, which is JSON
//	InterruptionFrame = uint64 id = 1, string name = 2
//
// There is no handshake on the wire: a client sends 16 kHz mono unless each of
// its frames says otherwise, and is sent 24 kHz mono. What a client's RTVI layer
// says first (client-ready) is answered (bot-ready), with the version of the
// protocol that it has named itself. All other messages are
// [frames.TransportMessageInput] with a [json.RawMessage]; a text is
// [frames.Text]; a transcription is ignored.
func Pipecat() Serializer {
	return &pipecat{}
}

var pipecatFormats = Formats{Input: audio.Mono(audio.Rate16k), Output: audio.Mono(audio.Rate24k)}

// The fields of frames.proto.
const (
	pipecatText         protowire.Number = 1
	pipecatAudio        protowire.Number = 2
	pipecatMessage      protowire.Number = 4
	pipecatInterruption protowire.Number = 5

	pipecatID       protowire.Number = 1
	pipecatName     protowire.Number = 2
	pipecatPayload  protowire.Number = 3 // the text, and the samples
	pipecatRate     protowire.Number = 4
	pipecatChannels protowire.Number = 5
	pipecatData     protowire.Number = 1 // of a message
)

type pipecat struct {
	sent atomic.Uint64 // frames, which is their identity
	body []byte        // of an audio frame; Audio's own
	rtvi talk.RTVI     // Decode's own
}

func (s *pipecat) Open(context.Context, Peer, string) (Formats, error) { return pipecatFormats, nil }

func (s *pipecat) Decode(m Message) ([]frames.Frame, error) {
	if !m.Binary {
		return nil, refuse(ws.StatusUnsupportedData, "a text message came where Pipecat's protobuf frames are spoken, in binary messages")
	}
	var said []frames.Frame
	err := eachField(m.Data, func(f field) error {
		frame, err := s.frame(f)
		if frame != nil {
			said = []frames.Frame{frame} // of a oneof the last one counts
		}
		return err
	})
	return said, err
}

// frame returns what one of the kinds of frames says.
func (s *pipecat) frame(f field) (frames.Frame, error) {
	switch f.number {
	case pipecatText:
		var text string
		err := f.each(func(f field) error {
			if f.number == pipecatPayload {
				text = string(f.bytes)
			}
			return nil
		})
		return &frames.Text{Text: text}, err
	case pipecatAudio:
		return s.audio(f)
	case pipecatMessage:
		var data []byte
		err := f.each(func(f field) error {
			if f.number == pipecatData {
				data = f.bytes
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		return s.message(data)
	case pipecatInterruption:
		return &frames.Interruption{Reason: "the peer asks for silence"}, nil
	}
	return nil, nil
}

func (s *pipecat) audio(f field) (frames.Frame, error) {
	format := pipecatFormats.Input
	var samples []byte
	err := f.each(func(f field) error {
		switch f.number {
		case pipecatPayload:
			samples = f.bytes
		case pipecatRate:
			format.Rate = audio.SampleRate(min(f.value, 1<<20))
		case pipecatChannels:
			format.Channels = int(min(f.value, 1<<10))
		}
		return nil
	})
	if err == nil {
		err = checkFormat(format)
	}
	if err != nil || len(samples) == 0 {
		return nil, err
	}
	a, err := decodePCM(format, samples)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (s *pipecat) message(data []byte) (frames.Frame, error) {
	f, answer, err := s.rtvi.Decode(data)
	switch {
	case err != nil:
		return nil, misspoken(err)
	case answer != nil:
		return &Reply{Message: carry(answer)}, nil
	}
	return f, nil
}

func (s *pipecat) Audio(dst []byte, c playout.Chunk) (Message, error) {
	b := s.identity(s.body[:0], "OutputAudioRawFrame")
	b = protowire.AppendTag(b, pipecatPayload, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(2*len(c.Samples)))
	b = audio.EncodePCM(b, c.Samples)
	b = protowire.AppendTag(b, pipecatRate, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(c.Format.Rate))
	b = protowire.AppendTag(b, pipecatChannels, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(c.Format.Channels))
	s.body = b
	return frame(dst[:0], pipecatAudio, b), nil
}

func (s *pipecat) Clear() (Message, error) {
	return frame(nil, pipecatInterruption, s.identity(nil, "InterruptionFrame")), nil
}

func (s *pipecat) Message(message any) (Message, error) {
	data, err := json.Marshal(message)
	if err != nil {
		return Message{}, err
	}
	return carry(data), nil
}

// carry returns a Frame with a message.
func carry(data []byte) Message {
	b := protowire.AppendTag(nil, pipecatData, protowire.BytesType)
	return frame(nil, pipecatMessage, protowire.AppendBytes(b, data))
}

// identity appends the two fields with which most frames begin.
func (s *pipecat) identity(b []byte, kind string) []byte {
	id := s.sent.Add(1)
	b = protowire.AppendTag(b, pipecatID, protowire.VarintType)
	b = protowire.AppendVarint(b, id)
	b = protowire.AppendTag(b, pipecatName, protowire.BytesType)
	name := fmt.Appendf(make([]byte, 0, 48), "%s#%d", kind, id)
	return protowire.AppendBytes(b, name)
}

// frame returns a Frame with one of its kinds.
func frame(dst []byte, kind protowire.Number, body []byte) Message {
	dst = protowire.AppendTag(dst, kind, protowire.BytesType)
	return Message{Binary: true, Data: protowire.AppendBytes(dst, body)}
}

// field is one field of a protobuf message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // of the lengths-delimited kind
	value  uint64 // of the varint kind
}

func (f field) each(fn func(field) error) error {
	if f.kind != protowire.BytesType {
		return refuse(ws.StatusInvalidFramePayloadData, "field %d of a protobuf frame has the wrong type", f.number)
	}
	return eachField(f.bytes, fn)
}

// eachField calls fn with each field of a protobuf message that can be of use.
func eachField(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		var f field
		var n int
		if f.number, f.kind, n = protowire.ConsumeTag(b); n >= 0 {
			b = b[n:]
			switch f.kind {
			case protowire.VarintType:
				f.value, n = protowire.ConsumeVarint(b)
			case protowire.BytesType:
				f.bytes, n = protowire.ConsumeBytes(b)
			default:
				n = protowire.ConsumeFieldValue(f.number, f.kind, b)
			}
		}
		if n < 0 {
			return refuse(ws.StatusInvalidFramePayloadData, "a message is not a protobuf frame: %v", protowire.ParseError(n))
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}
