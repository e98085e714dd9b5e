package bedrock

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/schemas"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"
)

// protocolOf returns a stream's protocol as it reads from in.
func protocolOf(most int) *streamProtocol {
	d := &SDKDialer{options: Options{MaxEventBytes: most}}
	return &streamProtocol{
		ClientProtocol: restjson1.New(nil),
		call:           &guardedCall{on: ^guards(0), stream: newStream(d, testModel, testCredentials.Expires)},
	}
}

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
		p := protocolOf(most)
		p.in = bufio.NewReader(iotest.OneByteReader(bytes.NewReader(in)))
		rest := in
		for {
			frame, err := p.nextFrame()
			if err != nil {
				clean := len(rest) == 0
				if (err == io.EOF) != clean || p.call.stream.link.lastFrame.isSet() != clean {
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

// FuzzEvents decodes arbitrary bytes as the SDK does, through the guards: it
// ends, without a panic.
func FuzzEvents(f *testing.F) {
	f.Add(chunkFrame([]byte(`{"event":{}}`)))
	f.Add(exceptionFrame("modelTimeoutException", "over"))
	f.Add(message("{", ":message-type", "exception", ":exception-type", "novelException"))
	f.Add(message("", ":message-type", "error", ":error-code", "X"))
	f.Add(message(`{"bytes":7}`, ":message-type", "event", ":event-type", "chunk"))
	f.Add(message("", ":message-type", "event"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p := protocolOf(1 << 16)
		r := bytes.NewReader(in)
		for range len(in) + 1 {
			event, err := p.DeserializeEventMessage(schemas.InvokeModelWithBidirectionalStreamOutput, bedrockruntime.TypeRegistry, r)
			if err != nil {
				Classify(err)
				return
			}
			if event == nil {
				t.Fatal("neither an event nor an error")
			}
		}
		t.Fatal("more events than bytes")
	})
}
