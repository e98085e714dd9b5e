package bench

import (
	"syscall"
	"time"
)

// threadTime is how long this thread has run on a processor: what others run
// beside it takes nothing from it but the memory that they share.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return time.Since(began)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var began = time.Now()
