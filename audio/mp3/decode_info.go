package mp3

import "encoding/binary"

// decoderDelay is how many samples later than the encoder counts any decoder of
// layer III gives a sample back: the half overlap of its transform and its
// filter bank.
const decoderDelay = 528 + 1

// streamInfo is what the first frame says about the stream, if it is the
// silent one that encoders put there: the "Xing" or "Info" tag, and behind it
// the extension that began with LAME. Neither is standardised; this is the
// layout that all players read.
type streamInfo struct {
	frames  int64 // that follow; 0 if not told
	skip    int   // samples that the codec added in front
	padding int   // samples that it added behind
}

// parseInfo returns what f tells. ok is false if it is a frame of audio.
func parseInfo(f frame) (info streamInfo, ok bool) {
	be := binary.BigEndian
	b := f.bytes[headerSize+f.sideSize():] // where it is even if there is a CRC
	if len(b) >= 26 && string(b[:4]) == "VBRI" {
		// Fraunhofer's: always 32 bytes after the header. It tells no padding.
		return streamInfo{frames: int64(be.Uint32(b[14:]))}, true
	}
	if len(b) >= 4+32 && f.sideSize() != 32 && string(f.bytes[headerSize+32:][:4]) == "VBRI" && len(f.bytes) >= headerSize+32+18 {
		return streamInfo{frames: int64(be.Uint32(f.bytes[headerSize+32+14:]))}, true
	}
	if len(b) < 8 || string(b[:4]) != "Xing" && string(b[:4]) != "Info" {
		return streamInfo{}, false
	}
	flags := be.Uint32(b[4:])
	b = b[8:]
	for _, field := range []struct {
		flag uint32
		size int
	}{{1, 4}, {2, 4}, {4, 100}, {8, 4}} { // frames, bytes, contents, quality
		if flags&field.flag == 0 {
			continue
		}
		if len(b) < field.size {
			return info, true
		}
		if field.flag == 1 {
			info.frames = int64(be.Uint32(b))
		}
		b = b[field.size:]
	}
	// 9 characters of name, 12 bytes of other things, then two 12-bit numbers.
	if len(b) < 24 {
		return info, true
	}
	switch string(b[:4]) {
	case "LAME", "Lavf", "Lavc":
		info.skip = int(b[21])<<4 | int(b[22])>>4 + decoderDelay
		info.padding = max(int(b[22]&15)<<8|int(b[23])-decoderDelay, 0)
	}
	return info, true
}
