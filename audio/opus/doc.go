// Package opus encodes and decodes Opus (RFC 6716), the codec of WebRTC: packets
// of speech, each of which can be decoded by itself, with what conceals those that
// are lost.
//
//	enc, err := opus.NewEncoder(opus.EncoderConfig{Format: audio.Mono(audio.Rate48k)})
//	…
//	packet, err = enc.Encode(packet[:0], samples) // 20 ms
//
//	dec, err := opus.NewDecoder(audio.Mono(audio.Rate16k))
//	…
//	samples, err = dec.Decode(samples[:0], packet)
//
// The codec is github.com/thesyncim/gopus, in Go. What this package adds is PCM16
// at the rates of package audio, and the rules for packets that did not arrive.
package opus
