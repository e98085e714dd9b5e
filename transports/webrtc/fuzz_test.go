package webrtc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/pipeline"
)

// FuzzServeHTTP: whatever is posted is answered or refused, and never an error of the
// server's. It is on a real socket, where nobody connects.
func FuzzServeHTTP(f *testing.F) {
	media := &pion.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		f.Fatal(err)
	}
	pc, err := pion.NewAPI(pion.WithMediaEngine(media)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeAudio, pion.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := pc.CreateDataChannel("chat", nil); err != nil {
		f.Fatal(err)
	}
	o, err := pc.CreateOffer(nil)
	if err != nil {
		f.Fatal(err)
	}
	pc.GracefulClose()
	lines := strings.SplitAfter(o.SDP, "\r\n")
	f.Add("POST", o.SDP, "offer", "", false)
	f.Add("POST", o.SDP, "offer", "", true)
	f.Add("PATCH", "candidate:1 1 udp 2130706431 10.0.0.2 5000 typ host", "0", "", false)
	for i := range lines { // without each line
		f.Add("POST", strings.Join(append(append([]string(nil), lines[:i]...), lines[i+1:]...), ""), "offer", "", false)
	}
	server, err := NewServer(Config{Addr: "127.0.0.1:0", MaxCalls: 1 << 20, ConnectTimeout: time.Second}, func(*Call) (*pipeline.Pipeline, error) {
		panic("somebody has connected")
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, method, sdp, kind, id string, restart bool) {
		if len(method) == 0 || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return
		}
		body, err := json.Marshal(map[string]any{"sdp": sdp, "type": kind, "pc_id": id, "restart_pc": restart})
		if method == "PATCH" {
			body, err = json.Marshal(map[string]any{"pc_id": id, "candidates": []any{map[string]any{"candidate": sdp, "sdp_mid": kind}}})
		}
		if err != nil {
			return
		}
		post := func() (int, string) {
			late := time.AfterFunc(20*time.Second, func() { // no request may take long
				panic(fmt.Sprintf("%s %q takes too long", method, body))
			})
			defer late.Stop()
			rec := httptest.NewRecorder()
			server.ServeHTTP(rec, httptest.NewRequest(method, "/", strings.NewReader(string(body))))
			if rec.Code >= 500 {
				t.Fatalf("%s %q: %d %s", method, body, rec.Code, rec.Body)
			}
			return rec.Code, rec.Body.String()
		}
		code, text := post()
		var a answer
		if code != 200 || json.Unmarshal([]byte(text), &a) != nil || a.ID == "" {
			return
		}
		// The same once more, to the call that it has made.
		body, err = json.Marshal(map[string]any{"sdp": sdp, "type": kind, "pc_id": a.ID, "restart_pc": restart})
		if err == nil {
			post()
		}
		server.call(a.ID).leave("it has been answered")
	})
}
