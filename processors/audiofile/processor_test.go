package audiofile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
)

func TestAgentSourcePlaysTheWholeFileBetweenTTSStartAndTTSStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := audio.Stereo(audio.Rate11k) // 20 ms are no whole number of samples
		want := tone(f, 11_025+7)
		path := write(t, "jingle.wav", f, want)
		var got []int16
		var others []string
		next := audio.Position(0)
		collect := pipeline.Func(func(ctx context.Context, fr frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			switch a := fr.(type) {
			case *frames.AudioOutput:
				if a.Position != next || a.Track != "jingle.wav" || a.Response != "jingle.wav" || a.Format != f {
					t.Errorf("%v at %d, want %d", a, a.Position, next)
				}
				next = a.End()
				got = append(got, a.Samples...)
			case *frames.Start:
			default:
				others = append(others, fr.String())
			}
			return out.Send(ctx, fr, dir)
		})
		err := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: path, End: true}), collect).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, got) {
			t.Errorf("got %d values, want %d", len(got), len(want))
		}
		if diff := cmp.Diff([]string{"TTSStart(jingle.wav)", "TTSStop(jingle.wav)", "End(" + path + " is over)"}, others); diff != "" {
			t.Errorf("beside the audio (-want +got):\n%s", diff)
		}
	})
}

func TestAnAgentSourceThatIsInterruptedTellsItsEndOnce(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	path := write(t, "jingle.wav", f, tone(f, 8000)) // 50 pieces
	for name, at := range map[string]int{"at the first piece": 1, "in the middle": 20, "at the last piece": 50} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var others []string
				pieces := 0
				collect := pipeline.Func(func(ctx context.Context, fr frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					switch fr.(type) {
					case *frames.AudioOutput:
						if pieces++; pieces == at {
							out.Interrupt("barge-in")
						}
						time.Sleep(time.Millisecond) // so that the source has to wait
					case *frames.TTSStart, *frames.TTSStop, *frames.End:
						others = append(others, fr.String())
					}
					return out.Send(ctx, fr, dir)
				})
				if err := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: path, End: true}), collect).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"TTSStart(jingle.wav)", "TTSStop(jingle.wav)", "End(" + path + " is over)"}, others); diff != "" || pieces > at {
					t.Errorf("%d pieces of at most %d, and beside them (-want +got):\n%s", pieces, at, diff)
				}
			})
		})
	}
}

func TestAnAgentSourceThatFailsTellsItsEndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := audio.Mono(audio.Rate8k)
		path := save(t, "cut.wav", wavBytes(t, f, tone(f, 8000))[:44+2*1000])
		var told []string
		collect := pipeline.Func(func(ctx context.Context, fr frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			switch fr.(type) {
			case *frames.TTSStart, *frames.TTSStop:
				told = append(told, fr.String())
			}
			return out.Send(ctx, fr, dir)
		})
		// Inline, it is told on the source's goroutine: the failure drops what is queued.
		err := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: path}), pipeline.Inline(collect)).Run(t.Context())
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Run: %v", err)
		}
		if diff := cmp.Diff([]string{"TTSStart(cut.wav)", "TTSStop(cut.wav)"}, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestCallerSourcePlaysInRealTimeInMono(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := audio.Stereo(audio.Rate16k)
		samples := tone(f, 16_000)
		path := write(t, "caller.wav", f, samples)
		start := time.Now()
		var got []int16
		collect := pipeline.Func(func(ctx context.Context, fr frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if a, ok := fr.(*frames.AudioInput); ok {
				if now := time.Since(start); now != audio.Rate16k.Duration(int64(a.End())) {
					t.Errorf("samples up to %d came after %v", a.End(), now)
				}
				got = append(got, a.Samples...)
			}
			return out.Send(ctx, fr, dir)
		})
		if err := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: path, Caller: true, End: true}), collect).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := audio.Remix(nil, samples, 2, 1); !slices.Equal(want, got) {
			t.Errorf("got %d samples, want %d", len(got), len(want))
		}
	})
}

func TestSourceOfABadFileStopsThePipelineAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: "none.wav"})).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "open none.wav: no such file or directory: check the path") {
			t.Errorf("Run: %v", err)
		}
		err = pipeline.New(pipeline.Config{}, audiofile.NewSink(audiofile.SinkConfig{Path: "none/none.wav"})).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "make the folder none first") {
			t.Errorf("Run: %v", err)
		}
	})
}

// feed sends frames down a pipeline with a sink, and ends it.
func feed(t *testing.T, sink *audiofile.Sink, list ...frames.Frame) error {
	t.Helper()
	p := pipeline.New(pipeline.Config{}, sink)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	for _, f := range append(list, &frames.End{}) {
		if err := p.Send(t.Context(), f); err != nil {
			t.Errorf("Send: %v", err)
		}
	}
	return <-done
}

