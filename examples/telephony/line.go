package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
)

// line is Twilio as far as one call needs it, in the shapes of its documentation ("Media
// Streams, WebSocket messages"): it asks what to do, opens the stream that it is told
// of, and signs the request.
type line struct {
	webhook string // where it asks
	token   string // the account's
}

const (
	piece    = 20 * time.Millisecond // of audio in a message
	samples  = 160                   // in a piece, at 8 kHz
	cushion  = 10                    // pieces that wait before any is played, so that what comes unevenly has no holes
	patience = 10 * time.Second
)

// call puts a caller through, who says what is in a recording, 8 kHz mono, and hangs up
// behind it. It returns what the caller has heard meanwhile, piece by piece beside the
// recording.
func (l *line) call(ctx context.Context, recording []int16) (heard []int16, err error) {
	todo, err := l.ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s what to do: %w", l.webhook, err)
	}
	conn, err := l.open(ctx, todo.Stream.URL)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	c := &caller{conn: conn, told: make(chan message, 64)}
	go c.read(ctx)
	parameters := map[string]string{}
	for _, p := range todo.Stream.Parameters {
		parameters[p.Name] = p.Value
	}
	if err := c.begin(ctx, parameters); err != nil {
		return nil, err
	}
	began := time.Now()
	for k := time.Duration(1); len(recording) >= samples; k++ {
		select {
		case <-time.After(time.Until(began.Add(k * piece))): // absolute, so that nothing drifts
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		over, err := c.take(ctx)
		if over || err != nil {
			return c.heard, err
		}
		if err := errors.Join(c.say(ctx, recording[:samples]), c.play(ctx)); err != nil {
			return nil, err
		}
		recording = recording[samples:]
	}
	if err := c.send(ctx, map[string]any{"event": "stop", "stop": map[string]any{"accountSid": account, "callSid": callID}}); err != nil {
		return nil, err
	}
	conn.Close(ws.StatusNormalClosure, "") // the other side may have done so before
	return c.heard, nil
}

// The numbers of the only account, and of its only call.
const (
	account  = "AC00000000000000000000000000000001"
	callID   = "CA00000000000000000000000000000001"
	streamID = "MZ00000000000000000000000000000001"
	number   = "+15005550006" // Twilio's own, of tests
)

// ask returns what the server wants to be done with the call.
func (l *line) ask(ctx context.Context) (todo twiML, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	form := url.Values{"AccountSid": {account}, "CallSid": {callID}, "From": {number}, "CallStatus": {"ringing"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.webhook, strings.NewReader(form.Encode()))
	if err != nil {
		return todo, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return todo, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return todo, err
	}
	if response.StatusCode != http.StatusOK {
		return todo, fmt.Errorf("it says %s", response.Status)
	}
	return todo, xml.Unmarshal(body, &todo)
}

// open opens a stream. The signature is that of the address alone.
func (l *line) open(ctx context.Context, address string) (*ws.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mac := hmac.New(sha1.New, []byte(l.token))
	io.WriteString(mac, address)
	conn, _, err := ws.Dial(ctx, address, &ws.DialOptions{HTTPHeader: http.Header{
		"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}})
	return conn, err
}

// caller is who has been put through: what is said to the stream, and what is played of
// what comes from it, one piece after the other.
type caller struct {
	conn *ws.Conn
	told chan message // closed when the connection is

	sequence int
	spoken   int       // pieces
	waiting  []message // for their turn to be played: sound, and marks
	since    int       // pieces, until some of it was played
	heard    []int16
}

// message is what the server says; it is what it can say.
type message struct {
	Event string
	Media struct{ Payload []byte }
	Mark  struct{ Name string }
}

func (c *caller) read(ctx context.Context) {
	defer close(c.told)
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(b, &m) != nil {
			continue
		}
		select {
		case c.told <- m:
		case <-ctx.Done():
			return
		}
	}
}

func (c *caller) begin(ctx context.Context, parameters map[string]string) error {
	if err := c.send(ctx, map[string]any{"event": "connected", "protocol": "Call", "version": "1.0.0"}); err != nil {
		return err
	}
	return c.send(ctx, map[string]any{"event": "start", "start": map[string]any{
		"accountSid": account, "callSid": callID, "streamSid": streamID, "tracks": []string{"inbound"}, "customParameters": parameters,
		"mediaFormat": map[string]any{"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
	}})
}

// say speaks a piece.
func (c *caller) say(ctx context.Context, piece []int16) error {
	c.spoken++
	return c.send(ctx, map[string]any{"event": "media", "media": map[string]any{
		"track": "inbound", "chunk": strconv.Itoa(c.spoken), "timestamp": strconv.Itoa(20 * c.spoken), "payload": audio.EncodeULaw(nil, piece), // base64 in JSON
	}})
}

// take notes what has been told since the last time, and reports whether the server has
// hung up.
func (c *caller) take(ctx context.Context) (over bool, err error) {
	for {
		select {
		case m, more := <-c.told:
			switch {
			case !more:
				return true, nil
			case m.Event == "clear":
				discarded := c.waiting
				c.waiting, c.since = nil, 0
				for _, m := range discarded { // Twilio tells of these marks, too
					if err := c.mark(ctx, m); err != nil {
						return false, err
					}
				}
			default:
				c.waiting = append(c.waiting, m)
			}
		default:
			return false, nil
		}
	}
}

// play lets a piece be heard, silence if there is nothing, and tells of the marks that
// are passed.
func (c *caller) play(ctx context.Context) error {
	until := len(c.heard) + samples
	if len(c.waiting) > 0 {
		c.since++
	}
	for len(c.waiting) > 0 && c.since > cushion {
		m := &c.waiting[0]
		n := min(until-len(c.heard), len(m.Media.Payload))
		c.heard = audio.DecodeULaw(c.heard, m.Media.Payload[:n])
		if m.Media.Payload = m.Media.Payload[n:]; len(m.Media.Payload) > 0 {
			return nil
		}
		if err := c.mark(ctx, *m); err != nil {
			return err
		}
		if c.waiting = c.waiting[1:]; len(c.waiting) == 0 {
			c.since = 0
		}
	}
	c.heard = audio.AppendSilence(c.heard, until-len(c.heard))
	return nil
}

// mark sends a mark back, if the message is one.
func (c *caller) mark(ctx context.Context, m message) error {
	if m.Event != "mark" {
		return nil
	}
	return c.send(ctx, map[string]any{"event": "mark", "mark": map[string]string{"name": m.Mark.Name}})
}

func (c *caller) send(ctx context.Context, m map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.sequence++
	m["sequenceNumber"], m["streamSid"] = strconv.Itoa(c.sequence), streamID
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return c.conn.Write(ctx, ws.MessageText, b)
}
