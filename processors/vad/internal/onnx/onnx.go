// Package onnx reads the weights out of a neural network's .onnx file, which is
// a protocol buffer. It knows as much of the format as that takes:
//
//	ModelProto.graph (7) ─▶ GraphProto
//	                          .node (1) ─▶ NodeProto, op_type (4) "Constant"
//	                          │              .output (2)      the tensor's name
//	                          │              .attribute (5) ─▶ AttributeProto
//	                          │                                  .t (5) ─▶ TensorProto
//	                          │                                  .g (6) ─▶ GraphProto, a branch of an If
//	                          .initializer (5) ─▶ TensorProto, its own name (8)
//
// The numbers are those of onnx.proto in github.com/onnx/onnx.
package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Tensor is an array of floats.
type Tensor struct {
	Dims []int // empty for a single number
	Data []float32
}

// The limits of what is read. Silero's file has two levels of graphs, and 30
// tensors with 3 dimensions.
const (
	maxSize    = 64 << 20 // bytes of a file
	maxDepth   = 8        // graphs within graphs
	maxTensors = 4096
	maxDims    = 8
	maxName    = 1024 // bytes
)

// ErrMalformed is a file that is not a model, or is damaged.
var ErrMalformed = errors.New("not a valid ONNX model")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Floats returns the constant float tensors of a model, those of the branches
// included, by their names. It keeps nothing of model. What it allocates is
// bounded by a small multiple of the length of model.
func Floats(model []byte) (map[string]Tensor, error) {
	if len(model) > maxSize {
		return nil, malformed("%d bytes, which is more than the %d that are read", len(model), maxSize)
	}
	r := reader{found: make(map[string]Tensor)}
	graphs := 0
	err := fields(model, func(f field) error {
		if f.number != 7 {
			return nil
		}
		graphs++
		return r.graph(f, 1)
	})
	if err != nil {
		return nil, err
	}
	if graphs != 1 {
		return nil, malformed("%d graphs, want one", graphs)
	}
	return r.found, nil
}

type reader struct{ found map[string]Tensor }

func (r *reader) add(name string, t Tensor) error {
	if _, twice := r.found[name]; twice {
		return malformed("two tensors with the name %.100q", name)
	}
	if len(r.found) == maxTensors {
		return malformed("more than %d tensors", maxTensors)
	}
	r.found[name] = t
	return nil
}

func (r *reader) graph(f field, depth int) error {
	if f.wire != bytesWire {
		return malformed("a graph is not a message")
	}
	if depth > maxDepth {
		return malformed("graphs are nested more than %d deep", maxDepth)
	}
	return fields(f.bytes, func(f field) error {
		switch f.number {
		case 1:
			return r.node(f, depth)
		case 5:
			name, t, err := tensor(f)
			if err != nil || t.Data == nil {
				return err
			}
			return r.add(name, t)
		}
		return nil
	})
}

// node takes the tensor of a Constant, and goes into the branches of an If.
func (r *reader) node(f field, depth int) error {
	if f.wire != bytesWire {
		return malformed("a node is not a message")
	}
	var op string
	var outputs []string
	var value Tensor
	err := fields(f.bytes, func(f field) error {
		var err error
		switch f.number {
		case 2:
			if len(outputs) == 0 { // a Constant has one; others may have any number
				var name string
				name, err = f.text()
				outputs = append(outputs, name)
			}
		case 4:
			op, err = f.text()
		case 5:
			if f.wire != bytesWire {
				return malformed("an attribute is not a message")
			}
			err = fields(f.bytes, func(f field) error {
				switch f.number {
				case 5:
					_, t, err := tensor(f)
					value = t
					return err
				case 6:
					return r.graph(f, depth+1)
				}
				return nil
			})
		}
		return err
	})
	if err != nil || op != "Constant" || len(outputs) == 0 || value.Data == nil {
		return err
	}
	return r.add(outputs[0], value)
}

const (
	floatType = 1 // TensorProto.DataType.FLOAT
	external  = 1 // TensorProto.DataLocation.EXTERNAL
)

