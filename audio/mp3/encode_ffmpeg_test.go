package mp3_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/parley-go/parley/audio"
)

// needTool skips the test if a program is not installed, and fails it if all
// have to be.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is 1", name)
	}
	t.Skipf("%s is not installed: apt-get install %s", name, name)
}

// ffmpegDecode gives back the samples that FFmpeg plays. It fails if FFmpeg has
// anything to say about the file.
func ffmpegDecode(t *testing.T, file []byte) []int16 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.mp3")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "level+debug", "-err_detect", "crccheck+bitstream+buffer", "-i", path, "-f", "s16le", "-")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, complaints.Bytes())
	}
	// Beside warnings, FFmpeg says in passing if it has to look for a frame, or
	// if a granule's codes do not end where they should.
	for line := range bytes.Lines(complaints.Bytes()) {
		for _, trouble := range []string{"[warning]", "[error]", "[fatal]", "overread", "bytes of junk"} {
			if bytes.Contains(line, []byte(trouble)) && !bytes.Contains(line, []byte(" 0 bytes of junk")) {
				t.Errorf("ffmpeg: %s", line)
			}
		}
	}
	return toPCM(out.Bytes())
}

func toPCM(raw []byte) []int16 {
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm
}

func TestFFmpegPlaysExactlyTheSamplesThatWereWritten(t *testing.T) {
	needTool(t, "ffmpeg")
	for _, rate := range allRates {
		left, right := speechLike(int(rate), int(rate)+77, 21), speechLike(int(rate), int(rate)+77, 22)
		for _, f := range []audio.Format{audio.Mono(rate), audio.Stereo(rate)} {
			pcm := left
			if f.Channels == 2 {
				pcm = interleave(left, right)
			}
			kbits := bitratesOf(rate)
			for _, kbit := range []int{kbits[0], kbits[7], kbits[13]} {
				t.Run(fmt.Sprintf("%v, %d kbit/s", f, kbit), func(t *testing.T) {
					file := encode(t, pcm, f, kbit*1000)
					got := ffmpegDecode(t, file)
					if len(got) != len(pcm) {
						t.Fatalf("%d values, not %d", len(got), len(pcm))
					}
					// Both decoders agree but for how they round.
					same, _ := decode(t, file)
					for i := range got {
						if d := int(got[i]) - int(same[i]); d > 3 || d < -3 {
							t.Fatalf("value %d is %d in one decoder and %d in another", i, got[i], same[i])
						}
					}
				})
			}
		}
	}
}

func TestFFmpegPlaysRealSpeechWell(t *testing.T) {
	needTool(t, "ffmpeg")
	for _, voice := range [][]string{
		{"espeak-ng", "-v", "en", "-s", "150", "--stdout",
			"She sells sea shells by the sea shore. Peter Piper picked a peck of pickled peppers."},
		{"flite", "-voice", "slt", "-o", "/dev/stdout", "-t",
			"The quick brown fox jumps over the lazy dog. Please hold the line while I look that up."},
	} {
		t.Run(voice[0], func(t *testing.T) {
			needTool(t, voice[0])
			wav, err := exec.Command(voice[0], voice[1:]...).Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, rate := range []audio.SampleRate{16000, 24000} {
				cmd := exec.Command("ffmpeg", "-v", "error", "-i", "pipe:", "-ar", fmt.Sprint(int(rate)), "-ac", "1", "-f", "s16le", "-")
				cmd.Stdin = bytes.NewReader(wav)
				raw, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				pcm := toPCM(raw)
				got := ffmpegDecode(t, encode(t, pcm, audio.Mono(rate), 64000))
				if len(pcm) < int(rate) || len(got) != len(pcm) {
					t.Fatalf("%d samples, not %d", len(got), len(pcm))
				}
				snr, gain := quality(pcm, got)
				t.Logf("%v: signal to noise %.1f dB, gain %+.3f dB", rate, snr, gain)
				if snr < 20 || math.Abs(gain) > 0.1 {
					t.Errorf("%v: signal to noise %.1f dB, gain %+.3f dB", rate, snr, gain)
				}
			}
		})
	}
}
