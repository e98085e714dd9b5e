package webrtc

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
	"github.com/parley-go/parley/transports/playout"
)

// opusCodec is what is offered and accepted: Opus with copies of lost packets (RFC
// 7587, section 6.1).
var opusCodec = pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: opus.Clock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}

const (
	opusPayload = 111 // that of Chromium, for what it matters

	outputChunk = 20 * time.Millisecond

	// Silence that is sent before a pause, so that a jitter buffer has something to
	// fade into, and the time between the signs of life in it.
	tailChunks = 10
	lifeChunks = 20
)

// sender makes RTP of the agent's voice.
type sender struct {
	track *pion.TrackLocalStaticRTP

	mu      sync.Mutex // of all below; Play and the peer's reports
	enc     *opus.Encoder
	loss    float64
	packet  rtp.Packet
	base    uint32 // the timestamp of position 0
	silent  int    // chunks
	packets uint64
	bytes   uint64
}

func newSender(bitrate int, id string) (*sender, error) {
	track, err := pion.NewTrackLocalStaticRTP(opusCodec, "agent", id)
	if err != nil {
		return nil, err
	}
	enc, err := opus.NewEncoder(opus.EncoderConfig{Format: audio.Mono(audio.Rate48k), Frame: outputChunk, Bitrate: bitrate, Loss: leastLoss})
	if err != nil {
		return nil, err
	}
	s := &sender{track: track, enc: enc, loss: leastLoss, base: rand.Uint32(), silent: tailChunks}
	s.packet.Version = 2
	s.packet.SequenceNumber = uint16(rand.Uint32())
	return s, nil
}

// leastLoss is the loss that is reckoned with before any is reported, and always.
const leastLoss = 0.02

// lost is told by the peer which share of the packets it has not got lately.
func (s *sender) lost(share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// More is believed at once, less by and by.
	if loss := max(share, 0.8*s.loss, leastLoss); loss != s.loss && s.enc.SetLoss(min(loss, 1)) == nil {
		s.loss = loss
	}
}

// play sends a chunk, unless the agent has been silent for a while.
func (s *sender) play(c playout.Chunk, silence bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	paused := s.silent >= tailChunks
	switch {
	case silence || !c.Silent():
		s.silent = 0
	case !paused:
		s.silent++
	default:
		s.silent++
		if s.silent%lifeChunks != 0 || len(s.packet.Payload) == 0 {
			return nil
		}
		// A packet without sound, of the kind of the last one: see opus.Pause.
		s.packet.Payload = append(s.packet.Payload[:0], s.packet.Payload[0]&^3)
		s.write(c, false)
		return nil
	}
	payload, err := s.enc.Encode(s.packet.Payload[:0], c.Samples)
	if err != nil {
		return err
	}
	s.packet.Payload = payload
	s.write(c, paused)
	return nil
}

// write sends a packet. One that cannot be sent is lost, as others are on their way:
// a connection that is being replaced takes none any more, and the call goes on. That
// one is lost for good is told by its state.
func (s *sender) write(c playout.Chunk, first bool) {
	s.packet.SequenceNumber++
	s.packet.Timestamp = s.base + uint32(c.Position)
	s.packet.Marker = first // of a spurt of talk (RFC 3551, section 4.1)
	s.packets++
	s.bytes += uint64(len(s.packet.Payload))
	_ = s.track.WriteRTP(&s.packet)
}
