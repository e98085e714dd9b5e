package telephony

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

// Genesys returns what [websocket.Config.Serializer] wants for Genesys Cloud's Audio
// Connector, which speaks version 2 of the AudioHook protocol: µ-law at 8 kHz, of
// which the caller's channel is heard (external). AudioHook Monitor, which only
// listens, speaks the same, but accepts no audio.
//
// Genesys takes five messages with audio a second, so the agent's leaves in chunks of
// 200 ms, which is also how exactly an interruption cuts. It has no marks: what was
// heard is reckoned from when it was due. It does tell when its queue begins and
// ceases to be played, but not which audio that was: what has run dry may have been
// sent more since, so that is no mark, and ignored.
//
// When the pipeline ends, Genesys is told to disconnect, and closes the session; the
// flow goes on with what [GenesysCall.SetOutput] has set. An open connection asked for
// with nothing but zeros, by which Genesys probes whether there is somebody, is
// answered, and no call.
//
// Source: Genesys's reference implementations of servers of AudioHook and of the
// Audio Connector. What they check, such as the numbers of messages, is checked
// here.
func Genesys() websocket.Serializer { return &GenesysCall{} }

// GenesysCall speaks with Genesys. [websocket.Call.Serializer] returns it.
type GenesysCall struct {
	SessionID      string
	OrganizationID string
	ConversationID string
	Participant    GenesysParticipant
	Language       string            // such as "en-US"; it may be empty
	Inputs         map[string]string // the flow's input variables
	CustomConfig   json.RawMessage

	channels int // of what is heard
	external int // which of them is the caller's
	line     line
	received atomic.Int64 // the number of the latest message
	sent     atomic.Int64

	mu      sync.Mutex
	outputs map[string]string
}

// GenesysParticipant is who calls.
type GenesysParticipant struct {
	ID      string `json:"id"`
	ANI     string `json:"ani"` // such as "tel:+491234567"
	ANIName string `json:"aniName"`
	DNIS    string `json:"dnis"`
}

// GenesysEntity is an event's. Sent as a message of the application's
// ([frames.TransportMessage]), it goes to Genesys: a bot_turn_response, for
// instance.
type GenesysEntity struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// GenesysControl is what else may be sent as a message of the application's.
type GenesysControl string

// What Genesys can be asked for: to send no audio for a while, and to go on.
const (
	GenesysPause  GenesysControl = "pause"
	GenesysResume GenesysControl = "resume"
)

// SetOutput sets one of the variables that the flow gets when the call is over. It is
// safe for concurrent use.
func (c *GenesysCall) SetOutput(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outputs == nil {
		c.outputs = map[string]string{}
	}
	c.outputs[name] = value
}

// genesysMessage is what comes, and what is common to all of it.
type genesysMessage struct {
	Version    string
	Type       string
	ID         string
	Seq        int64
	ServerSeq  int64
	Parameters json.RawMessage
}

type genesysMedia struct {
	Type     string   `json:"type"`
	Format   string   `json:"format"`
	Channels []string `json:"channels"`
	Rate     int      `json:"rate"`
}

// none is an identity that is nobody's.
const none = "00000000-0000-0000-0000-000000000000"

// Open waits for the open message, chooses what is spoken, and answers.
func (c *GenesysCall) Open(ctx context.Context, peer websocket.Peer, _ string) (websocket.Formats, error) {
	e, err := c.read(ctx, peer)
	if err != nil {
		return websocket.Formats{}, err
	}
	if e.Type != "open" {
		return websocket.Formats{}, refuse(ws.StatusPolicyViolation, "the first message has the type %.20q, and not that of Genesys's open", e.Type)
	}
	var p struct {
		OrganizationID string             `json:"organizationId"`
		ConversationID string             `json:"conversationId"`
		Participant    GenesysParticipant `json:"participant"`
		Language       string             `json:"language"`
		Inputs         map[string]string  `json:"inputVariables"`
		CustomConfig   json.RawMessage    `json:"customConfig"`
		Media          []genesysMedia     `json:"media"`
	}
	if err := parse(websocket.Message{Data: e.Parameters}, &p); err != nil {
		return websocket.Formats{}, err
	}
	media, ok := c.choose(p.Media)
	if !ok {
		const info = "media is not known here: offer PCMU, 8000 Hz, with the channel external"
		if err := c.write(ctx, peer, "disconnect", map[string]any{"reason": "error", "info": info}); err != nil {
			return websocket.Formats{}, err
		}
		return websocket.Formats{}, refuse(ws.StatusPolicyViolation, info)
	}
	c.OrganizationID, c.ConversationID, c.Participant = p.OrganizationID, p.ConversationID, p.Participant
	c.Language, c.Inputs, c.CustomConfig = p.Language, p.Inputs, p.CustomConfig
	c.line = line{codec: ULaw, rate: audio.Rate8k}
	if err := c.write(ctx, peer, "opened", map[string]any{"startPaused": false, "media": []genesysMedia{media}}); err != nil {
		return websocket.Formats{}, err
	}
	if c.ConversationID == none || c.Participant.ID == none {
		return websocket.Formats{}, c.probe(ctx, peer)
	}
	f := audio.Mono(audio.Rate8k)
	return websocket.Formats{Input: f, Output: f}, nil
}

