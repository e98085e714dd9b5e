package file

import (
	"fmt"
	"os"
)

// private opens a standard stream that is a pipe once more, for this call alone:
// with a file description of its own, that can wait for the pipe in a way that
// Close ends, without a change to that which other programs share, and whose
// broken pipe is an error and not the end of the program (os/signal, SIGPIPE).
func private(f *os.File, flag int) (*os.File, bool) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return f, false
	}
	own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flag, 0)
	if err != nil {
		return f, false // no /proc, or no right to: then as elsewhere
	}
	return own, true
}
