// Package mp3 reads and writes MP3 files (MPEG layer III) as signed 16-bit
// samples, in pure Go.
//
//	r, err := mp3.NewReader(file)          w, err := mp3.NewWriter(out, r.Format(), nil)
//	n, err := r.Read(samples)              err = w.Write(samples[:n])
//	                                       err = w.Close()
//
// # Reading
//
// A [Reader] decodes MPEG-1, MPEG-2 and MPEG-2.5 at 11.025 to 48 kHz, mono as
// mono, at constant and variable bit rates, from files and pipes. It leaves out
// the silence that encoders add at both ends, where the file tells how much that
// is (the LAME tag), so that the samples are those that were encoded, in number
// and in place. It steps over tags and damage: what cannot be decoded is silent,
// keeps its length, and is counted ([Reader.Damaged]). A file that ends too early
// gives all samples that it has and then [ErrTruncated]; what is not MP3, or is
// of a kind that cannot be decoded (8 kHz, layers I and II, free bit rate), gives
// a [FormatError] that says so.
//
// # Writing
//
// A [Writer] encodes at a constant bit rate, at rates of 16 to 48 kHz; see there.
//
// # What is done with go-mp3
//
// Frames are decoded by github.com/hajimehoshi/go-mp3. This package finds the
// frames itself and gives them to it one by one, around the defects that are
// listed with the engine in decode_engine.go.
package mp3
