package sonictest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// peer is a client of the bare protocol: it does what it is told, right or
// wrong, which no SDK would.
type peer struct {
	t      *testing.T
	body   *io.PipeWriter
	signer *v4.StreamSigner
	cancel context.CancelFunc

	accepted chan struct{}
	events   chan event // closed at the end
	wg       sync.WaitGroup

	mu    sync.Mutex
	reply *http.Response
	err   error
}

// event is an output event, or how the stream failed.
type event struct {
	at        time.Time
	name      string
	body      map[string]any
	exception string
	message   string
}

func (e event) str(name string) string { s, _ := e.body[name].(string); return s }

func (e event) String() string {
	if e.exception != "" {
		return e.exception + ": " + e.message
	}
	parts := []string{e.name}
	for _, name := range []string{"type", "role", "stopReason"} {
		if s := e.str(name); s != "" && !(e.name == "textOutput" && name == "role") {
			parts = append(parts, s)
		}
	}
	if m := e.str("additionalModelFields"); m != "" {
		parts = append(parts, strings.Split(m, `"`)[3])
	}
	if e.name == "textOutput" {
		parts = append(parts, fmt.Sprintf("%q", e.str("content")))
	}
	return strings.Join(parts, " ")
}

// request is how a peer opens a stream; tests change what they want wrong.
type request struct {
	model  string
	region string
	creds  aws.Credentials
	date   time.Time
	edit   func(*http.Request) // before signing
	forge  func(*http.Request) // after signing
	client aws.HTTPClient
	wrap   func(io.Reader) io.Reader
}

func open(t *testing.T, srv *sonictest.Server, edits ...func(*request)) *peer {
	t.Helper()
	cfg := srv.AWSConfig()
	key := srv.Credentials()[0]
	q := request{
		model: sonictest.ModelV2, region: cfg.Region, date: time.Now(), client: cfg.HTTPClient,
		creds: aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken},
		edit:  func(*http.Request) {}, forge: func(*http.Request) {},
		wrap: func(r io.Reader) io.Reader { return r },
	}
	for _, edit := range edits {
		edit(&q)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL(), r)
	if err != nil {
		t.Fatal(err)
	}
	req.URL = &url.URL{
		Scheme: req.URL.Scheme, Host: req.URL.Host,
		Path:    "/model/" + q.model + "/invoke-with-bidirectional-stream",
		RawPath: "/model/" + strings.ReplaceAll(url.PathEscape(q.model), ":", "%3A") + "/invoke-with-bidirectional-stream",
	}
	req.ContentLength = -1
	req.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
	req.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS")
	q.edit(req)
	if err := v4.NewSigner().SignHTTP(ctx, q.creds, req, "STREAMING-AWS4-HMAC-SHA256-EVENTS", "bedrock", q.region, q.date.UTC()); err != nil {
		t.Fatal(err)
	}
	seed, err := v4.GetSignedRequestSignature(req)
	if err != nil {
		t.Fatal(err)
	}
	q.forge(req)
	p := &peer{
		t: t, body: w, cancel: cancel, accepted: make(chan struct{}), events: make(chan event, 1<<16),
		signer: v4.NewStreamSigner(q.creds, "bedrock", q.region, seed),
	}
	p.wg.Go(func() { p.read(q.client, req, q.wrap) })
	t.Cleanup(p.close)
	return p
}

