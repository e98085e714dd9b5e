package tool

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

const (
	// DefaultTimeout is how long a function may take unless [Timeout] says
	// otherwise. Callers on a telephone have hung up by then.
	DefaultTimeout = 30 * time.Second

	// DefaultMaxResult is the largest result in bytes of JSON, unless
	// [MaxResult] says otherwise. It is what a model can be expected to read
	// between two sentences.
	DefaultMaxResult = 64 << 10
)

// Option is a choice about one tool, for [New] and [Raw].
type Option func(*options) error

type options struct {
	timeout   time.Duration
	maxResult int
	slow      bool
	cancel    bool
	refine    []func(*jsonschema.Schema)
}

func collect(opts []Option) (options, error) {
	o := options{timeout: DefaultTimeout, maxResult: DefaultMaxResult}
	for _, opt := range opts {
		if opt == nil {
			return o, errors.New("an option is nil")
		}
		if err := opt(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// Timeout limits how long one call may take; it must be positive. The default
// is [DefaultTimeout].
func Timeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("a timeout of %v leaves no time to answer: give a positive one", d)
		}
		o.timeout = d
		return nil
	}
}

// MaxResult limits the size of a result, in bytes of JSON; it must be positive.
// A larger one is a failure. The default is [DefaultMaxResult].
func MaxResult(bytes int) Option {
	return func(o *options) error {
		if bytes <= 0 {
			return fmt.Errorf("a result of at most %d bytes can say nothing: give a positive limit", bytes)
		}
		o.maxResult = bytes
		return nil
	}
}

// Slow notes that a call usually takes longer than a caller likes to wait in
// silence. A service that can let its model talk on meanwhile does so.
func Slow() Option {
	return func(o *options) error { o.slow = true; return nil }
}

// CancelOnInterruption notes that a call in progress is to be cancelled when
// the caller barges in. By default it goes on, because the model still expects
// its result.
func CancelOnInterruption() Option {
	return func(o *options) error { o.cancel = true; return nil }
}

// Refine edits the schema that [New] has derived, before it is checked: to
// list allowed values, to set limits, to reword a description. It may be given
// several times. edit runs once, within New.
//
//	tool.Refine(func(s *jsonschema.Schema) {
//		s.Properties["unit"].Enum = []any{"celsius", "fahrenheit"}
//	})
func Refine(edit func(s *jsonschema.Schema)) Option {
	return func(o *options) error {
		if edit == nil {
			return errors.New("the function given to Refine is nil")
		}
		o.refine = append(o.refine, edit)
		return nil
	}
}
