package file_test

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/file"
)

func TestAFormatIsReadAsFfmpegNamesIt(t *testing.T) {
	for s, want := range map[string]file.Format{
		"wav":             {Coding: file.WAV},
		"MP3":             {Coding: file.MP3},
		"s16le":           {Coding: file.S16LE},
		"s16le:8000":      {Coding: file.S16LE, Rate: audio.Rate8k},
		"s16le:44100:2":   {Coding: file.S16LE, Rate: audio.Rate44k, Channels: 2},
		"s16be:16000:1":   {Coding: file.S16BE, Rate: audio.Rate16k, Channels: 1},
		"f32le:48000:2":   {Coding: file.F32LE, Rate: audio.Rate48k, Channels: 2},
		"mulaw":           {Coding: file.ULaw},
		"ulaw:8000":       {Coding: file.ULaw, Rate: audio.Rate8k},
		"PCMA:8000:1":     {Coding: file.ALaw, Rate: audio.Rate8k, Channels: 1},
		"alaw:192000:002": {Coding: file.ALaw, Rate: 192000, Channels: 2},
	} {
		got, err := file.ParseFormat(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", s, got, err, want)
		}
	}
}

func TestAFormatThatMakesNoSenseIsRefusedInOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                "there is no coding",
		"flac":            `"flac": there is no coding "flac": use wav or mp3, or raw s16le`,
		"s16le:":          `its rate is "", and not a number: write it as s16le:8000:1`,
		"s16le:8k":        `its rate is "8k"`,
		"s16le:-8000":     `its rate is "-8000"`,
		"s16le:8000:mono": `its number of channels is "mono"`,
		"s16le:8000:1:1":  "more than a coding, a rate and a number of channels",
		"s16le:100":       "a rate of 100 Hz is not between 4000 and 192000 Hz",
		"s16le:8000:6":    "6 channels are not one, or left and right",
		"wav:8000":        "wav says itself",
		":8000":           "there is no coding",
	} {
		_, err := file.ParseFormat(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want %q in one line", s, err, want)
		}
	}
}

// FuzzParseFormat takes whatever stands on a command line: what is accepted is
// written as it is read.
func FuzzParseFormat(f *testing.F) {
	for _, s := range []string{"wav", "s16le:8000:1", "mulaw", "ulaw:8000", "s16le::", "f32le:9999999999999999999", "s16le:8000:2:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := file.ParseFormat(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("the error has several lines: %q", err)
			}
			return
		}
		again, err := file.ParseFormat(got.String())
		if err != nil || again != got {
			t.Errorf("%q is %+v, written %q, which is %+v (%v)", s, got, got, again, err)
		}
	})
}
