package telephony

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

// Exotel returns what [websocket.Config.Serializer] wants for Exotel's AgentStream
// (the Voicebot applet): 16-bit PCM at 8, 16 or 24 kHz. The call ends when the
// connection is closed and no applet follows; there is no other way to hang up.
//
// Exotel wants at least 3,200 bytes a message, in multiples of 320, so the agent's
// audio leaves in chunks of 200 ms.
//
// Source: Exotel's documentation of AgentStream, "WebSocket protocol".
func Exotel() websocket.Serializer { return &ExotelCall{} }

// ExotelCall speaks with Exotel. [websocket.Call.Serializer] returns it.
type ExotelCall struct {
	AccountSID string
	CallSID    string
	StreamSID  string
	From, To   string
	Parameters map[string]string // the query of the applet's URL

	line   line
	prefix []byte // of a media message
}

type exotelEvent struct {
	Event string
	Start struct {
		AccountSID  string `json:"account_sid"`
		CallSID     string `json:"call_sid"`
		StreamSID   string `json:"stream_sid"`
		From, To    string
		Parameters  map[string]string `json:"custom_parameters"`
		MediaFormat struct {
			Encoding   string
			SampleRate number `json:"sample_rate"`
		} `json:"media_format"`
	}
	Media struct{ Payload string }
	DTMF  struct{ Digit string }
	Mark  struct{ Name string }
}

// Open waits for the start message.
func (c *ExotelCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Exotel's start", func(m websocket.Message) (bool, error) {
		var e exotelEvent
		if err := parse(m, &e); err != nil || e.Event != "start" {
			return false, err
		}
		if err := checkIDs(map[string]string{"stream_sid": e.Start.StreamSID}); err != nil {
			return false, err
		}
		// Its encoding has had several names, and has always been the same.
		c.line = line{codec: PCM, rate: audio.SampleRate(e.Start.MediaFormat.SampleRate)}
		if c.line.rate == 0 {
			c.line.rate = audio.Rate8k
		}
		c.AccountSID, c.CallSID, c.StreamSID = e.Start.AccountSID, e.Start.CallSID, e.Start.StreamSID
		c.From, c.To, c.Parameters = e.Start.From, e.Start.To, e.Start.Parameters
		return true, nil
	})
	c.prefix = fmt.Appendf(nil, `{"event":"media","stream_sid":%s,"media":{"payload":"`, quote(c.StreamSID))
	return c.line.formats(), err
}

// Chunk returns 200 ms.
func (c *ExotelCall) Chunk() time.Duration { return 200 * time.Millisecond }

// Decode understands media, dtmf, mark and stop.
func (c *ExotelCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	var e exotelEvent
	if err := parse(m, &e); err != nil {
		return nil, err
	}
	switch e.Event {
	case "media":
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
func (c *ExotelCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	dst = append(dst[:0], c.prefix...)
	dst = c.line.say(dst, chunk.Samples)
	return websocket.Message{Data: append(dst, `"}}`...)}, nil
}

// Mark returns a mark message.
func (c *ExotelCall) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"mark","stream_sid":%s,"mark":{"name":%s}}`, quote(c.StreamSID), quote(name))}, nil
}

// Clear returns a clear message.
func (c *ExotelCall) Clear() (websocket.Message, error) {
	return websocket.Message{Data: fmt.Appendf(nil, `{"event":"clear","stream_sid":%s}`, quote(c.StreamSID))}, nil
}