// choose returns the media in which the caller is heard, alone if that is offered.
func (c *GenesysCall) choose(offered []genesysMedia) (best genesysMedia, ok bool) {
	for _, m := range offered {
		external := slices.Index(m.Channels, "external")
		if m.Type != "audio" || m.Format != "PCMU" || m.Rate != 8000 || external < 0 || len(m.Channels) > 2 {
			continue
		}
		if !ok || len(m.Channels) < len(best.Channels) {
			best, ok = m, true
			c.channels, c.external = len(m.Channels), external
		}
	}
	return best, ok
}

// maxProbe is how many messages may come in a probe.
const maxProbe = 100

// probe conducts a session in which there is no call, to its end.
func (c *GenesysCall) probe(ctx context.Context, peer websocket.Peer) error {
	for range maxProbe {
		e, err := c.read(ctx, peer)
		if err != nil {
			return err
		}
		switch e.Type {
		case "ping":
			err = c.write(ctx, peer, "pong", struct{}{})
		case "close":
			if err = c.write(ctx, peer, "closed", struct{}{}); err == nil {
				return refuse(ws.StatusNormalClosure, "Genesys has only looked whether somebody is here")
			}
		}
		if err != nil {
			return err
		}
	}
	return refuse(ws.StatusPolicyViolation, "a probe has taken more than %d messages", maxProbe)
}

// read returns the next text message before the call.
func (c *GenesysCall) read(ctx context.Context, peer websocket.Peer) (genesysMessage, error) {
	for range maxProbe {
		m, err := peer.Read(ctx)
		if err != nil {
			return genesysMessage{}, err
		}
		if !m.Binary {
			return c.receive(m)
		}
		if c.SessionID == "" {
			return genesysMessage{}, refuse(ws.StatusPolicyViolation, "audio came before Genesys's open")
		}
	}
	return genesysMessage{}, refuse(ws.StatusPolicyViolation, "there is audio, and no call")
}

// write writes a message before the call.
func (c *GenesysCall) write(ctx context.Context, peer websocket.Peer, kind string, parameters any) error {
	m, err := c.message(kind, parameters)
	if err != nil {
		return err
	}
	return peer.Write(ctx, c.Sequence(m))
}

// receive checks what all messages have in common.
func (c *GenesysCall) receive(m websocket.Message) (genesysMessage, error) {
	var e genesysMessage
	if err := parse(m, &e); err != nil {
		return e, err
	}
	if c.SessionID == "" {
		if err := checkIDs(map[string]string{"id": e.ID}); err != nil {
			return e, err
		}
		c.SessionID = e.ID
	}
	switch want := c.received.Load() + 1; {
	case e.Version != "2":
		return e, refuse(ws.StatusPolicyViolation, "version %.20q of AudioHook is not known here: 2 is", e.Version)
	case e.ID != c.SessionID:
		return e, refuse(ws.StatusPolicyViolation, "a message has the id %.40q, and not that of the session", e.ID)
	case e.Seq != want:
		return e, refuse(ws.StatusPolicyViolation, "a message has the seq %d, and %d is next", e.Seq, want)
	case e.ServerSeq > c.sent.Load():
		return e, refuse(ws.StatusPolicyViolation, "a message has the serverseq %d, and only %d have been sent", e.ServerSeq, c.sent.Load())
	}
	c.received.Store(e.Seq)
	return e, nil
}

// message returns a message without its number.
func (c *GenesysCall) message(kind string, parameters any) (websocket.Message, error) {
	b, err := json.Marshal(struct {
		Version    string `json:"version"`
		Type       string `json:"type"`
		ClientSeq  int64  `json:"clientseq"`
		ID         string `json:"id"`
		Parameters any    `json:"parameters"`
	}{"2", kind, c.received.Load(), c.SessionID, parameters})
	return websocket.Message{Data: b}, err
}

