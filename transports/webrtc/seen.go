package webrtc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/pion/stun/v4"
)

// seen asks the STUN servers under which addresses they see the port of all calls. pion
// would ask from a port of each call's own, which a firewall would have to let through.
func (s *Server) seen(ctx context.Context) (all []netip.AddrPort) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, server := range s.stun {
		asking.Go(func() {
			addr, err := s.ask(ctx, server)
			if err != nil {
				s.config.Logger.Warn("a STUN server does not say under which address this host is seen", "server", server.String(), "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(all, addr) {
				all = append(all, addr)
			}
		})
	}
	asking.Wait()
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all
}

// ask asks one server, unless it has been asked a moment ago.
func (s *Server) ask(ctx context.Context, server *stun.URI) (netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", server.Host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	got, err := s.mux.GetXORMappedAddrContext(ctx, &net.UDPAddr{IP: ips[0].Unmap().AsSlice(), Port: server.Port}, gatherTimeout)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip, ok := netip.AddrFromSlice(got.IP)
	if !ok {
		return netip.AddrPort{}, errors.New("it answers with no address")
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(got.Port)), nil
}

// port is a UDP port of which nothing is read before ready is closed: pion begins to
// read while the mux is still being made, and would use what is not there yet. Like
// pion's own it reads and writes without allocating (ice.AddrPortReaderWriter).
type port struct {
	*net.UDPConn
	ready chan struct{}
}

func listen(addr *net.UDPAddr) (net.PacketConn, error) {
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, err
	}
	return &port{conn, make(chan struct{})}, nil
}

func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	<-p.ready
	return p.UDPConn.ReadFrom(b)
}

func (p *port) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	<-p.ready
	return p.UDPConn.ReadFromUDPAddrPort(b)
}

func (p *port) WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	return p.UDPConn.WriteToUDPAddrPort(b, addr)
}
