package telephony

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/playout"
	"github.com/parley-go/parley/transports/websocket"
)

// stream is what those providers have in common that speak JSON: four events, and
// three messages that differ by their words. Each provider's Open fills it in.
type stream struct {
	in, out line

	media    string    // what is before the payload; `"}}` is behind it
	mark     [2]string // what is before and behind the name of a mark
	clear    string
	provider string // for errors
}

// event is any of the providers' events but the one that begins a call. Where they
// differ, both forms are known.
type event struct {
	Event   string
	Media   struct{ Track, Payload string }
	DTMF    struct{ Digit string }
	Mark    struct{ Name string }
	Name    string // Plivo's, of a mark
	Error   json.RawMessage
	Payload json.RawMessage // Telnyx's, of an error
}

// Decode understands media, dtmf, marks, errors and stop.
func (s *stream) Decode(m websocket.Message) ([]frames.Frame, error) {
	var e event
	if err := parse(m, &e); err != nil {
		return nil, err
	}
	switch e.Event {
	case "media":
		if e.Media.Track == "outbound" {
			return nil, nil // what we have said
		}
		b, err := base64.StdEncoding.DecodeString(e.Media.Payload)
		if err != nil {
			return nil, refuse(ws.StatusInvalidFramePayloadData, "the payload of a media message is not base64: %v", err)
		}
		return s.in.hear(b)
	case "dtmf":
		return key(e.DTMF.Digit), nil
	case "mark":
		return []frames.Frame{&websocket.Played{Mark: e.Mark.Name}}, nil
	case "playedStream":
		return []frames.Frame{&websocket.Played{Mark: e.Name}}, nil
	case "error": // of something that we have sent; the stream goes on
		what := e.Error
		if what == nil {
			what = e.Payload
		}
		return []frames.Frame{&frames.Error{Err: fmt.Errorf("%s reports %.500s", s.provider, what)}}, nil
	case "stop":
		return hungUp(), nil
	}
	return nil, nil
}

// Audio returns a message with the chunk in base64.
func (s *stream) Audio(dst []byte, chunk playout.Chunk) (websocket.Message, error) {
	dst = append(dst[:0], s.media...)
	dst = base64.StdEncoding.AppendEncode(dst, s.out.say(chunk.Samples))
	return websocket.Message{Data: append(dst, `"}}`...)}, nil
}

// Mark returns a message that comes back when what was before it has been played.
func (s *stream) Mark(name string) (websocket.Message, error) {
	return websocket.Message{Data: []byte(s.mark[0] + quote(name) + s.mark[1])}, nil
}

// Clear returns a message that discards what has not been played.
func (s *stream) Clear() (websocket.Message, error) {
	return websocket.Message{Data: []byte(s.clear)}, nil
}

func (s *stream) formats() websocket.Formats {
	return websocket.Formats{Input: audio.Mono(s.in.rate), Output: audio.Mono(s.out.rate)}
}

// maxBefore is how many messages may come before the one that begins a call.
const maxBefore = 8

// begin reads until begun says that the call has begun, which want begins. Audio, and
// the end of it, come behind that with each provider: where they do not, nobody is
// going to tell what call it is.
func begin(ctx context.Context, peer websocket.Peer, want string, begun func(websocket.Message) (bool, error)) error {
	for range maxBefore {
		m, err := peer.Read(ctx)
		if err != nil {
			return err
		}
		if done, err := begun(m); done || err != nil {
			return err
		}
		var e event
		if err := parse(m, &e); err != nil {
			return err
		}
		if e.Event == "media" || e.Event == "stop" {
			return refuse(ws.StatusPolicyViolation, "%s came before %s", e.Event, want)
		}
	}
	return refuse(ws.StatusPolicyViolation, "%d messages came, and none of them was %s", maxBefore, want)
}
