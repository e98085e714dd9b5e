package telephony

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
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
	return func() websocket.Serializer { return &PlivoCall{config: cfg} }
}

// PlivoCall speaks with Plivo. [websocket.Call.Serializer] returns it.
type PlivoCall struct {
	AccountID    string
	CallID       string
	StreamID     string
	ExtraHeaders string // those of <Stream>, as they came: "a=1;b=2"

	config PlivoConfig
	stream
}

type plivoStart struct {
	Event        string
	ExtraHeaders string `json:"extra_headers"`
	Start        struct {
		CallID      string `json:"callId"`
		StreamID    string `json:"streamId"`
		AccountID   string `json:"accountId"`
		MediaFormat struct {
			Encoding   string
			SampleRate number
		}
	}
}

// Open waits for the start message.
func (c *PlivoCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Plivo's start", func(m websocket.Message) (bool, error) {
		var e plivoStart
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
		id := quote(e.Start.StreamID)
		c.stream = stream{
			in: line{codec: codec, rate: audio.SampleRate(f.SampleRate)}, out: line{codec: codec, rate: audio.SampleRate(f.SampleRate)},
			media:    fmt.Sprintf(`{"event":"playAudio","media":{"contentType":%s,"sampleRate":%d,"payload":"`, quote(f.Encoding), f.SampleRate),
			mark:     [2]string{`{"event":"checkpoint","streamId":` + id + `,"name":`, `}`},
			clear:    `{"event":"clearAudio","streamId":` + id + `}`,
			provider: "Plivo",
		}
		c.AccountID, c.CallID, c.StreamID, c.ExtraHeaders = e.Start.AccountID, e.Start.CallID, e.Start.StreamID, e.ExtraHeaders
		return true, nil
	})
	return c.formats(), err
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
	id := cmp.Or(c.config.AuthID, c.AccountID)
	address := at(c.config.BaseURL, "https://api.plivo.com", "v1", "Account", id, "Call", c.CallID) + "/"
	return end(ctx, c.config.Client, http.MethodDelete, address, "", "", func(r *http.Request) {
		r.SetBasicAuth(id, c.config.AuthToken)
	}, http.StatusNotFound, "")
}
