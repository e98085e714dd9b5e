package keypad_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/keypad"
)

var phone = audio.Mono(audio.Rate8k)

func TestKeysAreHeardWhereTheyAreAndTheAudioPassesOn(t *testing.T) {
	for _, released := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const base = 12_345
			sent := packets(phone, base, tones(t, phone.Rate, dtmf.Keys))
			got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{Released: released}), sent...)
			if keys := keysIn(got); keys != dtmf.Keys || len(errs) > 0 {
				t.Fatalf("heard %q, errors %v", keys, errs)
			}
			i := 0
			for _, f := range got {
				k, ok := f.(*frames.DTMFInput)
				if !ok {
					continue
				}
				// A tone of 100 ms, of which the first and the last millisecond are
				// below half of the amplitude, every 160 ms.
				from, to := audio.Position(base+800+1280*i+8), audio.Position(base+800+1280*i+800-8)
				if !released {
					to = k.End
				}
				if k.Track != "caller" || k.Rate != phone.Rate || abs(k.Position-from) > 4 || abs(k.End-to) > 4 || released != (k.End != 0) {
					t.Errorf("%v on %q from %d to %d, want %d to %d", k, k.Track, k.Position, k.End, from, to)
				}
				i++
			}
			for i, a := range audioIn(got) {
				if a != sent[i] {
					t.Fatalf("frame %d was replaced by %v", i, a)
				}
			}
		})
	}
}

func abs(p audio.Position) audio.Position { return max(p, -p) }

func TestRemovedTonesLeaveNothingAndTouchNothingElse(t *testing.T) {
	for _, f := range []audio.Format{phone, audio.Stereo(audio.Rate16k)} {
		synctest.Test(t, func(t *testing.T) {
			// A voice between and before the keys, which is quiet while they sound.
			mono := append(tones(t, f.Rate, "1"), tones(t, f.Rate, "59")...)
			tone := int(f.Rate.Samples(100 * time.Millisecond))
			voice := make([]bool, len(mono))
			gap := int(f.Rate.Samples(60 * time.Millisecond))
			starts := []int{tone, tone + tone + gap + tone, tone + tone + gap + tone + tone + gap}
			for i := range mono {
				near := slices.ContainsFunc(starts, func(s int) bool { return i >= s-tone/20 && i < s+tone+tone/20 })
				if !near {
					voice[i] = true
					mono[i] = int16(3000 * math.Sin(2*math.Pi*310*float64(i)/float64(f.Rate)))
				}
			}
			sent := packets(f, 500, audio.Remix(nil, mono, 1, f.Channels))
			got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{Remove: true}), sent...)
			if keys := keysIn(got); keys != "159" || len(errs) > 0 {
				t.Fatalf("%v: heard %q, errors %v", f, keys, errs)
			}
			var clean []int16
			for _, a := range audioIn(got) {
				if a.Position != audio.Position(500+len(clean)/f.Channels) || a.Format != f || a.Track != "caller" {
					t.Fatalf("%v: %v comes after %d samples", f, a, len(clean)/f.Channels)
				}
				clean = append(clean, a.Samples...)
			}
			if len(clean) != len(mono)*f.Channels {
				t.Fatalf("%v: %d samples came out of %d", f, len(clean), len(mono)*f.Channels)
			}
			for i, s := range clean {
				at := i / f.Channels
				if !voice[at] && s != 0 {
					t.Fatalf("%v: a tone is left at %d: %d", f, at, s)
				}
				near := slices.ContainsFunc(starts, func(s int) bool { return at >= s-tone/20 && at < s+tone+tone/20 })
				if !near && s != mono[at] {
					t.Fatalf("%v: the voice at %d became %d, was %d", f, at, s, mono[at])
				}
			}
		})
	}
}

func TestAudioFarFromATonePassesAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := packets(phone, 0, append(tones(t, phone.Rate, "1"), make([]int16, 4000)...)) // the tone is from 100 to 200 ms
		got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{Remove: true}), sent...)
		passed := audioIn(got)
		if len(passed) != len(sent) {
			t.Fatalf("%d frames of %d passed", len(passed), len(sent))
		}
		for i, a := range passed {
			touched := a.End() > 760 && a.Position < 1640
			if same := frames.Frame(a) == sent[i]; same == touched {
				t.Errorf("the frame at %d is the one that was sent: %v", a.Position, same)
			}
		}
	})
}

func TestRemovingHoldsAudioBackNoLongerThanItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, keypad.NewDetector(keypad.DetectorConfig{Remove: true}))
		sent, passed, worst := audio.Position(0), audio.Position(0), audio.Position(0)
		for _, f := range packets(phone, 0, tones(t, phone.Rate, "123456")) {
			h.Send(f)
			sent = f.(*frames.AudioInput).End()
			for _, a := range audioIn(h.All()) {
				passed = a.End()
			}
			worst = max(worst, sent-passed)
		}
		if limit := audio.Position(phone.Rate.Samples(86 * time.Millisecond)); worst > limit || worst < 400 {
			t.Errorf("%d samples were held back, want no more than %d", worst, limit)
		}
	})
}

func TestBadPositionsMakeNoKeys(t *testing.T) {
	for _, remove := range []bool{false, true} {
		for name, c := range map[string]struct {
			mangle func([]frames.Frame) []frames.Frame
			want   string
		}{
			"every frame twice": {func(list []frames.Frame) []frames.Frame {
				var all []frames.Frame
				for _, f := range list {
					a := f.(*frames.AudioInput).Audio
					all = append(all, f, &frames.AudioInput{Audio: a})
				}
				return all
			}, "77"},
			"frames that overlap by half": {func(list []frames.Frame) []frames.Frame {
				var all []frames.Frame
				for i, f := range list {
					all = append(all, f)
					if i > 0 {
						a, b := list[i-1].(*frames.AudioInput).Audio, f.(*frames.AudioInput).Audio
						a.Samples = append(slices.Clone(a.Samples[80:]), b.Samples[:80]...)
						a.Position += 80
						all = append(all, &frames.AudioInput{Audio: a})
					}
				}
				return all
			}, "77"},
			"a packet lost in each tone": {func(list []frames.Frame) []frames.Frame {
				return slices.Concat(list[:7], list[8:15], list[16:])
			}, "77"},
			"an hour lost in the middle of the first": {func(list []frames.Frame) []frames.Frame {
				for i, f := range list {
					if i >= 7 {
						a := f.(*frames.AudioInput).Audio
						a.Position += 3600 * 8000
						list[i] = &frames.AudioInput{Audio: a}
					}
				}
				return list
			}, "777"},
			"a clock that begins anew": {func(list []frames.Frame) []frames.Frame {
				for i := range list {
					a := list[i].(*frames.AudioInput).Audio
					a.Position -= 100_000
					list = append(list, &frames.AudioInput{Audio: a})
				}
				return list
			}, "7777"},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					list := c.mangle(packets(phone, 200_000, append(tones(t, phone.Rate, "77"), make([]int16, 800)...)))
					got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{Remove: remove}), list...)
					if keys := keysIn(got); keys != c.want || len(errs) > 0 {
						t.Errorf("heard %q, want %q; errors %v", keys, c.want, errs)
					}
					out := audioIn(got)
					if len(out) != len(list) {
						t.Fatalf("%d frames came out of %d", len(out), len(list))
					}
					for i, a := range out {
						if want := list[i].(*frames.AudioInput); a.Position != want.Position || len(a.Samples) != len(want.Samples) {
							t.Fatalf("frame %d is %v, want %v", i, a, want)
						}
						if remove && audio.Peak(a.Samples) > -30 {
							t.Errorf("frame %d still has a tone, at %.0f dBFS", i, audio.RMS(a.Samples))
						}
					}
				})
			})
		}
	}
}

