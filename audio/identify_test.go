package audio

import "testing"

func TestFilesAreKnownByTheirFirstBytes(t *testing.T) {
	for head, want := range map[string]string{
		"":                                "an empty file",
		"RIFF\x24\x00\x00\x00WAVEfmt ":    KindWAV,
		"RF64\xff\xff\xff\xffWAVEds64":    KindWAV,
		"RIFF\x24\x00\x00\x00AVI LIST":    "an AVI video",
		"ID3\x04\x00\x00\x00\x00\x00\x00": KindMP3,
		"\xff\xfb\x90\x64":                KindMP3, // MPEG-1 layer III
		"\xff\xf3\x84\xc4":                KindMP3, // MPEG-2
		"\xff\xe3\x18\xc4":                KindMP3, // MPEG-2.5
		"\xff\xf1\x50\x80":                "an AAC (ADTS) file",
		"\x00\x00\x00\x20ftypM4A ":        "an MP4 or M4A file",
		"OggS\x00\x02":                    "an Ogg file",
		"name: value\nlist:\n  - 1\n":     "a text file",
		"Grüße\r\n":                       "a text file",
		"\x00\x01\x02\x03":                "",
		"\xff\xfe\x00\x00":                "",
		"plain\x00text":                   "",
	} {
		if got := Identify([]byte(head)); got != want {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add([]byte("RIFF____WAVE"))
	f.Add([]byte{0xFF, 0xFB, 0x90})
	f.Fuzz(func(t *testing.T, head []byte) {
		// It may know more from more bytes, but never looks beyond its limit.
		if long := append(head[:len(head):len(head)], make([]byte, IdentifySize)...); len(head) >= IdentifySize && Identify(head) != Identify(long) {
			t.Error("bytes beyond the limit changed the answer")
		}
	})
}
