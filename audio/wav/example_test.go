package wav_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/wav"
)

func Example() {
	var file bytes.Buffer // a pipe: it cannot be positioned
	w, err := wav.NewWriter(&file, audio.Stereo(audio.Rate16k))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write([]int16{100, -100, 200, -200}); err != nil {
		fmt.Println(err)
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}

	r, err := wav.NewReader(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Format(), r.Coding())
	samples := make([]int16, 320)
	for {
		n, err := r.Read(samples)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err) // what was read is good even if the file is truncated
			return
		}
		fmt.Println(samples[:n])
	}
	// Output:
	// 16 kHz stereo 16-bit PCM
	// [100 -100 200 -200]
}
