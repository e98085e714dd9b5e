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

// TwilioConfig is what is needed to hang up. Without AuthToken the agent's end of
// the call closes the connection, and Twilio goes on with what follows <Connect>
// in the TwiML: nothing, as a rule, which ends the call as well.
type TwilioConfig struct {
	// AuthToken is the account's, or the secret of KeySID.
	AuthToken string

	// KeySID is an API key's; the account's by default, which comes with the call.
	KeySID string

	// BaseURL is https://api.twilio.com by default. Accounts elsewhere have
	// https://api.dublin.ie1.twilio.com or the like.
	BaseURL string

	// Client is http.DefaultClient by default.
	Client *http.Client
}

// Twilio returns what [websocket.Config.Serializer] wants for Twilio's
// bidirectional media streams (<Connect><Stream url="wss://…"/></Connect>): µ-law
// at 8 kHz. Keys arrive as [frames.DTMFInput]; marks tell what was heard.
//
// Source: Twilio's documentation of Media Streams, "WebSocket messages".
func Twilio(cfg TwilioConfig) func() websocket.Serializer {
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.twilio.com"
	}
	return func() websocket.Serializer {
		return &TwilioCall{config: cfg, line: line{codec: ULaw, rate: audio.Rate8k}}
	}
}

// TwilioCall speaks with Twilio. [websocket.Call.Serializer] returns it.
type TwilioCall struct {
	AccountSID string
	CallSID    string
	StreamSID  string
	Parameters map[string]string // those of <Stream>

	config TwilioConfig
	line   line
	prefix []byte // of a media message
}

type twilioEvent struct {
	Event     string
	StreamSID string `json:"streamSid"`
	Start     struct {
		AccountSID  string            `json:"accountSid"`
		CallSID     string            `json:"callSid"`
		StreamSID   string            `json:"streamSid"`
		Parameters  map[string]string `json:"customParameters"`
		MediaFormat struct {
			Encoding   string
			SampleRate number
			Channels   number
		}
	}
	Media struct{ Track, Payload string }
	DTMF  struct{ Digit string }
	Mark  struct{ Name string }
}

// Open waits for the start message.
func (c *TwilioCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Twilio's start", func(m websocket.Message) (bool, error) {
		var e twilioEvent
		if err := parse(m, &e); err != nil || e.Event != "start" {
			return false, err
		}
		if f := e.Start.MediaFormat; f.Encoding != "audio/x-mulaw" || f.SampleRate != 8000 || f.Channels != 1 {
			return false, refuse(ws.StatusPolicyViolation, "media of %.30q, %d Hz, %d channels is not known here: Twilio's has been audio/x-mulaw, 8000, 1", f.Encoding, f.SampleRate, f.Channels)
		}
		if err := checkIDs(map[string]string{"accountSid": e.Start.AccountSID, "callSid": e.Start.CallSID, "streamSid": e.Start.StreamSID}); err != nil {
			return false, err
		}
		c.AccountSID, c.CallSID, c.StreamSID, c.Parameters = e.Start.AccountSID, e.Start.CallSID, e.Start.StreamSID, e.Start.Parameters
		return true, nil
	})
	c.prefix = fmt.Appendf(nil, `{"event":"media","streamSid":%s,"media":{"payload":"`, quote(c.StreamSID))
	return c.line.formats(), err
}

// Decode understands media, dtmf, mark and stop.
func (c *TwilioCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	var e twilioEvent
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
	case "mark":
		return []frames.Frame{&websocket.Played{Mark: e.Mark.Name}}, nil
	case "stop":
		return hungUp(), nil
	}
	return nil, nil
}

// Audio returns a media message.
func (c *TwilioCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	dst = append(dst[:0], c.prefix...)
	dst = c.line.say(dst, chunk.Samples)
	return websocket.Message{Data: append(dst, `"}}`...)}, nil
}

// Mark returns a mark message.
func (c *TwilioCall) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"mark","streamSid":%s,"mark":{"name":%s}}`, quote(c.StreamSID), quote(name))}, nil
}

// Clear returns a clear message. Twilio sends the marks of what it discards back.
func (c *TwilioCall) Clear() (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"clear","streamSid":%s}`, quote(c.StreamSID))}, nil
}

// HangUp ends the call through the REST API.
func (c *TwilioCall) HangUp(ctx context.Context) error {
	if c.config.AuthToken == "" {
		return nil
	}
	to := fmt.Sprintf("%s/2010-04-01/Accounts/%s/Calls/%s.json", strings.TrimSuffix(c.config.BaseURL, "/"), url.PathEscape(c.AccountSID), url.PathEscape(c.CallSID))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader("Status=completed"))
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	user := c.config.KeySID
	if user == "" {
		user = c.AccountSID
	}
	req.SetBasicAuth(user, c.config.AuthToken)
	return do(c.config.Client, req, http.StatusNotFound, "")
}
