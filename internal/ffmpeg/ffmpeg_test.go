package ffmpeg_test

import (
	"errors"
	"testing"

	"github.com/parley-go/parley/internal/ffmpeg"
)

func TestACommandNamesTheFileSoThatAShellReadsIt(t *testing.T) {
	for path, want := range map[string]string{
		"/calls/a.ogg":    "ffmpeg -i /calls/a.ogg /calls/a.wav",
		"my call.ogg":     "ffmpeg -i 'my call.ogg' 'my call.wav'",
		"o'clock.ogg":     `ffmpeg -i 'o'\''clock.ogg' 'o'\''clock.wav'`,
		"$HOME;.ogg":      "ffmpeg -i '$HOME;.ogg' '$HOME;.wav'",
		"without.a/name":  "ffmpeg -i without.a/name without.a/name.wav",
		"grüße/anruf.ogg": "ffmpeg -i grüße/anruf.ogg grüße/anruf.wav",
	} {
		if got := ffmpeg.Command(path, ".wav"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := ffmpeg.Convert("a.wav", errors.New("GSM; convert it to PCM")); got != "for instance with: ffmpeg -i a.wav -c:a pcm_s16le a-converted.wav" {
		t.Errorf("it says %s", got)
	}
}
