package mp3

import (
	"errors"
	"fmt"
	"io"
)

// ErrTruncated is, or is wrapped by, the error of a file that ends within a
// frame, or before as many frames as it announces. What was read up to there is
// good. It wraps [io.ErrUnexpectedEOF].
var ErrTruncated = fmt.Errorf("mp3: file is truncated: %w", io.ErrUnexpectedEOF)

// ErrDamaged is wrapped by the error of a file that has fewer frames than it
// announces because something in its middle is missing or garbled. What was read
// is good, without what is missing.
var ErrDamaged = errors.New("mp3: file is damaged")

// FormatError says why a file cannot be read as MP3.
type FormatError struct {
	Reason string // what is wrong, and how to mend it where there is a way
	Err    error  // ErrTruncated if the file ends before its first frame does, else nil
}

func (e *FormatError) Error() string { return "mp3: " + e.Reason }

// Unwrap returns e.Err.
func (e *FormatError) Unwrap() error { return e.Err }

func badFormat(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...)}
}
