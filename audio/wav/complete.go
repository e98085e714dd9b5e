package wav

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Complete makes the header of a WAV file tell all the audio that is in it: of a
// file whose writer did not come to its [Writer.Close], since its program crashed or
// hangs. f is the whole file, open for reading and writing, at whatever position, and
// is left at its end unless there is an error. A [Reader] needs nobody to do that to
// play what is there, but for the last second; other programs may.
//
// Nothing changes if the header tells everything already, if chunks follow the audio,
// or if the file is an RF64, which has its lengths elsewhere. Half a frame at the end is
// not counted. What is no WAV file gives a [*FormatError], and one that is larger than a
// header can tell [ErrTooLarge].
func Complete(f io.ReadWriteSeeker) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("wav: complete header: %w", err)
	}
	r := bufio.NewReader(f)
	id, _ := r.Peek(4)
	riff := string(id) == "RIFF"
	h, err := readHeader(r, size)
	if err != nil {
		return err
	}
	if !riff {
		return toEnd(f)
	}
	samples := size - h.at
	samples -= samples % int64(h.frame)
	if told := int64(h.inner); h.length != unknownLength {
		told += told & 1 // the pad byte
		follow, err := chunksFollow(f, h.at+told, size)
		if err != nil {
			return fmt.Errorf("wav: complete header: %w", err)
		}
		if samples <= told || follow {
			return toEnd(f)
		}
	}
	if h.at-chunkHeader+samples > math.MaxUint32 {
		return ErrTooLarge
	}
	for _, field := range []struct{ at, length int64 }{{4, h.at - chunkHeader + samples}, {h.at - 4, samples}} {
		if _, err = f.Seek(field.at, io.SeekStart); err == nil {
			_, err = f.Write(binary.LittleEndian.AppendUint32(nil, uint32(field.length)))
		}
		if err != nil {
			return fmt.Errorf("wav: complete header: %w", err)
		}
	}
	return toEnd(f)
}

func toEnd(f io.Seeker) error {
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("wav: complete header: %w", err)
	}
	return nil
}

// maxChunks is how many chunks are looked at behind the audio.
const maxChunks = 1000

// chunksFollow tells whether what is there, up to the end of the file, are chunks: one
// behind the other, to the last byte, as audio would not be by chance.
func chunksFollow(f io.ReadSeeker, at, size int64) (bool, error) {
	for n := 0; at+chunkHeader <= size && n < maxChunks; n++ {
		var head [chunkHeader]byte
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(f, head[:]); err != nil {
			return false, err
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		if at += chunkHeader + length; !isName(head[:4]) || at > size {
			return false, nil
		}
		if at == size {
			return true, nil // the pad byte of the last one may be missing
		}
		at += length & 1
		if at == size {
			return true, nil
		}
	}
	return at+chunkHeader <= size, nil // too many to look at are not audio
}
