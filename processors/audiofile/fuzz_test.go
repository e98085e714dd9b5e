package audiofile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

// FuzzOpen opens whatever a file may hold, under any of the names. It must be
// read to an end, in whole frames, or be refused in one line that names it.
func FuzzOpen(f *testing.F) {
	tone := make([]int16, 800)
	for _, name := range []string{"a.wav", "a.mp3"} {
		path := filepath.Join(f.TempDir(), name)
		w, err := audiofile.Create(path, audio.Mono(audio.Rate16k))
		if err != nil {
			f.Fatal(err)
		}
		if err := w.Write(tone); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, uint8(0))
		f.Add(content, uint8(1))
		f.Add(content[:len(content)/2], uint8(2))
	}
	f.Add([]byte("ID3"), uint8(0))
	f.Add([]byte{0xFF, 0xFB}, uint8(2))
	f.Fuzz(func(t *testing.T, content []byte, name uint8) {
		path := filepath.Join(t.TempDir(), []string{"a.wav", "a.mp3", "a"}[name%3])
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		oneLine := func(err error) {
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) {
				t.Fatalf("error %q", err)
			}
		}
		r, err := audiofile.Open(path)
		if err != nil {
			oneLine(err)
			return
		}
		defer r.Close()
		block := make([]int16, 1000)
		for total := 0; ; {
			n, err := r.Read(block)
			if n%r.Format().Channels != 0 {
				t.Fatalf("%d values of %v", n, r.Format())
			}
			if total += n; total > 1<<26 {
				t.Fatalf("%d samples from %d bytes", total, len(content))
			}
			if err != nil {
				if n > 0 {
					t.Fatalf("%d samples with %v", n, err)
				}
				if err.Error() != "EOF" {
					oneLine(err)
				}
				return
			}
		}
	})
}
