package sonictest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

func TestARequestThatBedrockWouldRefuseIsRefused(t *testing.T) {
	key := sonictest.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret", SessionToken: "token"}
	expiring, denied := key, key
	expiring.Expires = time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC) // synctest begins at midnight
	denied.Denied = true
	tests := map[string]struct {
		key    sonictest.Credentials
		wait   time.Duration
		edit   func(*request)
		status int
		want   string
		text   string
	}{
		"no signature":       {edit: forge(func(r *http.Request) { r.Header.Del("Authorization") }), status: 403, want: "MissingAuthenticationTokenException"},
		"half a signature":   {edit: forge(func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }), status: 403, want: "IncompleteSignatureException"},
		"a bearer token":     {edit: forge(func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), status: 403, want: "AccessDeniedException"},
		"an unknown key":     {edit: func(q *request) { q.creds.AccessKeyID = "XX" }, status: 403, want: "UnrecognizedClientException", text: "The security token included in the request is invalid."},
		"another secret":     {edit: func(q *request) { q.creds.SecretAccessKey = "XX" }, status: 403, want: "InvalidSignatureException", text: "The request signature we calculated does not match"},
		"another token":      {edit: func(q *request) { q.creds.SessionToken = "XX" }, status: 403, want: "UnrecognizedClientException"},
		"no token":           {edit: func(q *request) { q.creds.SessionToken = "" }, status: 403, want: "UnrecognizedClientException"},
		"an expired token":   {key: expiring, wait: time.Hour, status: 403, want: "ExpiredTokenException", text: "The security token included in the request is expired"},
		"no permission":      {key: denied, status: 403, want: "AccessDeniedException", text: "is not authorized to perform: bedrock:InvokeModel"},
		"another region":     {edit: func(q *request) { q.region = "eu-north-1" }, status: 403, want: "InvalidSignatureException", text: "Credential should be scoped to a valid region."},
		"another path":       {edit: forge(func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/model/amazon.nova-sonic-v1:0/invoke", "" }), status: 404, want: "UnknownOperationException"},
		"GET":                {edit: forge(func(r *http.Request) { r.Method = "GET" }), status: 404, want: "UnknownOperationException"},
		"a header changed":   {edit: func(q *request) { q.edit = set("X-Amz-Meta", "1"); q.forge = set("X-Amz-Meta", "2") }, status: 403, want: "InvalidSignatureException"},
		"a payload unsigned": {edit: forge(set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")), status: 403, want: "InvalidSignatureException"},
		"a payload's kind unsigned": {edit: func(q *request) {
			q.edit = func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }
			q.forge = set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS")
		}, status: 403, want: "InvalidSignatureException", text: "'x-amz-content-sha256' must be a 'SignedHeader'"},
		"a token unsigned": {edit: func(q *request) {
			token := q.creds.SessionToken
			q.creds.SessionToken = ""
			q.forge = set("X-Amz-Security-Token", token)
		}, status: 403, want: "InvalidSignatureException", text: "'x-amz-security-token' must be a 'SignedHeader'"},
		"a clock that is slow": {edit: func(q *request) { q.date = q.date.Add(-6 * time.Minute) }, status: 403, want: "InvalidSignatureException", text: "Signature expired"},
		"a clock that is fast": {edit: func(q *request) { q.date = q.date.Add(6 * time.Minute) }, status: 403, want: "InvalidSignatureException", text: "Signature not yet current"},
		"an unknown model":     {edit: func(q *request) { q.model = "amazon.nova-3-sonic" }, status: 400, want: "ValidationException", text: "The provided model identifier is invalid."},
		"JSON":                 {edit: func(q *request) { q.edit = set("Content-Type", "application/json") }, status: 415, want: "ValidationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.key.AccessKeyID == "" {
				test.key = key
			}
			serve(t, sonictest.Config{Credentials: []sonictest.Credentials{test.key}}, func(t *testing.T, srv *sonictest.Server) {
				time.Sleep(test.wait)
				edits := []func(*request){}
				if test.edit != nil {
					edits = append(edits, test.edit)
				}
				p := open(t, srv, edits...)
				got := p.failure()
				reply := p.status()
				if reply == nil {
					t.Fatalf("there was no answer: %v", got)
				}
				if reply.StatusCode != test.status || reply.Header.Get("X-Amzn-ErrorType") != test.want || !strings.Contains(got, test.text) {
					t.Errorf("answered %d %s, want %d %s with %q", reply.StatusCode, got, test.status, test.want, test.text)
				}
				if reply.Header.Get("Server") != "parley-emulator" || !strings.HasPrefix(reply.Header.Get("X-Amzn-RequestId"), "parley-emulator-") {
					t.Errorf("the answer does not say who gave it: %v", reply.Header)
				}
				if log, _ := srv.Stream(0); log.End.Kind != sonictest.Refused || log.End.Status != test.status {
					t.Errorf("the log says: %+v", log.End)
				}
			})
		})
	}
}