func TestSinkWritesTheAgentAsTheServiceSentIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wav")
		f := audio.Mono(audio.Rate24k)
		samples := tone(f, 3000)
		if err := feed(t, audiofile.NewSink(audiofile.SinkConfig{Path: path, Track: "a"}),
			&frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: samples[:1000], Track: "a"}},
			&frames.AudioInput{Audio: frames.Audio{Format: f, Samples: samples, Track: "a"}},
			&frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: samples, Track: "b"}},
			&frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: samples[1000:], Track: "a", Position: 9000}},
		); err != nil {
			t.Fatal(err)
		}
		if _, got := readAll(t, path); !slices.Equal(samples, got) {
			t.Errorf("%d samples were written, want %d", len(got), len(samples))
		}
	})
}

func TestSinkFillsTheGapsOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wav")
		f := audio.Mono(audio.Rate8k)
		piece := func(position int, samples ...int16) frames.Frame {
			return &frames.AudioInput{Audio: frames.Audio{Format: f, Samples: samples, Position: audio.Position(position)}}
		}
		if err := feed(t, audiofile.NewSink(audiofile.SinkConfig{Path: path, Caller: true, Format: f}), piece(0, 1, 2), piece(2, 3), piece(6, 7, 8)); err != nil {
			t.Fatal(err)
		}
		if _, got := readAll(t, path); !slices.Equal([]int16{1, 2, 3, 0, 0, 0, 7, 8}, got) {
			t.Errorf("written %v", got)
		}
	})
}

func TestSinkFollowsTheCallersFirstTrack(t *testing.T) {
	for name, c := range map[string]struct{ track, first, other string }{
		"by itself":   {"", "a", "b"},
		"without one": {"", "", "b"},
		"when told":   {"b", "b", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.wav")
				f := audio.Mono(audio.Rate8k)
				want := tone(f, 8000)
				var list []frames.Frame
				for i := 0; i < len(want); i += 160 {
					// A clock that began a minute earlier than the first one's.
					other := frames.Audio{Format: f, Samples: tone(f, 160), Track: c.other, Position: audio.Position(60*8000 + i)}
					mine := frames.Audio{Format: f, Samples: want[i : i+160], Track: c.first, Position: audio.Position(i)}
					list = append(list, &frames.AudioInput{Audio: mine}, &frames.AudioInput{Audio: other})
				}
				sink := audiofile.NewSink(audiofile.SinkConfig{Path: path, Caller: true, Track: c.track, Format: f})
				if err := feed(t, sink, list...); err != nil {
					t.Fatal(err)
				}
				if _, got := readAll(t, path); !slices.Equal(want, got) {
					t.Errorf("%d samples were written, want the %d of one track", len(got), len(want))
				}
			})
		})
	}
}

func TestSinkFillsAGapOfTheCallerAtAChangeOfFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wav")
		piece := func(f audio.Format, position int, samples ...int16) frames.Frame {
			return &frames.AudioInput{Audio: frames.Audio{Format: f, Samples: samples, Position: audio.Position(position)}}
		}
		mono, stereo := audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate8k)
		sink := audiofile.NewSink(audiofile.SinkConfig{Path: path, Caller: true, Format: mono})
		// It begins where the caller does, at whatever position.
		if err := feed(t, sink, piece(mono, 100, 1, 2), piece(stereo, 105, 6, 6, 7, 7)); err != nil {
			t.Fatal(err)
		}
		if _, got := readAll(t, path); !slices.Equal([]int16{1, 2, 0, 0, 0, 6, 7}, got) {
			t.Errorf("written %v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "b.wav")
		to := audio.Mono(audio.Rate16k)
		low, high := audio.Mono(audio.Rate8k), to
		// Half a second at 8 kHz, half of nothing, half at 16 kHz.
		sink := audiofile.NewSink(audiofile.SinkConfig{Path: path, Caller: true, Format: to})
		if err := feed(t, sink,
			&frames.AudioInput{Audio: frames.Audio{Format: low, Samples: tone(low, 4000)}},
			&frames.AudioInput{Audio: frames.Audio{Format: high, Samples: tone(high, 8000), Position: 16_000}},
		); err != nil {
			t.Fatal(err)
		}
		_, got := readAll(t, path)
		if len(got) != 24_000 {
			t.Fatalf("%d samples were written, want 24000", len(got))
		}
		if !slices.Equal(got[16_000:], tone(high, 8000)) || !audio.IsSilent(got[8000:16_000]) {
			t.Error("the silence is not where the caller was silent")
		}
	})
}

func TestSinkConvertsToTheFormatOfTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wav")
		in, to := audio.Stereo(audio.Rate48k), audio.Mono(audio.Rate16k)
		samples := tone(in, 48_000)
		other := tone(audio.Mono(audio.Rate16k), 16_000)
		if err := feed(t, audiofile.NewSink(audiofile.SinkConfig{Path: path, Format: to}),
			&frames.AudioOutput{Audio: frames.Audio{Format: in, Samples: samples}},
			&frames.AudioOutput{Audio: frames.Audio{Format: to, Samples: other}},
		); err != nil {
			t.Fatal(err)
		}
		_, got := readAll(t, path)
		if len(got) != 32_000 {
			t.Fatalf("%d samples were written, want 32000", len(got))
		}
		if !slices.Equal(got[16_000:], other) {
			t.Error("what needed no conversion was changed")
		}
		if d := audio.RMS(got[200:15_800]) - audio.RMS(audio.Remix(nil, samples, 2, 1)); d < -0.1 || d > 0.1 {
			t.Errorf("the level changed by %.2f dB", d)
		}
	})
}

