package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// The members of audioOutput, as indices into Decoder.last.
const (
	idSession = iota
	idPrompt
	idCompletion
	idContent
	idNone = -1
)

// scanAudioOutput reads an audioOutput event that is written as the service
// writes it: members that are known, once each, in any order, with string
// values that need no unescaping. It reports false for anything else, valid
// or not, which encoding/json then decides about.
func (d *Decoder) scanAudioOutput(b []byte) (*AudioOutput, bool) {
	s := scanner{b: b}
	if !s.char('{') || !s.key("event") || !s.char('{') || !s.key("audioOutput") || !s.char('{') {
		return nil, false
	}
	var ids [4][]byte
	var content []byte
	for {
		name, ok := s.text()
		if !ok || !plain(name) || !s.char(':') {
			return nil, false
		}
		value, ok := s.text()
		if !ok {
			return nil, false
		}
		field := &content
		switch string(name) {
		case "content": // decoding it finds what is no base64
		case "contentId":
			field = &ids[idContent]
		case "sessionId":
			field = &ids[idSession]
		case "promptName":
			field = &ids[idPrompt]
		case "completionId":
			field = &ids[idCompletion]
		default: // role, and whatever may come: rare
			return nil, false
		}
		if *field != nil || field != &content && !plain(value) {
			return nil, false
		}
		*field = value
		if !s.char(',') {
			break
		}
	}
	for range 3 {
		if !s.char('}') {
			return nil, false
		}
	}
	if !s.end() || len(ids[idContent]) == 0 || content == nil {
		return nil, false
	}
	samples, ok := decodeSamples(content)
	if !ok {
		return nil, false
	}
	return &AudioOutput{
		IDs:       IDs{d.id(idSession, ids[idSession]), d.id(idPrompt, ids[idPrompt]), d.id(idCompletion, ids[idCompletion])},
		ContentID: d.id(idContent, ids[idContent]),
		Samples:   samples,
	}, true
}

// id returns v as a string, the last one again if it has not changed.
func (d *Decoder) id(which int, v []byte) string {
	if string(v) != d.last[which] {
		d.last[which] = string(v)
	}
	return d.last[which]
}

// decodeSamples decodes base64 of 16-bit little-endian samples.
func decodeSamples(src []byte) ([]int16, bool) {
	const pass = 4 * 256 // characters
	samples := make([]int16, 0, base64.StdEncoding.DecodedLen(len(src))/2)
	var pcm [pass / 4 * 3]byte
	for len(src) > 0 {
		chars := src[:min(pass, len(src))]
		src = src[len(chars):]
		want := base64.StdEncoding.DecodedLen(len(chars))
		if len(src) == 0 {
			want -= len(chars) - len(bytes.TrimRight(chars, "="))
		}
		// Fewer bytes than expected: padding in the middle, or a line break,
		// which base64 allows and JSON does not.
		n, err := base64.StdEncoding.Decode(pcm[:], chars)
		if err != nil || len(chars)%4 != 0 || n != want || n%2 != 0 {
			return nil, false
		}
		for i := 0; i < n; i += 2 {
			samples = append(samples, int16(binary.LittleEndian.Uint16(pcm[i:])))
		}
	}
	return samples, true
}

// scanner walks over JSON that it finds no surprise in.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// char consumes c, with space before it.
func (s *scanner) char(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// key consumes the given member name and its colon.
func (s *scanner) key(name string) bool {
	got, ok := s.text()
	return ok && string(got) == name && s.char(':')
}

// text consumes a string and returns what is between its quotes, which is
// what the string means only if it is [plain]. It is never nil when ok.
func (s *scanner) text() (v []byte, ok bool) {
	if !s.char('"') {
		return nil, false
	}
	end := bytes.IndexByte(s.b[s.i:], '"')
	if end < 0 {
		return nil, false
	}
	v = s.b[s.i : s.i+end : s.i+end]
	s.i += end + 1
	return v, true
}

// plain reports whether v is printable ASCII without escapes.
func plain(v []byte) bool {
	for _, c := range v {
		if c < 0x20 || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}

func (s *scanner) end() bool {
	s.space()
	return s.i == len(s.b)
}
