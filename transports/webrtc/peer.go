package webrtc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio/opus"
)

// peer is one connection of a call.
type peer struct {
	call    *Call
	api     *pion.API
	seen    func(context.Context) []netip.AddrPort // of this side, from outside
	pc      *pion.PeerConnection
	closed  chan struct{}
	finish  sync.Once
	reading sync.WaitGroup
	late    *time.Timer

	// Of who negotiates.
	voice *pion.RTPSender // of the agent's
	held  bool            // the peer wants to hear nothing now

	// Guarded by the call.
	track    *pion.TrackRemote // that is heard
	channel  *pion.DataChannel
	language language
	slow     bool // it does not read its messages, and that was said
	over     bool

	losses losses // reports' own
}

// newPeer returns a connection whose remote side is not known yet.
func newPeer(c *Call, api *pion.API, cfg pion.Configuration, seen func(context.Context) []netip.AddrPort, changed func(*peer)) (*peer, error) {
	pc, err := api.NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	p := &peer{call: c, api: api, seen: seen, pc: pc, closed: make(chan struct{})}
	pc.OnConnectionStateChange(func(pion.PeerConnectionState) { changed(p) })
	pc.OnDataChannel(p.open)
	pc.OnTrack(p.begin)
	return p, nil
}

// answer answers an offer, with all candidates of this side.
func (p *peer) answer(ctx context.Context, offer string) (string, error) {
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	if err := p.speak(offer); err != nil {
		return "", err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := pion.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	seen := p.seen(ctx)
	select {
	case <-gathered:
	case <-ctx.Done(): // what there is by now has to do
	}
	return complete(p.pc.LocalDescription().SDP, offer, seen)
}

// complete adds to an answer what pion leaves out: the names (mid) of sections, which
// those that are rejected must have, too (RFC 8829, section 5.3.1), as they are in the
// offer; and candidates for the addresses under which this side is seen.
func complete(answer, offer string, seen []netip.AddrPort) (string, error) {
	var a, o sdp.SessionDescription
	if err := errors.Join(a.UnmarshalString(answer), o.UnmarshalString(offer)); err != nil {
		return "", err
	}
	for i, m := range a.MediaDescriptions {
		if _, ok := m.Attribute(sdp.AttrKeyMID); ok || i >= len(o.MediaDescriptions) {
			continue
		}
		if mid, ok := o.MediaDescriptions[i].Attribute(sdp.AttrKeyMID); ok {
			a.MediaDescriptions[i] = m.WithValueAttribute(sdp.AttrKeyMID, mid)
		}
	}
	for _, m := range a.MediaDescriptions {
		i := slices.IndexFunc(m.Attributes, func(a sdp.Attribute) bool { return a.Key == sdp.AttrKeyCandidate })
		if i < 0 {
			continue
		}
		for _, addr := range seen {
			m.Attributes = slices.Insert(m.Attributes, i, sdp.NewAttribute(sdp.AttrKeyCandidate, reflexive(addr)))
		}
		break // the others are carried with it
	}
	b, err := a.Marshal()
	return string(b), err
}

// reflexive returns the candidate for an address under which this side is seen (RFC
// 8839, section 5.1). The one behind it is nobody's business.
func reflexive(addr netip.AddrPort) string {
	const priority = 100<<24 | 65535<<8 | 255 // RFC 8445, section 5.1.2
	return fmt.Sprintf("seen%v 1 udp %d %v %d typ srflx raddr 0.0.0.0 rport 0", addr.Port(), priority, addr.Addr(), addr.Port())
}

// speak lets the peer hear the agent, on the first audio that it has offered, unless it
// does already.
func (p *peer) speak(offer string) error {
	for _, t := range p.pc.GetTransceivers() {
		if t.Kind() != pion.RTPCodecTypeAudio {
			continue
		}
		resumes := p.held
		if p.held = isHeld(offer, t.Mid()); p.held || p.voice != nil && !resumes {
			return nil
		}
		var err error
		if p.voice == nil {
			p.voice, err = p.pc.AddTrack(p.call.sender.track)
		} else if p.voice, err = p.api.NewRTPSender(p.call.sender.track, p.pc.SCTP().Transport()); err == nil {
			// pion has stopped the sender of a call that was held for good.
			err = t.SetSender(p.voice, p.call.sender.track)
		}
		if err != nil {
			return err
		}
		sender := p.voice
		p.reading.Go(func() { p.reports(sender) })
		return nil
	}
	return errNoAudio
}

// isHeld reports whether an offer wants a section to carry nothing for the time being.
func isHeld(offer, mid string) bool {
	var o sdp.SessionDescription
	if o.UnmarshalString(offer) != nil {
		return false
	}
	return slices.ContainsFunc(o.MediaDescriptions, func(m *sdp.MediaDescription) bool {
		name, _ := m.Attribute(sdp.AttrKeyMID)
		_, held := m.Attribute(sdp.AttrKeyInactive)
		return name == mid && held
	})
}

var errNoAudio = errors.New("the offer has no audio: add a transceiver for it")

// begin hears a track of the peer's, instead of the one that it may have had: who takes
// its microphone away and gives it back has another.
func (p *peer) begin(track *pion.TrackRemote, receiver *pion.RTPReceiver) {
	if track.Kind() != pion.RTPCodecTypeAudio {
		return
	}
	p.call.mu.Lock()
	defer p.call.mu.Unlock()
	if p.over {
		return
	}
	p.track = track
	p.reading.Go(func() { p.read(track) })
	p.reading.Go(func() {
		// Reports are answered by who reads them.
		buf := make([]byte, 1500)
		for {
			if _, _, err := receiver.Read(buf); err != nil {
				return
			}
		}
	})
}

// read hears the peer until the track ends.
func (p *peer) read(track *pion.TrackRemote) {
	buf := make([]byte, 1500)
	var known *receiver
	var keys keypad
	for {
		n, _, err := track.Read(buf)
		if errors.Is(err, pion.ErrCodecNotFound) {
			continue // a packet of a type that was not negotiated, and not the end
		}
		if err != nil {
			return
		}
		now := time.Now()
		r := p.call.listener(p, track)
		if r == nil {
			continue // nobody listens yet, or this connection has been replaced
		}
		if r != known {
			known = r
			r.reset() // the one before was that of another connection
		}
		var packet rtp.Packet
		if packet.Unmarshal(buf[:n]) != nil || len(packet.Payload) == 0 {
			continue
		}
		if isKeys(track.Codec()) {
			r.skip(packet.SequenceNumber)
			if key := keys.press(&packet); key != nil && p.call.rates.Allow() {
				p.call.tell(p, key)
			}
			continue
		}
		r.push(packet.SequenceNumber, packet.Timestamp, append([]byte(nil), packet.Payload...), now)
	}
}

// reports reads what the peer tells of the agent's voice, until the sender ends.
func (p *peer) reports(sender *pion.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		now := time.Now()
		for _, b := range reportsIn(packets) {
			p.report(b, now)
		}
	}
}