// tensor reads a TensorProto. Data is nil if it does not hold floats.
func tensor(f field) (name string, t Tensor, err error) {
	if f.wire != bytesWire {
		return "", t, malformed("a tensor is not a message")
	}
	var kind, location uint64
	var raw []byte
	var single []float32
	err = fields(f.bytes, func(f field) error {
		switch {
		case f.number == 1:
			return f.varints(func(v uint64) error {
				if len(t.Dims) == maxDims || v > maxSize {
					return malformed("a tensor has more than %d dimensions, or one of %d", maxDims, v)
				}
				t.Dims = append(t.Dims, int(v))
				return nil
			})
		case f.number == 2 && f.wire == varintWire:
			kind = f.varint
		case f.number == 4 && f.wire == bytesWire: // float_data, packed
			raw = f.bytes
		case f.number == 4 && f.wire == fixed32Wire: // float_data, one by one
			single = append(single, math.Float32frombits(binary.LittleEndian.Uint32(f.bytes)))
		case f.number == 8:
			name, err = f.text()
			return err
		case f.number == 9 && f.wire == bytesWire: // raw_data
			raw = f.bytes
		case f.number == 14 && f.wire == varintWire:
			location = f.varint
		}
		return nil
	})
	if err != nil || kind != floatType {
		return "", Tensor{}, err
	}
	if location == external {
		return "", Tensor{}, malformed("tensor %.100q is in another file", name)
	}
	if raw != nil && single != nil || len(raw)%4 != 0 {
		return "", Tensor{}, malformed("tensor %.100q has %d bytes of floats, and %d floats", name, len(raw), len(single))
	}
	count := len(raw)/4 + len(single)
	product := int64(1)
	for _, d := range t.Dims {
		if product *= int64(d); product > int64(count) { // no overflow: both were less than 2^27
			break
		}
	}
	if product != int64(count) {
		return "", Tensor{}, malformed("tensor %.100q has %d floats, and the dimensions %v", name, count, t.Dims)
	}
	if t.Data = single; t.Data == nil {
		t.Data = make([]float32, count)
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	return name, t, nil
}

// The wire types of a protocol buffer. Groups, 3 and 4, are not in use.
const (
	varintWire  = 0
	fixed64Wire = 1
	bytesWire   = 2
	fixed32Wire = 5
)

// field is one field of a message.
type field struct {
	number uint64
	wire   uint64
	varint uint64 // if wire is varintWire
	bytes  []byte // otherwise; part of the file
}

// text returns a name.
func (f field) text() (string, error) {
	if f.wire != bytesWire || len(f.bytes) > maxName {
		return "", malformed("a name is no text, or has more than %d bytes", maxName)
	}
	return string(f.bytes), nil
}

// varints calls use for each number of a repeated field, packed or not.
func (f field) varints(use func(uint64) error) error {
	switch f.wire {
	case varintWire:
		return use(f.varint)
	case bytesWire:
		for b := f.bytes; len(b) > 0; {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return malformed("a number is cut off, or too large")
			}
			if err := use(v); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}
	return malformed("a number of wire type %d", f.wire)
}

// fields calls use for each field of a message, in order, until one fails.
func fields(b []byte, use func(field) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 {
			return malformed("no field where one should begin")
		}
		b = b[n:]
		f := field{number: key >> 3, wire: key & 7}
		var size uint64
		switch f.wire {
		case varintWire:
			if f.varint, n = binary.Uvarint(b); n <= 0 {
				return malformed("field %d is cut off", f.number)
			}
			b = b[n:]
		case fixed64Wire:
			size = 8
		case fixed32Wire:
			size = 4
		case bytesWire:
			if size, n = binary.Uvarint(b); n <= 0 {
				return malformed("field %d is cut off", f.number)
			}
			b = b[n:]
		default:
			return malformed("field %d has the wire type %d", f.number, f.wire)
		}
		if size > uint64(len(b)) {
			return malformed("field %d has %d bytes, but only %d follow", f.number, size, len(b))
		}
		f.bytes, b = b[:size], b[size:]
		if err := use(f); err != nil {
			return err
		}
	}
	return nil
}
