package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-go/parley/audio"
)

// Coding is how samples become bytes. The names are ffmpeg's.
type Coding string

// WAV and MP3 say themselves what they hold. The others are raw: samples and
// nothing else, interleaved if there are two channels.
const (
	WAV   Coding = "wav"
	MP3   Coding = "mp3"
	S16LE Coding = "s16le" // signed 16-bit, the low byte first
	S16BE Coding = "s16be" // signed 16-bit, the high byte first ("L16" of RFC 3551)
	F32LE Coding = "f32le" // 32-bit float, full scale ±1, the low byte first
	ULaw  Coding = "mulaw" // G.711 µ-law ("PCMU")
	ALaw  Coding = "alaw"  // G.711 A-law ("PCMA")
)

// codings are all of them, as errors list them.
var codings = []Coding{WAV, MP3, S16LE, S16BE, F32LE, ULaw, ALaw}

// aliases are other names that people know a coding by.
var aliases = map[string]Coding{"ulaw": ULaw, "pcmu": ULaw, "pcma": ALaw, "wave": WAV, "s16": S16LE}

// Raw reports whether nothing in the bytes tells what they are.
func (c Coding) Raw() bool { return c != "" && c != WAV && c != MP3 }

// bytes is how many a sample takes, of a raw coding.
func (c Coding) bytes() int {
	switch c {
	case F32LE:
		return 4
	case ULaw, ALaw:
		return 1
	}
	return 2
}

// Format says how audio is stored, where neither its content nor its name does.
// The zero value means that they do.
type Format struct {
	Coding Coding

	// Rate and Channels are those of a raw coding. Channels is 1 by default, and
	// Rate 8 kHz for µ-law and A-law, which is what telephones have.
	Rate     audio.SampleRate
	Channels int
}

// ParseFormat reads a format as it is written on a command line: a coding and,
// if it is raw, the rate in hertz and the number of channels, such as "wav",
// "s16le:16000", "s16le:44100:2" or "mulaw".
func ParseFormat(s string) (Format, error) {
	f, err := parseFormat(s)
	if err != nil {
		return Format{}, fmt.Errorf("audio format %q: %w", s, err)
	}
	return f, nil
}

func parseFormat(s string) (Format, error) {
	parts := strings.Split(s, ":")
	f := Format{Coding: Coding(strings.ToLower(parts[0]))}
	if other, ok := aliases[string(f.Coding)]; ok {
		f.Coding = other
	}
	if len(parts) > 3 {
		return f, errors.New("it has more than a coding, a rate and a number of channels: write it as s16le:8000:1")
	}
	for i, name := range []string{"rate", "number of channels"}[:len(parts)-1] {
		n, err := strconv.Atoi(parts[i+1])
		if err != nil || n <= 0 {
			return f, fmt.Errorf("its %s is %q, and not a number: write it as s16le:8000:1", name, parts[i+1])
		}
		if i == 0 {
			f.Rate = audio.SampleRate(n)
		} else {
			f.Channels = n
		}
	}
	if f.Coding == "" {
		return f, errNoCoding(f.Coding)
	}
	return f, f.check()
}

func errNoCoding(c Coding) error {
	return fmt.Errorf("there is no coding %q: use wav or mp3, or raw s16le, s16be, f32le, mulaw or alaw, with the rate and the number of channels, as in s16le:8000:1", c)
}

// check refuses what no recording has.
func (f Format) check() error {
	switch {
	case f == Format{}:
		return nil
	case !slices.Contains(codings, f.Coding):
		return errNoCoding(f.Coding)
	case !f.Coding.Raw() && (f.Rate != 0 || f.Channels != 0):
		return fmt.Errorf("%s says itself what its rate and channels are: leave them out", f.Coding)
	case f.Rate != 0 && (f.Rate < minRate || f.Rate > maxRate):
		return fmt.Errorf("a rate of %d Hz is not between %d and %d Hz", int(f.Rate), int(minRate), int(maxRate))
	case f.Channels < 0 || f.Channels > maxChannels:
		return fmt.Errorf("%d channels are not one, or left and right", f.Channels)
	}
	return nil
}

// The rates and channels that a conversation can be made of, as in package
// audiofile.
const (
	minRate     audio.SampleRate = 4000
	maxRate     audio.SampleRate = 192000
	maxChannels                  = 2
)

// ofInput fills in the defaults of what is read.
func (f Format) ofInput() (Format, error) {
	if err := f.check(); err != nil || !f.Coding.Raw() {
		return f, err
	}
	if f.Rate == 0 && f.Coding.bytes() == 1 {
		f.Rate = audio.Rate8k
	}
	if f.Rate == 0 {
		return f, fmt.Errorf("the rate of raw %s is in the bytes nowhere: say it, as in %s:8000:1", f.Coding, f.Coding)
	}
	f.Channels = max(1, f.Channels)
	return f, nil
}

// audio is the format of the samples when they are decoded.
func (f Format) audio() audio.Format { return audio.Format{Rate: f.Rate, Channels: f.Channels} }

// String writes f as [ParseFormat] reads it.
func (f Format) String() string {
	s := string(f.Coding)
	if f.Rate > 0 {
		s += fmt.Sprintf(":%d", int(f.Rate))
		if f.Channels > 0 {
			s += fmt.Sprintf(":%d", f.Channels)
		}
	}
	return s
}

// rawNames are what people call files of raw audio, and what is likely in them.
var rawNames = map[string]string{
	".raw": "s16le:8000:1", ".pcm": "s16le:8000:1", ".lpcm": "s16le:16000:1", ".sln": "s16le:8000:1",
	".s16": "s16le:8000:1", ".s16le": "s16le:8000:1", ".sw": "s16le:8000:1", ".s16be": "s16be:8000:1",
	".f32": "f32le:16000:1", ".f32le": "f32le:16000:1",
	".ul": "mulaw:8000:1", ".ulaw": "mulaw:8000:1", ".mulaw": "mulaw:8000:1", ".pcmu": "mulaw:8000:1",
	".al": "alaw:8000:1", ".alaw": "alaw:8000:1", ".pcma": "alaw:8000:1",
}

// rawName returns a format that a file may have which is named like raw audio;
// "" if it is not.
func rawName(path string) string { return rawNames[strings.ToLower(filepath.Ext(path))] }
