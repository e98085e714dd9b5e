package webrtc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v4/vnet"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestTheCallerIsHeardSampleForSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley").connect()
		sent, want := spoken(t, tone(audio.Rate48k, 5*time.Second), 0)
		c.talk(sent)
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		if !slices.Equal(l.heard, want) || l.gaps > 0 {
			t.Errorf("%d samples were heard, with %d gaps; %d were said", len(l.heard), l.gaps, len(want))
		}
		if s := w.only().Stats(); s.Receiver.Packets != uint64(len(sent)) {
			t.Errorf("%+v", s)
		}
	})
}

func TestTheAgentIsHeardInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, parrot)
		c := w.dial("10.0.0.2", "parley").connect()
		said := tone(audio.Rate48k, 3*time.Second)
		clear(said[len(said)-24000:])
		sent, want := spoken(t, said, 0)
		began := time.Now()
		c.talk(sent)
		time.Sleep(3 * time.Second)
		got := c.heard()
		best, lag := 0.0, 0
		for l := 0; l+len(want) <= len(got) && l < 16000; l++ {
			if like := same(want[8000:16000], got[8000+l:16000+l]); like > best {
				best, lag = like, l
			}
		}
		if best < 0.85 || same(want, got[lag:lag+len(want)]) < 0.85 { // encoded twice
			t.Fatalf("what comes back is something else: %.3f", best)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		// From when the first packet was sent until its echo arrives: one chunk of the
		// output, whose phase is any, and the codec's own delay.
		samples := time.Duration(lag) * time.Second / 16000
		delay := c.packets[0].at.Sub(began) + samples - 40*time.Millisecond
		t.Logf("the echo of a packet comes after %v", delay)
		if delay < 0 || delay > 40*time.Millisecond {
			t.Errorf("the echo of a packet comes after %v", delay)
		}
		// It left at an even pace, and then no more but signs of life.
		for i := 1; i < 100; i++ {
			a, b := c.packets[i-1], c.packets[i]
			if b.at.Sub(a.at) != 20*time.Millisecond || b.Timestamp-a.Timestamp != 960 || b.SequenceNumber != a.SequenceNumber+1 {
				t.Fatalf("packet %d came %v after the one before, %d units", i, b.at.Sub(a.at), b.Timestamp-a.Timestamp)
			}
		}
		if n := len(c.packets); n < 125 || n > 125+30 {
			t.Errorf("there were %d packets for 2.5 s of speech and as much silence", n)
		}
		last := c.packets[len(c.packets)-1]
		if d := last.at.Sub(c.packets[0].at); d != time.Duration(last.Timestamp-c.packets[0].Timestamp)*time.Second/48000 {
			t.Errorf("the timestamps are not those of the clock")
		}
	})
}

func TestMessagesGoBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			return pipeline.Chain(l, pipeline.On(func(ctx context.Context, f *frames.TransportMessageInput, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, &frames.TransportMessageUrgent{Message: f.Message}, dir)
			}))
		})
		c := w.dial("10.0.0.2", "parley").connect()
		c.say(`{"type":"message","data":{"a":1}}`)
		c.say(`{"type":"dtmf","digit":"5"}`)
		c.say(`{"type":"what is that"}`)
		time.Sleep(time.Second)
		if got := c.told(); !slices.Equal(got, []string{`{"type":"message","data":{"a":1}}`}) {
			t.Errorf("the peer was told %q", got)
		}
		c.say(`{"type":"bye"}`)
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.other) != 3 {
			t.Fatalf("the pipeline was told %v", l.other)
		}
		if k, ok := l.other[1].(*frames.DTMFInput); !ok || k.Digit != '5' {
			t.Errorf("the key is %v", l.other[1])
		}
		if e, ok := l.other[2].(*frames.End); !ok || e.Reason != hungUp {
			t.Errorf("the end is %v", l.other[2])
		}
		if n := w.server.Calls(); n != 0 {
			t.Errorf("there are %d calls left", n)
		}
	})
}

func TestPipecatsHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "chat").connect()
		c.say("ping: 1700000000000")
		c.say(`{"type":"signalling","message":{"type":"trackStatus","receiver_index":0,"enabled":true}}`)
		c.say(`{"label":"rtvi-ai","type":"client-ready","id":"1","data":{"version":"2.1.0","about":{"library":"x"}}}`)
		time.Sleep(time.Second)
		want := `{"label":"rtvi-ai","type":"bot-ready","id":"1","data":{"version":"2.1.0","about":{"library":"parley"}}}`
		if got := c.told(); !slices.Equal(got, []string{want}) {
			t.Errorf("the peer was told %q", got)
		}
		w.close()
		if got := c.told(); len(got) != 2 || got[1] != `{"type":"signalling","message":{"type":"peerLeft"}}` {
			t.Errorf("in the end the peer was told %q", got)
		}
		<-c.over
	})
}

func TestWhoHangsUpIsGone(t *testing.T) {
	for name, hang := range map[string]func(*client){
		"by closing":         func(c *client) { c.pc.GracefulClose() },
		"by the channel":     func(c *client) { c.channel.Close() },
		"by not being there": func(c *client) { c.w.router.AddChunkFilter(func(vnet.Chunk) bool { return false }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listener{}
				w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
				c := w.dial("10.0.0.2", "parley").connect()
				w.only()
				hang(c)
				time.Sleep(30 * time.Second)
				if n := w.server.Calls(); n != 0 {
					t.Errorf("there are %d calls left", n)
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				if len(l.other) != 1 {
					t.Errorf("the pipeline was told %v", l.other)
				}
			})
		})
	}
}

func TestACallGoesOnOverAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "chat").connect()
		sent, want := spoken(t, tone(audio.Rate48k, 2*time.Second), 0)
		c.talk(sent)
		time.Sleep(100 * time.Millisecond) // what is on its way to a connection that is replaced is not heard
		again := w.redial(c.net, "chat")
		again.id = c.id
		if status, text := again.offer(map[string]any{"restart_pc": true}); status != http.StatusOK || again.id != c.id {
			t.Fatalf("%d: %s", status, text)
		}
		again.waitFor(pion.PeerConnectionStateConnected)
		<-again.opened
		again.talk(sent)
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(w.calls) != 1 || w.server.Calls() != 1 {
			t.Errorf("there were %d calls, and are %d", len(w.calls), w.server.Calls())
		}
		if !slices.Equal(l.heard[:len(want)], want) {
			t.Error("the first connection's audio is not what was said")
		}
		// Behind it there are silence and the same again, at positions that do not
		// go back.
		rest := l.heard[len(want):]
		found := false
		for i := 0; i+len(want) <= len(rest); i++ {
			if slices.Equal(rest[i:i+len(want)], want) {
				found = true
				break
			}
		}
		if !found || l.gaps > 1 {
			t.Errorf("the second connection's audio is not found in %d samples, with %d gaps", len(rest), l.gaps)
		}
		if len(l.other) != 0 {
			t.Errorf("the pipeline was told %v", l.other)
		}
	})
}

func TestAConnectionIsNegotiatedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "chat").connect()
		c.restartICE = true // as after a change of the network
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		sent, want := spoken(t, tone(audio.Rate48k, 2*time.Second), 0)
		c.talk(sent)
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(want); len(l.heard) < n || !slices.Equal(l.heard[:n], want) {
			t.Error("the audio is not what was said")
		}
	})
}

func TestVideoIsDeclined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "chat")
		if _, err := c.pc.AddTransceiverFromKind(pion.RTPCodecTypeVideo, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
		c.connect()
		declined := false
		for _, m := range strings.Split(c.pc.RemoteDescription().SDP, "\r\nm=")[1:] {
			if strings.HasPrefix(m, "video 0 ") {
				declined = strings.Contains(m, "\r\na=mid:")
			}
		}
		if !declined {
			t.Errorf("the answer does not decline the video by name:\n%s", c.pc.RemoteDescription().SDP)
		}
	})
}

func TestCandidatesMayFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "chat")
		o, err := c.pc.CreateOffer(nil)
		if err != nil {
			t.Fatal(err)
		}
		var candidates []map[string]any
		done := make(chan struct{})
		c.pc.OnICECandidate(func(i *pion.ICECandidate) {
			if i == nil {
				close(done)
				return
			}
			j := i.ToJSON()
			candidates = append(candidates, map[string]any{"candidate": j.Candidate, "sdp_mid": j.SDPMid, "sdp_mline_index": j.SDPMLineIndex})
		})
		if err := c.pc.SetLocalDescription(o); err != nil {
			t.Fatal(err)
		}
		<-done
		status, text := w.request("POST", map[string]any{"sdp": o.SDP, "type": "offer"})
		if status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		var a answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if err := c.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.SDP}); err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, map[string]any{"candidate": "", "sdp_mid": "0", "sdp_mline_index": 0})
		if status, text := w.request("PATCH", map[string]any{"pc_id": a.ID, "candidates": candidates}); status != http.StatusOK || text != "{\"status\":\"success\"}\n" {
			t.Fatalf("%d: %s", status, text)
		}
		c.waitFor(pion.PeerConnectionStateConnected)
	})
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{
			Origins: []string{"*.example.com", "https://app.example.org"},
			Authenticate: func(r *http.Request) error {
				if r.Header.Get("Authorization") == "no" {
					return http.ErrNoCookie
				}
				return nil
			},
		}, silence)
		from := func(origin string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Origin", origin) }
		}
		for _, c := range []struct {
			method string
			body   any
			tune   func(*http.Request)
			status int
			want   string
		}{
			{"GET", "", nil, 405, "post an offer"},
			{"POST", "", nil, 400, "not the JSON"},
			{"POST", `{"sdp":"v=0"`, nil, 400, "not the JSON"},
			{"POST", `{"sdp":"v=0","type":"answer"}`, nil, 400, "post an offer"},
			{"POST", `{"sdp":"hello","type":"offer"}`, nil, 400, "begins with v=0"},
			{"POST", `{"sdp":"v=0\r\nnonsense","type":"offer"}`, nil, 400, "cannot be answered"},
			{"POST", `{"sdp":"v=0` + strings.Repeat(`\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111`, 17) + `","type":"offer"}`, nil, 400, "more than 16 media"},
			{"POST", `{"sdp":"` + strings.Repeat("x", maxOffer) + `"}`, nil, 413, "longer than"},
			{"PATCH", `{"pc_id":"x","candidates":[]}`, nil, 404, "no call"},
			{"POST", `{}`, func(r *http.Request) { r.Header.Set("Authorization", "no") }, 401, "not authenticated"},
			{"PATCH", `{}`, func(r *http.Request) { r.Header.Set("Authorization", "no") }, 401, "not authenticated"},
			{"POST", `{}`, from("https://evil.test"), 403, "may not call"},
			{"OPTIONS", ``, from("https://evil.test"), 403, "may not call"},
			{"OPTIONS", ``, from("https://app.example.com"), 204, ""},
			{"OPTIONS", ``, from("https://app.example.org"), 204, ""},
			{"OPTIONS", ``, from("http://app.example.org"), 403, "may not call"},
			{"POST", `{}`, from("https://example.com"), 403, "may not call"},
			{"POST", `{}`, from("http://parley.test"), 400, "post an offer"},
			{"POST", `{}`, from("null"), 403, "may not call"},
		} {
			tune := c.tune
			if tune == nil {
				tune = func(*http.Request) {}
			}
			status, text := w.request(c.method, c.body, tune)
			if status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("%s %.60v: %d %q, want %d %q", c.method, c.body, status, text, c.status, c.want)
			}
		}
		if n := w.server.Calls(); n != 0 || len(w.calls) != 0 {
			t.Errorf("there are %d calls, and %d agents were made", n, len(w.calls))
		}
	})
}

func TestThereIsALimitToCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{MaxCalls: 1}, silence)
		w.dial("10.0.0.2", "parley").connect()
		if status, text := w.dial("10.0.0.3", "parley").offer(nil); status != 503 || !strings.Contains(text, "too many") {
			t.Errorf("%d %q", status, text)
		}
	})
}

func TestTheApplicationMayRefuseACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		asked := 0
		w = serve(t, Config{Admit: func(*http.Request) error {
			if asked++; w.server.Calls() > 1 {
				return errors.New("the house is full")
			}
			return nil
		}}, silence)
		first := w.dial("10.0.0.2", "parley")
		first.connect()
		if status, text := w.dial("10.0.0.3", "parley").offer(nil); status != 503 || strings.TrimSpace(text) != "the house is full" {
			t.Errorf("%d %q", status, text)
		}
		if n := w.server.Calls(); n != 1 {
			t.Errorf("%d calls, want the first alone", n)
		}
		if status, text := first.offer(nil); status != 200 || asked != 2 {
			t.Errorf("another offer of the first: %d %q; asked %d times about two calls", status, text, asked)
		}
	})
}

func TestACallWhoseAdmissionPanicsKeepsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{Admit: func(*http.Request) error { panic("the application's") }}, silence)
		func() {
			defer func() { recover() }() // as net/http does
			w.dial("10.0.0.2", "parley").offer(nil)
		}()
		if n := w.server.Calls(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestWhoDoesNotConnectIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "parley")
		if status, _ := c.offer(nil); status != 200 {
			t.Fatal(status)
		}
		w.router.AddChunkFilter(func(vnet.Chunk) bool { return false })
		time.Sleep(14 * time.Second)
		if w.server.Calls() != 1 {
			t.Error("it was forgotten too early")
		}
		time.Sleep(2 * time.Second)
		if w.server.Calls() != 0 || len(w.calls) != 0 {
			t.Errorf("%d calls, %d agents", w.server.Calls(), len(w.calls))
		}
	})
}

func TestWhoBreaksARuleIsDisconnected(t *testing.T) {
	for name, c := range map[string]struct {
		label string
		texts []string
	}{
		"no JSON":           {"parley", []string{"{"}},
		"no key":            {"parley", []string{`{"type":"dtmf","digit":"55"}`}},
		"no JSON of RTVI's": {"chat", []string{"{"}},
		"a long id":         {"chat", []string{`{"label":"rtvi-ai","type":"client-ready","id":"` + strings.Repeat("x", 200) + `"}`}},
		"too long":          {"chat", []string{`{"x":"` + strings.Repeat("x", 2000) + `"}`}},
		"too many":          {"chat", slices.Repeat([]string{`ping`}, 60)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, Config{MaxMessage: 1000, MaxMessageRate: 10}, silence)
				peer := w.dial("10.0.0.2", c.label).connect()
				other := w.dial("10.0.0.3", "parley").connect()
				for _, s := range c.texts {
					peer.say(s)
				}
				<-peer.over
				time.Sleep(time.Second)
				if n := w.server.Calls(); n != 1 {
					t.Errorf("there are %d calls, want 1", n)
				}
				if s := other.pc.ConnectionState(); s != pion.PeerConnectionStateConnected {
					t.Errorf("the other call is %v", s)
				}
			})
		})
	}
}

func TestAMicrophoneThatComesBackIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley").connect()
		sent, want := spoken(t, tone(audio.Rate48k, time.Second), 0)
		c.talk(sent)
		time.Sleep(100 * time.Millisecond)
		sender := c.pc.GetSenders()[0]
		if err := c.pc.RemoveTrack(sender); err != nil {
			t.Fatal(err)
		}
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		time.Sleep(3 * time.Second)
		if _, err := c.pc.AddTrack(c.track); err != nil {
			t.Fatal(err)
		}
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		time.Sleep(time.Second)
		l.mu.Lock()
		before := len(l.heard)
		l.mu.Unlock()
		c.talk(sent)
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if !slices.Equal(l.heard[:len(want)], want) {
			t.Errorf("what was said first is not heard: %d samples of %d, %d pieces left out", len(l.heard), len(want), leftOut(l.heard, want))
		}
		if out := leftOut(l.heard[before:], want[3*320:]); out > 2 {
			t.Errorf("of what was said with the microphone that came back, %d pieces are not heard", out)
		}
	})
}

func TestACallThatWasHeldGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, parrot)
		c := w.dial("10.0.0.2", "parley").connect()
		sent, _ := spoken(t, tone(audio.Rate48k, time.Second), 0)
		heard := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.packets)
		}
		c.talk(sent)
		time.Sleep(time.Second)
		if n := heard(); n < 40 {
			t.Fatalf("%d packets came back", n)
		}
		for _, direction := range []string{"inactive", "sendrecv"} {
			c.direction = direction
			if status, text := c.offer(nil); status != http.StatusOK {
				t.Fatalf("%s: %d: %s", direction, status, text)
			}
			time.Sleep(time.Second)
		}
		before := heard()
		c.talk(sent)
		time.Sleep(time.Second)
		if n := heard() - before; n < 40 {
			t.Errorf("behind the hold %d packets came back: %+v", n, w.only().Stats())
		}
	})
}

func TestMessagesWaitForTheirChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			return pipeline.On(func(ctx context.Context, f *frames.Start, dir frames.Direction, out *pipeline.Port) error {
				if err := out.Send(ctx, f, dir); err != nil {
					return err
				}
				for i := range maxOutbox + 1 {
					if err := out.Send(ctx, &frames.TransportMessageUrgent{Message: map[string]any{"label": "rtvi-ai", "n": i}}, dir); err != nil {
						return err
					}
				}
				return nil
			})
		})
		c := w.dial("10.0.0.2", "")
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		c.waitFor(pion.PeerConnectionStateConnected)
		time.Sleep(time.Second)
		c.listen("chat")
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		<-c.opened
		time.Sleep(time.Second)
		got := c.told()
		if len(got) != maxOutbox || got[0] != `{"label":"rtvi-ai","n":1}` || got[len(got)-1] != fmt.Sprintf(`{"label":"rtvi-ai","n":%d}`, maxOutbox) {
			t.Errorf("%d messages came, in whatever language: %q", len(got), got[:min(3, len(got))])
		}
	})
}

func TestWhatAPeerMayAskForHasLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{MaxMessageRate: 10}, silence)
		c := w.dial("10.0.0.2", "parley").connect()
		var status int
		for n := range maxOffers + 1 {
			if status, _ = c.offer(nil); (status == http.StatusOK) != (n < maxOffers) {
				t.Errorf("offer %d: %d", n, status)
			}
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("too many offers: %d", status)
		}
		many := strings.Repeat("a=candidate:1 1 udp 1 10.0.0.9 9 typ host\r\n", maxOffered+1)
		if status, text := w.request("POST", map[string]any{"sdp": "v=0\r\n" + many, "type": "offer"}); status != 400 || !strings.Contains(text, "too many candidates") {
			t.Errorf("too many candidates in an offer: %d %s", status, text)
		}
		candidates := slices.Repeat([]map[string]any{{"candidate": "", "sdp_mid": "0"}}, maxCandidates+1)
		if status, text := w.request("PATCH", map[string]any{"pc_id": c.id, "candidates": candidates}); status != 400 || !strings.Contains(text, "more than") {
			t.Errorf("too many candidates: %d %s", status, text)
		}
		for n := range 10 {
			if _, err := c.pc.CreateDataChannel(fmt.Sprint(n), nil); err != nil {
				break
			}
		}
		<-c.over
	})
}

func TestAConnectionThatIsMadeAnewHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{Grace: time.Hour}, silence)
		c := w.dial("10.0.0.2", "parley").connect()
		w.only()
		again := w.redial(c.net, "parley")
		again.id = c.id
		w.router.AddChunkFilter(func(ch vnet.Chunk) bool { // it answers, and does not encrypt
			data := ch.UserData()
			return len(data) == 0 || data[0] < 20 || data[0] > 63
		})
		if status, text := again.offer(map[string]any{"restart_pc": true}); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		time.Sleep(16 * time.Second)
		if n := w.server.Calls(); n != 0 {
			t.Errorf("there are %d calls left", n)
		}
	})
}

func TestAnAgentThatPanicsSpoilsNoOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			if n++; n == 2 {
				panic("there is nobody")
			}
			return &listener{}
		})
		c := w.dial("10.0.0.2", "parley").connect()
		other := w.dial("10.0.0.3", "parley")
		if status, _ := other.offer(nil); status != http.StatusOK {
			t.Fatal(status)
		}
		time.Sleep(time.Second)
		if n := w.server.Calls(); n != 1 || c.pc.ConnectionState() != pion.PeerConnectionStateConnected {
			t.Errorf("%d calls, the other one is %v", n, c.pc.ConnectionState())
		}
	})
}
