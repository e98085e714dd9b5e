package telephony

import (
	"cmp"
	"context"
	"net/http"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
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
	return func() websocket.Serializer { return &TwilioCall{config: cfg} }
}

// TwilioCall speaks with Twilio. [websocket.Call.Serializer] returns it.
type TwilioCall struct {
	AccountSID string
	CallSID    string
	StreamSID  string
	Parameters map[string]string // those of <Stream>

	config TwilioConfig
	stream
}

type twilioStart struct {
	Event string
	Start struct {
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
}

// Open waits for the start message.
func (c *TwilioCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Twilio's start", func(m websocket.Message) (bool, error) {
		var e twilioStart
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
	sid := quote(c.StreamSID)
	c.stream = stream{
		in: line{codec: ULaw, rate: audio.Rate8k}, out: line{codec: ULaw, rate: audio.Rate8k},
		media:    `{"event":"media","streamSid":` + sid + `,"media":{"payload":"`,
		mark:     [2]string{`{"event":"mark","streamSid":` + sid + `,"mark":{"name":`, `}}`},
		clear:    `{"event":"clear","streamSid":` + sid + `}`,
		provider: "Twilio",
	}
	return c.formats(), err
}

// HangUp ends the call through the REST API.
func (c *TwilioCall) HangUp(ctx context.Context) error {
	if c.config.AuthToken == "" {
		return nil
	}
	address := at(c.config.BaseURL, "https://api.twilio.com", "2010-04-01", "Accounts", c.AccountSID, "Calls", c.CallSID+".json")
	return end(ctx, c.config.Client, http.MethodPost, address, "application/x-www-form-urlencoded", "Status=completed", func(r *http.Request) {
		r.SetBasicAuth(cmp.Or(c.config.KeySID, c.AccountSID), c.config.AuthToken)
	}, http.StatusNotFound, "")
}