func (p *peer) read(client aws.HTTPClient, req *http.Request, wrap func(io.Reader) io.Reader) {
	defer close(p.events)
	reply, err := client.Do(req)
	p.mu.Lock()
	p.reply, p.err = reply, err
	p.mu.Unlock()
	close(p.accepted)
	if err != nil {
		p.body.CloseWithError(err)
		return
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		p.body.CloseWithError(errors.New(reply.Status))
		b, _ := io.ReadAll(reply.Body)
		p.events <- event{exception: reply.Header.Get("X-Amzn-ErrorType"), message: string(b), at: time.Now()}
		return
	}
	decoder := eventstream.NewDecoder()
	body := wrap(reply.Body)
	for {
		m, err := decoder.Decode(body, nil)
		if err != nil {
			p.mu.Lock()
			p.err = err
			p.mu.Unlock()
			p.body.CloseWithError(err)
			return
		}
		e := event{at: time.Now()}
		switch m.Headers.Get(":message-type").String() {
		case "event":
			var chunk struct{ Bytes []byte }
			var envelope struct{ Event map[string]map[string]any }
			if json.Unmarshal(m.Payload, &chunk) != nil || json.Unmarshal(chunk.Bytes, &envelope) != nil || len(envelope.Event) != 1 {
				e.exception = "garbled: " + string(m.Payload)
			}
			for e.name, e.body = range envelope.Event {
			}
		case "exception":
			var body struct{ Message string }
			json.Unmarshal(m.Payload, &body)
			e.exception, e.message = m.Headers.Get(":exception-type").String(), body.Message
		case "error":
			e.exception, e.message = m.Headers.Get(":error-code").String(), m.Headers.Get(":error-message").String()
		}
		p.events <- e
	}
}

// close frees everything.
func (p *peer) close() {
	p.body.CloseWithError(errors.New("test over"))
	p.cancel()
	// net/http does not notice the cancellation while it waits for the
	// server's window to open, but it does notice this.
	p.mu.Lock()
	reply := p.reply
	p.mu.Unlock()
	if reply != nil {
		reply.Body.Close()
	}
	p.wg.Wait()
}

// send sends events; it does not fail if the stream is over.
func (p *peer) send(events ...string) {
	for _, e := range events {
		p.sendFrame(p.frame([]byte(e)))
	}
}

func (p *peer) frame(event []byte) []byte {
	inner := p.encode(eventstream.Message{
		Headers: eventstream.Headers{
			{Name: ":event-type", Value: eventstream.StringValue("chunk")},
			{Name: ":message-type", Value: eventstream.StringValue("event")},
			{Name: ":content-type", Value: eventstream.StringValue("application/json")},
		},
		Payload: []byte(`{"bytes":"` + base64.StdEncoding.EncodeToString(event) + `"}`),
	})
	return p.sign(inner)
}

func (p *peer) sign(payload []byte) []byte {
	date := eventstream.TimestampValue(time.Now().UTC())
	headers := eventstream.Headers{{Name: ":date", Value: date}}
	var b bytes.Buffer
	if err := eventstream.EncodeHeaders(&b, headers); err != nil {
		p.t.Error(err)
	}
	signature, err := p.signer.GetSignature(context.Background(), b.Bytes(), payload, time.Time(date))
	if err != nil {
		p.t.Error(err)
	}
	headers.Set(":chunk-signature", eventstream.BytesValue(signature))
	return p.encode(eventstream.Message{Headers: headers, Payload: payload})
}

func (p *peer) encode(m eventstream.Message) []byte {
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		p.t.Error(err)
	}
	return b.Bytes()
}

func (p *peer) sendFrame(b []byte) error {
	_, err := p.body.Write(b)
	return err
}

// closeSend half-closes in order.
func (p *peer) closeSend() {
	p.sendFrame(p.sign(nil))
	p.body.Close()
}

// next returns the next event that is none of the names to skip. It fails the
// test at the end of the stream.
func (p *peer) next(skip ...string) event {
	p.t.Helper()
	for e := range p.events {
		if !contains(skip, e.name) {
			return e
		}
	}
	p.t.Fatalf("the stream ended: %v", p.end())
	return event{}
}

// until returns the events up to the first one that reads like this, it
// included.
func (p *peer) until(text string) []event {
	p.t.Helper()
	var all []event
	for {
		e := p.next()
		all = append(all, e)
		if strings.HasPrefix(e.String(), text) {
			return all
		}
	}
}

// rest returns what comes until the end of the stream.
func (p *peer) rest() []event {
	var all []event
	for e := range p.events {
		all = append(all, e)
	}
	return all
}

// failure waits for the end, and returns the exception, or how else it ended.
func (p *peer) failure() string {
	all := p.rest()
	if n := len(all); n > 0 && all[n-1].exception != "" {
		return all[n-1].String()
	}
	return fmt.Sprint(p.end())
}

// end is the error that the stream ended with; io.EOF is a clean end.
func (p *peer) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// status is the response's, when there is one.
func (p *peer) status() *http.Response {
	<-p.accepted
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reply
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
