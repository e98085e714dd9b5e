// Package talk is what peers and agents say to each other beside the audio, as JSON,
// whatever carries it: messages of the application's and keys, and the beginning of
// Pipecat's RTVI.
package talk

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-go/parley/frames"
)

// ErrForm is that of what has not the form of a message. Other errors are of what it
// says.
var ErrForm = errors.New("it is not JSON of the form that is expected")

// Said is any message of the plain language.
type Said struct {
	Type  string          `json:"type"`
	Data  json.RawMessage `json:"data"`
	Digit string          `json:"digit"`
	Name  string          `json:"name"`
}

// Decode understands a message, and returns what both sides may say as a frame:
//
//	{"type": "message", "data": …}   anything of the application's
//	{"type": "dtmf", "digit": "5"}   a key: 0–9, *, #, A–D
//
// It keeps nothing of data.
func Decode(data []byte) (said Said, f frames.Frame, err error) {
	if err := json.Unmarshal(data, &said); err != nil {
		return Said{}, nil, fmt.Errorf("a text message is not understood: %w: %w", ErrForm, err)
	}
	switch said.Type {
	case "message":
		return said, &frames.TransportMessageInput{Message: said.Data}, nil
	case "dtmf":
		if !IsKey(said.Digit) {
			return said, nil, fmt.Errorf("%.20q is not a key: 0–9, *, # and A–D are", said.Digit)
		}
		return said, &frames.DTMFInput{Digit: said.Digit[0]}, nil
	}
	return said, nil, nil
}

// IsKey reports whether a text is one key of a telephone.
func IsKey(s string) bool {
	return len(s) == 1 && (s[0] >= '0' && s[0] <= '9' || s[0] >= 'A' && s[0] <= 'D' || s[0] == '*' || s[0] == '#')
}

// Message returns a message of the application's.
func Message(message any) ([]byte, error) {
	return json.Marshal(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{"message", message})
}

// Press returns a key, which must be one.
func Press(digit byte) []byte { return fmt.Appendf(nil, `{"type":"dtmf","digit":"%c"}`, digit) }

// RTVI is one side of a conversation in RTVI, the protocol of Pipecat's clients, as
// far as every transport has to know it: client-ready is answered with bot-ready.
type RTVI struct{ ready bool }

// rtvi is a message of RTVI.
type rtvi struct {
	Label string    `json:"label"`
	Type  string    `json:"type"`
	ID    string    `json:"id"`
	Data  rtviReady `json:"data"`
}

type rtviReady struct {
	Version string    `json:"version"`
	About   rtviAbout `json:"about,omitzero"`
}

type rtviAbout struct {
	Library string `json:"library"`
}

const (
	rtviLabel   = "rtvi-ai"
	rtviVersion = "2.1.0" // ours, and of those who do not name theirs
	maxRTVI     = 128     // the length of what is said back
)

// Decode returns the answer to the first client-ready, in the version that it names;
// nothing for others; and all else as a message of the application's, which is a
// [json.RawMessage]. It keeps nothing of data.
func (t *RTVI) Decode(data []byte) (f frames.Frame, answer []byte, err error) {
	if !json.Valid(data) {
		return nil, nil, fmt.Errorf("a message is not understood: %w", ErrForm)
	}
	var m struct {
		Label, Type, ID string
		Data            json.RawMessage
	}
	// Whatever is no object, or has other types, is the application's.
	if json.Unmarshal(data, &m) != nil || m.Label != rtviLabel || m.Type != "client-ready" {
		return &frames.TransportMessageInput{Message: json.RawMessage(append([]byte(nil), data...))}, nil, nil
	}
	if t.ready {
		return nil, nil, nil // it is told once, or the answers could be made to fill the memory
	}
	t.ready = true
	if len(m.ID) > maxRTVI {
		return nil, nil, fmt.Errorf("an id of %d bytes is too long: at most %d", len(m.ID), maxRTVI)
	}
	ready := rtvi{Label: rtviLabel, Type: "bot-ready", ID: m.ID}
	if json.Unmarshal(m.Data, &ready.Data) != nil || ready.Data.Version == "" || len(ready.Data.Version) > maxRTVI {
		ready.Data.Version = rtviVersion
	}
	ready.Data.About = rtviAbout{Library: "parley"}
	answer, err = json.Marshal(ready)
	return nil, answer, err
}

// ClientReady returns what a client begins with. Whoever says it is told so itself, and
// answers nobody.
func (t *RTVI) ClientReady(id string) ([]byte, error) {
	t.ready = true
	return json.Marshal(rtvi{
		Label: rtviLabel, Type: "client-ready", ID: id,
		Data: rtviReady{Version: rtviVersion, About: rtviAbout{Library: "parley"}},
	})
}
