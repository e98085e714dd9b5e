package protocol

import (
	"fmt"
	"strconv"
	"time"
)

// The exceptions of the operation, as they stand in :exception-type.
const (
	ExceptionValidation  = "validationException"
	ExceptionStreamError = "modelStreamErrorException"
	ExceptionTimeout     = "modelTimeoutException"
	ExceptionThrottling  = "throttlingException"
	ExceptionInternal    = "internalServerException"
	ExceptionUnavailable = "serviceUnavailableException"
)

// The service's texts, word for word.
const (
	TextInvalid      = "Invalid input request, please fix your input and try again."
	TextParse        = "Unable to parse input chunk. Please check input format contains correct format."
	TextUnexpected   = "The system encountered an unexpected error during processing. Try your request again."
	TextLife         = "Model has timed out in processing the request. Try your request again."
	TextIdleV1       = "Timed out waiting for input events"
	TextHistoryLimit = "Chat history is over max limit. Trim chat history and try again."
	TextHistoryFirst = "Chat history should be sent completely before streaming audio."
	TextSystemTwice  = "Duplicate SYSTEM content. SYSTEM content can only be provided once per prompt."
	TextOpenContents = "All contents must be closed before ending prompt"
	TextNoPrompts    = "No prompts were received in the sequence"
	TextToolParse    = "Tool Response parsing error"
	TextToolMedia    = "Tool result media type must be one of: [text/plain]"
	TextFiltered     = "This request has been blocked by our content filters."
	TextInstability  = "System instability detected. Please retry your request."
	TextThrottling   = "Too many requests, please wait before trying again."
	TextModelID      = "The provided model identifier is invalid."
	Text531          = "InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"
)

// TextIdle is what the service says to a stream that was idle for limit.
func TextIdle(limit time.Duration) string {
	seconds := strconv.FormatFloat(limit.Seconds(), 'f', -1, 64)
	return "InternalErrorCode=532::Timed out waiting for audio bytes or interactive content. " +
		"Please ensure gaps between audio bytes and interactive content are less than " + seconds + " seconds."
}

// Refusal is how the service refuses an event. It ends the stream.
type Refusal struct {
	Exception string // :exception-type
	Text      string

	// Silent tells that the stream is closed a little later without a word.
	Silent bool

	// Unknown tells that the event's name is not known.
	Unknown bool
}

// Error returns the refusal as one line.
func (r *Refusal) Error() string { return r.Exception + ": " + r.Text }

func invalid(text string) *Refusal { return &Refusal{Exception: ExceptionValidation, Text: text} }

func invalidf(format string, args ...any) *Refusal {
	return invalid(fmt.Sprintf(format, args...))
}
