package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run pipes input through a program that judges our files. Where it is not
// installed the test is skipped, unless PARLEY_REQUIRE_TOOLS says that it has to
// be.
func run(t testing.TB, input []byte, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS=1 forbids to do without: %v", name, err)
		}
		t.Skipf("%s is not installed: what it would say about these files is not checked", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.Bytes())
	}
	return out
}

// noise is n samples that are different on every channel and at every time.
func noise(n int) []int16 {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(random.IntN(1 << 16))
	}
	return s
}

// chunk returns a RIFF chunk, padded to an even length.
func chunk(id string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

// riffFile puts chunks into a RIFF container.
func riffFile(chunks ...[]byte) []byte {
	body := append([]byte("WAVE"), bytes.Join(chunks, nil)...)
	return chunk("RIFF", body)
}

// fmtChunk describes samples.
func fmtChunk(tag uint16, channels int, rate uint32, bits int, extra ...byte) []byte {
	frame := channels * ((bits + 7) / 8)
	le := binary.LittleEndian
	b := le.AppendUint16(nil, tag)
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, rate)
	b = le.AppendUint32(b, rate*uint32(frame))
	b = le.AppendUint16(b, uint16(frame))
	b = le.AppendUint16(b, uint16(bits))
	return chunk("fmt ", append(b, extra...))
}

// pcmFile is a file of 16-bit samples, as most are.
func pcmFile(f audio.Format, samples []int16) []byte {
	return riffFile(fmtChunk(tagPCM, f.Channels, uint32(f.Rate), 16), chunk("data", audio.EncodePCM(nil, samples)))
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
func decode(t testing.TB, file []byte) (*Reader, []int16) {
	t.Helper()
	r, err := NewReader(pipe(file))
	if err != nil {
		t.Fatal(err)
	}
	samples, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, samples
}
