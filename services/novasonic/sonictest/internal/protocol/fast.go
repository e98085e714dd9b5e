package protocol

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// parseFast reads an audioInput that is written as every client writes it: no
// spaces, no escapes, no other members. That is nearly all that a stream
// consists of, and a conversation of many hours spends most of its time here.
// It returns false for anything else, which is not to say that it is wrong.
func parseFast(b []byte) (AudioInput, bool) {
	var e AudioInput
	rest, ok := bytes.CutPrefix(b, []byte(`{"event":{"audioInput":{`))
	if !ok {
		return e, false
	}
	var content []byte
	for i := range 3 {
		var name, value []byte
		if i > 0 {
			if rest, ok = bytes.CutPrefix(rest, []byte(`,`)); !ok {
				return e, false
			}
		}
		if name, rest, ok = cutString(rest); !ok {
			return e, false
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(`:`)); !ok {
			return e, false
		}
		if value, rest, ok = cutString(rest); !ok || len(value) == 0 {
			return e, false
		}
		switch string(name) {
		case "promptName":
			e.PromptName = string(value)
		case "contentName":
			e.ContentName = string(value)
		case "content":
			content = value
		}
	}
	// Each of the three must have been there, once; the slow path has the
	// limits on their length, and the words for what is wrong.
	if string(rest) != "}}}" || e.PromptName == "" || e.ContentName == "" || content == nil ||
		len(e.PromptName) > maxName || len(e.ContentName) > maxName {
		return e, false
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(content)))
	n, err := base64.StdEncoding.Decode(raw, content)
	if err != nil || n%2 != 0 {
		return e, false
	}
	e.PCM = samples(raw[:n])
	return e, true
}

// cutString cuts a JSON string without escapes off b.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 {
		return nil, nil, false
	}
	s = b[1 : 1+end]
	for _, c := range s {
		if c < ' ' || c == '\\' {
			return nil, nil, false
		}
	}
	return s, b[end+2:], utf8.Valid(s)
}

// samples reads little-endian 16-bit samples.
func samples(raw []byte) []int16 {
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(uint16(raw[2*i]) | uint16(raw[2*i+1])<<8)
	}
	return pcm
}
