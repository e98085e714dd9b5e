// Package mistakes says what is wrong with a configuration: all of it at once, so
// that nobody mends one field to be told of the next, each in a line with the
// field, its value and what is allowed.
package mistakes

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// List is the mistakes that were found. The zero value is none.
type List []error

// Add adds one.
func (l *List) Add(format string, args ...any) { *l = append(*l, fmt.Errorf(format, args...)) }

// Join adds those that somebody else has found, if err is not nil.
func (l *List) Join(err error) { *l = append(*l, err) }

// Duration adds a duration that is not between two others; most is 0 where there
// is no limit. 0 itself is right everywhere: it asks for the default.
func (l *List) Duration(field string, d, least, most time.Duration) {
	switch {
	case d == 0:
	case d < least && most == 0:
		l.Add("%s is %v: at least %v, or 0 for the default%s", field, d, least, Unit(d))
	case d < least || most != 0 && d > most:
		l.Add("%s is %v: %v to %v, or 0 for the default%s", field, d, least, most, Unit(d))
	}
}

// Err returns the mistakes, or nil.
func (l List) Err() error { return errors.Join(l...) }

// IsNil reports whether there is nothing in v to call a method of: v is nil, or
// holds a nil pointer or a nil function, as an adapter of a function that was
// forgotten does. Comparing with nil finds the first only.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}

// Unit asks, of a duration that is too short for anything, what it was meant for:
// a number without a unit is that many nanoseconds, which the compiler takes. It is
// "" for any other.
func Unit(d time.Duration) string {
	if d <= 0 || d >= tooShort {
		return ""
	}
	return fmt.Sprintf(" (%[1]d nanoseconds: was another unit meant? write %[1]d*time.Millisecond, or time.Second)", int64(d))
}

// tooShort is less than anybody can hear, and more than a number of milliseconds
// that makes sense.
const tooShort = 100 * time.Microsecond
