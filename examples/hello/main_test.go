package main

import (
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

// It runs in real time, as it does for whoever tries it.
func TestTheConversationIsWrittenAsBothSidesHeardIt(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole call in real time")
	}
	main()
	caller, of := read(t, "../../testdata/calls/bargein.wav")
	both, f := read(t, "conversation.wav")
	if f != audio.Stereo(audio.Rate24k) || len(both)/2 < int(f.Rate.Samples(of.Rate.Duration(int64(of.Frames(len(caller)))))) {
		t.Fatalf("the conversation is %v of %v; the caller alone speaks for %v",
			f.Rate.Duration(int64(len(both)/2)), f, of.Rate.Duration(int64(of.Frames(len(caller)))))
	}
	var left, right []int16
	for i := 0; i < len(both); i += 2 {
		left, right = append(left, both[i]), append(right, both[i+1])
	}
	// The caller is there from the beginning, as loud as in the recording.
	caller = audio.Remix(nil, caller, of.Channels, 1)
	if d := audio.RMS(left[:f.Rate.Samples(5*time.Second)]) - audio.RMS(caller[:of.Rate.Samples(5*time.Second)]); d < -0.5 || d > 0.5 {
		t.Errorf("the caller's level differs by %.1f dB", d)
	}
	if spoken := spoken(right, f.Rate); spoken < 5*time.Second {
		t.Errorf("the agent speaks for %v only", spoken)
	}
}

// spoken returns for how long there is sound.
func spoken(samples []int16, rate audio.SampleRate) (sum time.Duration) {
	n := int(rate.Samples(20 * time.Millisecond))
	for ; len(samples) >= n; samples = samples[n:] {
		if audio.RMS(samples[:n]) > -50 {
			sum += 20 * time.Millisecond
		}
	}
	return sum
}

func read(t *testing.T, path string) ([]int16, audio.Format) {
	t.Helper()
	r, err := audiofile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []int16
	buffer := make([]int16, 1<<14)
	for {
		n, err := r.Read(buffer)
		all = append(all, buffer[:n]...)
		if err != nil {
			return all, r.Format()
		}
	}
}