// click is n frames of silence but for an impulse on every channel of frame at.
func click(f audio.Format, n, at int) []int16 {
	s := make([]int16, n*f.Channels)
	for ch := range f.Channels {
		s[at*f.Channels+ch] = 20_000
	}
	return s
}

// loudest returns where the loudest of samples from begin to end is.
func loudest(samples []int16, begin, end int) int {
	at := begin
	for i := begin; i < end; i++ {
		if max(samples[i], -samples[i]) > max(samples[at], -samples[at]) {
			at = i
		}
	}
	return at
}

func TestSinkPutsWhatItConvertsInItsPlace(t *testing.T) {
	for _, in := range []audio.SampleRate{audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate44k, audio.Rate48k} {
		for _, caller := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, caller %v", in, caller), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "a.wav")
					f := audio.Stereo(in)
					// An impulse after two fifths of a second, a whole number of samples at
					// every rate; for the caller a second later, behind a gap.
					samples := click(f, int(in), int(in)*2/5)
					var list []frames.Frame
					for i := 0; i < int(in); i += 100 {
						a := frames.Audio{Format: f, Samples: samples[2*i : 2*min(i+100, int(in))], Position: audio.Position(i)}
						if caller && i >= 100 {
							a.Position += audio.Position(in)
						}
						if caller {
							list = append(list, &frames.AudioInput{Audio: a})
						} else {
							list = append(list, &frames.AudioOutput{Audio: a})
						}
					}
					if err := feed(t, audiofile.NewSink(audiofile.SinkConfig{Path: path, Caller: caller}), list...); err != nil {
						t.Fatal(err)
					}
					length, place := 24_000, 9600
					if caller {
						length, place = length+24_000, place+24_000
					}
					if _, got := readAll(t, path); len(got) != length || loudest(got, 0, len(got)) != place {
						t.Errorf("the impulse is at %d of %d samples, want %d of %d", loudest(got, 0, len(got)), len(got), place, length)
					}
				})
			})
		}
	}
}

func TestSinkStaysInPlaceWhateverFormatsFollowOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wav")
		var list []frames.Frame
		var due []float64 // where the impulses belong
		var end float64
		for k := range 100 {
			// Pieces of 10 ms and a bit, which is no whole number of samples of the
			// file; some are shorter than a filter's delay.
			for _, f := range []audio.Format{audio.Mono(audio.Rate16k), audio.Stereo(audio.Rate44k), audio.Mono(audio.Rate24k), audio.Mono(audio.Rate8k)} {
				n := int(f.Rate)/100 + k%7
				if k%10 == 9 {
					n = 1 + k%5
				}
				ratio := 24_000 / float64(f.Rate)
				due = append(due, end+ratio*float64(n/2))
				end += ratio * float64(n)
				list = append(list, &frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: click(f, n, n/2)}})
			}
		}
		if err := feed(t, audiofile.NewSink(audiofile.SinkConfig{Path: path}), list...); err != nil {
			t.Fatal(err)
		}
		_, got := readAll(t, path)
		if d := float64(len(got)) - end; d < 0 || d >= 1 {
			t.Fatalf("%d samples were written, want %.2f, rounded up", len(got), end)
		}
		for k, want := range due {
			if k%40 >= 36 {
				continue // too short to tell their impulses apart
			}
			at := loudest(got, int(want)-50, min(int(want)+50, len(got)))
			// A piece begins at the next sample of the file, and its impulse is at the
			// nearest one of the piece.
			if d := float64(at) - want; d < -0.51 || d > 1.51 {
				t.Errorf("impulse %d is at %d, want %.2f", k, at, want)
			}
		}
	})
}

func TestSinkThatCannotWriteReportsItOnceAndLetsTheAudioFlow(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full to play a full disk")
	}
	synctest.Test(t, func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "full.mp3") // whose header is not written at once
		if err := os.Symlink("/dev/full", link); err != nil {
			t.Fatal(err)
		}
		passed, reports := 0, 0
		count := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*frames.AudioOutput); ok {
				passed++
			}
			return out.Send(ctx, f, dir)
		})
		cfg := pipeline.Config{OnError: func(e *frames.Error) {
			var typed *audiofile.Error
			if errors.As(e.Err, &typed) && typed.Op == "write" {
				reports++
			}
		}}
		p := pipeline.New(cfg, audiofile.NewSink(audiofile.SinkConfig{Path: link}), count)
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		f := audio.Mono(audio.Rate24k)
		for range 10 {
			if err := p.Send(t.Context(), &frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: tone(f, 24_000)}}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		p.End("test")
		<-done // the failure to complete the file may or may not be told again
		if passed != 10 || reports != 1 {
			t.Errorf("%d of 10 frames passed, %d reports, want 1", passed, reports)
		}
	})
}
