package bedrock

import (
	"fmt"

	"github.com/parley-go/parley/frames"
)

// Verdict says what a failure means to somebody who has to go on.
type Verdict struct {
	Class  frames.ErrorClass
	Reason Reason
	Action Action
	Hint   string // how to mend it, for people; may be empty
}

// Action is what to do after a failure.
type Action uint8

const (
	// GiveUp: the same will fail again, and nothing can be done from here.
	GiveUp Action = iota
	// Retry: open another stream, after a pause that grows.
	Retry
	// FixAndRetry: another stream can succeed once the Reason is seen to:
	// credentials renewed, history trimmed, a tool's result left out.
	FixAndRetry
)

// String returns "give up", "retry" or "fix and retry".
func (a Action) String() string {
	switch a {
	case GiveUp:
		return "give up"
	case Retry:
		return "retry"
	case FixAndRetry:
		return "fix and retry"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Reason is a failure's kind, as precisely as it can be told.
type Reason uint8

const (
	ReasonUnknown Reason = iota

	// The stream came to its end.
	ReasonLifetime      // the 8 minutes of a connection are over
	ReasonIdle          // no audio or text came up for too long
	ReasonServerReset   // the service dropped the stream (531), or called itself unstable
	ReasonUnexpectedEnd // the service ended the stream without a word
	ReasonConnection    // the network: refused, reset, timed out, lost
	ReasonCorrupt       // what came down could not be decoded

	// The service is in no state to help.
	ReasonServer    // it failed
	ReasonNotReady  // the model is being loaded
	ReasonThrottled // too many requests
	ReasonQuota     // a limit of the account

	// The request, the session or the account is wrong.
	ReasonNoCredentials      // there are none
	ReasonCredentials        // they are not accepted
	ReasonCredentialsExpired // they have ended
	ReasonClock              // signed at a time that is not now
	ReasonAccess             // they may not use the model
	ReasonModel              // the model is not known here
	ReasonEndpoint           // the endpoint, region or proxy is wrong
	ReasonHistory            // the history is too large, or in the wrong order
	ReasonContent            // blocked by the content filter
	ReasonToolResult         // a tool's result could not be used
	ReasonTools              // a tool's name or schema
	ReasonVoice              // a voice that the model does not have
	ReasonProtocol           // an event that the service did not expect or understand
	ReasonAborted            // our own side ended it
)

// String returns the reason in a few words: "lifetime", "idle", …
func (r Reason) String() string {
	names := [...]string{
		"unknown", "lifetime", "idle", "server reset", "unexpected end", "connection", "corrupt",
		"server", "not ready", "throttled", "quota",
		"no credentials", "credentials", "credentials expired", "clock", "access", "model", "endpoint",
		"history", "content", "tool result", "tools", "voice", "protocol", "aborted",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}