func TestAudioThatComesTwiceMovesNoKey(t *testing.T) {
	for _, f := range []audio.Format{phone, audio.Stereo(audio.Rate8k)} {
		synctest.Test(t, func(t *testing.T) {
			list := packets(f, 500, audio.Remix(nil, append(tones(t, f.Rate, "159"), make([]int16, 800)...), 1, f.Channels))
			keys := func(list []frames.Frame) (keys []string) {
				got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{Released: true}), list...)
				for _, f := range got {
					if k, ok := f.(*frames.DTMFInput); ok {
						keys = append(keys, fmt.Sprintf("%c from %d to %d", k.Digit, k.Position, k.End))
					}
				}
				return keys
			}
			want := keys(list)
			var twice []frames.Frame // each also with a quarter of the one before
			for i, g := range list {
				a := g.(*frames.AudioInput).Audio
				if i > 0 {
					before := list[i-1].(*frames.AudioInput).Samples
					again := len(before) / 4
					a.Samples = append(slices.Clone(before[len(before)-again:]), a.Samples...)
					a.Position -= audio.Position(f.Frames(again))
				}
				twice = append(twice, &frames.AudioInput{Audio: a})
			}
			if got := keys(twice); !slices.Equal(got, want) || len(want) != 3 {
				t.Errorf("%v: in audio that overlaps it hears %q, want %q", f, got, want)
			}
		})
	}
}

// Around a tone the audio is faded out and in alike, over 2 ms each, to and from 3
// ms beyond the tone. An offset shows it.
func TestTheAudioAroundARemovedToneIsFadedEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const offset, margin, fade = 2000, 24, 16
		pcm := append(tones(t, phone.Rate, "5"), make([]int16, 1600)...)
		for i := range pcm {
			pcm[i] += offset
		}
		got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{Remove: true, Released: true}), packets(phone, 0, pcm)...)
		var key *frames.DTMFInput
		var clean []int16
		for _, f := range got {
			switch f := f.(type) {
			case *frames.DTMFInput:
				key = f
			case *frames.AudioInput:
				clean = append(clean, f.Samples...)
			}
		}
		if key == nil || len(clean) != len(pcm) {
			t.Fatalf("%v, and %d samples of %d", key, len(clean), len(pcm))
		}
		from, to := int(key.Position)-margin, int(key.End)+margin
		if !audio.IsSilent(clean[from:to]) {
			t.Errorf("the tone from %d to %d left something", key.Position, key.End)
		}
		for i := range 2 * fade {
			want := int16(offset)
			if i < fade-1 {
				want = int16(math.Round(offset * float64(i+1) / (fade + 1)))
			}
			before, behind := clean[from-1-i], clean[to+i]
			if before != behind || before < want-1 || before > want+1 {
				t.Errorf("%d samples off it is %d before and %d behind, want %d", i+1, before, behind, want)
			}
		}
	})
}

func TestKeysAreHeardBeforeAndBehindAChangeOfFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := packets(phone, 0, tones(t, phone.Rate, "12"))
		for _, f := range []audio.Format{audio.Mono(audio.Rate48k), audio.Stereo(audio.Rate16k)} {
			list = append(list, packets(f, 77, audio.Remix(nil, tones(t, f.Rate, "34"), 1, f.Channels))...)
		}
		got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{}), list...)
		if keys := keysIn(got); keys != "123434" || len(errs) > 0 {
			t.Errorf("heard %q, errors %v", keys, errs)
		}
	})
}

func TestTracksAreListenedToSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := packets(phone, 0, tones(t, phone.Rate, "123")), packets(phone, 9000, tones(t, phone.Rate, "ABC"))
		var list []frames.Frame
		for i := range a {
			other := b[i].(*frames.AudioInput).Audio
			other.Track = "other"
			list = append(list, a[i], &frames.AudioInput{Audio: other})
		}
		got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{}), list...)
		heard := map[string]string{}
		for _, f := range got {
			if k, ok := f.(*frames.DTMFInput); ok {
				heard[k.Track] += string(k.Digit)
			}
		}
		if heard["caller"] != "123" || heard["other"] != "ABC" {
			t.Errorf("heard %v", heard)
		}
	})
}

