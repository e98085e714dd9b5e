package bedrock

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/schemas"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"
)

// FuzzFrames cuts arbitrary bytes into frames. Whatever they are, the frames
// are the input again, in order, none is larger than the limit, and only
// input that is used up between two frames ends in EOF.
func FuzzFrames(f *testing.F) {
	whole := chunkFrame([]byte(`{"event":{}}`))
	f.Add(whole)
	f.Add(append(bytes.Clone(whole), exceptionFrame("validationException", "no")...))
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:3])
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	f.Add(make([]byte, 40))
	const most = 4096
	f.Fuzz(func(t *testing.T, in []byte) {
		frames := newFrameReader(iotest.OneByteReader(bytes.NewReader(in)), most)
		rest := in
		for {
			frame, err := frames.next()
			if err != nil {
				clean := len(rest) == 0
				if (err == io.EOF) != clean {
					t.Fatalf("%d bytes are left, and the end is %v", len(rest), err)
				}
				if !clean && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrEventTooLarge) {
					t.Fatalf("%v is neither cut short nor too large", err)
				}
				return
			}
			if len(frame) > most || !bytes.HasPrefix(rest, frame) {
				t.Fatalf("a frame of %d bytes is not what comes next", len(frame))
			}
			rest = rest[len(frame):]
		}
	})
}

// FuzzChunks decodes arbitrary bytes as a chunk. What is taken for one here is
// one for the SDK too, with the same event in it.
func FuzzChunks(f *testing.F) {
	f.Add(chunkFrame([]byte(`{"event":{}}`)))
	f.Add(appendChunk(nil, []byte("x")))
	f.Add(appendChunk(nil, nil))
	f.Add(exceptionFrame("modelTimeoutException", "over"))
	f.Add(message(`{"bytes":"eA==","p":"abcdEFG012"}`, ":message-type", "event", ":event-type", "chunk"))
	f.Add(message("{\"bytes\":\"eA=\n=\"}", ":message-type", "event", ":event-type", "chunk"))
	f.Add(message(`{"bytes":7}`, ":message-type", "event", ":event-type", "chunk"))
	f.Add(message(`{"bytes":"eA=="}`, ":message-type", "event", ":event-type", "chunk", ":event-type", "other"))
	f.Add(message("", ":message-type", "event"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, frame := range [][]byte{in, withChecksums(in)} {
			event, ok := decodeChunk(frame)
			if !ok {
				continue
			}
			got, err := restjson1.New(nil).DeserializeEventMessage(schemas.InvokeModelWithBidirectionalStreamOutput, bedrockruntime.TypeRegistry, bytes.NewReader(frame))
			chunk, isChunk := got.(*types.BidirectionalOutputPayloadPart)
			if err != nil || !isChunk || !bytes.Equal(chunk.Bytes, event) {
				t.Fatalf("%q holds %q here, and %v, %v for the SDK", frame, event, got, err)
			}
		}
	})
}

// withChecksums mends the lengths and checksums of a frame, which a fuzzer
// would never guess.
func withChecksums(frame []byte) []byte {
	if len(frame) < minFrameBytes {
		return nil
	}
	frame = bytes.Clone(frame)
	end := len(frame) - checksumBytes
	binary.BigEndian.PutUint32(frame, uint32(len(frame)))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	binary.BigEndian.PutUint32(frame[end:], crc32.ChecksumIEEE(frame[:end]))
	return frame
}

func TestChunksAreWrittenAsTheSDKWritesThem(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000, 70000} {
		event := bytes.Repeat([]byte("e"), n)
		var want bytes.Buffer
		err := restjson1.New(nil).SerializeEventMessage(schemas.InvokeModelWithBidirectionalStreamInput, schemas.InvokeModelWithBidirectionalStreamInput_chunk,
			&types.InvokeModelWithBidirectionalStreamInputMemberChunk{Value: types.BidirectionalInputPayloadPart{Bytes: event}}, &want)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendChunk([]byte("before"), event); string(got) != "before"+want.String() {
			t.Errorf("%d bytes: got %.120q…, want %.120q…", n, got, want.Bytes())
		}
	}
}

func TestChunksOfTheServiceAreReadHere(t *testing.T) {
	for name, frame := range map[string][]byte{
		"plain":  chunkFrame([]byte(`{"event":{}}`)),
		"padded": message(`{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(`{"event":{}}`))+`","p":"abcdefghijkABC0123"}`, ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event"),
	} {
		if got, ok := decodeChunk(frame); !ok || string(got) != `{"event":{}}` {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
}
