package webrtc

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-go/parley/frames"
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
		return &rtvi{}
	}
	return plain{}
}

// plain is the language of package websocket.
type plain struct{}

func (plain) decode(data []byte) (frames.Frame, []byte, error) {
	var said struct {
		Type  string          `json:"type"`
		Data  json.RawMessage `json:"data"`
		Digit string          `json:"digit"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, nil, fmt.Errorf("a message is not the JSON that is expected: %w", err)
	}
	switch said.Type {
	case "message":
		return &frames.TransportMessageInput{Message: said.Data}, nil, nil
	case "dtmf":
		if !isKey(said.Digit) {
			return nil, nil, fmt.Errorf("%.20q is not a key: 0–9, *, # and A–D are", said.Digit)
		}
		return &frames.DTMFInput{Digit: said.Digit[0]}, nil, nil
	case "interrupt":
		return &frames.Interruption{Reason: "the peer asks for silence"}, nil, nil
	case "bye":
		return &frames.End{Reason: hungUp}, nil, nil
	}
	return nil, nil, nil
}

// isKey reports whether a text is one key of a telephone.
func isKey(s string) bool {
	return len(s) == 1 && (s[0] >= '0' && s[0] <= '9' || s[0] >= 'A' && s[0] <= 'D' || s[0] == '*' || s[0] == '#')
}

func (plain) message(message any) ([]byte, error) {
	return json.Marshal(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{"message", message})
}

func (plain) press(digit byte) ([]byte, error) {
	return fmt.Appendf(nil, `{"type":"dtmf","digit":"%c"}`, digit), nil
}

func (plain) bye() []byte { return []byte(`{"type":"bye"}`) }

// rtvi is that of Pipecat's clients: messages of RTVI, those of the transport's own
// ("signalling"), and "ping: " with the time once a second.
type rtvi struct{ ready bool }

const (
	rtviLabel   = "rtvi-ai"
	rtviVersion = "2.1.0" // of those who do not name theirs
	maxRTVI     = 128     // the length of what is said back
)

func (l *rtvi) decode(data []byte) (frames.Frame, []byte, error) {
	if len(data) >= 4 && string(data[:4]) == "ping" {
		return nil, nil, nil
	}
	if !json.Valid(data) {
		return nil, nil, errors.New("a message is not JSON")
	}
	var m struct {
		Label, Type, ID string
		Data            struct{ Version string }
	}
	if json.Unmarshal(data, &m) == nil {
		switch {
		case m.Type == "signalling":
			return nil, nil, nil // whether its microphone is on is heard
		case m.Label == rtviLabel && m.Type == "client-ready":
			if l.ready {
				return nil, nil, nil // it is told once, or the answers could be made to fill the memory
			}
			l.ready = true
			if len(m.ID) > maxRTVI {
				return nil, nil, fmt.Errorf("an id of %d bytes is too long: at most %d", len(m.ID), maxRTVI)
			}
			if m.Data.Version == "" || len(m.Data.Version) > maxRTVI {
				m.Data.Version = rtviVersion
			}
			answer, err := json.Marshal(map[string]any{
				"label": rtviLabel, "type": "bot-ready", "id": m.ID,
				"data": map[string]any{"version": m.Data.Version, "about": map[string]string{"library": "parley"}},
			})
			return nil, answer, err
		}
	}
	// Whatever is no object, or has other types, is the application's.
	return &frames.TransportMessageInput{Message: json.RawMessage(append([]byte(nil), data...))}, nil, nil
}

func (*rtvi) message(message any) ([]byte, error) { return json.Marshal(message) }

func (*rtvi) press(byte) ([]byte, error) {
	return nil, fmt.Errorf("Pipecat's clients have no keys: %w", errors.ErrUnsupported)
}

func (*rtvi) bye() []byte { return []byte(`{"type":"signalling","message":{"type":"peerLeft"}}`) }
