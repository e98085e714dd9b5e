package file_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/transports/file"
)

// decodedFile is what a file holds, in one channel.
func decodedFile(t *testing.T, path string) []int16 {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []int16
	block := make([]int16, 4800)
	for err == nil {
		var n int
		n, err = r.Read(block)
		all = append(all, block[:n]...)
	}
	return all
}

func TestARecordingIsRepeatedToTheSample(t *testing.T) {
	said := loud(1, 24_000+77) // no whole number of pieces
	wavPath := record(t, "a.wav", audio.Mono(rate), said)
	mp3Path := record(t, "a.mp3", audio.Mono(rate), said)
	raw := filepath.Join(t.TempDir(), "a.raw")
	if err := os.WriteFile(raw, audio.EncodePCM(nil, said), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]file.Config{
		"WAV":      {Input: wavPath},
		"MP3":      {Input: mp3Path},
		"raw":      {Input: raw, InputFormat: pcm},
		"a seeker": {Reader: bytes.NewReader(streamWAV(said, 0xFFFFFFFF, 0xFFFFFFFF))},
	} {
		for _, gap := range []time.Duration{0, 321 * time.Millisecond} {
			for _, pace := range []file.Pace{file.RealTime, file.Fast} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						if r, ok := cfg.Reader.(*bytes.Reader); ok {
							r.Seek(0, io.SeekStart) // from the case before
						}
						once := said
						if name == "MP3" {
							once = decodedFile(t, mp3Path)
						}
						var want []int16
						for i := range 3 {
							if i > 0 {
								want = audio.AppendSilence(want, int(rate.Samples(gap)))
							}
							want = append(want, once...)
						}
						var last file.Progress
						cfg.Repeat, cfg.RepeatGap, cfg.Pace = 3, gap, pace
						cfg.Progress = func(p file.Progress) {
							if !p.Tail {
								last = p
							}
						}
						var l listener
						call := open(t, cfg)
						if err := run(t, call, &l); err != nil {
							t.Fatal(err)
						}
						if n := len(want); len(l.samples) < n || !slices.Equal(l.samples[:n], want) || !audio.IsSilent(l.samples[n:]) {
							t.Errorf("%d samples were heard, not the %d of three times", len(l.samples), n)
						}
						if n := call.Stats().Repeats; n != 2 {
							t.Errorf("it was repeated %d times", n)
						}
						if whole := rate.Duration(int64(len(want))); call.Duration() > 0 && (last.Total-whole).Abs() > time.Microsecond || last.Position > whole {
							t.Errorf("the last progress is %+v of %v", last, whole)
						}
					})
				})
			}
		}
	}
}

func TestARecordingIsRepeatedUntilTheCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := loud(1, 10_000)
		var l listener
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), said), Repeat: file.Forever, MaxDuration: time.Minute})
		if err := run(t, call, &l); err != nil {
			t.Fatal(err)
		}
		if len(l.samples) != 60*24_000 {
			t.Fatalf("%d samples were heard", len(l.samples))
		}
		for i, v := range l.samples {
			if v != said[i%len(said)] {
				t.Fatalf("sample %d is another one", i)
			}
		}
	})
}

func TestARecordingThatChangesWhileItIsRepeatedIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := record(t, "a.wav", audio.Mono(rate), loud(1, 24_000))
		call := open(t, file.Config{Input: path, Repeat: 2})
		other := record(t, "b.wav", audio.Mono(audio.Rate8k), loud(1, 24_000))
		if err := os.Rename(other, path); err != nil {
			t.Fatal(err)
		}
		if err := run(t, call); err == nil || !strings.Contains(err.Error(), "the recording was 24 kHz mono and is 8 kHz mono now") {
			t.Errorf("Run: %v", err)
		}
	})
}

// slow takes its time over each piece of what the caller says, and counts what it
// missed.
type slow struct {
	listener
	takes time.Duration
}

func (s *slow) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.AudioInput); ok {
		time.Sleep(s.takes)
	}
	return s.listener.Process(ctx, f, dir, out)
}

// apart is a processor whose system frames have a goroutine of their own.
type apart struct{ *slow }

func (a apart) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return a.Process(ctx, f, dir, out)
}

func TestASlowProcessorHoldsAFastRecordingUp(t *testing.T) {
	said := loud(1, 2*60*24_000) // 6000 pieces, of which lanes hold a thousand
	for name, place := range map[string]func(*slow) []pipeline.Processor{
		"alone":             func(s *slow) []pipeline.Processor { return []pipeline.Processor{s} },
		"on two goroutines": func(s *slow) []pipeline.Processor { return []pipeline.Processor{apart{s}} },
		"in a chain": func(s *slow) []pipeline.Processor {
			return []pipeline.Processor{&slow{takes: time.Millisecond}, s, &slow{takes: 2 * time.Millisecond}}
		},
		"beside one that is fast": func(s *slow) []pipeline.Processor {
			return []pipeline.Processor{pipeline.Parallel(pipeline.Chain(), s)}
		},
		"in a branch of a branch": func(s *slow) []pipeline.Processor {
			return []pipeline.Processor{pipeline.Parallel(&slow{}, pipeline.Parallel(apart{s}, pipeline.Chain()))}
		},
		"in a switch": func(s *slow) []pipeline.Processor {
			return []pipeline.Processor{pipeline.Switch(pipeline.SwitchConfig{}, s, &slow{})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := record(t, "a.wav", audio.Mono(rate), said)
				s := &slow{takes: 3 * time.Millisecond}
				call := open(t, file.Config{Input: path, Pace: file.Fast, HangUpAfter: time.Second})
				all := append([]pipeline.Processor{call.Input()}, place(s)...)
				p := pipeline.New(pipeline.Config{}, append(all, call.Output())...)
				began := time.Now()
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.heard(), said) || len(s.samples) < len(said)+24_000 || len(s.samples) > len(said)+24_000+2*480 {
					t.Errorf("%d of %d samples were heard", len(s.samples), len(said))
				}
				for _, q := range p.Stats() {
					if q.System.Shed > 0 {
						t.Errorf("%s dropped %d frames", q.Processor, q.System.Shed)
					}
				}
				// 6050 pieces of 3 ms each, and nothing that waits for a clock.
				if took := time.Since(began); took < 18*time.Second || took > 19*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestFastNeedsItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), loud(1, 24_000)), Pace: file.Fast})
		err := pipeline.New(pipeline.Config{}, call.Input()).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "Output, which is not in the pipeline: put it last") {
			t.Errorf("Run: %v", err)
		}
		if err := call.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatTheAgentSaysToAFastRecordingIsPlayedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := open(t, file.Config{Input: record(t, "a.wav", audio.Mono(rate), loud(1, 24_000)), Pace: file.Fast})
		began := time.Now()
		if err := run(t, call, &agent{at: map[audio.Position][]int16{480: voice(1, 5*24_000)}}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Second || took > 5200*time.Millisecond || call.Stats().Speech != 5*24_000 {
			t.Errorf("it took %v and %d samples were played", took, call.Stats().Speech)
		}
	})
}
