package webrtc

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// As an alien payload, comfort noise (RFC 3389) is: a gateway sends it whatever was
// negotiated.
func TestAPacketOfAnotherTypeDoesNotEndTheHearing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley").connect()
		sent, want := spoken(t, tone(audio.Rate48k, 2*time.Second), 0)
		c.talk(sent[:50])
		c.raw(13, c.packet.Timestamp, []byte{0x40})
		sent, half := sent[50:], len(want)/2
		for i := range sent {
			sent[i].at -= time.Second
			sent[i].number, sent[i].time = i, i*960
		}
		c.talk(sent)
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		if out := leftOut(l.heard, want[half+3*320:]); out > 0 {
			t.Errorf("of what was said behind it, %d pieces are not heard", out)
		}
	})
}

// raw sends a packet of any payload type, the next one of those of the track.
func (c *client) raw(payloadType uint8, timestamp uint32, payload []byte) {
	c.w.t.Helper()
	c.payloadType.Store(uint32(payloadType))
	defer c.payloadType.Store(0)
	c.packet.SequenceNumber++
	p := c.packet
	p.Timestamp, p.Payload = timestamp, payload
	if err := c.track.WriteRTP(&p); err != nil {
		c.w.t.Fatal(err)
	}
}

// retyper gives packets another payload type than that of their track.
type retyper struct {
	interceptor.NoOp
	c *client
}

func (r *retyper) NewInterceptor(string) (interceptor.Interceptor, error) { return r, nil }

func (r *retyper) BindLocalStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		if t := r.c.payloadType.Load(); t != 0 {
			h.PayloadType = uint8(t)
		}
		return w.Write(h, payload, a)
	})
}

// broken is where a track is written to that cannot be.
type broken struct{}

func (broken) CodecParameters() []pion.RTPCodecParameters {
	return []pion.RTPCodecParameters{{RTPCodecCapability: opusCodec, PayloadType: opusPayload}}
}
func (broken) HeaderExtensions() []pion.RTPHeaderExtensionParameter { return nil }
func (broken) SSRC() pion.SSRC                                      { return 1 }
func (broken) SSRCRetransmission() pion.SSRC                        { return 0 }
func (broken) SSRCForwardErrorCorrection() pion.SSRC                { return 0 }
func (broken) WriteStream() pion.TrackLocalWriter                   { return broken{} }
func (broken) ID() string                                           { return "broken" }
func (broken) RTCPReader() interceptor.RTCPReader                   { return nil }
func (broken) WriteRTP(*rtp.Header, []byte) (int, error)            { return 0, io.ErrClosedPipe }
func (broken) Write([]byte) (int, error)                            { return 0, io.ErrClosedPipe }

// An error of Play's would end the call.
func TestAConnectionThatTakesNothingEndsNoCall(t *testing.T) {
	s, err := newSender(32000, "id")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.track.Bind(broken{}); err != nil {
		t.Fatal(err)
	}
	chunk := playout.Chunk{Format: audio.Mono(audio.Rate48k), Samples: make([]int16, 960), Background: true}
	for range 3*lifeChunks + tailChunks {
		if err := s.play(chunk, false); err != nil {
			t.Fatal(err)
		}
		chunk.Background = false // and signs of life
		chunk.Position += 960
	}
}

// Pipecat's clients send candidates while they wait for the answer to their offer, and
// the network may bring them before it.
func TestCandidatesOfAConnectionMadeAnewAreItsOwn(t *testing.T) {
	for name, early := range map[string]bool{"while the offer is answered": false, "before the offer comes": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// A server that is not there is asked for an address for three seconds.
				w := serve(t, Config{ICEServers: []ICEServer{{URLs: []string{"stun:10.0.0.99:3478"}}}}, silence)
				c := w.dial("10.0.0.2", "chat").connect()
				again := w.redial(w.host("10.0.0.3"), "chat")
				o, err := again.pc.CreateOffer(nil)
				if err == nil {
					err = again.pc.SetLocalDescription(o)
				}
				if err != nil {
					t.Fatal(err)
				}
				_, ufrag, _ := strings.Cut(o.SDP, "a=ice-ufrag:")
				ufrag, _, _ = strings.Cut(ufrag, "\r\n")
				candidate := "candidate:1 1 udp 2130706431 10.0.0.3 5555 typ host ufrag " + ufrag // as Chromium's are
				follow := func() {
					if status, text := w.request("PATCH", map[string]any{"pc_id": c.id, "candidates": []map[string]any{{"candidate": candidate, "sdp_mid": "0"}}}); status != http.StatusOK {
						t.Errorf("%d: %s", status, text)
					}
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					if !early {
						time.Sleep(time.Second)
					}
					follow()
				}()
				if early {
					<-done
				}
				began := time.Now()
				status, text := w.request("POST", map[string]any{"sdp": o.SDP, "type": "offer", "pc_id": c.id, "restart_pc": true})
				if took := time.Since(began); status != http.StatusOK || took < 2*time.Second {
					t.Fatalf("after %v: %d: %s", took, status, text)
				}
				<-done
				time.Sleep(time.Second)
				known := false
				for _, s := range w.only().current().pc.GetStats() {
					if s, ok := s.(pion.ICECandidateStats); ok && s.Type == pion.StatsTypeRemoteCandidate {
						known = known || s.IP == "10.0.0.3" && s.Port == 5555
					}
				}
				if !known {
					t.Error("the new connection does not know the candidate")
				}
			})
		})
	}
}
