// Package wav reads and writes WAV files (RIFF/WAVE), from and to seekable files
// and pipes alike, as signed 16-bit samples.
//
//	r, err := wav.NewReader(file)          w, err := wav.NewWriter(file, r.Format())
//	n, err := r.Read(samples)              _, err = w.Write(samples[:n])
//	                                       err = w.Close()
//
// # Reading
//
// A [Reader] understands what is found in the wild: 8, 16, 24 and 32-bit PCM,
// 32 and 64-bit float, A-law and µ-law, plain and WAVE_FORMAT_EXTENSIBLE
// headers, RF64, chunks of any kind before and after the audio, the headers of
// unknown length (0, 0xFFFFFFFF or 0x7FFFF000) that programs write into pipes
// and leave behind when they crash. A file that ends too early gives all
// samples that it has and then [ErrTruncated]; one of floats with NaN or ±Inf among
// them gives 0 and ±full scale in their place, and in the end [ErrDamaged]. What is not a WAV file gives a
// [FormatError] that says what it is instead, if that can be seen.
//
// # Writing
//
// A [Writer] writes 16-bit PCM. On a seekable file it brings the header up to
// date once a second and at Close, so that a crash costs less than a second; in
// a pipe it writes the header of unknown length that ffmpeg, sox and Reader
// read to the end. [Complete] makes the header of a file that was not closed tell
// the last second, too.
//
// # What is done with go-audio
//
// The container is parsed with github.com/go-audio/riff, around these defects,
// which TestDefect… show as long as they exist: NextChunk and the decoders on top
// of it count the pad byte of an odd chunk as audio, and turn the length
// 0xFFFFFFFF into 0 by that, DecodeWavHeader allocates whatever length a file
// claims and drops the extension that tells what EXTENSIBLE contains, and
// IDnSize ignores that a chunk's length is missing. So only IDnSize, with the
// bytes counted, and DecodeWavHeader, on the first 16 bytes, are used.
// github.com/go-audio/wav needs a seekable file in both directions, returns
// float and µ-law as if they were PCM, and allocates a minute of audio for each
// encoder; here it is a second opinion in tests.
//
// # Sources
//
// IBM and Microsoft, "Multimedia Programming Interface and Data Specifications
// 1.0" (RIFF, WAVE); Microsoft, "Multiple Channel Audio Data and WAVE Files"
// (EXTENSIBLE); EBU Tech 3306 (RF64); RFC 2361 (format tags).
package wav
