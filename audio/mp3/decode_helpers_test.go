package mp3

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/parley-go/parley/audio"
)

// hum is n frames of something that changes all the time: tones that come and
// go, noise and clicks, different on each channel.
func hum(f audio.Format, n int) []int16 {
	random := rand.New(rand.NewPCG(1, 2))
	s := make([]int16, 0, n*f.Channels)
	low := 0.0
	for i := range n {
		t := float64(i) / float64(f.Rate)
		for ch := range f.Channels {
			low = 0.9*low + 0.1*(random.Float64()-0.5)
			v := 0.4*(0.5+0.5*math.Sin(2*math.Pi*3*t))*math.Sin(2*math.Pi*(300+200*float64(ch))*t) + 0.2*math.Sin(2*math.Pi*1234*t) + 0.3*low
			if i%4000 < 20 {
				v += 0.3
			}
			s = append(s, int16(v*32000))
		}
	}
	return s
}

// file is a file in memory, so that a Writer can go back to its start.
type file struct {
	bytes []byte
	at    int64
}

func (m *file) Write(p []byte) (int, error) {
	if end := int(m.at) + len(p); end > len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, end-len(m.bytes))...)
	}
	m.at += int64(copy(m.bytes[m.at:], p))
	return len(p), nil
}

func (m *file) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.at
	case io.SeekEnd:
		offset += int64(len(m.bytes))
	}
	m.at = offset
	return offset, nil
}

// written returns what a Writer makes of samples.
func written(t testing.TB, f audio.Format, bitrate int, samples []int16) []byte {
	t.Helper()
	var out file
	w, err := NewWriter(&out, f, &WriterOptions{Bitrate: bitrate})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(samples); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.bytes
}

// pipe hides that a reader is seekable.
func pipe(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }

// readAll reads all samples and returns them with the error at the end, which is
// nil for io.EOF.
func readAll(r *Reader) ([]int16, error) {
	var all []int16
	buf := make([]int16, 160*r.Format().Channels)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// decode reads a whole file, from a pipe.
func decode(t testing.TB, b []byte) (*Reader, []int16) {
	t.Helper()
	r, err := NewReader(pipe(b))
	if err != nil {
		t.Fatal(err)
	}
	samples, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, samples
}

// snr is by how many decibels want is louder than got's difference from it.
func snr(want, got []int16) float64 {
	var signal, noise float64
	for i := range min(len(want), len(got)) {
		w, g := float64(want[i]), float64(got[i])
		signal += w * w
		noise += (w - g) * (w - g)
	}
	return 10 * math.Log10(signal/noise)
}

// cut returns a file's frames, the Info frame first.
func cut(t testing.TB, b []byte) [][]byte {
	t.Helper()
	var frames [][]byte
	for len(b) >= headerSize {
		h := parseHeader(b)
		if !h.isSync() || h.size() > len(b) {
			t.Fatalf("no frame after %d", len(frames))
		}
		frames = append(frames, b[:h.size()])
		b = b[h.size():]
	}
	return frames
}

// needTool returns the path of a program that judges what this package does.
// Where it is not installed the test is skipped, unless PARLEY_REQUIRE_TOOLS
// says that it has to be.
func needTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS=1 forbids to do without: %v", name, err)
		}
		t.Skipf("%s is not installed: what it would say about these files is not checked", name)
	}
	return path
}

// run pipes input through a program.
func run(t testing.TB, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(needTool(t, name), args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.Bytes())
	}
	return out
}
