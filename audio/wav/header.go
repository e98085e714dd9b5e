package wav

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-audio/riff"

	"github.com/parley-go/parley/audio"
)

const (
	// maxSkip bounds what may come before the audio: descriptions, cover
	// pictures, padding.
	maxSkip = 64 << 20
	// maxFmt bounds the fmt chunk; the largest in use is that of MPEG audio, of
	// 40 bytes and a few.
	maxFmt = 4096
)

// The sizes of the RIFF header and of that of a chunk.
const (
	preambleSize = 12
	chunkHeader  = 8
)

// unknownLength is the length of a data chunk that goes on to the end.
const unknownLength = -1

// header is what comes before the samples.
type header struct {
	format audio.Format
	coding coding
	frame  int   // bytes for one sample of each channel
	length int64 // bytes of audio, or unknownLength

	at    int64  // where the audio begins
	outer uint32 // how many bytes the file claims to have behind the first 8
	inner uint32 // how many bytes of audio its data chunk claims to have
}

// readHeader reads up to the first byte of audio.
//
// size is that of the file, or -1 if it is a pipe's.
func readHeader(r *bufio.Reader, size int64) (*header, error) {
	outer, err := readPreamble(r)
	if err != nil {
		return nil, err
	}
	var (
		h       *header
		long    int64 // the length of the audio, from ds64
		skipped int64
		at      = int64(preambleSize)
	)
	for {
		id, length, err := nextChunk(r)
		if err != nil {
			return nil, err
		}
		at += chunkHeader
		if end := at + int64(length); id != riff.DataFormatID && size >= 0 && end > size {
			if int64(outer)+chunkHeader > size {
				return nil, endsEarly()
			}
			return nil, badFormat("the file is damaged: its chunk %q claims to have %d bytes, and %d follow", id[:], length, max(size-at, 0))
		}
		switch {
		case id == riff.DataFormatID && h == nil:
			return nil, badFormat("the file is damaged: its audio comes before the description of its format")
		case id == riff.DataFormatID:
			h.at, h.outer, h.inner = at, outer, length
			h.length = dataLength(outer, length, long)
			if length == 0 && h.length == 0 && soundFollows(r, at, outer, h.frame) {
				h.length = unknownLength
			}
			return h, nil
		case id == riff.FmtID && h == nil:
			h, err = readFmt(r, length)
		case id == [4]byte{'d', 's', '6', '4'} && length >= 24:
			long, err = readDS64(r, length)
		default:
			if skipped += int64(length); skipped > maxSkip {
				return nil, badFormat("more than %d MiB come before the audio", maxSkip>>20)
			}
			err = skip(r, int64(length)+int64(length&1))
		}
		at += int64(length) + int64(length&1)
		if err != nil {
			return nil, err
		}
	}
}

// readPreamble reads the RIFF header, or says what else the file is. It returns
// the length of everything that follows.
func readPreamble(r *bufio.Reader) (size uint32, err error) {
	head, err := r.Peek(audio.IdentifySize)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, readError(err)
	}
	var id, kind string
	if len(head) >= 12 {
		id, kind = string(head[:4]), string(head[8:12])
	}
	switch {
	case kind == "WAVE" && (id == "RIFF" || id == "RF64" || id == "BW64"):
		size = binary.LittleEndian.Uint32(head[4:])
		_, err = r.Discard(12)
		return size, err
	case kind == "WAVE" && id == "RIFX":
		return 0, badFormat("it is a big-endian WAV file (RIFX), which is not supported; convert it to 16-bit PCM")
	case len(head) > 0 && len(head) < 12 && bytes.HasPrefix([]byte("RIFF"), head[:min(4, len(head))]):
		return 0, endsEarly()
	}
	if what := audio.Identify(head); what != "" && what != audio.KindWAV {
		return 0, badFormat("not a WAV file: it is %s", what)
	}
	return 0, badFormat("not a WAV file: it does not begin with RIFF and WAVE")
}

// nextChunk reads the header of a chunk.
func nextChunk(r *bufio.Reader) (id [4]byte, size uint32, err error) {
	head, err := r.Peek(8)
	if err != nil {
		return id, 0, readError(err)
	}
	id, size, err = riff.New(bytes.NewReader(head)).IDnSize()
	if err != nil {
		return id, 0, readError(err)
	}
	_, err = r.Discard(8)
	return id, size, err
}

// readBody reads a small chunk, and skips the byte that pads an odd one.
func readBody(r *bufio.Reader, size uint32) ([]byte, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, readError(err)
	}
	return b, skip(r, int64(size&1))
}

func skip(r *bufio.Reader, n int64) error {
	if _, err := io.CopyN(io.Discard, r, n); err != nil {
		return readError(err)
	}
	return nil
}

// readError tells the end of the file from a failure to read it.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return endsEarly()
	}
	return fmt.Errorf("wav: read header: %w", err)
}

func endsEarly() error {
	return &FormatError{Reason: "file is truncated: it ends before its audio begins", Err: ErrTruncated}
}

// readDS64 reads the chunk in which an RF64 file keeps the lengths that do not
// fit into 32 bits, and returns that of the audio.
func readDS64(r *bufio.Reader, size uint32) (int64, error) {
	if size > maxFmt {
		return 0, badFormat("the file is damaged: its ds64 chunk has %d bytes", size)
	}
	b, err := readBody(r, size)
	if err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint64(b[8:]))
	if length < 0 {
		return 0, badFormat("the file is damaged: its audio has a length of %d bytes", uint64(length))
	}
	return length, nil
}

// soundFollows tells whether there is audio behind a data chunk that claims to be
// empty: its program meant to fill the length in, and did not get there, or
// filled in that of the file only. at is where the chunk begins, outer what the
// file claims to have, and frame the bytes for one sample of each channel.
func soundFollows(r *bufio.Reader, at int64, outer uint32, frame int) bool {
	if next, _ := r.Peek(frame); len(next) < frame {
		return false
	}
	if int64(outer)+chunkHeader <= at {
		return true // not even that claim covers what follows
	}
	next, _ := r.Peek(chunkHeader)
	if len(next) < chunkHeader {
		return false
	}
	return !isName(next[:4])
}

// isName tells whether a chunk may be named so.
func isName(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// dataLength says how much audio there is, going by the length of the file,
// that of its data chunk, and the 64-bit one of RF64 or 0.
func dataLength(outer, size uint32, long int64) int64 {
	switch {
	case size == 0xFFFFFFFF && long > 0:
		return long
	case size >= 0xFFFFFF00:
		// What ffmpeg writes into a pipe is 0xFFFFFFFF; others subtract the
		// header from that.
		return unknownLength
	case size >= 0x7FFFF000 && size <= 0x7FFFFFFF:
		// What sox and espeak-ng write into a pipe, rounded to whole frames.
		return unknownLength
	case size == 0 && (outer == 0 || outer >= 0x7FFFF000):
		// A program that meant to fill in both lengths, but did not get there. (A
		// file that is meant to have no audio has a length of its own.)
		return unknownLength
	}
	return int64(size)
}
