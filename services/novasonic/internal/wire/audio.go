package wire

import (
	"encoding/base64"
	"strconv"

	"github.com/parley-go/parley/audio"
)

// AudioStart opens the block of the user's audio. One block stays open for the
// whole conversation; the service finds the turns in it.
type AudioStart struct {
	PromptName  string
	ContentName string           // unique in the stream, a UUID by custom
	Rate        audio.SampleRate // of the audio that follows: 8, 16 or 24 kHz
}

// AppendEvent appends the contentStart event to dst.
func (e AudioStart) AppendEvent(dst []byte) []byte {
	dst = appendBlockHead(dst, "contentStart", e.PromptName, e.ContentName)
	dst = append(dst, `,"type":"AUDIO","interactive":true,"role":"USER","audioInputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":`...)
	dst = strconv.AppendInt(dst, int64(e.Rate), 10)
	return append(dst, `,"sampleSizeBits":16,"channelCount":1,"audioType":"SPEECH","encoding":"base64"}}}}`...)
}

// AudioEnd closes the block of the user's audio. Closing a block that had no
// audio is refused.
type AudioEnd struct {
	PromptName  string
	ContentName string
}

// AppendEvent appends the contentEnd event to dst.
func (e AudioEnd) AppendEvent(dst []byte) []byte {
	return appendContentEnd(dst, e.PromptName, e.ContentName)
}

// AudioInput builds the audioInput events of one block of audio. It may be
// used by several goroutines at once.
type AudioInput struct {
	prefix []byte        // the event up to the audio
	pairs  *[4096]uint16 // see base64Pairs
}

// NewAudioInput returns a builder for the block that was opened with the same
// two names.
func NewAudioInput(promptName, contentName string) *AudioInput {
	p := appendBlockHead(nil, "audioInput", promptName, contentName)
	return &AudioInput{prefix: append(p, `,"content":"`...), pairs: base64Pairs()}
}

// AppendEvent appends the event that carries samples, mono at the block's
// rate, to dst and returns the result. It allocates only when dst is too
// small; [AudioInput.Size] tells how much it needs.
//
// The service recommends about 32 ms in an event (512 samples at 16 kHz);
// 20 to 250 ms were seen to work.
func (a *AudioInput) AppendEvent(dst []byte, samples []int16) []byte {
	dst = append(dst, a.prefix...)
	dst = appendSamples(dst, samples, a.pairs)
	return append(dst, `"}}}`...)
}

// Size returns the length of an event that carries n samples.
func (a *AudioInput) Size(n int) int {
	return len(a.prefix) + base64.StdEncoding.EncodedLen(2*n) + len(`"}}}`)
}
