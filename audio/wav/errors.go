package wav

import (
	"errors"
	"fmt"
	"io"
)

// ErrTruncated is, or is wrapped by, the error of a file that ends before the
// audio that its header announces. What was read up to there is good. It wraps
// [io.ErrUnexpectedEOF].
var ErrTruncated = fmt.Errorf("wav: file is truncated: %w", io.ErrUnexpectedEOF)

// ErrDamaged is wrapped by the error of a file of floats with some that are NaN or
// infinite, which are no sound. It says which is the first, and how many there
// are. What was read is good, with 0 in the place of NaN and full scale in that of
// an infinity.
var ErrDamaged = errors.New("wav: file is damaged")

// ErrTooLarge is the error of [Writer.Write] when a file would grow beyond the 4
// GiB whose length a WAV header can tell, and of [Complete] for one that has. What was
// written before is good.
var ErrTooLarge = errors.New("wav: a WAV file cannot tell of more than 4 GiB; begin another one")

// ErrClosed is the error of [Writer.Write] after Close.
var ErrClosed = errors.New("wav: write: writer is closed")

// FormatError says why a file cannot be read as WAV.
type FormatError struct {
	Reason string // what is wrong, and how to mend it where there is a way
	Err    error  // ErrTruncated if the file ends within its header, else nil
}

func (e *FormatError) Error() string { return "wav: " + e.Reason }

// Unwrap returns e.Err.
func (e *FormatError) Unwrap() error { return e.Err }

func badFormat(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...)}
}
