package mp3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parley-go/parley/audio"
)

const (
	// readSize is how many bytes are asked of the file at once. It has room for
	// several of the largest frames, of 1441 bytes.
	readSize = 32 << 10
	// maxJunk bounds what is searched for the next frame.
	maxJunk = 1 << 20
	// maxTag bounds the description before the audio, which may have pictures.
	maxTag = 64 << 20
)

// framer cuts a file into frames. It steps over tags and damage.
type framer struct {
	r      *bufio.Reader
	like   frameHeader // the stream's first header; 0 until it is known
	synced bool        // the next frame is expected right here
	torn   bool        // between two frames there was something else
	buf    [2048]byte
}

// next returns the next frame. At the end of the file the error is io.EOF, or
// ErrTruncated if it ends within a frame; failures of the file are passed on.
func (f *framer) next() (frame, error) {
	for junk := 0; ; {
		head, err := f.r.Peek(10)
		if err != nil && !errors.Is(err, io.EOF) {
			return frame{}, err
		}
		if len(head) < headerSize {
			return frame{}, io.EOF
		}
		if bytes.HasPrefix(head, []byte("ID3")) && len(head) == 10 {
			if err := f.skipID3(head); err != nil {
				return frame{}, err
			}
			continue
		}
		h := parseHeader(head)
		if f.fits(h) {
			ok, err := f.confirmed(h)
			if err != nil {
				return frame{}, err
			}
			if ok {
				f.torn = f.torn || junk > 0 && f.like != 0
				return f.read(h)
			}
		}
		f.synced = false
		n, err := f.skipJunk()
		if err != nil {
			return frame{}, err
		}
		if junk += n; junk > maxJunk {
			return frame{}, badFormat("no frame was found in %d KiB", maxJunk>>10)
		}
	}
}

// fits tells whether h can be the header of a frame of the stream.
func (f *framer) fits(h frameHeader) bool {
	return h.isSync() && h.unsupported() == "" && (f.like == 0 || h.sameStream(f.like)) && h.size() > h.overhead()
}

// confirmed tells whether a frame that begins here is one: what looks like a
// header is common in other data, unless another one or the end follows where
// the first says.
func (f *framer) confirmed(h frameHeader) (bool, error) {
	if f.synced {
		return true, nil
	}
	b, err := f.r.Peek(h.size() + headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if len(b) < h.size()+headerSize {
		// The end of the file. Alone, a frame has to be whole.
		return len(b) >= h.size(), nil
	}
	next := parseHeader(b[h.size():])
	return next.isSync() && next.sameStream(h), nil
}

func (f *framer) read(h frameHeader) (frame, error) {
	b := f.buf[:h.size()]
	if _, err := io.ReadFull(f.r, b); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrTruncated
		}
		return frame{}, err
	}
	f.like, f.synced = h, true
	return frame{h, b}, nil
}

// skipJunk goes to the next byte that can begin a header.
func (f *framer) skipJunk() (int, error) {
	n := 1
	b, _ := f.r.Peek(f.r.Buffered())
	for n < len(b) && b[n] != 0xFF && b[n] != 'I' {
		n++
	}
	_, err := f.r.Discard(n)
	return n, err
}

// skipID3 steps over an ID3v2 tag, whose length is in four bytes of seven bits.
func (f *framer) skipID3(head []byte) error {
	size := int64(head[6]&0x7F)<<21 | int64(head[7]&0x7F)<<14 | int64(head[8]&0x7F)<<7 | int64(head[9]&0x7F)
	if size > maxTag {
		return badFormat("the file has a description (ID3) of more than %d MiB", maxTag>>20)
	}
	_, err := io.CopyN(io.Discard, f.r, 10+size)
	if errors.Is(err, io.EOF) {
		return &FormatError{Reason: "file is truncated: it ends within its description (ID3)", Err: ErrTruncated}
	}
	return err
}

// first returns the first frame, or says why the file is not MP3.
func (f *framer) first() (frame, error) {
	head, err := f.r.Peek(audio.IdentifySize)
	if err != nil && !errors.Is(err, io.EOF) {
		return frame{}, fmt.Errorf("mp3: read: %w", err)
	}
	kind := audio.Identify(head)
	if kind != "" && kind != audio.KindMP3 {
		if reason := unsupportedStart(head); reason != "" {
			return frame{}, badFormat("%s", reason)
		}
		return frame{}, badFormat("not an MP3 file: it is %s", kind)
	}
	if bytes.HasPrefix(head, []byte("ID3")) && len(head) >= 10 {
		if err := f.skipID3(head); err != nil {
			return frame{}, wrapRead(err)
		}
		head, _ = f.r.Peek(headerSize)
	}
	if reason := unsupportedStart(head); reason != "" {
		return frame{}, badFormat("%s", reason)
	}
	fr, err := f.next()
	var bad *FormatError
	switch {
	case err == nil:
		return fr, nil
	case errors.Is(err, io.EOF):
		return frame{}, f.nothing(kind)
	case errors.As(err, &bad) && bad.Err == nil:
		return frame{}, badFormat("not an MP3 file: %s", bad.Reason)
	}
	return frame{}, wrapRead(err)
}

// nothing is the error of a file without a single whole frame.
func (f *framer) nothing(kind string) error {
	if kind == audio.KindMP3 {
		return &FormatError{Reason: "file is truncated: it ends within its first frame", Err: ErrTruncated}
	}
	return badFormat("not an MP3 file: it has no frame of MPEG audio")
}

// unsupportedStart says why a stream that begins with head cannot be decoded.
func unsupportedStart(head []byte) string {
	if len(head) < headerSize {
		return ""
	}
	if h := parseHeader(head); h.isSync() {
		return h.unsupported()
	}
	return ""
}

// wrapRead says which package failed, unless err does.
func wrapRead(err error) error {
	var bad *FormatError
	if errors.As(err, &bad) || errors.Is(err, ErrTruncated) {
		return err
	}
	return fmt.Errorf("mp3: read: %w", err)
}
