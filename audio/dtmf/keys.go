package dtmf

import (
	"fmt"
	"strings"

	"github.com/parley-go/parley/audio"
)

// Keys are all keys, row by row.
const Keys = "123A456B789C*0#D"

// ITU-T Q.23: a key is the sum of its row's and its column's frequency, in hertz.
var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
)

// IsKey reports whether there is such a key: '0'–'9', '*', '#', 'A'–'D'.
func IsKey(key byte) bool { return strings.IndexByte(Keys, key) >= 0 }

// Frequencies returns the two frequencies of a key in hertz; ok is false if there
// is no such key.
func Frequencies(key byte) (low, high float64, ok bool) {
	i := strings.IndexByte(Keys, key)
	if i < 0 {
		return 0, 0, false
	}
	return rows[i/4], columns[i%4], true
}

// unknownKey is the error for what is no key.
func unknownKey(key byte) error {
	return fmt.Errorf("there is no key %q; the keys are 0-9, *, # and A-D in capitals", key)
}

// CheckKey returns an error that says which keys there are, if key is none of
// them.
func CheckKey(key byte) error {
	if IsKey(key) {
		return nil
	}
	return unknownKey(key)
}

// The rates at which the highest frequency is well below half of it, and at which
// anybody samples.
const (
	MinRate audio.SampleRate = 6000
	MaxRate audio.SampleRate = 768000
)

func checkRate(rate audio.SampleRate) error {
	if rate < MinRate || rate > MaxRate {
		return fmt.Errorf("a rate of %d Hz is not between %d and %d Hz; resample the audio to 8 kHz", int(rate), int(MinRate), int(MaxRate))
	}
	return nil
}
