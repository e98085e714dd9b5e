package webrtc

import (
	"context"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/pipeline"
)

// TestAPublicAddressLeadsToTheCall is on real sockets: what is announced for a NAT has to
// be answered on each address of this machine.
func TestAPublicAddressLeadsToTheCall(t *testing.T) {
	server, err := NewServer(Config{PublicIPs: []string{"203.0.113.7", "2001:db8::7"}}, func(*Call) (*pipeline.Pipeline, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	pc, err := pion.NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.GracefulClose()
	if _, err := pc.AddTransceiverFromKind(pion.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	o, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := server.offered(httptest.NewRequest("POST", "/", nil), offer{SDP: o.SDP, Type: "offer"})
	if err != nil {
		t.Fatal(err)
	}
	sdp := got.(answer).SDP
	attribute := func(name string) string {
		_, after, _ := strings.Cut(sdp, "a="+name+":")
		value, _, _ := strings.Cut(after, "\r\n")
		return value
	}
	port, public := 0, false
	for _, line := range strings.Split(sdp, "\r\n") {
		if f := strings.Fields(line); strings.HasPrefix(line, "a=candidate:") && len(f) > 5 {
			if port, err = strconv.Atoi(f[5]); err != nil {
				t.Fatal(line)
			}
			public = public || f[4] == "203.0.113.7"
		}
	}
	if !public || port == 0 {
		t.Fatalf("the public address is not told of:\n%s", sdp)
	}
	offered, _, _ := strings.Cut(strings.SplitN(o.SDP, "a=ice-ufrag:", 2)[1], "\r\n")
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.To4() == nil {
			continue
		}
		asked++
		conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: ip, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(attribute("ice-ufrag")+":"+offered),
			stun.NewShortTermIntegrity(attribute("ice-pwd")), stun.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		answered := false
		for range 10 {
			if _, err := conn.Write(m.Raw); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			if n, err := conn.Read(make([]byte, 1500)); err == nil && n > 0 {
				answered = true
				break
			}
		}
		if !answered {
			t.Errorf("nobody answers at %v:%d", ip, port)
		}
	}
	if asked == 0 {
		t.Fatal("this machine has no address")
	}
}
