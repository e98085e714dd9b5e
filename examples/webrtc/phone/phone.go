// Package phone is a caller over WebRTC that is no browser: a program, which plays a
// recording to whoever answers, and keeps what it hears.
//
// It is what a test, or a load generator, needs of WebRTC: github.com/pion/webrtc and
// the Opus of package audio/opus.
package phone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
)

// Rate is that of what is said and heard, which is mono.
const Rate = audio.Rate16k

const (
	packet   = 20 * time.Millisecond
	patience = 10 * time.Second // for an answer, a connection and a farewell
	longest  = time.Hour        // of what is kept
	maxLate  = 300 * time.Millisecond
)

// ErrLate is that packets could not be sent when they were due: the caller stammers,
// and what comes of the call says nothing about the other side.
var ErrLate = errors.New("this machine is too busy to speak in real time: try again when it has less to do")

// Call calls the server at an address such as "http://localhost:8080/webrtc", plays a
// recording in real time, and hangs up behind it, unless the other side does so
// before. It returns what was heard, from the first sound on.
func Call(ctx context.Context, address string, recording []int16) (heard []int16, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", address, err)
	}
	err = c.say(ctx, recording)
	if err == nil {
		err = c.hangUp()
	}
	heard, lost := c.close()
	if err := errors.Join(err, lost); err != nil {
		return nil, fmt.Errorf("call %s: %w", address, err)
	}
	return heard, nil
}

// connection is a call that is under way.
type connection struct {
	peer    *webrtc.PeerConnection
	channel *webrtc.DataChannel
	voice   *webrtc.TrackLocalStaticSample
	opened  chan struct{}
	over    chan struct{} // the call is, whoever has ended it
	end     sync.Once

	listening sync.WaitGroup
	heard     []int16 // the listener's, until it is over
	failed    error   // likewise
}

// dial makes an offer, and waits until the call is there.
func dial(ctx context.Context, address string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true) // for servers on this machine
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	peer, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	c := &connection{peer: peer, opened: make(chan struct{}), over: make(chan struct{})}
	if err := c.connect(ctx, address); err != nil {
		peer.GracefulClose()
		return nil, err
	}
	return c, nil
}

func (c *connection) connect(ctx context.Context, address string) (err error) {
	c.voice, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: opus.Clock, Channels: 2}, "voice", "caller")
	if err != nil {
		return err
	}
	if _, err := c.peer.AddTrack(c.voice); err != nil {
		return err
	}
	if c.channel, err = c.peer.CreateDataChannel("parley", nil); err != nil {
		return err
	}
	c.channel.OnOpen(func() { close(c.opened) })
	c.channel.OnClose(c.ended)
	c.channel.OnMessage(func(m webrtc.DataChannelMessage) {
		var said struct{ Type string }
		if json.Unmarshal(m.Data, &said) == nil && said.Type == "bye" {
			c.ended()
		}
	})
	c.peer.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
			c.ended()
		}
	})
	c.peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		c.listening.Go(func() { c.heard, c.failed = listen(track) })
	})

	offer, err := c.peer.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(c.peer)
	if err := c.peer.SetLocalDescription(offer); err != nil {
		return err
	}
	select {
	case <-gathered: // so that the offer has all addresses, and none must follow
	case <-ctx.Done():
		return ctx.Err()
	}
	answer, err := post(ctx, address, *c.peer.LocalDescription())
	if err != nil {
		return err
	}
	if err := c.peer.SetRemoteDescription(answer); err != nil {
		return err
	}
	select {
	case <-c.opened:
		return nil
	case <-c.over:
		return errors.New("the network does not let WebRTC through")
	case <-ctx.Done():
		return fmt.Errorf("connect: %w", ctx.Err())
	}
}

// post gives the offer to the server, and returns its answer. A description has the
// form that both have on the wire.
func post(ctx context.Context, address string, offer webrtc.SessionDescription) (answer webrtc.SessionDescription, err error) {
	body, err := json.Marshal(offer)
	if err != nil {
		return answer, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(response.Body, 128<<10)); err != nil {
		return answer, err
	}
	if response.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("the server says %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return answer, json.Unmarshal(body, &answer)
}

func (c *connection) ended() { c.end.Do(func() { close(c.over) }) }

// say plays a recording, one packet every 20 ms, until the call is over.
func (c *connection) say(ctx context.Context, recording []int16) error {
	enc, err := opus.NewEncoder(opus.EncoderConfig{Format: audio.Mono(Rate), Frame: packet})
	if err != nil {
		return err
	}
	began := time.Now()
	n := int(Rate.Samples(packet))
	for k := time.Duration(1); len(recording) > 0; k++ {
		due := began.Add(k * packet) // absolute, so that nothing drifts
		select {
		case <-time.After(time.Until(due)):
		case <-c.over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(due) > maxLate {
			return ErrLate
		}
		piece := recording[:min(n, len(recording))]
		recording = recording[len(piece):]
		data, err := enc.Encode(nil, audio.AppendSilence(slices.Clip(piece), n-len(piece)))
		if err != nil {
			return err
		}
		if err := c.voice.WriteSample(media.Sample{Data: data, Duration: packet}); err != nil {
			return err
		}
	}
	return nil
}

// hangUp says goodbye, and waits until the other side has ended the call.
func (c *connection) hangUp() error {
	select {
	case <-c.over:
		return nil
	default:
	}
	if err := c.channel.SendText(`{"type":"bye"}`); err != nil {
		return err
	}
	select {
	case <-c.over:
		return nil
	case <-time.After(patience):
		return errors.New("the server does not end the call")
	}
}

// close ends the connection, and returns what was heard over it.
func (c *connection) close() ([]int16, error) {
	c.peer.GracefulClose() // there is nobody to tell what went wrong
	c.listening.Wait()
	return c.heard, c.failed
}

// listen returns what comes until the track ends: each packet is where its timestamp
// says, and silence is where there is none, since agents that say nothing send nothing.
func listen(track *webrtc.TrackRemote) ([]int16, error) {
	dec, err := opus.NewDecoder(audio.Mono(Rate))
	if err != nil {
		return nil, err
	}
	var heard, sound []int16
	var first rtp.Packet
	for known := false; ; known = true {
		p, _, err := track.ReadRTP()
		if err != nil {
			return heard, nil // the call is over
		}
		if !known {
			first = *p
		}
		if len(p.Payload) == 0 {
			continue
		}
		if sound, err = dec.Decode(sound[:0], p.Payload); err != nil {
			return nil, fmt.Errorf("what the agent says: %w", err)
		}
		at := int(Rate.Samples(audio.SampleRate(opus.Clock).Duration(int64(int32(p.Timestamp - first.Timestamp)))))
		switch end := at + len(sound); {
		case at < 0:
			continue // it is late, and what it belongs to was not waited for
		case end > int(Rate.Samples(longest)):
			return nil, fmt.Errorf("what the agent says is %v ahead of what it has said", Rate.Duration(int64(at-len(heard))))
		case end > len(heard):
			heard = audio.AppendSilence(heard, end-len(heard))
		}
		copy(heard[at:], sound)
	}
}
