package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	ws "github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/transports/internal/talk"
	"github.com/parley-go/parley/transports/playout"
)

func TestBothEndsKeepTheRules(t *testing.T) {
	// A call whose peer is connected, and does not speak.
	call := func() *Call {
		cfg := Config{Playout: playout.Config{Chunk: defaultChunk}}.withDefaults()
		l := newLink(PCM(), cfg)
		return newCall("id", httptest.NewRequest("GET", "/", nil), l, pipecatFormats)
	}
	dialled := func() *Call {
		l := newLink(PCMClient(Formats{})(), DialConfig{}.withDefaults().link())
		l.ear = &ear{delay: pace, maxAhead: time.Minute, format: audio.Mono(16000)}
		l.listening.Store(true)
		return newCall("id", nil, l, pipecatFormats)
	}
	for name, end := range map[string]func() pipeline.Processor{
		"input":              func() pipeline.Processor { return call().Input() },
		"output":             func() pipeline.Processor { return newReader(call()) },
		"input of a caller":  func() pipeline.Processor { return dialled().Input() },
		"output of a caller": func() pipeline.Processor { return newReader(dialled()) },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, end) })
	}
}

// reader is an output whose peer takes everything that it is sent.
type reader struct {
	*playout.Output
	l *link
}

func newReader(c *Call) reader {
	c.link.listening.Store(true)
	c.link.wire = &wire{ready: make(chan struct{}, 1)}
	return reader{c.output, c.link}
}

func (r reader) Run(ctx context.Context, out *pipeline.Port) error {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() {
		for ctx.Err() == nil {
			if m, ok := r.l.next(r.l.wire); ok {
				r.l.done(r.l.wire, m)
				continue
			}
			select {
			case <-r.l.wire.ready:
			case <-ctx.Done():
			}
		}
	})
	return r.Output.Run(ctx, out)
}

// Close does not hang up: there is no connection to close.
func (r reader) Close(context.Context) error { return nil }

// TestABufferThatADeadConnectionWritesIsNotUsedAgain has a message with audio written
// once more, over another connection, while the first one still reads it.
func TestABufferThatADeadConnectionWritesIsNotUsedAgain(t *testing.T) {
	for name, end := range map[string]func(l *link, w *wire, m queued){
		"it is written and has arrived": func(l *link, w *wire, m queued) {
			l.done(w, m)
			l.arrived(w, m.number)
		},
		"it is dropped": func(l *link, _ *wire, _ queued) { l.flush() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(PCM(), Config{Playout: playout.Config{Chunk: defaultChunk}}.withDefaults())
			l.listening.Store(true)
			l.kept.most, l.kept.audio = maxKeptBytes, true
			dead, alive := &wire{ready: make(chan struct{}, 1)}, &wire{ready: make(chan struct{}, 1)}
			l.wire = dead
			encode := func(dst []byte) (Message, error) {
				return Message{Binary: true, Data: append(dst[:0], 1, 2, 3)}, nil
			}
			send := func() {
				if err := l.sendAudio(0, encode); err != nil {
					t.Fatal(err)
				}
			}
			send()
			first, _ := l.next(dead)
			l.mu.Lock()
			again, _ := l.kept.again(0)
			l.first(again)
			l.wire = alive
			l.mu.Unlock()
			m := queued{}
			if name != "it is dropped" {
				m, _ = l.next(alive)
				if &m.Data[0] != &first.Data[0] {
					t.Fatal("it is not the same message")
				}
			}
			end(l, alive, m)
			for range 3 {
				send()
			}
			for _, later := range l.queue {
				if &later.Data[0] == &first.Data[0] {
					t.Error("its buffer is used for other audio, while the first connection may be writing it")
				}
			}
		})
	}
}