func forge(f func(*http.Request)) func(*request) { return func(q *request) { q.forge = f } }

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestAClockWithinFiveMinutesWillDo(t *testing.T) {
	for _, skew := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv, func(q *request) { q.date = q.date.Add(skew) })
			p.send(opening()...)
			if reply := p.status(); reply == nil || reply.StatusCode != 200 {
				t.Errorf("a skew of %v was refused", skew)
			}
		})
	}
}

func TestTheContentTypeMayBeMissingUnlessItIsRequired(t *testing.T) {
	for required, want := range map[bool]int{false: 200, true: 415} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{ContentTypeRequired: required}}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv, func(q *request) { q.edit = func(r *http.Request) { r.Header.Del("Content-Type") } })
			p.send(opening()...)
			if reply := p.status(); reply == nil || reply.StatusCode != want {
				t.Errorf("required %v: answered %v, want %d", required, reply, want)
			}
		})
	}
}

func TestAMessageThatIsWrongEndsTheStream(t *testing.T) {
	tests := map[string]struct {
		send func(p *peer)
		want string
	}{
		"without signature": {send: func(p *peer) {
			p.sendFrame(p.encode(eventstream.Message{
				Headers: eventstream.Headers{{Name: ":event-type", Value: eventstream.StringValue("chunk")}, {Name: ":message-type", Value: eventstream.StringValue("event")}},
				Payload: []byte(`{"bytes":"e30="}`),
			}))
		}, want: "validationException"},
		"with the signature of another": {send: func(p *peer) {
			b := p.frame([]byte(sessionStart))
			p.frame([]byte(sessionStart)) // moves the chain on
			p.sendFrame(b)
			p.send(promptStart)
		}, want: "invalidSignatureException"},
		"changed on the way": {send: func(p *peer) {
			b := p.frame([]byte(sessionStart))
			i := bytes.Index(b, []byte("bytes"))
			b[i] ^= 1
			p.sendFrame(b)
		}, want: "validationException"},
		"of 2 GB":          {send: func(p *peer) { p.sendFrame([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}) }, want: "validationException"},
		"of no length":     {send: func(p *peer) { p.sendFrame(make([]byte, 12)) }, want: "validationException"},
		"of another type":  {send: func(p *peer) { p.sendFrame(p.sign(p.encode(eventstream.Message{}))) }, want: "validationException"},
		"of no message":    {send: func(p *peer) { p.sendFrame(p.sign([]byte("hello"))) }, want: "validationException"},
		"after the end":    {send: func(p *peer) { p.sendFrame(p.sign(nil)); p.send(sessionStart) }, want: "validationException"},
		"cut off half way": {send: func(p *peer) { b := p.frame([]byte(sessionStart)); p.sendFrame(b[:len(b)/2]); p.body.Close() }, want: "validationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				test.send(p)
				if got := p.failure(); !strings.HasPrefix(got, test.want) {
					t.Errorf("the stream ended with %q, want %s", got, test.want)
				}
				if v := srv.Violations(); len(v) == 0 || !v[len(v)-1].Fatal {
					t.Errorf("violations: %+v", v)
				}
			})
		})
	}
}

