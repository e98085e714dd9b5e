package wav

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/go-audio/riff"
	gowav "github.com/go-audio/wav"

	"github.com/parley-go/parley/audio"
)

// These tests show the defects of the chosen libraries that this package works
// around. When one of them fails, a new version has mended the defect, and the
// work-around can go.

func decodeWithLibrary(t *testing.T, file []byte) []int {
	t.Helper()
	buf, err := gowav.NewDecoder(bytes.NewReader(file)).FullPCMBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Data
}

func TestDefectUnknownLengthIsReadAsNothing(t *testing.T) {
	file := pcmFile(audio.Mono(8000), noise(100))
	binary.LittleEndian.PutUint32(file[40:], 0xFFFFFFFF)
	if got := decodeWithLibrary(t, file); len(got) != 0 {
		t.Errorf("mended: %d samples", len(got))
	}
	chunk, err := riff.New(bytes.NewReader([]byte("data\xff\xff\xff\xff"))).NextChunk()
	if err != nil || chunk.Size != 0 {
		t.Errorf("mended: the chunk has %d bytes, %v", chunk.Size, err)
	}
}

func TestDefectThePadByteIsReadAsAudio(t *testing.T) {
	file := riffFile(fmtChunk(tagPCM, 1, 8000, 8), chunk("data", []byte{1, 2, 3}))
	if got := decodeWithLibrary(t, file); len(got) != 4 {
		t.Errorf("mended: %v", got)
	}
	if _, got := decode(t, file); len(got) != 3 {
		t.Errorf("we read %v", got)
	}
}

func TestDefectFloatAndG711AreReturnedRaw(t *testing.T) {
	float := riffFile(fmtChunk(tagFloat, 1, 8000, 32), chunk("data", float32s(1)))
	if got := decodeWithLibrary(t, float); len(got) != 1 || got[0] != 0x3F800000 {
		t.Errorf("mended: %v", got)
	}
	ulaw := riffFile(fmtChunk(tagULaw, 1, 8000, 8), chunk("data", []byte{0x80, 0x80}))
	if got := decodeWithLibrary(t, ulaw); len(got) != 2 || got[0] != 0x80 {
		t.Errorf("mended: %v", got)
	}
}

func TestDefectExtensibleIsNotResolved(t *testing.T) {
	d := gowav.NewDecoder(bytes.NewReader(riffFile(fmtChunk(tagExtensible, 1, 8000, 16, extension(tagPCM, 16)...), chunk("data", nil))))
	if d.ReadInfo(); d.WavAudioFormat != tagExtensible {
		t.Errorf("mended: format %#x", d.WavAudioFormat)
	}
}

func TestDefectAMissingLengthIsReadAsZero(t *testing.T) {
	if _, size, err := riff.New(bytes.NewReader([]byte("data"))).IDnSize(); err != nil || size != 0 {
		t.Errorf("mended: %d, %v", size, err)
	}
}

func TestDefectTheFormatMayClaimAnyAmountOfMemory(t *testing.T) {
	const claim = 64 << 20
	head := binary.LittleEndian.AppendUint32([]byte("fmt "), claim)
	p := riff.New(bytes.NewReader(append(head, make([]byte, 16)...)))
	c, err := p.NextChunk()
	if err != nil {
		t.Fatal(err)
	}
	if got := allocated(func() { c.DecodeWavHeader(p) }); got < claim {
		t.Errorf("mended: %d bytes for a format of %d that is not there", got, claim)
	}
}

func TestDefectAnEncoderTakesAMinuteOfAudio(t *testing.T) {
	var file memory
	theirs := allocated(func() { gowav.NewEncoder(&file, 48000, 16, 2, 1) })
	if minute := uint64(60 * 48000 * 2 * 2); theirs < minute/2 {
		t.Errorf("mended: %d bytes", theirs)
	}
	ours := allocated(func() { NewWriter(&file, audio.Stereo(audio.Rate48k)) })
	if ours > 4096 {
		t.Errorf("ours takes %d bytes", ours)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
