package telephony

import (
	"context"
	"encoding/json"
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
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.telnyx.com"
	}
	return func() websocket.Serializer { return &TelnyxCall{config: cfg} }
}

// TelnyxCall speaks with Telnyx. [websocket.Call.Serializer] returns it.
type TelnyxCall struct {
	CallControlID string
	StreamID      string
	ClientState   string // in base64, as it was given
	From, To      string

	config  TelnyxConfig
	in, out line
}

type telnyxEvent struct {
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
	Media   struct{ Track, Payload string }
	DTMF    struct{ Digit string }
	Mark    struct{ Name string }
	Error   json.RawMessage
	Payload json.RawMessage
}

// Open waits for the start message.
func (c *TelnyxCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Telnyx's start", func(m websocket.Message) (bool, error) {
		var e telnyxEvent
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
		c.in = line{codec: codec, rate: audio.SampleRate(f.SampleRate), swap: c.config.BigEndian}
		c.out = c.in
		if c.config.Rate != 0 {
			c.out = line{codec: c.config.Codec, rate: c.config.Rate, swap: c.config.BigEndian}
		}
		c.CallControlID, c.StreamID, c.ClientState = e.Start.CallControlID, e.StreamID, e.Start.ClientState
		c.From, c.To = e.Start.From, e.Start.To
		return true, nil
	})
	return websocket.Formats{Input: audio.Mono(c.in.rate), Output: audio.Mono(c.out.rate)}, err
}

// Decode understands media, dtmf, mark, stop and error.
func (c *TelnyxCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	var e telnyxEvent
	if err := parse(m, &e); err != nil {
		return nil, err
	}
	switch e.Event {
	case "media":
		if e.Media.Track == "outbound" {
			return nil, nil // what we have said
		}
		return c.in.hear(e.Media.Payload)
	case "dtmf":
		return key(e.DTMF.Digit)
	case "mark":
		return []frames.Frame{&websocket.Played{Mark: e.Mark.Name}}, nil
	case "stop":
		return hungUp(), nil
	case "error": // of something that we have sent; the stream goes on
		what := e.Error
		if what == nil {
			what = e.Payload
		}
		return []frames.Frame{&frames.Error{Err: fmt.Errorf("Telnyx reports %.500s", what)}}, nil
	}
	return nil, nil
}

// Audio returns a media message.
func (c *TelnyxCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	dst = append(dst[:0], `{"event":"media","media":{"payload":"`...)
	dst = c.out.say(dst, chunk.Samples)
	return websocket.Message{Data: append(dst, `"}}`...)}, nil
}

// Mark returns a mark message.
func (c *TelnyxCall) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"mark","mark":{"name":%s}}`, quote(name))}, nil
}

// Clear returns a clear message. Telnyx sends the marks of what it discards back.
func (c *TelnyxCall) Clear() (websocket.Message, error) {
	return websocket.Message{Data: []byte(`{"event":"clear"}`)}, nil
}

// HangUp ends the call through the REST API.
func (c *TelnyxCall) HangUp(ctx context.Context) error {
	if c.config.APIKey == "" {
		return nil
	}
	to := fmt.Sprintf("%s/v2/calls/%s/actions/hangup", strings.TrimSuffix(c.config.BaseURL, "/"), url.PathEscape(c.CallControlID))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader("{}"))
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.config.APIKey)
	return do(c.config.Client, req, http.StatusUnprocessableEntity, "90018")
}
