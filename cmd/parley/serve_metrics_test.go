package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ws "github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape asks for the metrics as Prometheus does.
func scrape(t *testing.T, at, authorization, host string) (status int, body string, header http.Header) {
	t.Helper()
	return get(t, at+"/metrics", func(r *http.Request) {
		r.Host = host
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
	})
}

func TestTheServersCallsAreMeasured(t *testing.T) {
	at := serving(t)
	_, body, _ := scrape(t, at, "", "")
	for _, want := range []string{
		"go_goroutines ", `parley_connections{transport="call"} 0`, `parley_connections{transport="webrtc"} 0`,
		"parley_novasonic_streams_max 20", "parley_novasonic_streams_open 0", `parley_novasonic_streams_waiting{for="next"} 0`,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("the metrics have no %q:\n%s", want, body)
		}
	}

	conn, _, err := ws.Dial(t.Context(), at+"/call", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), ws.MessageText, []byte(`{"type":"hello","version":1}`)); err != nil {
		t.Fatal(err)
	}
	metricsShow(t, at, `parley_connections{transport="call"} 1`, `parley_calls_running{transport="call"} 1`, "parley_novasonic_streams_open 1")
	if _, _, err := conn.Read(t.Context()); err != nil { // the agent listens; who leaves before has not hung up
		t.Fatal(err)
	}
	conn.Close(ws.StatusNormalClosure, "")
	body = metricsShow(t, at, `parley_connections{transport="call"} 0`, `parley_calls_running{transport="call"} 0`,
		`parley_calls_ended_total{outcome="hung_up",transport="call"} 1`, `parley_call_duration_seconds_count{transport="call"} 1`)

	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// metricsShow waits until the metrics have all of these lines: the server is on real
// sockets.
func metricsShow(t *testing.T, at string, lines ...string) string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, body, _ := scrape(t, at, "", "")
		missing := ""
		for _, line := range lines {
			if !strings.Contains(body, "\n"+line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			return body
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics have no %s:\n%s", missing, body)
		}
		time.Sleep(20 * time.Millisecond) // a server on a socket, in real time: asked until it tells
	}
}

func TestMetricsAreToldToThoseWhoKnowTheToken(t *testing.T) {
	at := serving(t, "--token", "sesame")
	for authorization, want := range map[string]int{"": 401, "Bearer guess": 401, "Basic sesame": 401, "Bearer sesame": 200} {
		status, body, header := scrape(t, at, authorization, "")
		if status != want || (status == 200) != strings.Contains(body, "parley_") || status == 401 && header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %d %v\n%s", authorization, status, header, body)
		}
	}
}

func TestMetricsWithoutATokenAreForThisMachine(t *testing.T) {
	at := serving(t)
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1": 200, "evil.example": 403} {
		if status, body, _ := scrape(t, at, "", host); status != want || (status == 200) != strings.Contains(body, "parley_") {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}

	g, err := newGauges(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{command: &serveCommand{}, gauges: g, log: slog.New(slog.DiscardHandler)} // listens to everybody
	for _, from := range []string{"192.0.2.1:1234", "[2001:db8::1]:1234", "@", ""} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		s.tellMetrics().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "parley_") {
			t.Errorf("from %q: %d %s", from, w.Code, w.Body)
		}
	}
}
