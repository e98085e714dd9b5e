//go:build !cgo

package local

import "fmt"

// newSystem has no way to the devices.
func newSystem() (system, error) {
	return nil, fmt.Errorf("%w: build it with CGO_ENABLED=1 and a C compiler, or use the null device", ErrNoCgo)
}
