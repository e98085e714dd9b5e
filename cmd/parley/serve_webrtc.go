package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/webrtc"
)

// webrtcFlags say how callers come over WebRTC.
type webrtcFlags struct {
	UDP        string   `name:"udp" default:":0" placeholder:"HOST:PORT" help:"UDP address of all WebRTC calls; port 0 chooses a free one. Firewalls have to let it through. Default: ${default}, every address of this machine."`
	PublicIPs  []string `name:"public-ip" placeholder:"IP" help:"Address under which callers reach this machine, if it does not know it itself, as behind a NAT. May be repeated."`
	ICEServers []string `name:"ice-server" placeholder:"URL" help:"STUN server with which this machine finds out under which address it is reached, as stun:stun.example.com:3478. May be repeated."`
}

// check refuses values that make no sense.
func (c *webrtcFlags) check() error {
	if _, port, err := net.SplitHostPort(c.UDP); err != nil {
		return usageError{fmt.Errorf("--udp %s: it is not of the form HOST:PORT, such as :3478", c.UDP)}
	} else if _, err := net.LookupPort("udp", port); err != nil {
		return usageError{fmt.Errorf("--udp %s: %q is no port: name one up to 65535, or 0 for a free one", c.UDP, port)}
	}
	for _, ip := range c.PublicIPs {
		if net.ParseIP(ip) == nil {
			return usageError{fmt.Errorf("--public-ip %s: it is not an IP address", ip)}
		}
	}
	for _, url := range c.ICEServers {
		if !strings.HasPrefix(url, "stun:") {
			return usageError{fmt.Errorf("--ice-server %s: it is not of the form stun:HOST:PORT", url)}
		}
	}
	return nil
}

// offers takes the offers of WebRTC's callers.
func (s *shop) offers(mux *http.ServeMux) error {
	cfg := webrtc.Config{
		Addr: s.command.UDP, PublicIPs: s.command.PublicIPs, Authenticate: s.authenticate, Origins: s.command.Origins,
		MaxCalls: s.command.Calls, Logger: s.log.With("path", "/webrtc"),
	}
	for _, url := range s.command.ICEServers {
		cfg.ICEServers = append(cfg.ICEServers, webrtc.ICEServer{URLs: []string{url}})
	}
	server, err := webrtc.NewServer(cfg, func(call *webrtc.Call) (*pipeline.Pipeline, error) {
		var asked struct{ Tell bool }
		json.Unmarshal(call.Data, &asked) // whoever asks for nothing gets nothing
		return s.agent(call.ID, "webrtc", call.Input(), call.Output(), asked.Tell), nil
	})
	if err != nil {
		return err
	}
	s.servers, s.webrtc = append(s.servers, server), server
	s.gauges.connections("webrtc", server)
	for _, path := range []string{"/webrtc", "/webrtc/{token}", "/api/offer", "/api/offer/{token}"} {
		mux.Handle("POST "+path, s.admit(server))
		mux.Handle("PATCH "+path, s.fromHere(server)) // a candidate is no call
		mux.Handle("OPTIONS "+path, s.fromHere(server))
	}
	return nil
}
