package opus

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/thesyncim/gopus"

	"github.com/parley-go/parley/audio"
)

// Clock is the rate of the timestamps of Opus in RTP, whatever the rate of the
// audio (RFC 7587, section 4.1).
const Clock = 48000

// MaxPacket is the most that a packet plays: 120 ms (RFC 6716, section 3.2.5).
const MaxPacket = 120 * time.Millisecond

// maxBytes is the longest packet that an encoder makes: one frame (RFC 6716,
// section 3.2.1) and what describes it.
const maxBytes = 1275 + 1

// EncoderConfig says how to encode. The zero value is good for speech.
type EncoderConfig struct {
	// Format is that of the samples: 8, 16, 24 or 48 kHz, mono or stereo. 48 kHz
	// mono by default.
	Format audio.Format

	// Frame is how much audio is in a packet: 10, 20, 40 or 60 ms; 20 ms by
	// default.
	Frame time.Duration

	// Bitrate is the average, in bit/s, from 6000 to 510000; 32000 by default,
	// at which mono speech is hard to tell from the original.
	Bitrate int

	// Complexity is how much the encoder computes, from 1 to 10; 5 by default:
	// more cannot be heard at the default bitrate.
	Complexity int

	// Loss is the share of packets, from 0 to 1, that is expected to be lost.
	// With any, part of each packet is a copy of the one before, in fewer bits,
	// from which [Decoder.Recover] makes up for it. See [Encoder.SetLoss].
	Loss float64
}

// Encoder makes packets of samples. It is not safe for concurrent use.
type Encoder struct {
	enc     *gopus.Encoder
	samples int // in a packet, on all channels
	packet  []byte
}

// checkFormat refuses what Opus does not have.
func checkFormat(f audio.Format) error {
	switch f.Rate {
	case audio.Rate8k, audio.Rate16k, audio.Rate24k, audio.Rate48k:
	default:
		return fmt.Errorf("there is no Opus of %d Hz: use 8000, 16000, 24000 or 48000", int(f.Rate))
	}
	if f.Channels != 1 && f.Channels != 2 {
		return fmt.Errorf("packets of Opus have one or two channels, not %d", f.Channels)
	}
	return nil
}

// NewEncoder returns an encoder. An error says which value makes no sense.
func NewEncoder(cfg EncoderConfig) (*Encoder, error) {
	if cfg.Format == (audio.Format{}) {
		cfg.Format = audio.Mono(audio.Rate48k)
	}
	if cfg.Frame == 0 {
		cfg.Frame = 20 * time.Millisecond
	}
	if cfg.Bitrate == 0 {
		cfg.Bitrate = 32000
	}
	if cfg.Complexity == 0 {
		cfg.Complexity = 5
	}
	if err := checkFormat(cfg.Format); err != nil {
		return nil, err
	}
	switch cfg.Frame {
	case 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond:
	default:
		return nil, fmt.Errorf("a packet of %v: use 10, 20, 40 or 60 ms", cfg.Frame)
	}
	if cfg.Bitrate < 6000 || cfg.Bitrate > 510000 {
		return nil, fmt.Errorf("a bitrate of %d bit/s: use 6000 to 510000", cfg.Bitrate)
	}
	if cfg.Complexity < 1 || cfg.Complexity > 10 {
		return nil, fmt.Errorf("a complexity of %d: use 1 to 10", cfg.Complexity)
	}
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: int(cfg.Format.Rate), Channels: cfg.Format.Channels, Application: gopus.ApplicationVoIP,
	})
	if err != nil {
		return nil, fmt.Errorf("make Opus encoder: %w", err)
	}
	perChannel := int(cfg.Format.Rate.Samples(cfg.Frame))
	if err := errors.Join(
		enc.SetFrameSize(perChannel),
		enc.SetBitrate(cfg.Bitrate),
		enc.SetComplexity(cfg.Complexity),
		enc.SetSignal(gopus.SignalVoice),
	); err != nil {
		return nil, fmt.Errorf("make Opus encoder: %w", err)
	}
	e := &Encoder{enc: enc, samples: perChannel * cfg.Format.Channels, packet: make([]byte, maxBytes)}
	if err := e.SetLoss(cfg.Loss); err != nil {
		return nil, err
	}
	return e, nil
}

// SetLoss tells the encoder which share of its packets is lost on the way, from 0
// to 1, from the next one on.
func (e *Encoder) SetLoss(share float64) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("a loss of %v: use 0 to 1", share)
	}
	e.enc.SetFEC(share > 0)
	return e.enc.SetPacketLoss(int(math.Ceil(100 * share)))
}

// Encode appends the packet with the next samples to dst. There must be as many as
// fill one.
func (e *Encoder) Encode(dst []byte, samples []int16) ([]byte, error) {
	if len(samples) != e.samples {
		return dst, fmt.Errorf("encode Opus: %d samples, where a packet has %d", len(samples), e.samples)
	}
	n, err := e.enc.EncodeInt16(samples, e.packet)
	if err != nil {
		return dst, fmt.Errorf("encode Opus: %w", err)
	}
	return append(dst, e.packet[:n]...), nil
}

