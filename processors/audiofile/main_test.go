package audiofile_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// needTool returns the path of a program, or skips the test.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS is set", name)
		}
		t.Skipf("%s is not installed: the second opinion on this file is not asked for", name)
	}
	return path
}

// tone returns n frames of a 440 Hz tone, louder on the left.
func tone(f audio.Format, n int) []int16 {
	s := make([]int16, 0, n*f.Channels)
	for i := range n {
		v := 8000 * math.Sin(2*math.Pi*440*float64(i)/float64(f.Rate))
		for ch := range f.Channels {
			s = append(s, int16(v/float64(ch+1)))
		}
	}
	return s
}

// write makes a file of samples in pieces, and returns its path.
func write(t *testing.T, name string, f audio.Format, samples []int16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := audiofile.Create(path, f)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	for len(samples) > 0 {
		n := min(len(samples), 480*f.Channels)
		if err := w.Write(samples[:n]); err != nil {
			t.Fatalf("Write: %v", err)
		}
		samples = samples[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return path
}
