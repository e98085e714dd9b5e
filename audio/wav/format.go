package wav

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/go-audio/riff"

	"github.com/parley-go/parley/audio"
)

// Format tags, RFC 2361.
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagULaw       = 0x0007
	tagExtensible = 0xFFFE
)

// otherTags names the codings that people meet and that are not supported.
var otherTags = map[uint16]string{
	0x0002: "Microsoft ADPCM",
	0x0011: "IMA ADPCM",
	0x0031: "GSM 6.10",
	0x0040: "G.721 ADPCM",
	0x0050: "MPEG audio",
	0x0055: "MP3",
	0x0064: "G.726 ADPCM",
	0x0083: "G.729",
	0x00FF: "AAC",
	0x0161: "Windows Media Audio",
	0x028E: "G.722",
	0xA109: "Speex",
	0xF1AC: "FLAC",
}

// subFormat is what follows the two bytes of a format tag in the GUID by which
// EXTENSIBLE names a coding that has a tag.
var subFormat = []byte{0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71}

// coding is how one sample is stored.
type coding struct {
	name  string
	bytes int
	// decode appends the samples that b, a whole number of them, holds.
	decode func(dst []int16, b []byte) []int16
	// flaws finds what is no finite number in b; nil where everything is one. first
	// counts samples.
	flaws func(b []byte) (first, n int)
}

// readFmt reads the chunk that describes the samples.
func readFmt(r *bufio.Reader, size uint32) (*header, error) {
	if size < 16 || size > maxFmt {
		return nil, badFormat("the file is damaged: the description of its format has %d bytes", size)
	}
	b, err := readBody(r, size)
	if err != nil {
		return nil, err
	}
	// Only the part that all formats have: riff would drop the rest.
	var p riff.Parser
	chunk := riff.Chunk{ID: riff.FmtID, Size: 16, R: bytes.NewReader(b)}
	if err := chunk.DecodeWavHeader(&p); err != nil {
		return nil, badFormat("the file is damaged: %v", err)
	}
	tag := p.WavAudioFormat
	if tag == tagExtensible {
		if len(b) < 40 || !bytes.Equal(b[26:40], subFormat) {
			return nil, badFormat("unsupported coding: an extensible format that is neither PCM, float nor G.711; convert it to 16-bit PCM")
		}
		tag = binary.LittleEndian.Uint16(b[24:])
	}

	h := &header{format: audio.Format{Rate: audio.SampleRate(p.SampleRate), Channels: int(p.NumChannels)}}
	if err := h.format.Validate(); err != nil {
		return nil, badFormat("the file cannot be played: %d channels at %d Hz (1 to 64 channels at 1 to 768000 Hz can)", p.NumChannels, p.SampleRate)
	}
	// Samples of 12 or 20 bits lie in the upper bits of two or three bytes.
	bytes := (int(p.BitsPerSample) + 7) / 8
	if each := int(p.BlockAlign) / h.format.Channels; each > bytes && int(p.BlockAlign)%h.format.Channels == 0 {
		bytes = each
	}
	if h.coding, err = newCoding(tag, bytes); err != nil {
		return nil, err
	}
	h.frame = h.coding.bytes * h.format.Channels
	if p.BlockAlign != 0 && int(p.BlockAlign) != h.frame {
		return nil, badFormat("the file is damaged: its frames have %d bytes, but %d channels of %s need %d",
			p.BlockAlign, h.format.Channels, h.coding.name, h.frame)
	}
	return h, nil
}

// newCoding returns the coding of samples with a format tag and a size.
func newCoding(tag uint16, bytes int) (coding, error) {
	name := otherTags[tag]
	switch tag {
	case tagPCM:
		switch bytes {
		case 1:
			return coding{name: "8-bit PCM", bytes: 1, decode: decode8}, nil
		case 2:
			return coding{name: "16-bit PCM", bytes: 2, decode: audio.DecodePCM}, nil
		case 3:
			return coding{name: "24-bit PCM", bytes: 3, decode: decode24}, nil
		case 4:
			return coding{name: "32-bit PCM", bytes: 4, decode: decode32}, nil
		}
		name = fmt.Sprintf("%d-bit PCM", 8*bytes)
	case tagFloat:
		switch bytes {
		case 4:
			return coding{name: "32-bit float", bytes: 4, decode: decodeFloat32, flaws: flaws32}, nil
		case 8:
			return coding{name: "64-bit float", bytes: 8, decode: decodeFloat64, flaws: flaws64}, nil
		}
		name = fmt.Sprintf("%d-bit float", 8*bytes)
	case tagALaw, tagULaw:
		// Some programs give the size that the samples have when decoded.
		if bytes == 1 || bytes == 2 {
			if tag == tagALaw {
				return coding{name: "A-law", bytes: 1, decode: audio.DecodeALaw}, nil
			}
			return coding{name: "µ-law", bytes: 1, decode: audio.DecodeULaw}, nil
		}
		name = fmt.Sprintf("%d-bit G.711", 8*bytes)
	}
	if name == "" {
		name = "unknown to Parley"
	}
	return coding{}, badFormat("unsupported coding: %s (format tag %#04x); convert it to 16-bit PCM", name, tag)
}

// decode8 decodes 8-bit samples, which alone are unsigned.
func decode8(dst []int16, b []byte) []int16 {
	for _, v := range b {
		dst = append(dst, int16(int(v)-128)<<8)
	}
	return dst
}

func decode24(dst []int16, b []byte) []int16 {
	for ; len(b) >= 3; b = b[3:] {
		v := int32(uint32(b[0])<<8 | uint32(b[1])<<16 | uint32(b[2])<<24)
		dst = append(dst, upper16(v))
	}
	return dst
}

func decode32(dst []int16, b []byte) []int16 {
	for ; len(b) >= 4; b = b[4:] {
		dst = append(dst, upper16(int32(binary.LittleEndian.Uint32(b))))
	}
	return dst
}

// upper16 rounds to the nearest 16-bit sample, halves upwards, as sox does.
func upper16(v int32) int16 {
	return int16(min((int64(v)+1<<15)>>16, math.MaxInt16))
}

func decodeFloat32(dst []int16, b []byte) []int16 {
	var f [256]float32
	for len(b) >= 4 {
		n := min(len(b)/4, len(f))
		for i := range n {
			f[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		dst = audio.FromFloat32(dst, f[:n])
		b = b[4*n:]
	}
	return dst
}

func decodeFloat64(dst []int16, b []byte) []int16 {
	var f [256]float32
	for len(b) >= 8 {
		n := min(len(b)/8, len(f))
		for i := range n {
			f[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
		dst = audio.FromFloat32(dst, f[:n])
		b = b[8*n:]
	}
	return dst
}

// flaws32 and flaws64 look for exponents that are all ones: NaN and ±Inf.
func flaws32(b []byte) (first, n int) {
	const exponent = 0xFF << 23
	return flaws(len(b)/4, func(i int) bool { return binary.LittleEndian.Uint32(b[4*i:])&exponent == exponent })
}

func flaws64(b []byte) (first, n int) {
	const exponent = 0x7FF << 52
	return flaws(len(b)/8, func(i int) bool { return binary.LittleEndian.Uint64(b[8*i:])&exponent == exponent })
}

func flaws(samples int, is func(i int) bool) (first, n int) {
	for i := range samples {
		if is(i) {
			if n++; n == 1 {
				first = i
			}
		}
	}
	return first, n
}