// Sequence numbers a text message.
func (c *GenesysCall) Sequence(m websocket.Message) websocket.Message {
	if m.Binary {
		return m
	}
	b := append(make([]byte, 0, len(m.Data)+16), `{"seq":`...)
	b = strconv.AppendInt(b, c.sent.Add(1), 10)
	b = append(b, ',')
	return websocket.Message{Data: append(b, m.Data[1:]...)}
}

// Decode understands audio, ping, dtmf, error and close.
func (c *GenesysCall) Decode(m websocket.Message) ([]frames.Frame, error) {
	if m.Binary {
		return c.hear(m.Data)
	}
	e, err := c.receive(m)
	if err != nil {
		return nil, err
	}
	var p struct {
		Digit      string
		Reason     string
		Code       number
		Message    string
		RetryAfter duration
	}
	if len(e.Parameters) > 0 {
		if err := parse(websocket.Message{Data: e.Parameters}, &p); err != nil {
			return nil, err
		}
	}
	switch e.Type {
	case "ping":
		return c.reply("pong")
	case "dtmf":
		return key(p.Digit), nil
	case "close":
		closed, err := c.reply("closed")
		if err != nil {
			return nil, err
		}
		if p.Reason == "error" {
			return append(closed, &frames.End{Reason: "Genesys has closed the session because of an error"}), nil
		}
		return append(closed, hungUp()...), nil
	case "error": // of something that we have sent; the session goes on, unless it is closed
		again := ""
		if p.RetryAfter > 0 {
			again = fmt.Sprintf(", and to try again in %v", time.Duration(p.RetryAfter))
		}
		return []frames.Frame{&frames.Error{Err: fmt.Errorf("Genesys reports %d %.500q%s", p.Code, p.Message, again)}}, nil
	case "open":
		return nil, refuse(ws.StatusPolicyViolation, "the session is open already")
	}
	return nil, nil
}

// reply answers at once: Genesys may ask before there is a pipeline.
func (c *GenesysCall) reply(kind string) ([]frames.Frame, error) {
	m, err := c.message(kind, struct{}{})
	if err != nil {
		return nil, err
	}
	return []frames.Frame{&websocket.Reply{Message: m, Early: true}}, nil
}

// hear returns the caller's channel.
func (c *GenesysCall) hear(b []byte) ([]frames.Frame, error) {
	if c.channels == 1 {
		return c.line.hear(b)
	}
	if len(b)%c.channels != 0 {
		return nil, refuse(ws.StatusInvalidFramePayloadData, "%d bytes of audio are not a whole number of samples of %d channels", len(b), c.channels)
	}
	caller := make([]byte, 0, len(b)/c.channels)
	for i := c.external; i < len(b); i += c.channels {
		caller = append(caller, b[i])
	}
	return c.line.hear(caller)
}

// Audio returns the samples.
func (c *GenesysCall) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	return websocket.Message{Binary: true, Data: append(dst[:0], c.line.say(chunk.Samples)...)}, nil
}

// Chunk returns 200 ms.
func (c *GenesysCall) Chunk() time.Duration { return 200 * time.Millisecond }

// Clear returns a barge-in, which discards what has not been played.
func (c *GenesysCall) Clear() (websocket.Message, error) {
	return c.Message(GenesysEntity{Type: "barge_in", Data: struct{}{}})
}

// Message returns an event with a [GenesysEntity], or what a [GenesysControl] says.
func (c *GenesysCall) Message(message any) (websocket.Message, error) {
	switch m := message.(type) {
	case GenesysEntity:
		return c.message("event", map[string]any{"entities": []GenesysEntity{m}})
	case GenesysControl:
		if m == GenesysPause || m == GenesysResume {
			return c.message(string(m), struct{}{})
		}
	}
	return websocket.Message{}, fmt.Errorf("a %T is nothing that Genesys knows: send a telephony.GenesysEntity, GenesysPause or GenesysResume", message)
}

// Leave returns a request to disconnect, which Genesys answers with close.
func (c *GenesysCall) Leave(failed error) (websocket.Message, error) {
	reason := "completed"
	if failed != nil {
		reason = "error" // and nothing of the inside
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	outputs := c.outputs
	if outputs == nil {
		outputs = map[string]string{}
	}
	return c.message("disconnect", map[string]any{"reason": reason, "info": "", "outputVariables": outputs})
}

// duration is one of ISO 8601 as Genesys writes them, in seconds: "PT1.23S".
type duration time.Duration

var seconds = regexp.MustCompile(`^PT([0-9]{1,9}\.?[0-9]{0,9}|\.[0-9]{1,9})S$`)

// UnmarshalJSON leaves what it does not know at zero.
func (d *duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return nil
	}
	m := seconds.FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	if v, err := time.ParseDuration(m[1] + "s"); err == nil {
		*d = duration(v)
	}
	return nil
}