func reportsIn(packets []rtcp.Packet) (all []rtcp.ReceptionReport) {
	for _, packet := range packets {
		switch r := packet.(type) {
		case *rtcp.ReceiverReport:
			all = append(all, r.Reports...)
		case *rtcp.SenderReport: // of somebody who speaks himself
			all = append(all, r.Reports...)
		}
	}
	return all
}

// report notes one report (RFC 3550, section 6.4.1).
func (p *peer) report(b rtcp.ReceptionReport, now time.Time) {
	r := remote{loss: p.losses.add(b.LastSequenceNumber, b.TotalLost), jitter: time.Duration(b.Jitter) * time.Second / opus.Clock}
	if b.LastSenderReport != 0 {
		// In units of 1/65536 s; it is negative where clocks were put.
		if d := int32(ntp(now) - b.LastSenderReport - b.Delay); d > 0 {
			r.roundTrip = time.Duration(d) * time.Second >> 16
		}
	}
	c := p.call
	c.sender.lost(r.loss)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report = r
}

// losses is which share of the packets was lost lately. The share in a report is of those
// since the last one, which in a pause are two or three.
type losses struct {
	known          bool
	highest, total uint32 // at the last report
	expected, lost float64
}

// lately is how many packets count, and half as much those before them.
const lately = 250

