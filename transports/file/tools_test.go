package file_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/file"
)

// needTool skips a test that needs a program.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", name)
		}
		t.Skipf("%s is not installed: a real program at the other end of the pipe is not tried", name)
	}
}

// What the programs make of a recording is piped into a call, in the virtual time
// of a program, which waits for them.
func TestWhatFfmpegAndSoxPipeInIsHeardSampleBySample(t *testing.T) {
	said := loud(1, 3*24_000+77)
	path := record(t, "a.wav", audio.Mono(rate), said)
	for name, c := range map[string]struct {
		command []string
		format  string
		want    func([]int16) []int16 // of what was said; nil: the same
	}{
		"ffmpeg WAV":        {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "wav", "-"}, "", nil},
		"ffmpeg raw":        {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-"}, "s16le:24000:1", nil},
		"ffmpeg big-endian": {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "s16be", "-"}, "s16be:24000", nil},
		"ffmpeg float":      {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-"}, "f32le:24000:1", nil},
		"ffmpeg stereo":     {[]string{"ffmpeg", "-v", "error", "-i", path, "-af", "pan=stereo|c0=c0|c1=c0", "-f", "s16le", "-"}, "s16le:24000:2", nil},
		"sox WAV":           {[]string{"sox", path, "-t", "wav", "-"}, "", nil},
		"sox raw":           {[]string{"sox", path, "-t", "s16", "-"}, "s16le:24000:1", nil},
		"ffmpeg µ-law": {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "mulaw", "-"}, "mulaw:24000", func(s []int16) []int16 {
			return audio.DecodeULaw(nil, audio.EncodeULaw(nil, s))
		}},
		"ffmpeg A-law": {[]string{"ffmpeg", "-v", "error", "-i", path, "-f", "alaw", "-"}, "alaw:24000", func(s []int16) []int16 {
			return audio.DecodeALaw(nil, audio.EncodeALaw(nil, s))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			needTool(t, c.command[0])
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var l listener
			cfg := file.Config{Reader: out}
			if c.format != "" {
				if cfg.InputFormat, err = file.ParseFormat(c.format); err != nil {
					t.Fatal(err)
				}
			}
			err = virtualtime.Run(func() error {
				call, err := file.New(cfg)
				if err != nil {
					return err
				}
				return pipeline.New(pipeline.Config{}, call.Input(), &l, call.Output()).Run(context.Background())
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %v", c.command, err)
			}
			got := l.samples[:min(len(said), len(l.samples))]
			if c.want == nil {
				if !slices.Equal(got, said) || !audio.IsSilent(l.samples[len(said):]) {
					t.Errorf("%d samples were heard, not the %d that were said", len(l.heard()), len(said))
				}
				return
			}
			// ffmpeg's encoders decide in the middle between two values, which is a
			// step away from the Recommendation at times: see package audio.
			var sum, off float64
			for i, w := range c.want(said) {
				sum += float64(w) * float64(w)
				off += (float64(got[i]) - float64(w)) * (float64(got[i]) - float64(w))
			}
			if db := 10 * math.Log10(off/sum); len(got) != len(said) || db > -35 {
				t.Errorf("%d samples were heard, %.1f dB away", len(got), db)
			}
		})
	}
}

// What a call writes into a pipe is decoded by the programs to what it writes into
// a file.
func TestFfmpegAndSoxDecodeWhatIsPipedOut(t *testing.T) {
	said := loud(1, 24_000)
	in := record(t, "a.wav", audio.Mono(rate), said)
	call := func(t *testing.T, cfg file.Config) {
		t.Helper()
		cfg.Input, cfg.HangUpAfter = in, time.Second
		// It answers in the middle of a chunk, so that nothing depends on which of two
		// things that happen at one instant comes first.
		a := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if in, ok := f.(*frames.AudioInput); ok && in.End() == 12_000 {
				time.Sleep(10 * time.Millisecond)
				return out.Send(out.Generation(), &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: loud(2, 12_000), Track: "agent"}}, frames.Downstream)
			}
			return out.Send(ctx, f, dir)
		})
		err := virtualtime.Run(func() error {
			call, err := file.New(cfg)
			if err != nil {
				return err
			}
			return pipeline.New(pipeline.Config{}, call.Input(), a, call.Output()).Run(context.Background())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "out.wav")
	call(t, file.Config{Output: path})
	_, left, right := load(t, path)
	want := audio.Interleave(nil, left, right)
	for name, c := range map[string]struct {
		format  string
		command []string // writes s16le
		lossy   bool
	}{
		"WAV to ffmpeg":        {"wav", []string{"ffmpeg", "-v", "error", "-i", "-", "-f", "s16le", "-"}, false},
		"WAV to sox":           {"wav", []string{"sox", "-t", "wav", "-", "-t", "s16", "-"}, false},
		"raw to sox":           {"s16le", []string{"sox", "-t", "s16", "-r", "24000", "-c", "2", "-", "-t", "s16", "-"}, false},
		"big-endian to ffmpeg": {"s16be", []string{"ffmpeg", "-v", "error", "-f", "s16be", "-ar", "24000", "-ac", "2", "-i", "-", "-f", "s16le", "-"}, false},
		"float to ffmpeg":      {"f32le", []string{"ffmpeg", "-v", "error", "-f", "f32le", "-ar", "24000", "-ac", "2", "-i", "-", "-f", "s16le", "-"}, false},
		"MP3 to ffmpeg":        {"mp3", []string{"ffmpeg", "-v", "error", "-i", "-", "-f", "s16le", "-"}, true},
		"MP3 to sox":           {"mp3", []string{"sox", "-t", "mp3", "-", "-t", "s16", "-"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			needTool(t, c.command[0])
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			pipe, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			format, err := file.ParseFormat(c.format)
			if err != nil {
				t.Fatal(err)
			}
			call(t, file.Config{Writer: pipe, OutputFormat: format})
			if err := cmd.Wait(); err != nil {
				if name == "MP3 to sox" && bytes.Contains(errs.Bytes(), []byte("no handler")) && os.Getenv("PARLEY_REQUIRE_TOOLS") != "1" {
					t.Skip("sox was built without MP3 (libsox-fmt-mp3): it is not asked")
				}
				t.Fatalf("%v: %v: %s", c.command, err, &errs)
			}
			got := audio.DecodePCM(nil, out.Bytes())
			if !c.lossy {
				if !slices.Equal(got, want) {
					t.Errorf("%d values were decoded, and %d written: %s", len(got), len(want), &errs)
				}
				return
			}
			l, r := audio.Channel(nil, got, 2, 0), audio.Channel(nil, got, 2, 1)
			if frames := len(want) / 2; len(l) < frames || len(l) > frames+3*1152 {
				t.Fatalf("%d samples were decoded of %d", len(l), frames)
			}
			if audio.RMS(l[3000:21_000]) < -30 || audio.RMS(r[3000:10_000]) > -50 || audio.RMS(r[15_000:22_000]) < -30 || audio.RMS(l[28_000:36_000]) > -50 {
				t.Error("the voices are not where they belong")
			}
		})
	}
}