// Whoever waits until there is less to write does not wait for what is discarded.
func TestNobodyWaitsForAudioThatIsDiscarded(t *testing.T) {
	for name, wait := range map[string]func(*link){
		"a chunk for room":     func(l *link) { l.room(context.Background()) },
		"the end for the rest": func(l *link) { l.drained(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLink(PCM(), Config{Playout: playout.Config{Chunk: defaultChunk}}.withDefaults())
				l.listening.Store(true)
				l.wire = &wire{ready: make(chan struct{}, 1)}
				for range l.config.maxBacklog() {
					if err := l.sendAudio(0, func([]byte) (Message, error) { return Message{}, nil }); err != nil {
						t.Fatal(err)
					}
				}
				l.unclear = false // there is nothing to tell the peer
				done := make(chan struct{})
				go func() {
					defer close(done)
					wait(l)
				}()
				synctest.Wait()
				select {
				case <-done:
					t.Fatal("it did not wait")
				default:
				}
				if err := l.flush(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case <-done:
				default:
					t.Error("it still waits")
					l.mu.Lock()
					l.finish(errIdle)
					l.mu.Unlock()
				}
			})
		})
	}
}

// What is kept of what has been written is bounded, and audio goes before messages. What
// is lost by it is known when the peer is back.
func TestWhatIsNotKeptIsCountedIfItWasLost(t *testing.T) {
	k := kept{most: 100, audio: true}
	for n := range 20 { // audio, but for every fifth
		k.add(queued{Message: Message{Data: []byte{byte(n + 1), 9: 0}}, audio: n%5 != 4})
	}
	if k.bytes > k.most {
		t.Errorf("%d bytes are kept, at most %d may be", k.bytes, k.most)
	}
	again, lost := k.again(3)
	var got []byte
	for _, m := range again {
		got = append(got, m.Data[0])
	}
	// Audio is what has been lost of 4 to 20, and has not been received.
	if want := []byte{5, 10, 13, 14, 15, 16, 17, 18, 19, 20}; !slices.Equal(got, want) || lost != 7 {
		t.Errorf("%d are sent once more, want %d; %d pieces of audio are lost", got, want, lost)
	}
	if n := k.add(queued{Message: Message{Data: []byte{1}}, audio: true}); n != 4 || k.bytes != 1 {
		t.Errorf("the next is message %d, and %d bytes are kept", n, k.bytes)
	}
}

func TestWhatIsKeptLastsUntilALossIsNoticed(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  Config
		f    audio.Format
		long time.Duration
	}{
		"by default":                    {Config{}, audio.Mono(24000), 25 * time.Second},
		"in stereo":                     {Config{}, audio.Stereo(48000), 25 * time.Second},
		"where answers take their time": {Config{PingInterval: time.Second, PingTimeout: 20 * time.Second}, audio.Mono(16000), 40 * time.Second},
	} {
		if got, want := tc.cfg.withDefaults().keptBytes(tc.f), int(tc.f.Rate.Samples(tc.long))*2*tc.f.Channels; got < 2*want || got > 2*want+maxQueuedBytes {
			t.Errorf("%s %d bytes are kept; %v are %d", name, got, tc.long, want)
		}
	}
	if got := (Config{PingInterval: math.MaxInt64, PingTimeout: math.MaxInt64}).withDefaults().keptBytes(audio.Stereo(48000)); got > maxKeptBytes+maxQueuedBytes {
		t.Errorf("%d bytes are kept", got)
	}
}

func TestACloseFrameHasRoomForTheReason(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("ä", 100), "x" + strings.Repeat("ä", 100), strings.Repeat("日本", 60)} {
		got := cut(s)
		if len(got) > 123 || !utf8.ValidString(got) || !strings.HasPrefix(s, got) || len(s)-len(got) > max(0, len(s)-120) {
			t.Errorf("%q was cut to %q", s, got)
		}
	}
}

// message is a Frame of Pipecat's with one field, which has fields of its own.
func message(kind protowire.Number, fields ...[]byte) Message {
	return frame(nil, kind, bytes.Join(fields, nil))
}

func text(number protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
}

