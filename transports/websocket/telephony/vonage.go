package telephony

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

// VonageConfig says how to hang up.
type VonageConfig struct {
	// HangUp ends the call: PUT https://api.nexmo.com/v1/calls/{uuid} with
	// {"action":"hangup"} and a token of the application's, which Vonage's SDK for
	// Go makes. The uuid is not on the wire unless the NCCO puts it into headers: see
	// VonageCall.Headers. nil means that closing the connection is enough, which
	// raises the event "disconnected".
	HangUp func(ctx context.Context, call *VonageCall) error
}

// Vonage returns what [websocket.Config.Serializer] wants for Vonage's Voice API
// ("connect" to an endpoint of type "websocket", content-type
// "audio/l16;rate=16000"): binary messages of 20 ms of 16-bit PCM, low byte first,
// at 8, 16 or 24 kHz.
//
// Marks are sent as notifications ({"action":"notify"}), which Vonage answers
// when what was sent before them has been played.
//
// Source: Vonage's documentation of the Voice API, "WebSockets".
func Vonage(cfg VonageConfig) func() websocket.Serializer {
	return func() websocket.Serializer { return &VonageCall{config: cfg} }
}

// VonageCall speaks with Vonage. [websocket.Call.Serializer] returns it.
type VonageCall struct {
	// Headers are those of the endpoint in the NCCO.
	Headers map[string]json.RawMessage

	config  VonageConfig
	in, out line
}

// Open waits for the message websocket:connected.
func (c *VonageCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Vonage's websocket:connected", func(m websocket.Message) (bool, error) {
		if m.Binary {
			return false, refuse(ws.StatusPolicyViolation, "audio came before Vonage's websocket:connected")
		}
		var e struct {
			Event       string
			ContentType string `json:"content-type"`
		}
		if err := parse(m, &e); err != nil || e.Event != "websocket:connected" {
			return false, err
		}
		kind, params, err := mime.ParseMediaType(e.ContentType)
		rate, numeric := strconv.Atoi(params["rate"])
		if err != nil || numeric != nil || kind != "audio/l16" {
			return false, refuse(ws.StatusPolicyViolation, "media of %.40q is not known here: ask for audio/l16;rate=16000", e.ContentType)
		}
		c.in = line{codec: PCM, rate: audio.SampleRate(rate)}
		c.out = c.in
		if err := parse(m, &c.Headers); err != nil {
			return false, err
		}
		delete(c.Headers, "event")
		delete(c.Headers, "content-type")
		return true, nil
	})
	return websocket.Formats{Input: audio.Mono(c.in.rate), Output: audio.Mono(c.out.rate)}, err
}

// Decode understands audio, websocket:dtmf and websocket:notify.
func (c *VonageCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	if m.Binary {
		return c.in.hear(m.Data)
	}
	var e struct {
		Event   string
		Digit   string
		Payload struct{ Mark string }
	}
	if err := parse(m, &e); err != nil {
		return nil, err
	}
	switch e.Event {
	case "websocket:dtmf":
		return key(e.Digit), nil
	case "websocket:notify":
		return []frames.Frame{&websocket.Played{Mark: e.Payload.Mark}}, nil
	}
	return nil, nil
}

// Audio returns the samples.
func (c *VonageCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	return websocket.Message{Binary: true, Data: append(dst[:0], c.out.say(chunk.Samples)...)}, nil
}

// Mark returns a notify message.
func (c *VonageCall) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"action":"notify","payload":{"mark":%s}}`, quote(name))}, nil
}

// Clear returns a clear message.
func (c *VonageCall) Clear() (websocket.Message, error) {
	return websocket.Message{Data: []byte(`{"action":"clear"}`)}, nil
}

// HangUp calls [VonageConfig.HangUp].
func (c *VonageCall) HangUp(ctx context.Context) error {
	if c.config.HangUp == nil {
		return nil
	}
	return c.config.HangUp(ctx, c)
}
