package audio

import (
	"bytes"
	"unicode/utf8"
)

// IdentifySize is how many bytes from the start of a file [Identify] looks at.
const IdentifySize = 64

// Identify says what kind of file begins with head, for error messages and for
// choosing a decoder: "a WAV file", "an MP3 file", "an Ogg file". It returns ""
// if it does not know. It looks at no more than [IdentifySize] bytes, and fewer
// will do for most.
func Identify(head []byte) string {
	if len(head) == 0 {
		return "an empty file"
	}
	head = head[:min(len(head), IdentifySize)]
	for _, k := range []struct {
		at    int
		magic string
		kind  string
	}{
		{8, "WAVE", KindWAV},
		{8, "AVI ", "an AVI video"},
		{8, "AIFF", "an AIFF file"},
		{8, "AIFC", "an AIFF file"},
		{4, "ftyp", "an MP4 or M4A file"},
		{0, "ID3", KindMP3},
		{0, "OggS", "an Ogg file"},
		{0, "fLaC", "a FLAC file"},
		{0, "riff\x2e\x91\xcf\x11", "a Wave64 file"},
		{0, ".snd", "an AU file"},
		{0, "caff", "a Core Audio file"},
		{0, "#!AMR", "an AMR file"},
		{0, "MThd", "a MIDI file"},
		{0, "\x1a\x45\xdf\xa3", "a WebM or Matroska file"},
		{0, "\x30\x26\xb2\x75", "a WMA file"},
		{0, "PK\x03\x04", "a ZIP archive"},
		{0, "\x1f\x8b", "a gzip archive"},
		{0, "%PDF", "a PDF file"},
		{0, "\x89PNG", "a PNG image"},
		{0, "\xff\xd8\xff", "a JPEG image"},
		{0, "\x7fELF", "a program"},
		{0, "<!DOCTYPE", "an HTML page"},
		{0, "<!doctype", "an HTML page"},
		{0, "<html", "an HTML page"},
	} {
		if len(head) > k.at && bytes.HasPrefix(head[k.at:], []byte(k.magic)) {
			return k.kind
		}
	}
	switch {
	case len(head) >= 2 && head[0] == 0xFF && head[1]&0xF6 == 0xF0:
		return "an AAC (ADTS) file"
	case len(head) >= 4 && head[0] == 0xFF && head[1]&0xE6 == 0xE2 && head[2]>>4 != 15:
		// MPEG audio's sync word, with layer III.
		return KindMP3
	case isText(head):
		return "a text file"
	}
	return ""
}

// What [Identify] calls the files that Parley has decoders for.
const (
	KindWAV = "a WAV file"
	KindMP3 = "an MP3 file"
)

func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7F {
			return false
		}
		b = b[n:]
	}
	return true
}
