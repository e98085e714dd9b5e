package telephony

import (
	"cmp"
	"context"
	"time"

	"github.com/parley-go/parley/audio"
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

	stream
}

type exotelStart struct {
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
}

// Open waits for the start message.
func (c *ExotelCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	err := begin(ctx, peer, "Exotel's start", func(m websocket.Message) (bool, error) {
		var e exotelStart
		if err := parse(m, &e); err != nil || e.Event != "start" {
			return false, err
		}
		if err := checkIDs(map[string]string{"stream_sid": e.Start.StreamSID}); err != nil {
			return false, err
		}
		// Its encoding has had several names, and has always been the same.
		l := line{codec: PCM, rate: cmp.Or(audio.SampleRate(e.Start.MediaFormat.SampleRate), audio.Rate8k)}
		sid := quote(e.Start.StreamSID)
		c.stream = stream{
			in: l, out: l,
			media:    `{"event":"media","stream_sid":` + sid + `,"media":{"payload":"`,
			mark:     [2]string{`{"event":"mark","stream_sid":` + sid + `,"mark":{"name":`, `}}`},
			clear:    `{"event":"clear","stream_sid":` + sid + `}`,
			provider: "Exotel",
		}
		c.AccountSID, c.CallSID, c.StreamSID = e.Start.AccountSID, e.Start.CallSID, e.Start.StreamSID
		c.From, c.To, c.Parameters = e.Start.From, e.Start.To, e.Start.Parameters
		return true, nil
	})
	return c.formats(), err
}

// Chunk returns 200 ms.
func (c *ExotelCall) Chunk() time.Duration { return 200 * time.Millisecond }