func TestABearerTokenIsAcceptedIfTheServerIsToldSo(t *testing.T) {
	serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{AcceptBearer: true}}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv, forge(set("Authorization", "Bearer x")))
		for _, e := range opening() {
			p.sendFrame(p.encode(eventstream.Message{
				Headers: eventstream.Headers{{Name: ":event-type", Value: eventstream.StringValue("chunk")}, {Name: ":message-type", Value: eventstream.StringValue("event")}},
				Payload: []byte(`{"bytes":` + quote64(e) + `}`),
			}))
		}
		if reply := p.status(); reply == nil || reply.StatusCode != 200 {
			t.Error("the stream was refused")
		}
	})
}

func TestResponseHeadersWaitForPromptStart(t *testing.T) {
	early := func(p *peer) bool {
		time.Sleep(10 * time.Second)
		select {
		case <-p.accepted:
			return true
		default:
			return false
		}
	}
	for name, test := range map[string]struct {
		at                         sonictest.HeadersAt
		atOnce, afterOne, afterTwo bool
	}{
		"by default":        {sonictest.AfterPromptStart, false, false, true},
		"after one event":   {sonictest.AfterFirstEvent, false, true, true},
		"before any events": {sonictest.AtOnce, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{HeadersAt: test.at}}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				got := []bool{early(p)}
				p.send(sessionStart)
				got = append(got, early(p))
				p.send(promptStart)
				got = append(got, early(p))
				if want := []bool{test.atOnce, test.afterOne, test.afterTwo}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
					t.Errorf("headers came at once, after sessionStart, after promptStart: %v, want %v", got, want)
				}
			})
		})
	}
}

func TestPaddingDoesNotDisturb(t *testing.T) {
	serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{Padding: true}}, func(t *testing.T, srv *sonictest.Server) {
		got := talk(t, srv, join(words("1"), silence(3*time.Second)))
		if n := len(shape(got)); n < 10 {
			t.Errorf("%d events came", n)
		}
	})
}

func TestHTTP1IsRefusedAtOnce(t *testing.T) {
	// Real sockets: TLS has to agree on the protocol.
	srv := sonictest.NewServer(sonictest.Config{})
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := srv.AWSConfig().HTTPClient.(*http.Client)
	transport := client.Transport.(*http.Transport)
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(true)
	defer transport.CloseIdleConnections()
	r, w := io.Pipe() // never ends, as an SDK's request body
	defer w.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL()+"/model/amazon.nova-2-sonic-v1:0/invoke-with-bidirectional-stream", r)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusHTTPVersionNotSupported {
		t.Errorf("answered %s, want 505", reply.Status)
	}
}

func TestAServerSaysWhatIsWrongWithItsUse(t *testing.T) {
	srv := sonictest.NewServer(sonictest.Config{})
	if err := srv.StartTLS("256.0.0.1:0"); err == nil {
		t.Error("it started on an address that there is not")
	}
	if err := srv.StartPipe(); err != nil {
		t.Fatal(err)
	}
	if err := srv.StartPipe(); err == nil {
		t.Error("it started twice")
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := srv.StartPipe(); err == nil {
		t.Error("it started after Close")
	}
}

func TestTheConnectionHasTheServicesSettings(t *testing.T) {
	srv := sonictest.NewServer(sonictest.Config{})
	if err := srv.StartH2C("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	// The client's preface and an empty SETTINGS frame; the server's SETTINGS
	// come first (RFC 9113, 3.4).
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 9)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	const settingsFrame = 4
	if head[3] != settingsFrame {
		t.Fatalf("the first frame is of type %d", head[3])
	}
	body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatal(err)
	}
	settings := map[uint16]uint32{}
	for ; len(body) >= 6; body = body[6:] {
		settings[binary.BigEndian.Uint16(body)] = binary.BigEndian.Uint32(body[2:])
	}
	const maxStreams, window, maxFrame = 3, 4, 5
	if settings[maxStreams] != 100 || settings[window] != 64<<10 || settings[maxFrame] != 16<<10 {
		t.Errorf("settings: %v, want 100 streams, windows of 64 KiB, frames of 16 KiB", settings)
	}
}

func TestAnH2CServerTalks(t *testing.T) {
	srv := sonictest.NewServer(sonictest.Config{Latency: sonictest.Latency{Jitter: -1}})
	if err := srv.StartH2C("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	p := open(t, srv)
	p.send(opening()...)
	p.send(chunks("A", join(words("1"), silence(time.Second)))...)
	p.until("contentEnd AUDIO END_TURN")
}
