package dtmf_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

// multimon-ng is a decoder that others wrote; it wants 22,050 Hz.
func TestMultimonHearsWhatTheGeneratorMakes(t *testing.T) {
	path := needTool(t, "multimon-ng")
	for _, gen := range []dtmf.Generator{
		{Rate: audio.Rate22k},
		{Rate: audio.Rate22k, Tone: 80 * ms, Gap: 80 * ms, Level: -18, Twist: 2},
		{Rate: audio.Rate8k, Tone: 120 * ms, Gap: 90 * ms},
	} {
		keys := dtmf.Keys + "00771"
		pcm, err := gen.Append(make([]int16, gen.Rate/5), keys)
		if err != nil {
			t.Fatal(err)
		}
		if gen.Rate != audio.Rate22k {
			r, err := audio.NewResampler(gen.Rate, audio.Rate22k, 1)
			if err != nil {
				t.Fatal(err)
			}
			pcm = r.Flush(r.Resample(nil, pcm))
		}
		pcm = audio.AppendSilence(pcm, 8000)
		cmd := exec.Command(path, "-q", "-a", "DTMF", "-t", "raw", "-")
		cmd.Stdin = bytes.NewReader(audio.EncodePCM(nil, pcm))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("multimon-ng: %v", err)
		}
		var heard strings.Builder
		for line := range strings.Lines(string(out)) {
			if key, ok := strings.CutPrefix(strings.TrimSpace(line), "DTMF: "); ok {
				heard.WriteString(key)
			}
		}
		if heard.String() != keys {
			t.Errorf("%+v: multimon-ng heard %q, want %q", gen, heard.String(), keys)
		}
	}
}

// sox makes tones that this package has no part in.
func TestTheDetectorHearsWhatSoxMakes(t *testing.T) {
	path := needTool(t, "sox")
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate48k} {
		var pcm []byte
		for i := range len(dtmf.Keys) {
			low, high, _ := dtmf.Frequencies(dtmf.Keys[i])
			cmd := exec.Command(path, "-D", "-n", "-r", fmt.Sprint(int(rate)), "-b", "16", "-c", "1", "-t", "raw", "-e", "signed", "-L", "-",
				"synth", "0.05", "sine", fmt.Sprint(low), "synth", "0.05", "sine", "mix", fmt.Sprint(high), "gain", "-h", "-9", "pad", "0.03", "0.03")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("sox: %v", err)
			}
			pcm = append(pcm, out...)
		}
		samples := audio.DecodePCM(nil, pcm)
		events := hear(t, rate, samples, 160)
		if got := pressed(t, events); got != dtmf.Keys {
			t.Errorf("%v: heard %q", rate, got)
			continue
		}
		for i := 0; i < len(events); i += 2 {
			want := audio.Position(rate.Samples(30*ms)) + audio.Position(i/2)*audio.Position(rate.Samples(110*ms))
			slack := audio.Position(rate.Samples(ms / 2))
			if d := events[i].Start - want; d > slack || d < -slack {
				t.Errorf("%v: %c at %d, want %d", rate, events[i].Key, events[i].Start, want)
			}
		}
	}
}
