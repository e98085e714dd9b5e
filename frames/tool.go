package frames

import (
	"encoding/json"
	"fmt"
	"time"
)

// FunctionCall is a model's wish to call a function. An interruption drops it
// where it is still queued: where a processor behind the model's runs the
// functions, a call that was asked for by an answer which nobody wanted to hear
// is not started. A service that runs them itself (novasonic) has started it by
// then, and tells of the result all the same.
type FunctionCall struct {
	Control
	CallID    string
	Name      string
	Arguments json.RawMessage // a JSON object
}

func (f *FunctionCall) String() string { return fmt.Sprintf("FunctionCall(%s %s)", f.Name, f.CallID) }

// FunctionCallInProgress tells that a function has been started.
type FunctionCallInProgress struct {
	Control
	Uninterruptible
	CallID string
	Name   string
}

func (f *FunctionCallInProgress) String() string {
	return fmt.Sprintf("FunctionCallInProgress(%s %s)", f.Name, f.CallID)
}

// FunctionCallResult is what a function returned.
type FunctionCallResult struct {
	Control
	Uninterruptible
	CallID  string
	Name    string
	Result  json.RawMessage // a JSON value that the model can read, failures included
	Failed  bool            // Result describes a failure
	Elapsed time.Duration   // how long the function ran
}

func (f *FunctionCallResult) String() string {
	if f.Failed {
		return fmt.Sprintf("FunctionCallResult(%s %s failed)", f.Name, f.CallID)
	}
	return fmt.Sprintf("FunctionCallResult(%s %s)", f.Name, f.CallID)
}

// FunctionCallCancel asks for a running function to be stopped. Its context is
// cancelled; the model is told that the call was cancelled.
type FunctionCallCancel struct {
	System
	CallID string // empty for all calls in progress
	Reason string
}

func (f *FunctionCallCancel) String() string { return "FunctionCallCancel(" + f.CallID + ")" }
