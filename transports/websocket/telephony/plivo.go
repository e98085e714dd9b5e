package telephony

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

// PlivoConfig is what is needed to hang up. Without AuthToken the agent's end of the
// call closes the connection, which ends the call unless the <Stream> has
// keepCallAlive.
type PlivoConfig struct {
	// AuthID and AuthToken are the account's. AuthID comes with the call if it is
	// empty.
	AuthID, AuthToken string

	// BaseURL is https://api.plivo.com by default.
	BaseURL string

	// Client is http.DefaultClient by default.
	Client *http.Client
}

// Plivo returns what [websocket.Config.Serializer] wants for Plivo's audio
// streaming (<Stream bidirectional="true" contentType="audio/x-mulaw;rate=8000">):
// audio/x-mulaw at 8 kHz, or audio/x-l16 at 8 or 16 kHz. Plivo's documents name two
// defaults, so a <Stream> should say its contentType.
//
// Source: Plivo's documentation of Audio Streaming, "Stream Event Protocol".
func Plivo(cfg PlivoConfig) func() websocket.Serializer {
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.plivo.com"
	}
	return func() websocket.Serializer { return &PlivoCall{config: cfg} }
}

// PlivoCall speaks with Plivo. [websocket.Call.Serializer] returns it.
type PlivoCall struct {
	AccountID    string
	CallID       string
	StreamID     string
	ExtraHeaders string // those of <Stream>, as they came: "a=1;b=2"

	config PlivoConfig
	line   line
	prefix []byte // of a media message
}

type plivoEvent struct {
	Event        string
	ExtraHeaders string `json:"extra_headers"`
	Name         string
	Start        struct {
		CallID      string `json:"callId"`
		StreamID    string `json:"streamId"`
		AccountID   string `json:"accountId"`
		MediaFormat struct {
			Encoding   string
			SampleRate number
		}
	}
	Media struct{ Track, Payload string }
	DTMF  struct{ Digit string }
}

// Open waits for the start message.
func (c *PlivoCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Plivo's start", func(m websocket.Message) (bool, error) {
		var e plivoEvent
		if err := parse(m, &e); err != nil || e.Event != "start" {
			return false, err
		}
		if err := checkIDs(map[string]string{"accountId": e.Start.AccountID, "callId": e.Start.CallID, "streamId": e.Start.StreamID}); err != nil {
			return false, err
		}
		f := e.Start.MediaFormat
		codec, known := map[string]Codec{"audio/x-mulaw": ULaw, "audio/x-l16": PCM}[f.Encoding]
		if !known {
			return false, refuse(ws.StatusPolicyViolation, "media of %.30q is not known here: ask for audio/x-mulaw or audio/x-l16", f.Encoding)
		}
		c.line = line{codec: codec, rate: audio.SampleRate(f.SampleRate)}
		c.prefix = fmt.Appendf(nil, `{"event":"playAudio","media":{"contentType":%s,"sampleRate":%d,"payload":"`, quote(f.Encoding), f.SampleRate)
		c.AccountID, c.CallID, c.StreamID, c.ExtraHeaders = e.Start.AccountID, e.Start.CallID, e.Start.StreamID, e.ExtraHeaders
		return true, nil
	})
	return c.line.formats(), err
}

// Decode understands media, dtmf, playedStream and stop.
func (c *PlivoCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	var e plivoEvent
	if err := parse(m, &e); err != nil {
		return nil, err
	}
	switch e.Event {
	case "media":
		if e.Media.Track == "outbound" {
			return nil, nil // what we have said
		}
		return c.line.hear(e.Media.Payload)
	case "dtmf":
		return key(e.DTMF.Digit)
	case "playedStream":
		return []frames.Frame{&websocket.Played{Mark: e.Name}}, nil
	case "stop":
		return hungUp(), nil
	}
	return nil, nil
}

// Audio returns a playAudio message.
func (c *PlivoCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	dst = append(dst[:0], c.prefix...)
	dst = c.line.say(dst, chunk.Samples)
	return websocket.Message{Data: append(dst, `"}}`...)}, nil
}

// Mark returns a checkpoint message.
func (c *PlivoCall) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"checkpoint","streamId":%s,"name":%s}`, quote(c.StreamID), quote(name))}, nil
}

// Clear returns a clearAudio message. Plivo does not send the checkpoints of what
// it discards back.
func (c *PlivoCall) Clear() (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"clearAudio","streamId":%s}`, quote(c.StreamID))}, nil
}

// Press returns a sendDTMF message.
func (c *PlivoCall) Press(digit byte) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"sendDTMF","dtmf":%s}`, quote(string(digit)))}, nil
}

// HangUp ends the call through the REST API.
func (c *PlivoCall) HangUp(ctx context.Context) error {
	if c.config.AuthToken == "" {
		return nil
	}
	id := c.config.AuthID
	if id == "" {
		id = c.AccountID
	}
	to := fmt.Sprintf("%s/v1/Account/%s/Call/%s/", strings.TrimSuffix(c.config.BaseURL, "/"), url.PathEscape(id), url.PathEscape(c.CallID))
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, to, nil)
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	req.SetBasicAuth(id, c.config.AuthToken)
	return do(c.config.Client, req, http.StatusNotFound, "")
}
