package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
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

// appendMessage appends a message with headers that are strings: total length,
// length of the headers, checksum of these, headers, payload, checksum of it
// all, everything in network order (Amazon Transcribe developer guide, "Event
// stream encoding").
func appendMessage(b, payload []byte, headers ...string) []byte {
	start := len(b)
	b = append(b, make([]byte, 12)...)
	for i := 0; i < len(headers); i += 2 {
		b = appendHeader(b, headers[i], headers[i+1])
	}
	size := len(b) - start - 12
	b = append(b, payload...)
	message := b[start:]
	binary.BigEndian.PutUint32(message, uint32(len(message)+4))
	binary.BigEndian.PutUint32(message[4:], uint32(size))
	binary.BigEndian.PutUint32(message[8:], crc32.ChecksumIEEE(message[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(message))
}

// maxHeader is the longest string that a header can hold.
const maxHeader = 1<<15 - 1

func appendHeader(b []byte, name, value string) []byte {
	const stringType = 7
	value = value[:min(len(value), maxHeader)]
	b = append(b, byte(len(name)))
	b = append(b, name...)
	b = append(b, stringType)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
