package dtmf_test

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

// A caller presses two keys, over a µ-law line, in packets of 20 ms.
func ExampleDetector() {
	gen := dtmf.Generator{Rate: audio.Rate8k, Tone: 80 * time.Millisecond}
	pcm, err := gen.Append(make([]int16, 800), "4#")
	if err != nil {
		fmt.Println(err)
		return
	}
	line := audio.EncodeULaw(nil, audio.AppendSilence(pcm, 800))

	d, err := dtmf.NewDetector(audio.Rate8k)
	if err != nil {
		fmt.Println(err)
		return
	}
	for ; len(line) >= 160; line = line[160:] {
		for _, e := range d.Write(nil, audio.DecodeULaw(nil, line[:160])) {
			if e.Up {
				fmt.Printf("%c was down for about %v\n", e.Key, audio.Rate8k.Duration(int64(e.End-e.Start)).Round(5*time.Millisecond))
			}
		}
	}
	// Output:
	// 4 was down for about 80ms
	// # was down for about 80ms
}

// A dialler presses a number, with the twist that telephones have.
func ExampleGenerator() {
	gen := dtmf.Generator{Rate: audio.Rate8k, Tone: 70 * time.Millisecond, Gap: 50 * time.Millisecond, Twist: 2}
	samples, err := gen.Append(nil, "0800")
	fmt.Println(audio.Mono(audio.Rate8k).Duration(len(samples)), err)

	_, err = gen.Append(nil, "0800-X")
	fmt.Println(err)
	// Output:
	// 480ms <nil>
	// generate DTMF: character 5 of "0800-X": there is no key '-'; the keys are 0-9, *, # and A-D in capitals
}
