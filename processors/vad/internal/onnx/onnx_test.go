package onnx

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message appends fields to each other.
func message(fields ...[]byte) []byte {
	var m []byte
	for _, f := range fields {
		m = append(m, f...)
	}
	return m
}

func number(field, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, field<<3), value)
}

func bytes(field uint64, b []byte) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, field<<3|2), uint64(len(b))), b...)
}

func text(field uint64, s string) []byte { return bytes(field, []byte(s)) }

func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// constant is a node with a tensor of these fields.
func constant(name string, tensor ...[]byte) []byte {
	return bytes(1, message(text(2, name), text(4, "Constant"), bytes(5, message(text(1, "value"), bytes(5, message(tensor...))))))
}

func model(graph ...[]byte) []byte { return message(number(1, 8), bytes(7, message(graph...))) }

func branch(graph ...[]byte) []byte {
	return bytes(1, message(text(4, "If"), bytes(5, bytes(6, message(graph...)))))
}

func TestFloatsFindsTensorsWhereverTheyAre(t *testing.T) {
	got, err := Floats(model(
		constant("raw", number(1, 2), number(1, 1), number(2, 1), bytes(9, floats(1, 2))),
		constant("packed", bytes(1, []byte{3}), number(2, 1), bytes(4, floats(1, 2, 3))),
		constant("one by one", number(1, 1), number(2, 1), append([]byte{4<<3 | 5}, floats(7)...)),
		constant("a number", number(2, 1), bytes(9, floats(5))),
		constant("whole numbers", number(1, 1), number(2, 7), bytes(9, make([]byte, 8))),
		bytes(5, message(number(1, 1), number(2, 1), text(8, "initializer"), bytes(9, floats(4)))),
		branch(constant("in a branch", number(1, 1), number(2, 1), bytes(9, floats(6))), branch(constant("in a branch of it", number(1, 1), number(2, 1), bytes(9, floats(8))))),
		text(2, "the graph's name"), append([]byte{9<<3 | 1}, make([]byte, 8)...),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Tensor{
		"raw":               {[]int{2, 1}, []float32{1, 2}},
		"packed":            {[]int{3}, []float32{1, 2, 3}},
		"one by one":        {[]int{1}, []float32{7}},
		"a number":          {nil, []float32{5}},
		"initializer":       {[]int{1}, []float32{4}},
		"in a branch":       {[]int{1}, []float32{6}},
		"in a branch of it": {[]int{1}, []float32{8}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFilesThatAreNoModelsAreRefused(t *testing.T) {
	deep := constant("x", number(2, 1), bytes(9, floats(1)))
	for range 9 {
		deep = branch(deep)
	}
	many := []byte{}
	for i := range maxTensors + 1 {
		many = append(many, constant(strings.Repeat("x", i%1000)+string(rune('a'+i/1000)), number(2, 1), bytes(9, floats(1)))...)
	}
	for want, file := range map[string][]byte{
		"0 graphs":                      {},
		"2 graphs":                      message(model(), model()),
		"bytes, but only":               append(model(), 7<<3|2, 200, 1, 0),
		"field 1 is cut off":            {1 << 3},
		"field 7 is cut off":            {7<<3 | 2, 0x80},
		"the wire type 3":               {1<<3 | 3},
		"no field":                      {0, 0},
		"a graph is not a message":      number(7, 1),
		"a node is not a message":       model(number(1, 1)),
		"an attribute is not a message": model(bytes(1, number(5, 1))),
		"a tensor is not a message":     model(bytes(1, bytes(5, number(5, 1)))),
		"a name is no text":             model(bytes(1, text(4, strings.Repeat("x", 2000)))),
		"nested more than 8":            model(deep),
		"more than 4096 tensors":        model(many),
		"two tensors with the name":     model(constant("x", number(2, 1), bytes(9, floats(1))), constant("x", number(2, 1), bytes(9, floats(1)))),
		"2 floats, and the dimensions":  model(constant("x", number(1, 3), number(2, 1), bytes(9, floats(1, 2)))),
		"more than 8 dimensions":        model(constant("x", number(1, 1<<40), number(2, 1), bytes(9, floats(1, 2)))),
		"7 bytes of floats":             model(constant("x", number(1, 1), number(2, 1), bytes(9, make([]byte, 7)))),
		"in another file":               model(constant("x", number(1, 1), number(2, 1), number(14, 1))),
		"is cut off, or too large":      model(constant("x", bytes(1, []byte{0x80}), number(2, 1))),
	} {
		got, err := Floats(file)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("want an error with %q, got %v and %d tensors", want, err, len(got))
		}
	}
}

func TestDimensionsWhoseProductOverflowsAreRefused(t *testing.T) {
	tensor := [][]byte{number(2, 1), bytes(9, floats(1, 2, 3, 4))}
	for range 8 {
		tensor = append(tensor, number(1, 1<<16))
	}
	if _, err := Floats(model(constant("x", tensor...))); !errors.Is(err, ErrMalformed) {
		t.Errorf("the error is %v", err)
	}
}

// FuzzFloats holds the reader to its limits: any file gives tensors that are what
// their dimensions say, or an error, and costs little more memory than it has
// bytes.
func FuzzFloats(f *testing.F) {
	if b, err := os.ReadFile("../silero/silero_vad.onnx"); err == nil {
		f.Add(b[:4096])
	}
	f.Add(model(constant("raw", number(1, 2), number(1, 1), number(2, 1), bytes(9, floats(1, 2)))))
	f.Add(model(branch(branch(constant("x", bytes(1, []byte{3}), number(2, 1), bytes(4, floats(1, 2, 3)))))))
	f.Add(model(bytes(5, message(number(1, 1), number(2, 1), text(8, "initializer"), bytes(9, floats(4))))))
	f.Fuzz(func(t *testing.T, file []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Floats(file)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(1<<20+200*len(file)) {
			t.Errorf("%d bytes of memory for a file of %d", spent, len(file))
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) || got != nil {
				t.Errorf("error %v with %d tensors", err, len(got))
			}
			return
		}
		for name, tensor := range got {
			n := 1
			for _, d := range tensor.Dims {
				n *= d
			}
			if n != len(tensor.Data) || len(name) > maxName || 4*n > len(file) {
				t.Errorf("tensor %.20q has %d floats and the dimensions %v", name, len(tensor.Data), tensor.Dims)
			}
		}
	})
}
