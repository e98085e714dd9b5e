package webrtc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/internal/talk"
)

// language is what is spoken on a data channel.
type language interface {
	// decode returns what a message says; nothing if it is to be ignored; or what
	// is to be answered.
	decode(data []byte) (f frames.Frame, answer []byte, err error)
	message(message any) ([]byte, error)
	press(digit byte) ([]byte, error)
	bye() []byte // what is said before the connection ends
}

// languageOf returns the language of a channel with that label.
func languageOf(label string) language {
	if label == "chat" {
		return &pipecat{}
	}
	return plain{}
}

// plain is the language of package websocket.
type plain struct{}

func (plain) decode(data []byte) (frames.Frame, []byte, error) {
	said, f, err := talk.Decode(data)
	switch said.Type {
	case "interrupt":
		f = &frames.Interruption{Reason: "the peer asks for silence"}
	case "bye":
		f = &frames.End{Reason: hungUp}
	}
	return f, nil, err
}

func (plain) message(message any) ([]byte, error) { return talk.Message(message) }

func (plain) press(digit byte) ([]byte, error) { return talk.Press(digit), nil }

func (plain) bye() []byte { return []byte(`{"type":"bye"}`) }

// pipecat is that of Pipecat's clients: messages of RTVI, those of the transport's own
// ("signalling"), and "ping: " with the time once a second.
type pipecat struct{ rtvi talk.RTVI }

func (l *pipecat) decode(data []byte) (frames.Frame, []byte, error) {
	if bytes.HasPrefix(data, []byte("ping")) {
		return nil, nil, nil
	}
	var m struct{ Type string }
	if json.Unmarshal(data, &m) == nil && m.Type == "signalling" {
		return nil, nil, nil // whether its microphone is on is heard
	}
	return l.rtvi.Decode(data)
}

func (*pipecat) message(message any) ([]byte, error) { return json.Marshal(message) }

func (*pipecat) press(byte) ([]byte, error) {
	return nil, fmt.Errorf("clients of Pipecat's have no keys: %w", errors.ErrUnsupported)
}

func (*pipecat) bye() []byte { return []byte(`{"type":"signalling","message":{"type":"peerLeft"}}`) }