func TestAudioThatCannotBeListenedToIsReportedOnceAndPasses(t *testing.T) {
	for name, c := range map[string]struct {
		format   audio.Format
		position audio.Position
		says     string
	}{
		"a low rate":       {audio.Mono(4000), 0, `listen to track "caller": detect DTMF: a rate of 4000 Hz is not between 6000 and 768000 Hz; resample`},
		"no rate":          {audio.Format{Channels: 1}, 0, "sample rate 0 Hz"},
		"no channels":      {audio.Format{Rate: 8000}, 0, "0 channels"},
		"a position of no": {phone, math.MaxInt64 - 3, "is on no clock"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var list []frames.Frame
				for range 2 {
					list = append(list, &frames.AudioInput{Audio: frames.Audio{Format: c.format, Samples: make([]int16, 160), Track: "caller", Position: c.position}})
				}
				got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{Remove: true}), list...)
				if len(audioIn(got)) != len(list) {
					t.Errorf("%d frames of %d passed", len(audioIn(got)), len(list))
				}
				if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.says) {
					t.Errorf("it reports %v, want %q once", errs, c.says)
				}
			})
		})
	}
}

func TestAudioThatCannotBeListenedToForLongIsReportedOnceInTenSeconds(t *testing.T) {
	for name, frame := range map[string]func(i int) frames.Audio{
		"positions on no clock": func(int) frames.Audio {
			return frames.Audio{Format: phone, Samples: make([]int16, 160), Position: math.MinInt64}
		},
		"a low rate": func(i int) frames.Audio {
			return frames.Audio{Format: audio.Mono(2000), Samples: make([]int16, 40), Position: audio.Position(40 * i)}
		},
		"low rates that alternate": func(i int) frames.Audio {
			f := audio.Mono([]audio.SampleRate{1000, 2000}[i%2])
			return frames.Audio{Format: f, Samples: make([]int16, f.Rate/50), Position: audio.Position(i) * audio.Position(f.Rate/50)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 1000 // 20 s
				var list []frames.Frame
				for i := range n {
					list = append(list, &frames.AudioInput{Audio: frame(i)})
				}
				got, errs := through(t, keypad.NewDetector(keypad.DetectorConfig{}), list...)
				if len(audioIn(got)) != n || len(errs) != 2 || !strings.Contains(errs[1].Error(), "499 times more") {
					t.Errorf("%d frames of %d passed, and it reports %v", len(audioIn(got)), n, errs)
				}
			})
		})
	}
}

func TestTheTrackThatHasBeenQuietForLongestMakesRoomAndItsKeyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := func(track string, list []frames.Frame) []frames.Frame {
			for _, f := range list {
				f.(*frames.AudioInput).Track = track
			}
			return list
		}
		key := tones(t, phone.Rate, "8")
		cut := key[:1200] // while it is down
		list := append(on("a", packets(phone, 0, cut)), on("b", packets(phone, 0, cut))...)
		list = append(list, on("a", packets(phone, 1200, key[1200:1360]))...)
		for i := range 63 {
			list = append(list, on(fmt.Sprint(i), packets(phone, 0, make([]int16, 160)))...)
		}
		list = append(list, &frames.AudioOutput{})
		got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{Released: true}), list...)
		var order []string
		for _, f := range got {
			switch f := f.(type) {
			case *frames.DTMFInput:
				order = append(order, f.Track)
			case *frames.AudioOutput:
				order = append(order, "mark")
			}
		}
		if want := []string{"b", "mark", "a"}; !slices.Equal(order, want) {
			t.Errorf("keys are told in the order %v, want %v", order, want)
		}
	})
}

