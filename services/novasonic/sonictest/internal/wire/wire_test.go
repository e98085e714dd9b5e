package wire

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// TestWhatTheSDKSignsIsAccepted compares with AWS's own signer, which shares no
// code with ours.
func TestWhatTheSDKSignsIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		printable := rapid.StringMatching(`[ -~]{0,20}`)
		key := Key{ID: "AK", Secret: rapid.StringN(1, 40, -1).Draw(t, "secret"), Token: rapid.SampledFrom([]string{"", "token"}).Draw(t, "token")}
		model := rapid.StringMatching(`[a-z0-9.:+ %/-]{1,30}`).Draw(t, "model")
		req := httptest.NewRequest(http.MethodPost, "https://example.test/", nil)
		req.URL.Path = "/model/" + model + "/invoke-with-bidirectional-stream"
		req.URL.RawQuery = rapid.SampledFrom([]string{"", "b=2&a=1", "x=%20y&x=a%2Fb&e="}).Draw(t, "query")
		req.ContentLength = -1
		req.Header.Set("X-Amz-Content-Sha256", streamingPayload)
		for _, name := range []string{"X-One", "X-Two"} {
			req.Header[name] = rapid.SliceOfN(printable, 0, 2).Draw(t, name)
		}
		creds := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: key.Token}
		if err := v4.NewSigner().SignHTTP(context.Background(), creds, req, streamingPayload, Service, "eu-north-1", now); err != nil {
			t.Fatal(err)
		}
		v := &Verifier{Region: "eu-north-1", Keys: []Key{{ID: "other"}, key}, Skew: time.Minute}
		got, seed, refusal := v.Request(req, now)
		if refusal != nil || got.ID != key.ID || len(seed) != 32 {
			t.Fatalf("refused: %v\n%s", refusal, req.Header)
		}
		// One bit of anything that was signed, and it is refused.
		switch rapid.IntRange(0, 2).Draw(t, "forgery") {
		case 0:
			req.URL.Path += "x"
			req.URL.RawPath = ""
		case 1:
			req.Header.Set("X-One", "forged"+req.Header.Get("X-One"))
			if !strings.Contains(req.Header.Get("Authorization"), "x-one") {
				return
			}
		case 2:
			req.Host = "example.org"
		}
		if _, _, refusal := v.Request(req, now); refusal == nil || refusal.Name != "InvalidSignatureException" {
			t.Fatalf("a forged request was answered with %v", refusal)
		}
	})
}

