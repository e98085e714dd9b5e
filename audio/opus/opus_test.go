package opus

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thesyncim/gopus/container/ogg"
	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/testdata/calls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// speech returns a recording at a rate: somebody speaks.
func speech(t testing.TB, rate audio.SampleRate) []int16 {
	t.Helper()
	s, format, err := calls.Read("order.mp3")
	if err != nil {
		t.Fatal(err)
	}
	rs, err := audio.NewResampler(format.Rate, rate, 1)
	if err != nil {
		t.Fatal(err)
	}
	return rs.Flush(rs.Resample(nil, s))
}

// packets encodes samples, whole packets only.
func packets(t testing.TB, e *Encoder, samples []int16) [][]byte {
	t.Helper()
	var all [][]byte
	for c := range slices.Chunk(samples, e.samples) {
		if len(c) < e.samples {
			break
		}
		p, err := e.Encode(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// decodeAll decodes packets; a nil one is concealed.
func decodeAll(t testing.TB, d *Decoder, all [][]byte) []int16 {
	t.Helper()
	var s []int16
	for _, p := range all {
		var err error
		if s, err = d.Decode(s, p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// likeness is how much b is a, from 0 to 1, where b lags behind by less than
// limit samples, and by how much it does.
func likeness(a, b []int16, limit int) (best float64, lag int) {
	a = a[:min(len(a), 48000)]
	for l := range limit {
		var ab, aa, bb float64
		for i := 0; i < len(a) && i+l < len(b); i++ {
			x, y := float64(a[i]), float64(b[i+l])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		if c := ab / math.Sqrt(aa*bb+1); c > best {
			best, lag = c, l
		}
	}
	return best, lag
}

func encoder(t testing.TB, cfg EncoderConfig) *Encoder {
	t.Helper()
	e, err := NewEncoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decoder(t testing.TB, f audio.Format) *Decoder {
	t.Helper()
	d, err := NewDecoder(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSpeechComesThrough(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k, audio.Rate48k} {
		for _, frame := range []time.Duration{10, 20, 40, 60} {
			frame *= time.Millisecond
			e := encoder(t, EncoderConfig{Format: audio.Mono(rate), Frame: frame})
			said := speech(t, rate)[rate.Samples(time.Second):rate.Samples(3*time.Second)]
			all := packets(t, e, said)
			for _, p := range all {
				if d, err := Duration(p); d != frame || err != nil {
					t.Fatalf("a packet of %v is said to have %v, %v", frame, d, err)
				}
			}
			heard := decodeAll(t, decoder(t, audio.Mono(rate)), all)
			if len(heard) != len(all)*int(rate.Samples(frame)) {
				t.Errorf("%d Hz, %v: %d packets became %d samples", rate, frame, len(all), len(heard))
			}
			like, lag := likeness(said, heard, int(rate.Samples(20*time.Millisecond)))
			if like < 0.9 { // for voices, encoders of Opus filter what is below
				t.Errorf("%d Hz, %v: the likeness is %.3f", rate, frame, like)
			}
			if d := (rate.Duration(int64(lag)) - e.Lookahead()).Abs(); d > 2*time.Millisecond {
				t.Errorf("%d Hz, %v: it lags by %v, want the lookahead of %v", rate, frame, rate.Duration(int64(lag)), e.Lookahead())
			}
		}
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	e, d := encoder(t, EncoderConfig{}), decoder(t, audio.Mono(audio.Rate16k))
	said := speech(t, audio.Rate48k)[48000:]
	packet, heard := make([]byte, 0, 1500), make([]int16, 0, 5760)
	allocs := testing.AllocsPerRun(50, func() {
		p, err := e.Encode(packet, said[:960])
		if err == nil {
			_, err = d.Decode(heard, p)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
}

func TestWhatIsLostIsMadeUpFor(t *testing.T) {
	// One packet in five is lost, as the encoder knows.
	const every = 5
	rate := audio.Rate16k
	said := speech(t, rate)[:rate.Samples(12*time.Second)]
	all := packets(t, encoder(t, EncoderConfig{Format: audio.Mono(rate), Loss: 0.2, Bitrate: 24000}), said)
	n := int(rate.Samples(20 * time.Millisecond))
	whole := decodeAll(t, decoder(t, audio.Mono(rate)), all)
	hear := func(recover bool) (lost float64) {
		d := decoder(t, audio.Mono(rate))
		var heard []int16
		for i, p := range all {
			var err error
			switch {
			case i%every != every-1:
				heard, err = d.Decode(heard, p)
			case recover && i+1 < len(all):
				heard, err = d.Recover(heard, 20*time.Millisecond, all[i+1])
			default:
				heard, err = d.Conceal(heard, 20*time.Millisecond)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(heard) != len(whole) {
			t.Fatalf("%d samples, want %d", len(heard), len(whole))
		}
		var a, b []int16
		for i := range all {
			if i%every == every-1 {
				a, b = append(a, whole[i*n:(i+1)*n]...), append(b, heard[i*n:(i+1)*n]...)
			}
		}
		lost, _ = likeness(a, b, 1)
		return lost
	}
	recovered, concealed := hear(true), hear(false)
	t.Logf("of what was lost %.3f is heard (concealed %.3f)", recovered, concealed)
	if recovered < 0.9 || concealed > recovered-0.1 {
		t.Errorf("the copies in the packets are worth nothing: %.3f, concealed %.3f", recovered, concealed)
	}
	if concealed < 0.3 {
		t.Errorf("what is concealed is like nothing: %.3f", concealed)
	}
}

func TestConcealmentFades(t *testing.T) {
	rate := audio.Rate48k
	all := packets(t, encoder(t, EncoderConfig{}), speech(t, rate))
	d := decoder(t, audio.Mono(rate))
	loudest := math.Inf(-1)
	for i := range all { // up to a loud packet in the middle
		level := audio.RMS(decodeAll(t, d, all[i:i+1]))
		if loudest = max(loudest, level); i > 100 && level > loudest-6 {
			break
		}
	}
	var last []int16
	for range 50 {
		var err error
		if last, err = d.Conceal(nil, 20*time.Millisecond); err != nil || len(last) != 960 {
			t.Fatal(len(last), err)
		}
	}
	if level := audio.RMS(last); level > loudest-30 {
		t.Errorf("after a second of nothing there is still sound of %.0f dBFS, of %.0f", level, loudest)
	}
}

func TestFFmpegUnderstandsWhatIsEncoded(t *testing.T) {
	ffmpeg := need(t, "ffmpeg")
	said := speech(t, audio.Rate48k)[48000 : 6*48000]
	e := encoder(t, EncoderConfig{Loss: 0.1})
	var file bytes.Buffer
	w, err := ogg.NewWriter(&file, 48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets(t, e, said) {
		if err := w.WritePacket(p, 960); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/said.opus"
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ffmpeg, "-v", "error", "-c:a", "libopus", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "48000", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	heard := audio.DecodePCM(nil, out)
	ours := decodeAll(t, decoder(t, audio.Mono(audio.Rate48k)), packets(t, encoder(t, EncoderConfig{Loss: 0.1}), said))
	like, lag := likeness(heard, ours, 1000)
	t.Logf("likeness of ffmpeg's and our decoding %.6f, lag %d", like, lag)
	if like < 0.9999 {
		t.Errorf("ffmpeg hears something else: the likeness is %.4f", like)
	}
}

func TestWhatFFmpegEncodesIsUnderstood(t *testing.T) {
	ffmpeg := need(t, "ffmpeg")
	said := speech(t, audio.Rate48k)[48000 : 6*48000]
	for _, mode := range []string{"voip", "audio", "lowdelay"} {
		for _, frame := range []int{5, 10, 20, 60} {
			cmd := exec.Command(ffmpeg, "-v", "error", "-f", "s16le", "-ac", "1", "-ar", "48000", "-i", "-",
				"-c:a", "libopus", "-b:a", "32k", "-application", mode, "-frame_duration", strconv.Itoa(frame), "-f", "ogg", "-")
			cmd.Stdin = bytes.NewReader(audio.EncodePCM(nil, said))
			file, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			r, err := ogg.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			d := decoder(t, audio.Mono(audio.Rate48k))
			var heard []int16
			for {
				p, _, err := r.ReadPacket()
				if errors.Is(err, io.EOF) {
					break
				}
				if err == nil {
					heard, err = d.Decode(heard, p)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if like, _ := likeness(said, heard, 1000); like < 0.9 {
				t.Errorf("%s, %d ms: the likeness is %.3f", mode, frame, like)
			}
		}
	}
}

// need returns the path of a tool, or skips the test.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", name)
		}
		t.Skipf("SKIPPED: %s is not installed, so nobody else judges our Opus", name)
	}
	return path
}

func TestValuesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		cfg  EncoderConfig
		want string
	}{
		{EncoderConfig{Format: audio.Mono(audio.Rate44k)}, "44100 Hz"},
		{EncoderConfig{Format: audio.Format{Rate: audio.Rate48k, Channels: 3}}, "not 3"},
		{EncoderConfig{Frame: 30 * time.Millisecond}, "10, 20, 40 or 60 ms"},
		{EncoderConfig{Bitrate: 32}, "6000 to 510000"},
		{EncoderConfig{Complexity: 11}, "1 to 10"},
		{EncoderConfig{Loss: 20}, "0 to 1"},
		{EncoderConfig{Loss: math.NaN()}, "0 to 1"},
	} {
		if _, err := NewEncoder(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
	if _, err := NewDecoder(audio.Mono(audio.Rate11k)); err == nil {
		t.Error("a decoder to 11025 Hz was made")
	}
	if _, err := encoder(t, EncoderConfig{}).Encode(nil, make([]int16, 959)); err == nil || !strings.Contains(err.Error(), "a packet has 960") {
		t.Errorf("959 samples: %v", err)
	}
	d := decoder(t, audio.Mono(audio.Rate16k))
	for _, length := range []time.Duration{0, -time.Millisecond, 21 * time.Millisecond, time.Second} {
		if _, err := d.Conceal(nil, length); err == nil {
			t.Errorf("%v were concealed", length)
		}
	}
}

func TestWhatAPauseEndsWith(t *testing.T) {
	for _, c := range []struct {
		p    []byte
		want bool
	}{{nil, false}, {[]byte{0x78}, true}, {[]byte{0x78, 1}, true}, {[]byte{0x78, 1, 2}, false}} {
		if got := Pause(c.p); got != c.want {
			t.Errorf("Pause(%x) = %v", c.p, got)
		}
	}
}

// Nothing that a peer sends may bring more than an error, and it may not spoil
// what follows.
func FuzzDecode(f *testing.F) {
	for _, p := range packets(f, encoder(f, EncoderConfig{Loss: 0.1}), speech(f, audio.Rate48k)[:48000]) {
		f.Add(p, true)
	}
	f.Add([]byte{0xff, 0xff}, false)
	f.Add([]byte{0x03, 0x30}, false)
	f.Fuzz(func(t *testing.T, p []byte, recover bool) {
		for _, format := range []audio.Format{audio.Mono(audio.Rate16k), {Rate: audio.Rate48k, Channels: 2}} {
			d := decoder(t, format)
			want, errLength := Duration(p)
			if recover {
				d.Recover(nil, 20*time.Millisecond, p)
			}
			for range 2 {
				s, err := d.Decode(nil, p)
				if err != nil {
					continue
				}
				if got := format.Duration(len(s)); errLength != nil || got != want {
					t.Fatalf("%d bytes became %v of audio, where they have %v (%v)", len(p), got, want, errLength)
				}
			}
			if s, err := d.Conceal(nil, 20*time.Millisecond); err != nil || format.Duration(len(s)) != 20*time.Millisecond {
				t.Fatalf("after it, 20 ms are concealed by %d samples, %v", len(s), err)
			}
		}
	})
}
