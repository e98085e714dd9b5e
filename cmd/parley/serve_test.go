package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

func TestAServerThatMakesNoSenseIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"serve --addr 8080":                                   "--addr 8080: it is not of the form HOST:PORT",
		"serve --addr :99999":                                 `"99999" is no port`,
		"serve --tls-cert x.pem":                              "belong together",
		"serve --calls 0":                                     "--calls=0: there must be at least one",
		"serve --streams 1":                                   "--streams=1: there must be at least two",
		"serve --drain=-1s":                                   "--drain: -1s is not allowed: at least 0s. Try parley serve --help",
		"serve --token a/b":                                   "--token: it must fit into a path",
		"serve --origin https://x.example/y":                  "--origin https://x.example/y: it is a host",
		"serve --origin https://x.example/y --origin b":       "--origin https://x.example/y: it is a host",
		"serve --origin a,https://x.example/y":                "--origin https://x.example/y: it is a host",
		"serve --udp 8080":                                    "--udp 8080: it is not of the form HOST:PORT",
		"serve --public-ip 0.0.0.0":                           "nobody reaches another machine under it",
		"serve --public-ip x":                                 "--public-ip x: it is not an IP address",
		"serve --ice-server stun:":                            "it is of the form stun:HOST:PORT",
		"serve --ice-server turn:a.example":                   "a TURN server is for callers",
		"serve --genesys-api-key k":                           "belong together",
		"serve --genesys-api-key k --genesys-client-secret *": "--genesys-client-secret: it is not in base64",
		"serve --voice nobody":                                "--voice nobody",
		"serve --rotate-every 1s":                             "--rotate-every",
		"serve --service aws --script nope.yaml":              "--script is for the emulator",
	} {
		status, stdout, stderr := parley(t, strings.Fields(line)...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("parley %s: exit status %d, %s%s; want %q", line, status, stdout, stderr, want)
		}
	}
}

// A variable of the shell's that is not set must not let everybody in.
func TestATokenThatIsEmptyIsRefused(t *testing.T) {
	status, stdout, stderr := parley(t, "serve", "--token", "", "--addr", "127.0.0.1:x")
	if status != 2 || stdout != "" || !strings.Contains(stderr, "--token: it is empty: name a value, or leave it out") {
		t.Errorf("exit status %d, %s%s", status, stdout, stderr)
	}
	t.Setenv("PARLEY_TOKEN", "")
	status, stdout, stderr = parley(t, "serve", "--addr", "127.0.0.1:x")
	if status != 2 || stdout != "" || !strings.Contains(stderr, "it is empty") || !strings.Contains(stderr, "PARLEY_TOKEN") {
		t.Errorf("from the environment: exit status %d, %s%s", status, stdout, stderr)
	}
}

func TestAServerSaysWhatIsWrongWithItsCertificate(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	folder := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	chain := write("chain.pem", "CERTIFICATE", web.Certificate().Raw)
	_, another, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(another)
	if err != nil {
		t.Fatal(err)
	}
	key := write("another.pem", "PRIVATE KEY", der)
	nothing := filepath.Join(folder, "nothing.pem")
	for _, c := range []struct{ chain, key, want string }{
		{nothing, key, "--tls-cert: open " + nothing + ": no such file or directory: name a file"},
		{chain, nothing, "--tls-key: open " + nothing + ": no such file or directory: name a file"},
		{chain, key, "and the key it was made for"},
		{key, chain, "may have been switched"},
	} {
		status, stdout, stderr := parley(t, "serve", "--addr", "127.0.0.1:0", "--tls-cert", c.chain, "--tls-key", c.key)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("exit status %d, %s%s; want %q", status, stdout, stderr, c.want)
		}
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	at := strings.TrimPrefix(serving(t), "http://")
	status, stdout, stderr := parley(t, "serve", "--addr", at)
	if want := "parley: --addr " + at + ": "; status != 1 || stdout != "" || !strings.HasPrefix(stderr, want) || !strings.Contains(stderr, "in use: choose another address") {
		t.Errorf("exit status %d, %s%s", status, stdout, stderr)
	}
}

// serving runs the server and returns its address. It is on real sockets, as
// its users are.
func serving(t *testing.T, args ...string) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, printed := io.Pipe()
	var running sync.WaitGroup
	running.Go(func() {
		var log strings.Builder
		if status := run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), console{out: printed, err: &log}); status != 0 {
			t.Errorf("exit status %d: %s", status, log.String())
		}
		printed.Close()
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
			running.Go(func() { io.Copy(io.Discard, out) })
			return strings.TrimSuffix(url, "/")
		}
	}
	t.Fatal("it does not listen")
	return ""
}

