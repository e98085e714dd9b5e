package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// AppendEvent appends the message of one JSON event to b. With padding > 0 the
// chunk has a member "p" of that length, which hides the length of the event
// from those who watch the line.
func AppendEvent(b, event []byte, padding int) []byte {
	payload := make([]byte, 0, 32+base64.StdEncoding.EncodedLen(len(event))+padding)
	payload = append(payload, `{"bytes":"`...)
	payload = base64.StdEncoding.AppendEncode(payload, event)
	payload = append(payload, '"')
	if padding > 0 {
		const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		payload = append(payload, `,"p":"`...)
		for i := range padding {
			payload = append(payload, alphabet[i%len(alphabet)])
		}
		payload = append(payload, '"')
	}
	payload = append(payload, '}')
	return appendMessage(b, payload, ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

// AppendException appends the message of an exception to b.
func AppendException(b []byte, name, message string) []byte {
	body := map[string]any{"message": message}
	if name == "modelStreamErrorException" {
		body["originalStatusCode"], body["originalMessage"] = 500, message
	}
	payload, err := json.Marshal(body)
	if err != nil { // strings and a number marshal
		panic(err)
	}
	return appendMessage(b, payload, ":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
}

// AppendError appends a message of type error to b.
func AppendError(b []byte, code, message string) []byte {
	return appendMessage(b, nil, ":message-type", "error", ":error-code", code, ":error-message", message)
}

func appendMessage(b, payload []byte, headers ...string) []byte {
	m := eventstream.Message{Payload: payload}
	for i := 0; i < len(headers); i += 2 {
		m.Headers.Set(headers[i], eventstream.StringValue(headers[i+1]))
	}
	buf := bytes.NewBuffer(b)
	if err := eventstream.NewEncoder().Encode(buf, m); err != nil {
		panic(err) // only headers that are too long fail, and these are not
	}
	return buf.Bytes()
}
