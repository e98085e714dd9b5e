package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/pion/stun/v4"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/webrtc"
)

// webrtcFlags say how callers come over WebRTC.
type webrtcFlags struct {
	UDP        string   `name:"udp" placeholder:"HOST:PORT" help:"UDP address of all WebRTC calls; port 0 chooses a free one, and no HOST is every address of this machine. Firewalls have to let it through. Default: a free port of the host of --addr."`
	PublicIPs  []string `name:"public-ip" type:"names" placeholder:"IP" help:"Address under which callers reach this machine, if it does not know it itself, as behind a NAT. May be repeated."`
	ICEServers []string `name:"ice-server" type:"names" placeholder:"URL" help:"STUN server with which this machine finds out under which address it is reached, as stun:stun.example.com:3478. May be repeated."`
}

// check refuses values that make no sense, and fills in the UDP address, which is on
// the same host as addr if it is not said.
func (c *webrtcFlags) check(addr string) error {
	if host, _, err := net.SplitHostPort(addr); c.UDP == "" && err == nil {
		c.UDP = net.JoinHostPort(host, "0")
	}
	if _, port, err := net.SplitHostPort(c.UDP); err != nil {
		return usageError{fmt.Errorf("--udp %s: it is not of the form HOST:PORT, such as :3478", c.UDP)}
	} else if _, err := net.LookupPort("udp", port); err != nil {
		return usageError{fmt.Errorf("--udp %s: %q is no port: name one up to 65535, or 0 for a free one", c.UDP, port)}
	}
	for i, ip := range c.PublicIPs {
		ip = strings.TrimSpace(ip)
		switch parsed := net.ParseIP(ip); {
		case parsed == nil:
			return usageError{fmt.Errorf("--public-ip %s: it is not an IP address", ip)}
		case parsed.IsUnspecified(), parsed.IsMulticast(), parsed.IsLoopback():
			return usageError{fmt.Errorf("--public-ip %s: nobody reaches another machine under it", ip)}
		}
		c.PublicIPs[i] = ip
	}
	for _, url := range c.ICEServers {
		server, err := stun.ParseURI(url)
		switch {
		case err != nil:
			return usageError{fmt.Errorf("--ice-server %s: %w: it is of the form stun:HOST:PORT", url, err)}
		case server.Scheme == stun.SchemeTypeTURN, server.Scheme == stun.SchemeTypeTURNS:
			return usageError{fmt.Errorf("--ice-server %s: a TURN server is for callers, whose page names it: see docs/transports.md", url)}
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
	var server *webrtc.Server
	cfg.Admit = func(*http.Request) error {
		if s.calls.Load()+int64(server.Calls()) > int64(s.command.Calls) {
			return errTooMany
		}
		return nil
	}
	server, err := webrtc.NewServer(cfg, func(call *webrtc.Call) (*pipeline.Pipeline, error) {
		var asked struct{ Tell bool }
		json.Unmarshal(call.Data, &asked) // whoever asks for nothing gets nothing
		return s.agent(call.ID, "webrtc", call.Input(), call.Output(), asked.Tell), nil
	})
	if err != nil {
		return fmt.Errorf("--udp %s: %w", s.command.UDP, err)
	}
	s.servers, s.webrtc = append(s.servers, server), server
	s.gauges.connections("webrtc", server)
	for _, path := range []string{"/webrtc", "/webrtc/{token}", "/api/offer", "/api/offer/{token}"} {
		// It counts by itself, since not every offer is a call.
		for _, method := range []string{"GET ", "POST ", "PATCH ", "OPTIONS "} {
			mux.Handle(method+path, s.fromHere(server))
		}
	}
	return nil
}
