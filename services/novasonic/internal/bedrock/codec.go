package bedrock

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Nearly all of the traffic is one kind of message, the chunk, which has three
// headers and a payload of one base64 string:
//
//	4 length of all │ 4 length of headers │ 4 CRC of these │ headers │ {"bytes":"…"} │ 4 CRC of all
//
// This file writes and reads just that, in a fraction of the SDK's time, and
// leaves everything else to the SDK. The format is that of Smithy's
// "Amazon Event Stream" specification.
const (
	preludeBytes  = 12
	checksumBytes = 4

	// A header: 1 length of the name │ name │ 1 type │ 2 length of the value │ value.
	typeString = 7

	// In the order in which the SDK writes them.
	chunkHeaders = "\x0b:event-type\x07\x00\x05chunk" +
		"\x0d:message-type\x07\x00\x05event" +
		"\x0d:content-type\x07\x00\x10application/json"
	chunkOpen  = `{"bytes":"`
	chunkClose = `"}`
)

// appendChunk appends the message that carries event.
func appendChunk(dst, event []byte) []byte {
	size := preludeBytes + len(chunkHeaders) + len(chunkOpen) + base64.StdEncoding.EncodedLen(len(event)) + len(chunkClose) + checksumBytes
	dst = slices.Grow(dst, size)
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(chunkHeaders)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
	dst = append(dst, chunkHeaders...)
	dst = append(dst, chunkOpen...)
	dst = base64.StdEncoding.AppendEncode(dst, event)
	dst = append(dst, chunkClose...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// decodeChunk returns the event that a whole message carries, in a buffer of
// its own. It reports false for anything but a chunk that is written as
// expected and has the right checksums.
func decodeChunk(frame []byte) ([]byte, bool) {
	if len(frame) < minFrameBytes || binary.BigEndian.Uint32(frame) != uint32(len(frame)) {
		return nil, false
	}
	headers := binary.BigEndian.Uint32(frame[4:])
	body := frame[preludeBytes : len(frame)-checksumBytes]
	switch {
	case uint64(headers) > uint64(len(body)),
		crc32.ChecksumIEEE(frame[:8]) != binary.BigEndian.Uint32(frame[8:]),
		crc32.ChecksumIEEE(frame[:len(frame)-checksumBytes]) != binary.BigEndian.Uint32(frame[len(frame)-checksumBytes:]),
		!chunkHeadersIn(body[:headers]):
		return nil, false
	}
	text, ok := bytes.CutPrefix(body[headers:], []byte(chunkOpen))
	if !ok {
		return nil, false
	}
	end := bytes.IndexByte(text, '"')
	if end < 0 || !closesChunk(text[end:]) {
		return nil, false
	}
	text = text[:end]
	event := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(event, text)
	// Less than that means line breaks, which JSON would not allow.
	if err != nil || len(text)%4 != 0 || n != len(event)-(len(text)-len(bytes.TrimRight(text, "="))) {
		return nil, false
	}
	return event[:n], true
}

// closesChunk reports whether rest ends the payload: at once, or after the
// padding "p" with which the service hides how long an event is.
func closesChunk(rest []byte) bool {
	if string(rest) == chunkClose {
		return true
	}
	padding, ok := bytes.CutPrefix(rest, []byte(`","p":"`))
	if !ok {
		return false
	}
	padding, ok = bytes.CutSuffix(padding, []byte(chunkClose))
	return ok && !bytes.ContainsFunc(padding, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
}

// chunkHeadersIn reports whether the headers are strings, all of them, and say
// that the message is an event of type chunk.
func chunkHeadersIn(b []byte) bool {
	var isEvent, isChunk bool
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 1+n+3 || b[1+n] != typeString {
			return false
		}
		name := b[1 : 1+n]
		size := int(binary.BigEndian.Uint16(b[n+2:]))
		b = b[1+n+3:]
		if len(b) < size {
			return false
		}
		value := b[:size]
		b = b[size:]
		switch string(name) {
		case ":message-type":
			if isEvent || string(value) != "event" {
				return false
			}
			isEvent = true
		case ":event-type":
			if isChunk || string(value) != "chunk" {
				return false
			}
			isChunk = true
		}
	}
	return isEvent && isChunk
}
