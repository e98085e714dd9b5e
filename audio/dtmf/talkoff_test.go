package dtmf_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
)

// recording reads a whole file, mono.
func recording(t testing.TB, path string) (audio.SampleRate, []int16) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r interface {
		Format() audio.Format
		Read([]int16) (int, error)
	}
	if filepath.Ext(path) == ".wav" {
		r, err = wav.NewReader(file)
	} else {
		r, err = mp3.NewReader(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := r.Format()
	var all []int16
	buf := make([]int16, 4096*f.Channels)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	return f.Rate, audio.Remix(nil, all, f.Channels, 1)
}

func TestNoSpeechIsHeardAsKeys(t *testing.T) {
	var files []string
	patterns := []string{"*.mp3", "*.wav", "clips/*.mp3"}
	if testing.Short() {
		patterns = patterns[1:2]
	}
	for _, pattern := range patterns {
		list, err := filepath.Glob(filepath.Join("../../testdata/calls", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	if len(files) < 10 && !testing.Short() || len(files) == 0 {
		t.Fatalf("only %d recordings were found", len(files))
	}
	seconds := 0.0
	for _, path := range files {
		rate, samples := recording(t, path)
		for _, to := range []audio.SampleRate{rate, audio.Rate8k} {
			piece := samples
			if to != rate {
				r, err := audio.NewResampler(rate, to, 1)
				if err != nil {
					t.Fatal(err)
				}
				piece = r.Resample(nil, samples)
				piece = audio.DecodeULaw(nil, audio.EncodeULaw(nil, piece))
			}
			seconds += float64(len(piece)) / float64(to)
			if events := hear(t, to, piece, 160); len(events) > 0 {
				t.Errorf("%s at %v: heard %v", filepath.Base(path), to, events)
			}
		}
	}
	t.Logf("%d recordings, %.0f s of speech", len(files), seconds)
}

func TestAKeyIsHeardOverQuietSpeech(t *testing.T) {
	rate, speech := recording(t, "../../testdata/calls/bargein.wav")
	speech = speech[:30*int(rate)]
	audio.Gain(speech, -42-loudest(speech, int(rate)/50)) // 30 dB below
	var want []byte
	for i := 0; i < 100; i++ {
		key := dtmf.Keys[i%16]
		pcm, err := dtmf.Generator{Rate: rate, Tone: 60 * ms}.Append(nil, string(key))
		if err != nil {
			t.Fatal(err)
		}
		audio.Add(speech[i*len(speech)/100:], pcm)
		want = append(want, key)
	}
	if got := pressed(t, hear(t, rate, speech, 160)); got != string(want) {
		t.Errorf("heard  %q\npressed %q", got, want)
	}
}

// loudest returns the RMS of the loudest n samples.
func loudest(samples []int16, n int) float64 {
	most := math.Inf(-1)
	for i := 0; i+n <= len(samples); i += n {
		most = max(most, audio.RMS(samples[i:i+n]))
	}
	return most
}
