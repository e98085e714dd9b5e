package file

import (
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

// readSize is how many bytes are asked of a source at once.
const readSize = 32 << 10

// maxEmptyReads is how often a source may return nothing before it is broken.
const maxEmptyReads = 1000

// rawReader decodes samples that have no header. Bytes at the end that are no
// whole frame are ignored, as ffmpeg and sox do: nothing says how many there
// should be.
type rawReader struct {
	src    io.Reader
	coding Coding
	format audio.Format
	frames int64 // in all; -1 if it is not known
	raw    []byte
	have   int // bytes of an incomplete frame at the start of raw
	err    error
}

// newRawReader reads src, which has so many bytes; -1 if that is not known.
func newRawReader(src io.Reader, f Format, size int64) *rawReader {
	r := &rawReader{src: src, coding: f.Coding, format: f.audio(), frames: -1, raw: make([]byte, readSize)}
	if size >= 0 {
		r.frames = size / int64(r.frame())
	}
	return r
}

// frame is how many bytes one sample of each channel has.
func (r *rawReader) frame() int { return r.coding.bytes() * r.format.Channels }

func (r *rawReader) Format() audio.Format { return r.format }

func (r *rawReader) Duration() time.Duration { return r.format.Rate.Duration(max(0, r.frames)) }

// Read is as that of a wav.Reader: it waits for one frame, and returns whole ones.
func (r *rawReader) Read(p []int16) (int, error) {
	frame := r.frame()
	if len(p) < r.format.Channels {
		return 0, io.ErrShortBuffer
	}
	want := min(len(p)/r.format.Channels, len(r.raw)/frame) * frame
	for tries := 0; r.have < frame; tries++ {
		if r.err == nil && tries >= maxEmptyReads {
			r.err = io.ErrNoProgress
		}
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = r.src.Read(r.raw[r.have:want])
		r.have += n
	}
	whole := r.have / frame * frame
	n := len(decodeRaw(p[:0], r.raw[:whole], r.coding))
	r.have = copy(r.raw, r.raw[whole:r.have])
	return n, nil
}

// decodeRaw appends the samples that b, whole ones, holds.
func decodeRaw(dst []int16, b []byte, c Coding) []int16 {
	switch c {
	case ULaw:
		return audio.DecodeULaw(dst, b)
	case ALaw:
		return audio.DecodeALaw(dst, b)
	case S16BE:
		for ; len(b) >= 2; b = b[2:] {
			dst = append(dst, int16(binary.BigEndian.Uint16(b)))
		}
		return dst
	case F32LE:
		for ; len(b) >= 4; b = b[4:] {
			v := [1]float32{math.Float32frombits(binary.LittleEndian.Uint32(b))}
			dst = audio.FromFloat32(dst, v[:])
		}
		return dst
	}
	return audio.DecodePCM(dst, b)
}

// encodeRaw appends samples as bytes.
func encodeRaw(dst []byte, samples []int16, c Coding) []byte {
	switch c {
	case ULaw:
		return audio.EncodeULaw(dst, samples)
	case ALaw:
		return audio.EncodeALaw(dst, samples)
	case S16BE:
		for _, s := range samples {
			dst = binary.BigEndian.AppendUint16(dst, uint16(s))
		}
		return dst
	case F32LE:
		for i := range samples {
			v := audio.ToFloat32(make([]float32, 0, 1), samples[i:i+1])
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v[0]))
		}
		return dst
	}
	return audio.EncodePCM(dst, samples)
}

// rawWriter writes samples without a header.
type rawWriter struct {
	w      io.Writer
	coding Coding
	buffer []byte
}

func (w *rawWriter) Write(p []int16) error {
	w.buffer = encodeRaw(w.buffer[:0], p, w.coding)
	n, err := w.w.Write(w.buffer)
	if err == nil && n < len(w.buffer) {
		err = io.ErrShortWrite
	}
	return err
}

func (w *rawWriter) Close() error { return nil }
