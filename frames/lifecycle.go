package frames

import (
	"fmt"
	"time"
)

// Start is the first frame in every processor: all processors have been
// started, and frames will follow.
type Start struct{ System }

func (f *Start) String() string { return "Start" }

// End asks for an orderly end. It travels behind everything that was sent
// before it; each processor finishes its work and then passes it on (an output
// plays what it still has), and when it leaves the last processor the run is
// over. Sent upstream, it asks the pipeline to send one downstream from its
// beginning.
type End struct {
	Control
	Uninterruptible
	Reason string // for people; may be empty

	// Gone says that the caller has left: nobody would hear what is still to be said,
	// so that no answer is waited for, and nothing is played to its end. Whoever
	// sends it has interrupted the agent before.
	Gone bool
}

func (f *End) String() string { return "End(" + f.Reason + ")" }

// Stop pauses: processors finish what came before it and then stay idle, with
// connections and state kept, until new frames arrive. Unlike [End] it does
// not end the run.
type Stop struct {
	Control
	Uninterruptible
	Reason string // for people; may be empty
}

func (f *Stop) String() string { return "Stop(" + f.Reason + ")" }

// Cancel ends the run at once: whoever sends it, in either direction, cancels
// the pipeline. It is not delivered to other processors; they see their
// contexts cancelled and are closed.
type Cancel struct {
	System
	Reason string // for people; may be empty
	Err    error  // what the run returns; nil for a cancellation that is no failure
}

func (f *Cancel) String() string {
	if f.Err != nil {
		return fmt.Sprintf("Cancel(%s: %v)", f.Reason, f.Err)
	}
	return "Cancel(" + f.Reason + ")"
}

// Interruption tells a processor that the user has barged in (or that the
// application silences the agent): what was being said is no longer wanted.
// The engine delivers it to every processor at once, before any frame that was
// sent after it and after the last that was sent before; processors do not
// pass it on. One is raised with the Interrupt method of a pipeline or port.
type Interruption struct {
	System
	Source string // the processor which raised it
	Reason string // "barge-in", "application", …
}

func (f *Interruption) String() string {
	return fmt.Sprintf("Interruption(%s by %s)", f.Reason, f.Source)
}

// Heartbeat is sent through the ordered lanes at a fixed interval, to measure
// how long a frame takes from one end to the other and to find a pipeline that
// is stuck.
type Heartbeat struct {
	Control
	Uninterruptible
	Sequence int64
	Sent     time.Time
}

func (f *Heartbeat) String() string { return fmt.Sprintf("Heartbeat(%d)", f.Sequence) }

// ErrorClass says what kind of failure an error is, so that its receiver can
// choose: retry, mend the request, or give up.
type ErrorClass uint8

const (
	ErrorUnknown        ErrorClass = iota // not classified
	ErrorAuthentication                   // credentials are missing, wrong or expired, or may not do this
	ErrorInvalidRequest                   // the request will never be accepted as it is
	ErrorRateLimit                        // too many requests for now
	ErrorQuota                            // a limit of the account is reached
	ErrorConnectivity                     // the network or the peer is out of reach, or the connection broke
	ErrorServer                           // the peer failed
	ErrorApplication                      // the application's own code failed: a tool, a custom processor
)

// String returns the class in words: "authentication", "invalid request", …
func (c ErrorClass) String() string {
	names := [...]string{"unknown", "authentication", "invalid request", "rate limit", "quota", "connectivity", "server", "application"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("error class(%d)", uint8(c))
}

// Temporary reports whether the same request may succeed later.
func (c ErrorClass) Temporary() bool {
	switch c {
	case ErrorRateLimit, ErrorConnectivity, ErrorServer:
		return true
	}
	return false
}

// Error reports a failure. It travels upstream to the pipeline's owner.
type Error struct {
	System
	Processor string     // which processor failed
	Kind      ErrorClass // what kind of failure it is
	Fatal     bool       // the run cannot go on; the pipeline ends with Err
	Err       error      // never nil
}

func (f *Error) String() string {
	fatal := ""
	if f.Fatal {
		fatal = "fatal "
	}
	return fmt.Sprintf("Error(%s%s in %s: %v)", fatal, f.Kind, f.Processor, f.Err)
}

// Unwrap returns Err.
func (f *Error) Unwrap() error { return f.Err }

// Metric is one measured value.
type Metric struct {
	Name  string  // in the form of OpenTelemetry, "parley.turn.latency"
	Value float64 // in Unit
	Unit  string  // UCUM: "s", "By", "{token}", "1"

	// Attributes tell measurements of one name apart, as the reason of what was
	// measured does. Their values should be few: what keeps them may keep some for
	// each.
	Attributes []Attribute
}

// String returns name, value, unit and attributes: "{parley.turn.latency 0.7 s}".
func (m Metric) String() string {
	s := fmt.Sprintf("{%s %v %s", m.Name, m.Value, m.Unit)
	for _, a := range m.Attributes {
		s += " " + a.Key + "=" + a.Value
	}
	return s + "}"
}

// Attribute is something known of a [Metric].
type Attribute struct {
	Key   string // in the form of OpenTelemetry, "reason"
	Value string
}

// Metrics carries measurements of one processor.
type Metrics struct {
	System
	Processor string
	Values    []Metric
}

func (f *Metrics) String() string { return fmt.Sprintf("Metrics(%s %v)", f.Processor, f.Values) }

// UpdateSettings changes a service's settings while it runs. A service takes
// those frames whose Settings have a type of its own and passes on the others. What
// nobody takes, since no processor in the pipeline has settings of that type,
// changes nothing and is not reported: vad.Settings are settings, vad.Params are not.
type UpdateSettings struct {
	Control
	Uninterruptible
	Settings any
}

func (f *UpdateSettings) String() string { return fmt.Sprintf("UpdateSettings(%T)", f.Settings) }

// SettingsOf returns the settings that f carries if they are of type T, given by
// value or by pointer. ok is false if they are another's, or a nil pointer.
func SettingsOf[T any](f *UpdateSettings) (settings T, ok bool) {
	switch s := f.Settings.(type) {
	case T:
		return s, true
	case *T:
		if s != nil {
			return *s, true
		}
	}
	return settings, false
}

// SwitchService tells a switch to make another of its services the active one.
type SwitchService struct {
	Control
	Uninterruptible
	Switch  string // the switch's name; empty for every switch in the pipeline
	Service string // the name of the service to activate
}

func (f *SwitchService) String() string {
	return fmt.Sprintf("SwitchService(%s → %s)", f.Switch, f.Service)
}
