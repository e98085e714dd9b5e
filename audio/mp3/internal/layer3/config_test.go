package layer3

import (
	"strings"
	"testing"
)

func TestFramesKeepTheBitRate(t *testing.T) {
	for _, rate := range Rates() {
		for _, bitrate := range Bitrates(rate) {
			c := Config{Rate: rate, Channels: 1, Bitrate: bitrate}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			const frames = 10_000
			sum := int64(0)
			for n := range int64(frames) {
				sum += int64(c.FrameBytes(n))
			}
			if sum != c.Bytes(frames) {
				t.Errorf("%+v: frames add up to %d bytes, not %d", c, sum, c.Bytes(frames))
			}
			exact := float64(frames) * float64(c.FrameSamples()) / float64(rate) * float64(bitrate) / 8
			most := 1.0 // a byte too little in all
			if rate == 22050 {
				most = frames // in each frame
			}
			if short := exact - float64(sum); short < 0 || short >= most {
				t.Errorf("%+v: %d bytes are %.1f less than the bit rate's share", c, sum, short)
			}
		}
	}
}

func TestConfigErrorsSayWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Rate: 12000, Channels: 1, Bitrate: 64000}, "sample rate 12000 Hz is not one of [16000 22050 24000 32000 44100 48000]"},
		{Config{Rate: 24000, Channels: 3, Bitrate: 64000}, "3 channels are not 1 or 2"},
		{Config{Rate: 24000, Channels: 1, Bitrate: 64}, "bit rate 64 bit/s at 24000 Hz is not one of [8000 16000"},
		{Config{Rate: 24000, Channels: 1, Bitrate: 192000}, "144000 160000]"},
		{Config{Rate: 48000, Channels: 1, Bitrate: 24000}, "[32000 40000"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.config, err, c.want)
		}
	}
}

// The check value of CRC-16/ARC, which is what the tag uses.
func TestChecksumIsTheInfoFramesCRC(t *testing.T) {
	if got := Checksum(0, []byte("123456789")); got != 0xbb3d {
		t.Errorf("checksum %#04x, want 0xbb3d", got)
	}
	if got := Checksum(Checksum(0, []byte("1234")), []byte("56789")); got != 0xbb3d {
		t.Errorf("checksum in two parts %#04x, want 0xbb3d", got)
	}
}
