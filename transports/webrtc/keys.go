package webrtc

import (
	"math"
	"strings"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/frames"
)

// mimeKeys is that of keys in RTP (RFC 4733), which gateways to telephones send in place
// of tones, and browsers by RTCDTMFSender.
const mimeKeys = "audio/telephone-event"

func keyCodec(clock uint32, payload pion.PayloadType) pion.RTPCodecParameters {
	return pion.RTPCodecParameters{
		RTPCodecCapability: pion.RTPCodecCapability{MimeType: mimeKeys, ClockRate: clock, SDPFmtpLine: "0-15"},
		PayloadType:        payload,
	}
}

func isKeys(codec pion.RTPCodecParameters) bool { return strings.EqualFold(codec.MimeType, mimeKeys) }

// keypad makes keys of packets: each key has several, with the timestamp at which it was
// pressed, of which any may be lost.
type keypad struct {
	known bool
	event byte   // of the last key
	last  uint32 // its timestamp
}

// press returns the key that a packet begins; nil if it goes on with one, or is none.
func (k *keypad) press(p *rtp.Packet) *frames.DTMFInput {
	const keys = "0123456789*#ABCD" // RFC 4733, section 3.2
	if len(p.Payload) < 4 || int(p.Payload[0]) >= len(keys) || k.known && int32(p.Timestamp-k.last) <= 0 {
		return nil
	}
	event := p.Payload[0]
	// A key that is held for longer than can be said goes on as another (section 2.5.1.3).
	held := k.known && event == k.event && p.Timestamp-k.last == math.MaxUint16
	k.known, k.event, k.last = true, event, p.Timestamp
	if held {
		return nil
	}
	return &frames.DTMFInput{Digit: keys[event]}
}
