package mp3_test

import (
	"bytes"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
)

func ExampleWriter() {
	var out bytes.Buffer
	w, err := mp3.NewWriter(&out, audio.Mono(audio.Rate24k), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	chunk := make([]int16, 480) // 20 ms, as they come from a call
	for range 50 {
		if err := w.Write(chunk); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Len(), "bytes")
	// Output: 8640 bytes
}