func (l *losses) add(highest, total uint32) float64 {
	if l.known {
		n := float64(highest - l.highest)
		if n > 1<<16 { // the peer has begun anew
			n = 0
		}
		fade := math.Exp2(-n / lately)
		l.expected = l.expected*fade + n
		// It has 24 bits, and falls where packets come twice.
		l.lost = max(0, l.lost*fade+float64(int32((total-l.total)<<8)>>8))
	}
	l.known, l.highest, l.total = true, highest, total
	if l.expected == 0 {
		return 0
	}
	// One that is lost of the first few says nothing yet.
	return min(l.lost/max(l.expected, lately/5), 1)
}

// ntp returns the middle 32 bits of an NTP timestamp (RFC 3550, section 4).
func ntp(t time.Time) uint32 {
	const since1900 = 2208988800
	return uint32(t.Unix()+since1900)<<16 | uint32((int64(t.Nanosecond())<<16)/1e9)
}

// open takes the first data channel.
func (p *peer) open(d *pion.DataChannel) {
	c := p.call
	c.mu.Lock()
	taken := p.channel != nil || p.language != nil
	if !taken {
		p.language = languageOf(d.Label())
	}
	l := p.language
	c.mu.Unlock()
	if taken {
		d.Close() // there is nothing to say on another one
		if !c.rates.AllowN(time.Now(), 10) && c.current() == p {
			c.leave("there are too many data channels")
		}
		return
	}
	d.OnMessage(func(m pion.DataChannelMessage) { p.said(l, m.Data) })
	d.OnClose(func() {
		if c.current() == p {
			c.leave(hungUp)
		}
	})
	d.OnOpen(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		p.channel = d
		if c.peer != p {
			return
		}
		for _, m := range c.outbox {
			if err := p.send(m); err != nil {
				c.config.Logger.Warn("a message could not be sent", "call", c.ID, "error", err)
			}
		}
		c.outbox = nil
	})
}

// said takes a message of the peer's. What breaks a rule ends the call.
func (p *peer) said(l language, data []byte) {
	c := p.call
	var err error
	switch {
	case len(data) > c.config.MaxMessage:
		err = fmt.Errorf("a message has %d bytes, where there may be %d", len(data), c.config.MaxMessage)
	case !c.rates.Allow():
		err = fmt.Errorf("there are more than %d messages a second", c.config.MaxMessageRate)
	default:
		f, answer, e := l.decode(data)
		switch err = e; {
		case e != nil:
		case answer != nil:
			c.tell(p, answer)
		case f != nil:
			c.tell(p, f)
		}
	}
	if err != nil && c.current() == p {
		c.config.Logger.Warn("the peer broke a rule", "call", c.ID, "error", err)
		c.leave(err.Error())
	}
}

// send sends a message on the channel that is there. The call's mutex is held.
func (p *peer) send(m message) error {
	b, err := m(p.language)
	if err != nil {
		return err
	}
	slow, said := p.channel.BufferedAmount()+uint64(len(b)) > maxBuffered, p.slow
	p.slow = slow
	switch {
	case slow && said:
		p.call.dropped++
		return nil
	case slow:
		p.call.dropped++
		return errSlow
	}
	return p.channel.SendText(string(b))
}

var errSlow = errors.New("the peer does not read its messages: they are dropped until it does")

// maxBuffered is how many bytes may wait for a peer that does not read.
const maxBuffered = 1 << 20

// farewell tells the peer that the call is over, and waits until it knows, or for as
// long as it may take to say a word.
func (p *peer) farewell(ctx context.Context) {
	c := p.call
	c.mu.Lock()
	channel := p.channel
	if channel == nil || p.pc.ConnectionState() != pion.PeerConnectionStateConnected || p.send(func(l language) ([]byte, error) { return l.bye(), nil }) != nil {
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	sent := make(chan struct{}, 1)
	channel.OnBufferedAmountLow(func() {
		select {
		case sent <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	for channel.BufferedAmount() > 0 {
		select {
		case <-sent:
		case <-p.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

const farewellTimeout = 500 * time.Millisecond

// close ends the connection, and waits until nothing of it is left.
func (p *peer) close() {
	p.finish.Do(func() {
		close(p.closed)
		p.call.mu.Lock()
		p.over = true
		p.call.mu.Unlock()
		if p.late != nil {
			p.late.Stop()
		}
		p.pc.GracefulClose() // there is nobody to tell what went wrong
		p.reading.Wait()
	})
}
