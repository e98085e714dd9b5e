package novasonic

import (
	"errors"
	"fmt"
	"strings"
)

// ConfigError says which field of a Config cannot work and why.
type ConfigError struct {
	Field string // "Voice", "History[3].Role"
	Err   error
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("configure Nova Sonic: %s: %v", e.Field, e.Err)
}

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// oneLine prints several errors in one line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }

func (e oneLine) Unwrap() error { return e.error }

// Errors that the processor reports, wrapped in more.
var (
	// ErrGaveUp is the end of a conversation that could not be continued: every
	// attempt to open another stream failed.
	ErrGaveUp = errors.New("the conversation could not be continued")

	// ErrStalled is a stream whose peer no longer takes audio.
	ErrStalled = errors.New("the service stopped taking audio")

	// ErrNotAccepted is a stream which the service did not accept in time.
	ErrNotAccepted = errors.New("the service did not accept the stream in time")

	// ErrContinuing is the end of a stream after which the conversation goes on, on
	// another one.
	ErrContinuing = errors.New("continuing on another stream")

	// errConfused is a stream on which the service does what makes no sense.
	errConfused = errors.New("the service does not keep to the protocol")

	// ErrNotRunning is a wish of the application's for a conversation that has
	// not begun, or is over.
	ErrNotRunning = errors.New("the conversation is not running")

	// ErrTextUnsupported is text or keys for a model that can only be spoken to.
	ErrTextUnsupported = errors.New("this model takes no text in mid-call")
)