// get asks for something, as tune says.
func get(t *testing.T, url string, tune ...func(*http.Request)) (status int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tune {
		f(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestAServerHasAPageAndIsWell(t *testing.T) {
	at := serving(t)
	status, body, header := get(t, at+"/")
	if status != http.StatusOK || !strings.Contains(body, "Start talking") || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Errorf("the page: %d, %v\n%s", status, header, body)
	}
	if !strings.Contains(body, ">Emulator: the built-in one answers, not AWS") {
		t.Errorf("the page does not say that the emulator answers:\n%s", body)
	}
	for _, file := range []string{"talk.js", "sound.js", "webrtc.js", "websocket.js", "style.css", "icon.svg"} {
		if status, body, _ := get(t, at+"/"+file); status != http.StatusOK || body == "" {
			t.Errorf("%s: %d", file, status)
		}
		if !strings.HasSuffix(file, ".js") && !strings.Contains(body, file) {
			t.Errorf("the page does not use %s", file)
		}
	}
	if status, body, _ := get(t, at+"/healthz"); status != http.StatusOK || body != "{\"status\":\"ok\",\"calls\":0}\n" {
		t.Errorf("healthz: %d %s", status, body)
	}
	if status, _, _ := get(t, at+"/nothing.js"); status != http.StatusNotFound {
		t.Errorf("what is not there: %d", status)
	}
	for _, path := range []string{"/call", "/pipecat", "/twilio", "/telnyx", "/plivo", "/exotel", "/vonage", "/genesys"} {
		if status, _, _ := get(t, at+path); status != http.StatusUpgradeRequired {
			t.Errorf("%s without a WebSocket: %d", path, status)
		}
	}
	if status, body, _ := get(t, at+"/webrtc"); status != http.StatusMethodNotAllowed || !strings.Contains(body, "post an offer") {
		t.Errorf("/webrtc without an offer: %d %s", status, body)
	}
}

// The region and the endpoint are none of those who only look at the page.
func TestThePageDoesNotTellStrangersOfAWS(t *testing.T) {
	s := &shop{command: &serveCommand{agentFlags: agentFlags{Service: "aws"}}, who: "AWS in us-east-1"}
	front, err := s.front(os.DirFS("page"))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	front.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, ">Press the button and talk.<") || strings.Contains(body, "us-east-1") {
		t.Errorf("%d\n%s", w.Code, body)
	}
}

func TestOnlyWhoKnowsTheTokenMayCall(t *testing.T) {
	at := serving(t, "--token", "sesame")
	for path, allowed := range map[string]bool{
		"/call": false, "/call?token=guess": false, "/call/guess": false, "/twilio": false,
		"/call?token=sesame": true, "/call/sesame": true, "/twilio/sesame": true,
	} {
		conn, resp, err := ws.Dial(t.Context(), at+path, nil)
		if conn != nil {
			conn.CloseNow()
		}
		if (err == nil) != allowed || !allowed && (resp == nil || resp.StatusCode != http.StatusUnauthorized) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/pipecat", "/telnyx", "/plivo", "/vonage", "/exotel", "/genesys"} {
		if conn, resp, err := ws.Dial(t.Context(), at+path+"/guess", nil); err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v", path, err)
			if conn != nil {
				conn.CloseNow()
			}
		}
	}
	conn, _, err := ws.Dial(t.Context(), at+"/pipecat", &ws.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer sesame"}}})
	if err != nil {
		t.Fatal(err)
	}
	conn.CloseNow()
	if status, _, _ := get(t, at+"/"); status != http.StatusOK {
		t.Errorf("the page, which holds no secret: %d", status)
	}
}

func TestGenesysProvesItselfByItsSignature(t *testing.T) {
	at := serving(t, "--token", "sesame", "--genesys-api-key", "key", "--genesys-client-secret", "c2VjcmV0")
	for path, status := range map[string]int{"/genesys": 401, "/genesys/sesame": 401, "/vonage/sesame": 101} {
		conn, resp, err := ws.Dial(t.Context(), at+path, nil)
		if conn != nil {
			conn.CloseNow()
		}
		if resp == nil || resp.StatusCode != status {
			t.Errorf("%s: %v, want %d", path, err, status)
		}
	}
}

// Who has been lost finds the place that is kept, where there is no other.
func TestWhoComesBackToACallIsLetIn(t *testing.T) {
	at := serving(t, "--calls", "1")
	hello := func(conn *ws.Conn, resume string) (answer struct {
		Call    string
		Resumed bool
		Resume  struct{ Token string }
	}) {
		t.Helper()
		if err := conn.Write(t.Context(), ws.MessageText, []byte(`{"type":"hello","version":1,"marks":true,"resume":`+resume+`}`)); err != nil {
			t.Fatal(err)
		}
		_, b, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first, _, err := ws.Dial(t.Context(), at+"/call", nil)
	if err != nil {
		t.Fatal(err)
	}
	call := hello(first, "{}")
	first.CloseNow()
	if _, resp, err := ws.Dial(t.Context(), at+"/call", nil); err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("another caller: %v", err)
	}
	second, _, err := ws.Dial(t.Context(), at+"/call?resume="+call.Call, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer second.CloseNow()
	if got := hello(second, `{"call":"`+call.Call+`","token":"`+call.Resume.Token+`"}`); !got.Resumed || got.Call != call.Call {
		t.Errorf("it was told %+v", got)
	}
}

// A page whose own name leads to this machine is not of this machine.
func TestAServerForThisMachineServesNobodyElse(t *testing.T) {
	at := serving(t)
	for host, allowed := range map[string]bool{"localhost:8080": true, "127.0.0.1": true, "[::1]:8080": true, "evil.example:8080": false, "192.168.1.5": false} {
		conn, resp, err := ws.Dial(t.Context(), at+"/call", &ws.DialOptions{Host: host, HTTPHeader: http.Header{"Origin": {"http://" + host}}})
		if conn != nil {
			conn.CloseNow()
		}
		if (err == nil) != allowed || !allowed && (resp == nil || resp.StatusCode != http.StatusForbidden) {
			t.Errorf("%s: %v", host, err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/webrtc", strings.NewReader(`{"type":"offer","sdp":"nothing"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		offered, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		offered.Body.Close()
		if want := map[bool]int{true: http.StatusBadRequest, false: http.StatusForbidden}[allowed]; offered.StatusCode != want {
			t.Errorf("an offer to %s: %d, want %d", host, offered.StatusCode, want)
		}
	}
}

func TestTheServersCallsAreLimitedAltogether(t *testing.T) {
	at := serving(t, "--calls", "2")
	for _, path := range []string{"/call", "/pipecat", "/twilio"} {
		conn, resp, err := ws.Dial(t.Context(), at+path, nil)
		if path == "/twilio" {
			if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
				t.Errorf("the third: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
	}
	resp, err := http.Post(at+"/webrtc", "application/json", strings.NewReader(`{"type":"offer","sdp":"v=0"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || string(text) != "too many calls: try again later\n" {
		t.Errorf("the third, over WebRTC: %s: %s", resp.Status, text)
	}
}

// A caller speaks the first sentence of a shipped recording, in real time, and is
// told on the way what the page shows.
func TestACallerIsAnsweredAndToldOf(t *testing.T) {
	at := serving(t)
	r, err := audiofile.Open(calls + "order.mp3")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := r.Format()
	question := make([]int16, f.Rate.Samples(4*time.Second)*int64(f.Channels))
	n := 0
	for n < len(question) {
		got, err := r.Read(question[n:])
		n += got
		if err != nil {
			t.Fatal(err)
		}
	}
	mono := audio.Remix(nil, question, f.Channels, 1)

	conn, _, err := ws.Dial(t.Context(), at+"/call", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	hello, err := json.Marshal(map[string]any{"type": "hello", "version": 1, "input": map[string]int{"rate": int(f.Rate), "channels": 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(t.Context(), ws.MessageText, hello); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var talking sync.WaitGroup
	defer talking.Wait()
	defer close(stop)
	talking.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		piece := int(f.Rate.Samples(20 * time.Millisecond))
		for at := 0; ; at += piece {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			say := make([]int16, piece) // silence behind the sentence
			if at+piece <= len(mono) {
				copy(say, mono[at:])
			}
			if conn.Write(context.Background(), ws.MessageBinary, audio.EncodePCM(nil, say)) != nil {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said := map[string][]string{}
	var kinds []string
	heard := 0
	for heard < 24000 || !slices.Contains(kinds, "latency") {
		kind, b, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("%v; so far %v, %v, %d samples", err, said, kinds, heard)
		}
		if kind == ws.MessageBinary {
			heard += len(b) / 2
			continue
		}
		var m struct {
			Type string
			Data struct {
				Type, Who, State, Text, Unheard string
				MS                              int
			}
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if m.Type == "message" {
			kinds = append(kinds, m.Data.Type)
			if m.Data.Type == "latency" && (m.Data.MS < 100 || m.Data.MS > 10_000) {
				t.Errorf("an answer came after %d ms", m.Data.MS)
			}
			if m.Data.Type == "service" && !strings.HasPrefix(m.Data.Text, "Emulator:") {
				t.Errorf("it answers: %q", m.Data.Text)
			}
			said[m.Data.Who] = append(said[m.Data.Who], m.Data.Text+m.Data.Unheard)
		}
	}
	if !slices.Contains(kinds, "service") {
		t.Errorf("it was not told who answers: %v", kinds)
	}
	if !slices.ContainsFunc(said["caller"], func(s string) bool { return strings.Contains(s, "bicycle") }) {
		t.Errorf("the caller is said to have said %q", said["caller"])
	}
	if !slices.ContainsFunc(said["agent"], func(s string) bool { return strings.Contains(s, "What is wrong with it?") }) {
		t.Errorf("the agent is said to have said %q", said["agent"])
	}
}
