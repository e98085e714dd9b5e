package audio_test

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
)

// A telephone line brings µ-law at 8 kHz; a speech service wants 16 kHz.
func ExampleResampler() {
	r, err := audio.NewResampler(audio.Rate8k, audio.Rate16k, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	packet := make([]byte, 160) // 20 ms
	var line, service []int16   // reused from packet to packet
	for range 3 {
		line = audio.DecodeULaw(line[:0], packet)
		service = r.Resample(service[:0], line)
		fmt.Println(len(packet), "bytes in,", len(service), "samples out")
	}
	fmt.Println("which lag by", audio.Rate16k.Duration(int64(r.Delay())))
	// Output:
	// 160 bytes in, 320 samples out
	// 160 bytes in, 320 samples out
	// 160 bytes in, 320 samples out
	// which lag by 6.5ms
}

// A whole recording is converted without any delay: what the filter adds at the
// start is cut off, and Flush brings the end.
func ExampleResampler_Flush() {
	r, err := audio.NewResampler(audio.Rate44k, audio.Rate16k, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	recording := make([]int16, audio.Rate44k.Samples(3*time.Second))
	out := r.Flush(r.Resample(nil, recording))[r.Delay():]
	fmt.Println(audio.Mono(audio.Rate16k).Duration(len(out)))
	// Output: 3s
}

// The same instant on the clocks of two streams.
func ExamplePosition_At() {
	heard := audio.Position(12000) // at 24 kHz
	fmt.Println(heard.At(audio.Rate24k, audio.Rate8k), audio.Rate24k.Duration(int64(heard)))
	// Output: 4000 500ms
}
