//go:build !linux

package bench

import "time"

// threadTime is the wall clock, where there is no clock of a thread.
func threadTime() time.Duration { return time.Since(began) }

var began = time.Now()

// processTime is the wall clock, likewise.
func processTime() time.Duration { return time.Since(began) }
