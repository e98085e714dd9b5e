package wire

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Errors of a Reader. Each but io.EOF is the client's fault.
var (
	ErrUnsigned  = errors.New("a message is not signed")
	ErrSignature = errors.New("the signature of a message does not match")
	ErrTooLarge  = errors.New("a message is larger than this server takes")
	ErrMessage   = errors.New("a message is not an event stream message")
	ErrEnvelope  = errors.New("a message holds no chunk")
	ErrUnended   = errors.New("the input ended without an empty signed message")
	ErrTrailing  = errors.New("a message follows the empty one that ends the input")
)

// maxMessage bounds a message, whatever the reader's own limit: AWS's event
// stream format allows 16 MiB.
const maxMessage = 16<<20 + 64<<10

// Reader reads the events of a request's body. It is not safe for concurrent
// use.
type Reader struct {
	body    io.Reader
	limit   int64
	signer  *v4.StreamSigner // nil: messages need no signature
	decoder *eventstream.Decoder
	buf     []byte // of the message, and …
	payload []byte // … its payload, and …
	inner   []byte // … the payload of the message in it
	ended   bool
}

// NewReader reads body, whose messages are signed by key, beginning with the
// request's signature seed. A nil seed means that they are not signed. A message
// may have up to limit bytes; 0 or less is as many as the format allows.
func NewReader(body io.Reader, key Key, region string, seed []byte, limit int) *Reader {
	r := &Reader{body: body, limit: int64(limit), decoder: eventstream.NewDecoder()}
	if limit <= 0 || limit > maxMessage {
		r.limit = maxMessage
	}
	if seed != nil {
		creds := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: key.Token}
		r.signer = v4.NewStreamSigner(creds, Service, region, seed)
	}
	return r
}

// Next returns the next JSON event, which is the caller's; io.EOF at the end of
// the input, io.ErrUnexpectedEOF if it ends within a message, one of the errors
// above, or what reading the body returned.
func (r *Reader) Next() ([]byte, error) {
	raw, err := r.message()
	switch {
	case err == io.EOF && r.signer != nil && !r.ended:
		return nil, ErrUnended
	case err != nil:
		return nil, err
	case r.ended:
		return nil, ErrTrailing
	}
	r.payload = room(r.payload, len(raw))
	outer, err := r.decoder.Decode(bytes.NewReader(raw), r.payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	inner := outer
	if r.signer != nil {
		if err := r.verify(outer); err != nil {
			return nil, err
		}
		if len(outer.Payload) == 0 {
			r.ended = true
			return r.trailer()
		}
		r.inner = room(r.inner, len(raw))
		inner, err = r.decoder.Decode(bytes.NewReader(outer.Payload), r.inner)
		if err != nil {
			return nil, fmt.Errorf("%w: inner message: %w", ErrMessage, err)
		}
	}
	return chunk(inner)
}

// room returns a buffer into which the decoder can read n bytes. It makes a larger
// one if it has not got some more of it left then.
func room(buf []byte, n int) []byte {
	if n += 2 * bytes.MinRead; cap(buf) < n {
		return make([]byte, n)
	}
	return buf
}

// trailer makes sure that nothing follows the signed end of the input.
func (r *Reader) trailer() ([]byte, error) {
	_, err := r.message()
	if err == nil {
		err = ErrTrailing
	}
	return nil, err
}

// message reads the bytes of one message: its length, and the rest. The length
// is protected by a checksum of its own, which the decoder checks, but the
// memory is needed before that.
func (r *Reader) message() ([]byte, error) {
	const prelude = 12
	if cap(r.buf) < prelude {
		r.buf = make([]byte, 8<<10)
	}
	head := r.buf[:prelude]
	if _, err := io.ReadFull(r.body, head); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head))
	switch {
	case n < prelude+4:
		return nil, ErrMessage
	case n > r.limit:
		return nil, ErrTooLarge
	}
	if int64(cap(r.buf)) < n {
		grown := make([]byte, n)
		copy(grown, head)
		r.buf = grown
	}
	msg := r.buf[:n]
	if _, err := io.ReadFull(r.body, msg[prelude:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return msg, nil
}

func (r *Reader) verify(m eventstream.Message) error {
	got, ok := m.Headers.Get(eventstreamapi.ChunkSignatureHeader).(eventstream.BytesValue)
	date, dated := m.Headers.Get(eventstreamapi.DateHeader).(eventstream.TimestampValue)
	if !ok || !dated {
		return ErrUnsigned
	}
	var headers bytes.Buffer
	if err := eventstream.EncodeHeaders(&headers, eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: date}}); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	want, err := r.signer.GetSignature(context.Background(), headers.Bytes(), m.Payload, time.Time(date))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if !hmac.Equal(want, got) {
		return ErrSignature
	}
	return nil
}

// chunk takes the event out of its message.
func chunk(m eventstream.Message) ([]byte, error) {
	if h, ok := m.Headers.Get(eventstreamapi.MessageTypeHeader).(eventstream.StringValue); !ok || string(h) != "event" {
		return nil, ErrEnvelope
	}
	if h, ok := m.Headers.Get(eventstreamapi.EventTypeHeader).(eventstream.StringValue); !ok || string(h) != "chunk" {
		return nil, ErrEnvelope
	}
	if event, ok := plainChunk(m.Payload); ok {
		return event, nil
	}
	var payload struct {
		Bytes []byte `json:"bytes"`
	}
	if err := json.Unmarshal(m.Payload, &payload); err != nil || payload.Bytes == nil {
		return nil, ErrEnvelope
	}
	return payload.Bytes, nil
}

// plainChunk reads a payload that is written as SDKs write it, much faster than
// encoding/json. It returns false for anything else, right or wrong.
func plainChunk(payload []byte) ([]byte, bool) {
	text, ok := bytes.CutPrefix(payload, []byte(`{"bytes":"`))
	if !ok {
		return nil, false
	}
	if text, ok = bytes.CutSuffix(text, []byte(`"}`)); !ok {
		return nil, false
	}
	event := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(event, text)
	// Line breaks are allowed in base64, but not in JSON.
	return event[:n], err == nil && base64.StdEncoding.EncodedLen(n) == len(text)
}
