package telephony

import (
	"context"
	"net/http"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/websocket"
)

// TelnyxConfig says how a call is spoken, and what is needed to hang up. Closing
// the connection does not end a Telnyx call, so without APIKey the caller hears
// silence when the agent has ended it.
type TelnyxConfig struct {
	// APIKey is that of the account.
	APIKey string

	// Codec and Rate are what the stream was asked for with
	// stream_bidirectional_codec and stream_bidirectional_sampling_rate. If Rate is 0,
	// the agent speaks as the caller does, which is what comes of asking for
	// nothing on an ordinary line.
	Codec Codec
	Rate  audio.SampleRate

	// BigEndian says that 16-bit samples ("L16") have the high byte first, as
	// RFC 3551 has it. Telnyx does not say which it is, and reports differ.
	BigEndian bool

	// BaseURL is https://api.telnyx.com by default.
	BaseURL string

	// Client is http.DefaultClient by default.
	Client *http.Client
}

// Telnyx returns what [websocket.Config.Serializer] wants for Telnyx's media
// streaming with stream_bidirectional_mode "rtp": PCMU, PCMA or L16, of the rate
// that the call begins with.
//
// Source: Telnyx's documentation of Media Streaming over WebSockets.
func Telnyx(cfg TelnyxConfig) func() websocket.Serializer {
	return func() websocket.Serializer { return &TelnyxCall{config: cfg} }
}

// TelnyxCall speaks with Telnyx. [websocket.Call.Serializer] returns it.
type TelnyxCall struct {
	CallControlID string
	StreamID      string
	ClientState   string // in base64, as it was given
	From, To      string

	config TelnyxConfig
	stream
}

type telnyxStart struct {
	Event    string
	StreamID string `json:"stream_id"`
	Start    struct {
		CallControlID string `json:"call_control_id"`
		ClientState   string `json:"client_state"`
		From, To      string
		MediaFormat   struct {
			Encoding   string
			SampleRate number `json:"sample_rate"`
			Channels   number
		} `json:"media_format"`
	}
}

// Open waits for the start message.
func (c *TelnyxCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Telnyx's start", func(m websocket.Message) (bool, error) {
		var e telnyxStart
		if err := parse(m, &e); err != nil || e.Event != "start" {
			return false, err
		}
		if err := checkIDs(map[string]string{"call_control_id": e.Start.CallControlID}); err != nil {
			return false, err
		}
		f := e.Start.MediaFormat
		codec, known := map[string]Codec{"PCMU": ULaw, "audio/x-mulaw": ULaw, "PCMA": ALaw, "audio/x-alaw": ALaw, "L16": PCM, "audio/x-l16": PCM}[f.Encoding]
		if !known || f.Channels > 1 {
			return false, refuse(ws.StatusPolicyViolation, "media of %.30q, %d channels is not known here: ask for PCMU, PCMA or L16", f.Encoding, f.Channels)
		}
		c.stream = stream{
			media:    `{"event":"media","media":{"payload":"`,
			mark:     [2]string{`{"event":"mark","mark":{"name":`, `}}`},
			clear:    `{"event":"clear"}`,
			provider: "Telnyx",
		}
		c.in = line{codec: codec, rate: audio.SampleRate(f.SampleRate), swap: c.config.BigEndian}
		c.out = c.in
		if c.config.Rate != 0 {
			c.out = line{codec: c.config.Codec, rate: c.config.Rate, swap: c.config.BigEndian}
		}
		c.CallControlID, c.StreamID, c.ClientState = e.Start.CallControlID, e.StreamID, e.Start.ClientState
		c.From, c.To = e.Start.From, e.Start.To
		return true, nil
	})
	return c.formats(), err
}

// HangUp ends the call through the REST API.
func (c *TelnyxCall) HangUp(ctx context.Context) error {
	if c.config.APIKey == "" {
		return nil
	}
	address := at(c.config.BaseURL, "https://api.telnyx.com", "v2", "calls", c.CallControlID, "actions", "hangup")
	return end(ctx, c.config.Client, http.MethodPost, address, "application/json", "{}", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+c.config.APIKey)
	}, http.StatusUnprocessableEntity, "90018")
}
