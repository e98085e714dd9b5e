package bedrock

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Where the frames of a response are cut, and which way they take. It is the
// other half of guardTruncation.
//
//	responseBody ──▶ frames ─┬─▶ chunks, decoded here ─────────────▶ Recv
//	                         └─▶ the first of another kind, and all
//	                             behind it ──▶ the SDK's decoder ──▶ Recv
//
// The SDK copies the response through a pipe, reads that in some twenty pieces
// an event, and hands the event on through two more goroutines. Chunks spare
// themselves that. What ends a stream, an exception, still comes from the SDK.

// responseBody is a response whose connection may break, which the SDK would
// take for its orderly end.
type responseBody struct {
	io.ReadCloser
	stream *sdkStream
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrConnectionLost
	}
	return n, err
}

// WriteTo is what io.Copy calls, in the goroutine of the SDK that takes the
// response to its decoder.
func (b *responseBody) WriteTo(w io.Writer) (int64, error) {
	s := b.stream
	s.link.framed.set()
	f := newFrameReader(io.Reader(b), s.dialer.options.MaxEventBytes)
	for {
		frame, err := f.next()
		if err == nil {
			event, ok := decodeChunk(frame)
			if !ok {
				return b.rest(w, f, frame)
			}
			select {
			case s.chunks <- event:
				continue
			case <-s.ctx.Done():
				err = s.ctx.Err()
			}
		}
		close(s.chunks)
		if err == io.EOF {
			s.link.lastFrame.set()
			return 0, nil
		}
		return 0, err
	}
}

// rest gives frame, and all that follows, to the SDK.
func (b *responseBody) rest(w io.Writer, f *frameReader, frame []byte) (n int64, err error) {
	close(b.stream.chunks)
	for {
		m, err := w.Write(frame)
		n += int64(m)
		if err != nil {
			return n, err
		}
		if frame, err = f.next(); err != nil {
			if err == io.EOF {
				b.stream.link.lastFrame.set()
				err = nil
			}
			return n, err
		}
	}
}

// Lengths of the event stream encoding: a frame begins with its own length,
// and has at least its prelude and checksum.
const (
	lengthBytes   = 4
	minFrameBytes = preludeBytes + checksumBytes
)

// frameReader cuts a response into frames.
type frameReader struct {
	in    *bufio.Reader
	most  int // bytes of one frame
	frame []byte
}

func newFrameReader(r io.Reader, most int) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(r, 8<<10), most: most}
}

// next returns the next whole frame, which is valid until the one after it.
// io.EOF is the end between two frames.
func (f *frameReader) next() ([]byte, error) {
	head, err := f.in.Peek(lengthBytes)
	switch {
	case err == nil:
	case err == io.EOF && len(head) == 0:
		return nil, err
	case err == io.EOF:
		return nil, fmt.Errorf("read event: %w", ErrTruncated)
	default:
		return nil, fmt.Errorf("read event: %w", err)
	}
	size := binary.BigEndian.Uint32(head)
	if uint64(size) > uint64(f.most) {
		return nil, fmt.Errorf("read event: %w: %d bytes, the limit is %d", ErrEventTooLarge, size, f.most)
	}
	// A length that is too small is for the SDK to refuse.
	size = max(size, minFrameBytes)
	if cap(f.frame) < int(size) {
		f.frame = make([]byte, size)
	}
	f.frame = f.frame[:size]
	if _, err := io.ReadFull(f.in, f.frame); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = ErrTruncated
		}
		return nil, fmt.Errorf("read event: %w", err)
	}
	return f.frame, nil
}

// streamProtocol is the SDK's protocol, but for the event that is nearly all
// of what a stream sends.
type streamProtocol struct {
	smithyhttp.ClientProtocol
	call *guardedCall
	out  []byte // of the goroutine that writes events
}

func (p *streamProtocol) SerializeEventMessage(schema, variant *smithy.Schema, v smithy.Serializable, w io.Writer) error {
	chunk, ok := v.(*types.InvokeModelWithBidirectionalStreamInputMemberChunk)
	if !ok || !p.call.has(guardOwnCodec) {
		return p.ClientProtocol.SerializeEventMessage(schema, variant, v, w)
	}
	p.out = appendChunk(p.out[:0], chunk.Value.Bytes)
	_, err := w.Write(p.out) // in one piece: each Write is signed
	return err
}

func (p *streamProtocol) DeserializeEventMessage(schema *smithy.Schema, registry *smithy.TypeRegistry, r io.Reader) (smithy.Deserializable, error) {
	event, err := p.ClientProtocol.DeserializeEventMessage(schema, registry, r)
	// Somebody's middleware may have wrapped the response, so that it does not
	// come by WriteTo: then the SDK's opinion of where it ends has to do.
	if link := &p.call.stream.link; err == io.EOF && !link.framed.isSet() {
		link.lastFrame.set()
	}
	return event, err
}
