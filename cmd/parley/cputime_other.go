//go:build !unix

package main

import "time"

// cpuTime is the user and system time of this process so far; 0 where the
// system does not tell.
func cpuTime() time.Duration { return 0 }