func TestAKeyThatIsDownAtTheEndIsToldBeforeIt(t *testing.T) {
	for _, end := range []frames.Frame{&frames.Stop{}, nil} {
		synctest.Test(t, func(t *testing.T) {
			list := packets(phone, 0, tones(t, phone.Rate, "8")[:1200])
			if end != nil {
				list = append(list, end)
			}
			got, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{Released: true, Remove: true}), list...)
			last, ok := got[len(got)-1].(*frames.End)
			if keys := keysIn(got); keys != "8" || !ok {
				t.Errorf("heard %q and %v at the end", keys, last)
			}
			n := 0
			for _, a := range audioIn(got) {
				n += len(a.Samples)
			}
			if n != 1200 {
				t.Errorf("%d samples came out of 1200", n)
			}
		})
	}
}

func TestTheDiallerSoundsInOrderAndTheDetectorHearsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		voice := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: make([]int16, 480), Track: "agent"}, Response: "r"}
		list := []frames.Frame{voice}
		for i := range len(dtmf.Keys) {
			list = append(list, &frames.DTMFOutput{Digit: dtmf.Keys[i]})
		}
		got, errs := through(t, keypad.NewDialler(keypad.DiallerConfig{Rate: audio.Rate8k}), append(list, &frames.Text{Text: "x"})...)
		if len(got) != 19 || got[0] != frames.Frame(voice) || got[17].String() != `Text("x")` || len(errs) > 0 {
			t.Fatalf("got %v, errors %v", got, errs)
		}
		var back []frames.Frame
		for i, f := range got[1:17] {
			a := f.(*frames.AudioOutput)
			if a.Track != "keypad" || a.Position != audio.Position(1280*i) || a.Len() != 1280 || a.Response != "" {
				t.Errorf("key %d is %v", i, a)
			}
			back = append(back, &frames.AudioInput{Audio: a.Audio})
		}
		heard, _ := through(t, keypad.NewDetector(keypad.DetectorConfig{}), back...)
		if keys := keysIn(heard); keys != dtmf.Keys {
			t.Errorf("heard %q", keys)
		}
	})
}

func TestAKeyThatDoesNotExistIsReportedAndNotPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, errs := through(t, keypad.NewDialler(keypad.DiallerConfig{}), &frames.DTMFOutput{Digit: 'x'}, &frames.DTMFOutput{Digit: '1'})
		if len(got) != 2 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "press key: there is no key 'x'; the keys are") {
			t.Errorf("got %v, errors %v", got, errs)
		}
	})
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, p := range map[string]pipeline.Processor{
		"configure keys: Pause is -1s: at least 1ms":      keypad.NewKeys(keypad.KeysConfig{Pause: -time.Second}),
		"was another unit meant? write 2*":                keypad.NewKeys(keypad.KeysConfig{Pause: 2}),
		"configure keys: Max is -1: at least 1":           keypad.NewKeys(keypad.KeysConfig{Max: -1}),
		"configure keys: End: there is no key 'x'":        keypad.NewKeys(keypad.KeysConfig{End: 'x'}),
		"or 0 for the default\nMax is -1":                 keypad.NewKeys(keypad.KeysConfig{Pause: -1, Max: -1, End: 'x'}),
		"or 0 for the default\nEnd: there is no key":      keypad.NewKeys(keypad.KeysConfig{Pause: -1, Max: -1, End: 'x'}),
		"configure dialler: Tone is -1ns":                 keypad.NewDialler(keypad.DiallerConfig{Tone: -1}),
		"was another unit meant? write 60*":               keypad.NewDialler(keypad.DiallerConfig{Gap: 60}),
		"or 0 for the default\nGap is -1ns":               keypad.NewDialler(keypad.DiallerConfig{Tone: -1, Gap: -1}),
		"configure dialler: a rate of 10 Hz":              keypad.NewDialler(keypad.DiallerConfig{Rate: 10}),
		"configure dialler: a level of 3 dBFS clips; at ": keypad.NewDialler(keypad.DiallerConfig{Level: 3}),
	} {
		synctest.Test(t, func(t *testing.T) {
			if err := pipeline.New(pipeline.Config{}, p).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want %q", err, want)
			}
		})
	}
}