// Lookahead returns by how much what is decoded lags behind what was encoded.
func (e *Encoder) Lookahead() time.Duration {
	return audio.SampleRate(e.enc.SampleRate()).Duration(int64(e.enc.Lookahead()))
}

// Decoder makes samples of packets, whatever they were encoded from. It is not
// safe for concurrent use.
type Decoder struct {
	dec    *gopus.Decoder
	format audio.Format
	pcm    []float32 // of MaxPacket
}

// NewDecoder returns a decoder to a format: 8, 16, 24 or 48 kHz, mono or stereo.
func NewDecoder(f audio.Format) (*Decoder, error) {
	if err := checkFormat(f); err != nil {
		return nil, err
	}
	dec, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(int(f.Rate), f.Channels))
	if err != nil {
		return nil, fmt.Errorf("make Opus decoder: %w", err)
	}
	return &Decoder{dec: dec, format: f, pcm: make([]float32, int(f.Rate.Samples(MaxPacket))*f.Channels)}, nil
}

// Decode appends the samples of a packet to dst.
func (d *Decoder) Decode(dst []int16, packet []byte) ([]int16, error) {
	length, err := Duration(packet)
	if err != nil {
		return dst, err
	}
	pcm, err := d.part(length)
	if err != nil {
		return dst, err
	}
	return d.decode(dst, packet, pcm, false)
}

// Conceal appends what stands for audio that did not arrive: the sound so far goes
// on, and fades. d is a multiple of 2.5 ms, at most [MaxPacket].
func (d *Decoder) Conceal(dst []int16, length time.Duration) ([]int16, error) {
	pcm, err := d.part(length)
	if err != nil {
		return dst, err
	}
	return d.decode(dst, nil, pcm, false)
}

// Recover appends the audio of a packet that did not arrive, from the one behind it,
// which is still to be decoded. Where that has no copy, it is concealed.
func (d *Decoder) Recover(dst []int16, length time.Duration, next []byte) ([]int16, error) {
	if _, err := Duration(next); err != nil {
		return dst, err
	}
	pcm, err := d.part(length)
	if err != nil {
		return dst, err
	}
	return d.decode(dst, next, pcm, true)
}

// part returns room for audio of a length.
func (d *Decoder) part(length time.Duration) ([]float32, error) {
	if length <= 0 || length > MaxPacket || length%(2500*time.Microsecond) != 0 {
		return nil, fmt.Errorf("conceal %v of Opus: use a multiple of 2.5 ms up to %v", length, MaxPacket)
	}
	return d.pcm[:int(d.format.Rate.Samples(length))*d.format.Channels], nil
}

func (d *Decoder) decode(dst []int16, packet []byte, pcm []float32, recover bool) ([]int16, error) {
	n, err := d.dec.DecodeWithFEC(packet, pcm, recover)
	if err != nil {
		return dst, fmt.Errorf("decode Opus: %w", err)
	}
	return audio.FromFloat32(dst, pcm[:n*d.format.Channels]), nil
}

// Reset makes the decoder forget what it has decoded.
func (d *Decoder) Reset() { d.dec.Reset() }

// Duration returns how much audio a packet says that it has (RFC 6716, section 3.2),
// or why it can have none.
func Duration(packet []byte) (time.Duration, error) {
	if len(packet) == 0 {
		return 0, errors.New("the Opus packet is empty")
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 || packet[1]&0x3f == 0 {
			return 0, errors.New("the Opus packet has no frames")
		}
		frames = int(packet[1] & 0x3f)
	}
	d := time.Duration(frames) * frameDuration(packet[0])
	if d > MaxPacket {
		return 0, fmt.Errorf("the Opus packet has %v of audio, where there may be %v", d, MaxPacket)
	}
	return d, nil
}

// frameDuration is how much audio is in a frame of a packet that begins with toc
// (RFC 6716, section 3.1, table 2).
func frameDuration(toc byte) time.Duration {
	const ms = time.Millisecond
	switch config := toc >> 3; {
	case config < 12: // SILK
		return [...]time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config%4]
	case config < 16: // hybrid
		return [...]time.Duration{10 * ms, 20 * ms}[config%2]
	default: // CELT
		return [...]time.Duration{2500 * time.Microsecond, 5 * ms, 10 * ms, 20 * ms}[config%4]
	}
}

// HasCopy reports whether a packet has a copy of the one before it, for
// [Decoder.Recover].
func HasCopy(packet []byte) bool { return len(packet) > 0 && gopus.PacketHasLBRR(packet) }

// Pause reports whether a packet is one that a sender ends with before it sends
// nothing while nothing is said (discontinuous transmission): its frames have no
// bytes but those that describe them (RFC 6716, section 3.1; libopus makes no others
// of less than three bytes).
func Pause(packet []byte) bool { return len(packet) > 0 && len(packet) <= 2 }
