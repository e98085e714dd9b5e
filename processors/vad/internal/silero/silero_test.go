package silero

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/parley-go/parley/processors/vad/internal/onnx"
)

func TestTheEmbeddedFileIsThePublishedOne(t *testing.T) {
	if sum := fmt.Sprintf("%x", sha256.Sum256(File())); sum != SHA256 {
		t.Errorf("its checksum is %s, want %s", sum, SHA256)
	}
}

func TestAStreamTakesLittleMemory(t *testing.T) {
	if n := unsafe.Sizeof(State{}); n > 2048 {
		t.Errorf("a state has %d bytes", n)
	}
}

func TestTheFastTransformIsTheDiscreteOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{128, 256} {
		x, got := make([]float32, size), make([]float32, size/2+1)
		for i := range x {
			x[i] = rng.Float32()*2 - 1
		}
		newFourier(size).magnitudes(got, x)
		for bin := range got {
			var sum complex128
			for i, v := range x {
				sum += complex(float64(v)*hann(i, size), 0) * cmplx.Exp(complex(0, -2*math.Pi*float64(bin*i)/float64(size)))
			}
			if d := math.Abs(float64(got[bin]) - cmplx.Abs(sum)); d > 1e-5 {
				t.Errorf("bin %d of %d is off by %v", bin, size, d)
			}
		}
	}
}

func TestAModelThatIsNotVersionFiveIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		old, new string
		want     string
	}{
		"a layer with another name": {"encoder.1.reparam_conv.weight", "encoder.7.reparam_conv.weight", "encoder.1.reparam_conv.weight is missing"},
		"another branch":            {"else_branch", "elsewhere_b", "is missing"},
	} {
		file := bytes.ReplaceAll(File(), []byte(c.old), []byte(c.new))
		if _, err := Load(file, 8000); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", what, err, c.want)
		}
	}
	if _, err := Load(File()[:len(File())/2], 16000); err == nil {
		t.Error("half a file is a model")
	}
	// A single weight that is no number would be heard as silence for ever.
	tensors, err := onnx.Floats(File())
	if err != nil {
		t.Fatal(err)
	}
	var weights []byte
	for _, v := range tensors["If_0_then_branch__Inline_0__decoder.rnn.weight_ih"].Data[:8] {
		weights = binary.LittleEndian.AppendUint32(weights, math.Float32bits(v))
	}
	file := bytes.Clone(File())
	at := bytes.Index(file, weights)
	if at < 0 {
		t.Fatal("the weights are not in the file")
	}
	binary.LittleEndian.PutUint32(file[at+4:], math.Float32bits(float32(math.NaN())))
	if _, err := Load(file, 16000); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("of a weight that is NaN: %v", err)
	}
}

func TestFourFramesAtOnceAreTheSameAsOneByOne(t *testing.T) {
	if !fourAtOnce {
		t.Skip("this processor has no instructions for that")
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for _, size := range []int{128, 256} {
		f, bins := newFourier(size), size/2+1
		row := bins + 7
		x := make([]float32, 5*size/2+32) // of which the ends are not looked at
		for i := range x {
			x[i] = float32(math.NaN())
		}
		x = x[16 : 16+5*size/2]
		for i := range x {
			x[i] = rng.Float32()*2 - 1
		}
		got, want := make([]float32, 4*row), make([]float32, bins)
		for i := range got {
			got[i] = 7
		}
		f.fourFrames(got, row, x)
		for frame := range frames {
			f.magnitudes(want, x[frame*size/2:][:size])
			for bin, v := range want {
				if d := math.Abs(float64(got[frame*row+bin] - v)); d > 1e-5 {
					t.Errorf("bin %d of %d of frame %d is off by %v", bin, size, frame, d)
				}
			}
			for i, v := range got[frame*row+bins : (frame+1)*row] {
				if v != 7 {
					t.Errorf("%d is written to, %d behind frame %d", int(v), i, frame)
				}
			}
		}
	}
}
