package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"
)

// Each benchmark runs its baseline in the same run, turn by turn, so that a
// busy machine slows both, and reports the ratio.
//
//	go test -bench . -benchmem ./services/novasonic/internal/wire

// batch is how many events are timed at once: a clock reading costs as much
// as a tenth of an event.
const batch = 64

// against reports the time of subject and baseline for one event each, and
// their ratio.
func against(b *testing.B, subject, baseline func()) {
	var took, other time.Duration
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		b.StopTimer()
		began := time.Now()
		for range batch {
			baseline()
		}
		other += time.Since(began)
		b.StartTimer()
		began = time.Now()
		for range batch {
			subject()
		}
		took += time.Since(began)
		n += batch
	}
	b.ReportMetric(float64(took)/float64(n), "ns/event")
	b.ReportMetric(float64(other)/float64(n), "ns/event-json")
	b.ReportMetric(float64(took)/float64(other), "x-json")
}

func speech(n int) []int16 {
	samples := make([]int16, n)
	v := uint16(1)
	for i := range samples {
		v = v*25173 + 13849
		samples[i] = int16(v)
	}
	return samples
}

// BenchmarkAudioInput builds the event of 32 ms at 16 kHz. The baseline is
// what one would write first: a struct, a []byte, json.Marshal.
func BenchmarkAudioInput(b *testing.B) {
	const prompt, content = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
	samples := speech(512)
	builder := NewAudioInput(prompt, content)
	buf := make([]byte, 0, builder.Size(len(samples)))

	type input struct {
		PromptName  string `json:"promptName"`
		ContentName string `json:"contentName"`
		Content     []byte `json:"content"`
	}
	type envelope struct {
		Event struct {
			AudioInput input `json:"audioInput"`
		} `json:"event"`
	}
	against(b, func() {
		buf = builder.AppendEvent(buf[:0], samples)
	}, func() {
		pcm := make([]byte, 0, 2*len(samples))
		for _, s := range samples {
			pcm = binary.LittleEndian.AppendUint16(pcm, uint16(s))
		}
		var e envelope
		e.Event.AudioInput = input{prompt, content, pcm}
		if _, err := json.Marshal(e); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkAudioOutput reads an event of 100 ms at 24 kHz, as the service
// sends them. The baseline decodes straight into a struct of just the fields
// that are needed, the fastest that encoding/json can do, and then makes
// samples of the bytes.
func BenchmarkAudioOutput(b *testing.B) {
	in := asTheServiceWritesIt(speech(2400))
	var d Decoder
	against(b, func() {
		if _, err := d.Decode(in); err != nil {
			b.Fatal(err)
		}
	}, func() {
		var e struct {
			Event struct {
				AudioOutput struct {
					ContentID string `json:"contentId"`
					Content   string `json:"content"`
				} `json:"audioOutput"`
			} `json:"event"`
		}
		if err := json.Unmarshal(in, &e); err != nil {
			b.Fatal(err)
		}
		pcm, err := base64.StdEncoding.DecodeString(e.Event.AudioOutput.Content)
		if err != nil {
			b.Fatal(err)
		}
		samples := make([]int16, len(pcm)/2)
		for i := range samples {
			samples[i] = int16(binary.LittleEndian.Uint16(pcm[2*i:]))
		}
	})
}