func number(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

func TestPipecatsFramesAreUnderstood(t *testing.T) {
	samples := []int16{1, -2, 300, -400}
	pcm := string(audio.EncodePCM(nil, samples))
	for name, tc := range map[string]struct {
		m    Message
		want frames.Frame
		err  string
	}{
		"audio":             {message(2, number(1, 7), text(2, "audio"), text(3, pcm), number(4, 48000), number(5, 2), number(6, 99)), &frames.AudioInput{Audio: frames.Audio{Format: audio.Stereo(48000), Samples: samples}}, ""},
		"audio as it is":    {message(2, text(3, pcm)), &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(16000), Samples: samples}}, ""},
		"no audio":          {message(2, number(4, 16000)), nil, ""},
		"a strange rate":    {message(2, text(3, pcm), number(4, 1<<63)), nil, "1048576 Hz is not known"},
		"many channels":     {message(2, text(3, pcm), number(5, 1<<63)), nil, "not 1024"},
		"half a sample":     {message(2, text(3, "abc")), nil, "3 bytes of audio"},
		"text":              {message(1, number(1, 7), text(2, "text"), text(3, "hello")), &frames.Text{Text: "hello"}, ""},
		"a transcription":   {message(3, text(3, "hello")), nil, ""},
		"an interruption":   {message(5, number(1, 7)), &frames.Interruption{Reason: "the peer asks for silence"}, ""},
		"a message":         {message(4, text(1, `{"a":1}`)), &frames.TransportMessageInput{Message: json.RawMessage(`{"a":1}`)}, ""},
		"a list":            {message(4, text(1, `[1]`)), &frames.TransportMessageInput{Message: json.RawMessage(`[1]`)}, ""},
		"no JSON":           {message(4, text(1, `{"a"`)), nil, "it is not JSON"},
		"nothing":           {Message{Binary: true}, nil, ""},
		"a kind to come":    {message(9, text(1, "new")), nil, ""},
		"a text message":    {Message{Data: []byte(`{}`)}, nil, "binary messages"},
		"no protobuf":       {Message{Binary: true, Data: []byte("hello")}, nil, "not a protobuf frame"},
		"cut off":           {Message{Binary: true, Data: message(1, text(3, "hello")).Data[:6]}, nil, "not a protobuf frame"},
		"of the wrong type": {Message{Binary: true, Data: number(2, 5)}, nil, "field 2 of a protobuf frame has the wrong type"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Pipecat().Decode(tc.m)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || len(got) != 0 {
					t.Errorf("got %v, %v; want %q", got, err, tc.err)
				}
				return
			}
			var want []frames.Frame
			if tc.want != nil {
				want = []frames.Frame{tc.want}
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		})
	}
}

func TestAClientIsToldThatTheBotIsReady(t *testing.T) {
	for said, want := range map[string]string{
		`{"label":"rtvi-ai","type":"client-ready","id":"x","data":{"version":"2.0.0","about":{"library":"y"}}}`: `{"label":"rtvi-ai","type":"bot-ready","id":"x","data":{"version":"2.0.0","about":{"library":"parley"}}}`,
		`{"label":"rtvi-ai","type":"client-ready","id":"x"}`:                                                    `{"label":"rtvi-ai","type":"bot-ready","id":"x","data":{"version":"2.1.0","about":{"library":"parley"}}}`,
	} {
		s := Pipecat()
		got, err := s.Decode(message(4, text(1, said)))
		if err != nil || len(got) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		reply, ok := got[0].(*Reply)
		if !ok || !bytes.Equal(reply.Message.Data, message(4, text(1, want)).Data) {
			t.Errorf("%s was answered with %v", said, got[0])
		}
		if got, err := s.Decode(message(4, text(1, said))); got != nil || err != nil {
			t.Errorf("asked again, it answers %v, %v", got, err)
		}
		long := strings.Replace(said, `"id":"x"`, `"id":"`+strings.Repeat("<", 200)+`"`, 1)
		if got, err := Pipecat().Decode(message(4, text(1, long))); got != nil || err == nil {
			t.Errorf("a long id is answered with %v", got)
		}
	}
}