// signed is a body as an SDK sends it.
func signed(t testing.TB, key Key, seed []byte, events ...string) []byte {
	t.Helper()
	signer := v4.NewStreamSigner(aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, Service, "us-east-1", seed)
	encoder := eventstream.NewEncoder()
	var body bytes.Buffer
	message := func(payload []byte) {
		headers := eventstream.Headers{{Name: ":date", Value: eventstream.TimestampValue(now)}}
		var b bytes.Buffer
		if err := eventstream.EncodeHeaders(&b, headers); err != nil {
			t.Fatal(err)
		}
		signature, err := signer.GetSignature(context.Background(), b.Bytes(), payload, now)
		if err != nil {
			t.Fatal(err)
		}
		headers.Set(":chunk-signature", eventstream.BytesValue(signature))
		if err := encoder.Encode(&body, eventstream.Message{Headers: headers, Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range events {
		message(AppendEvent(nil, []byte(e), 0))
	}
	message(nil)
	return body.Bytes()
}

func TestEventsAreReadInOrderUntilTheEmptyMessage(t *testing.T) {
	key, seed := Key{ID: "AK", Secret: "s"}, make([]byte, 32)
	want := []string{"{}", `{"event":{}}`, strings.Repeat("x", 100_000)}
	r := NewReader(bytes.NewReader(signed(t, key, seed, want...)), key, "us-east-1", seed, 1<<20)
	for _, w := range want {
		got, err := r.Next()
		if err != nil || string(got) != w {
			t.Fatalf("read %.20q, %v, want %.20q", got, err, w)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("the end is %v, want io.EOF", err)
	}
}

func TestMessagesAreFramedAsTheSDKFramesThem(t *testing.T) {
	header := func(name, value string) eventstream.Header {
		return eventstream.Header{Name: name, Value: eventstream.StringValue(value)}
	}
	tests := map[string]struct {
		got  []byte
		want eventstream.Message
	}{
		"event": {AppendEvent([]byte("before"), []byte("{}"), 0), eventstream.Message{Payload: []byte(`{"bytes":"e30="}`),
			Headers: eventstream.Headers{header(":event-type", "chunk"), header(":content-type", "application/json"), header(":message-type", "event")}}},
		"exception": {AppendException([]byte("before"), "validationException", "no"), eventstream.Message{Payload: []byte(`{"message":"no"}`),
			Headers: eventstream.Headers{header(":exception-type", "validationException"), header(":content-type", "application/json"), header(":message-type", "exception")}}},
		"error": {AppendError([]byte("before"), "Code", strings.Repeat("x", maxHeader+1)), eventstream.Message{
			Headers: eventstream.Headers{header(":message-type", "error"), header(":error-code", "Code"), header(":error-message", strings.Repeat("x", maxHeader))}}},
	}
	for name, test := range tests {
		want := bytes.NewBufferString("before")
		if err := eventstream.NewEncoder().Encode(want, test.want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(test.got, want.Bytes()) {
			t.Errorf("%s: %q, want %q", name, test.got, want.Bytes())
		}
	}
}

func TestPaddingIsIgnored(t *testing.T) {
	r := NewReader(bytes.NewReader(AppendEvent(nil, []byte("{}"), 30)), Key{}, "", nil, 1<<20)
	if got, err := r.Next(); err != nil || string(got) != "{}" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	key, seed := Key{ID: "AK", Secret: "s"}, make([]byte, 32)
	good := signed(t, key, seed, `{"event":{}}`)
	for i := range len(good) * 8 {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		r := NewReader(bytes.NewReader(b), key, "us-east-1", seed, 1<<20)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if err == io.EOF {
			t.Fatalf("bit %d was flipped, and nobody noticed", i)
		}
	}
}

func TestEveryCutIsNoticed(t *testing.T) {
	key, seed := Key{ID: "AK", Secret: "s"}, make([]byte, 32)
	good := signed(t, key, seed, `{"event":{}}`)
	for n := range good {
		r := NewReader(bytes.NewReader(good[:n]), key, "us-east-1", seed, 1<<20)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrUnended) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(good), err)
		}
	}
}

// FuzzReader: no body makes it panic or go on for ever, and the fast way of
// reading a chunk agrees with encoding/json.
func FuzzReader(f *testing.F) {
	key, seed := Key{ID: "AK", Secret: "s"}, make([]byte, 32)
	f.Add(signed(f, key, seed, "{}"), true)
	f.Add(AppendEvent(nil, []byte("{}"), 0), false)
	f.Add(AppendEvent(nil, []byte("{}"), 10), false)
	f.Add(AppendException(nil, "validationException", "no"), false)
	f.Add(AppendError(nil, "Code", "no"), false)
	f.Add(appendMessage(nil, []byte("{\"bytes\":\"e3\n0=\"}"), ":event-type", "chunk", ":message-type", "event"), false)
	f.Fuzz(func(t *testing.T, body []byte, verify bool) {
		s := seed
		if !verify {
			s = nil
		}
		r := NewReader(bytes.NewReader(body), key, "us-east-1", s, 1<<20)
		for range len(body) + 1 {
			if _, err := r.Next(); err != nil {
				return
			}
		}
		t.Error("more messages than bytes")
	})
}

// FuzzChunk: the two ways of reading a payload agree.
func FuzzChunk(f *testing.F) {
	f.Add([]byte(`{"bytes":"e30="}`))
	f.Add([]byte(`{"bytes":"e3 0="}`))
	f.Add([]byte("{\"bytes\":\"e3\n0=\"}"))
	f.Add([]byte(`{"bytes":"e30=","p":"x"}`))
	f.Add([]byte(`{"bytes":""}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		fast, ok := plainChunk(payload)
		if !ok {
			return
		}
		// A space before it is one too many for the fast way.
		slow, err := chunk(eventstream.Message{Payload: append([]byte(" "), payload...), Headers: eventstream.Headers{
			{Name: ":event-type", Value: eventstream.StringValue("chunk")}, {Name: ":message-type", Value: eventstream.StringValue("event")}}})
		if err != nil || !bytes.Equal(fast, slow) {
			t.Errorf("read fast as %q, slowly as %q, %v", fast, slow, err)
		}
		if base64.StdEncoding.EncodeToString(fast) == "" && len(payload) > 12 {
			t.Errorf("%q was read as nothing", payload)
		}
	})
}
