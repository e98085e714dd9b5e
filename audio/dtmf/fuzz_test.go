package dtmf_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

// Whatever the samples are, and however they are cut and lost: events come in
// pairs, in order, within the stream and in time.
func FuzzDetector(f *testing.F) {
	pcm, err := dtmf.Generator{Rate: audio.Rate8k, Tone: 40 * ms}.Append(nil, "1#")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(audio.EncodePCM(nil, pcm), uint16(160), uint16(0), uint8(0))
	f.Add(audio.EncodePCM(nil, pcm), uint16(33), uint16(100), uint8(3))
	f.Add([]byte{0, 0x80, 0xff, 0x7f}, uint16(1), uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, piece, lost uint16, every uint8) {
		d, err := dtmf.NewDetector(audio.Rate8k)
		if err != nil {
			t.Fatal(err)
		}
		samples := audio.DecodePCM(nil, raw)
		var events []dtmf.Event
		for i := 0; len(samples) > 0; i++ {
			n := min(len(samples), int(piece)+1)
			before := len(events)
			events = d.Write(events, samples[:n])
			for _, e := range events[before:] {
				at := e.Start
				if e.Up {
					at = e.End
				}
				if late := d.Position() - at; late < 0 || late > audio.Position(d.Latency()+n) {
					t.Fatalf("%v is reported at %d", e, d.Position())
				}
			}
			samples = samples[n:]
			if every > 0 && i%int(every) == 0 {
				events = d.Skip(events, int64(lost))
			}
		}
		events = d.Close(events)
		pressed(t, events)
		for _, e := range events {
			if !dtmf.IsKey(e.Key) || e.Start < 0 || e.End > d.Position() {
				t.Fatalf("%v in a stream of %d samples", e, d.Position())
			}
		}
	})
}

// Whatever is asked for, the generator refuses it or makes as much as it says.
func FuzzGenerator(f *testing.F) {
	f.Add("123A456B789C*0#D", int32(8000), int64(40*ms), int64(40*ms), -12.0, 0.0)
	f.Add("x", int32(0), int64(-1), int64(-1), 0.0, 100.0)
	f.Fuzz(func(t *testing.T, keys string, rate int32, tone, gap int64, level, twist float64) {
		gen := dtmf.Generator{Rate: audio.SampleRate(rate), Level: level, Twist: twist}
		gen.Tone, gen.Gap = min(time.Second, time.Duration(tone)), min(time.Second, time.Duration(gap))
		if len(keys) > 8 {
			keys = keys[:8]
		}
		got, err := gen.Append(nil, keys)
		if err != nil {
			if len(got) > 0 {
				t.Errorf("%d samples in spite of %v", len(got), err)
			}
			return
		}
		if gen.Tone != 0 && gen.Gap != 0 && int64(len(got)) != int64(len(keys))*(gen.Rate.Samples(gen.Tone)+gen.Rate.Samples(gen.Gap)) {
			t.Errorf("%+v made %d samples of %q", gen, len(got), keys)
		}
	})
}