func TestPipecatIsSentWhatItUnderstands(t *testing.T) {
	s := Pipecat()
	chunk := playout.Chunk{Format: audio.Mono(24000), Samples: []int16{5, -6}}
	want := message(2, number(1, 1), text(2, "OutputAudioRawFrame#1"), text(3, string(audio.EncodePCM(nil, chunk.Samples))), number(4, 24000), number(5, 1))
	if got, err := s.Audio([]byte("old"), chunk); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got.Data, err, want.Data)
	}
	if got, err := s.(Clearer).Clear(); err != nil || !reflect.DeepEqual(got, message(5, number(1, 2), text(2, "InterruptionFrame#2"))) {
		t.Errorf("got %q, %v", got.Data, err)
	}
	if got, err := s.(Messenger).Message(map[string]int{"a": 1}); err != nil || !reflect.DeepEqual(got, message(4, text(1, `{"a":1}`))) {
		t.Errorf("got %q, %v", got.Data, err)
	}
	if _, err := s.(Messenger).Message(func() {}); err == nil {
		t.Error("a function was sent")
	}
}

func TestAudioIsEncodedWithoutAllocating(t *testing.T) {
	chunk := playout.Chunk{Format: audio.Mono(24000), Samples: make([]int16, 480)}
	for name, s := range map[string]Serializer{"PCM": PCM(), "Pipecat": Pipecat()} {
		var b []byte
		if n := testing.AllocsPerRun(100, func() {
			m, err := s.Audio(b, chunk)
			if err != nil {
				t.Fatal(err)
			}
			b = m.Data
		}); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzDecode sends anything to every serializer: what comes of it is a frame
// that makes sense, or a refusal with a code that may be sent.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"type":"dtmf","digit":"5"}`, `{"type":"message","data":[1,2]}`, `{"type":"bye"}`, `{"type":"interrupt"}`, `{"type":"mark","name":"7"}`, `{"type":"clear"}`, "\x00\x01\x02\x03"} {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	for _, m := range []Message{message(1, text(3, "x")), message(2, text(3, "abcd"), number(4, 8000), number(5, 1)), message(4, text(1, `{"label":"rtvi-ai","type":"client-ready"}`)), message(5)} {
		f.Add(true, m.Data)
	}
	f.Fuzz(func(t *testing.T, binary bool, data []byte) {
		for name, s := range map[string]Serializer{"PCM": &pcm{pcmAudio: pcmAudio{pipecatFormats}}, "Pipecat": Pipecat(), "PCM's client": PCMClient(pipecatFormats)(), "Pipecat's client": PipecatClient()} {
			was := slices.Clone(data)
			got, err := s.Decode(Message{Binary: binary, Data: data})
			if !bytes.Equal(data, was) {
				t.Fatalf("%s changed the message", name)
			}
			if err != nil {
				code, reason := closing(err)
				if code != ws.StatusPolicyViolation && code != ws.StatusInvalidFramePayloadData && code != ws.StatusUnsupportedData || !utf8.ValidString(reason) || reason == "" {
					t.Errorf("%s refuses with %v, %q", name, code, reason)
				}
				continue
			}
			for i := range data { // it must not be kept
				data[i] = 0xAA
			}
			for _, f := range got {
				switch f := f.(type) {
				case *frames.AudioInput:
					if len(f.Samples) == 0 || len(f.Samples)%f.Format.Channels != 0 || checkFormat(f.Format) != nil {
						t.Errorf("%s: %v", name, f)
					}
				case *frames.DTMFInput:
					if !talk.IsKey(string(f.Digit)) {
						t.Errorf("%s: %v", name, f)
					}
				case *frames.TransportMessageInput:
					if raw := f.Message.(json.RawMessage); raw != nil && !json.Valid(raw) {
						t.Errorf("%s: message %q", name, raw)
					}
				case *frames.Text, *frames.Interruption, *frames.End, *Reply, *Played, *Discard:
				default:
					t.Errorf("%s: %v", name, f)
				}
			}
			copy(data, was)
		}
	})
}
