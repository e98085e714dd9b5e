package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// maxMessage is the largest error text in bytes that a model is given.
const maxMessage = 1024

// Result is what came of one call.
type Result struct {
	// Tool is the name that was called, as the model wrote it.
	Tool string

	// JSON is always a JSON object that the model can read: what the function
	// returned, {"result": …} if that is not an object, or {"error": "…"}.
	JSON json.RawMessage

	// Value is what the function returned; nil if it failed.
	Value any

	// Err is nil if the function returned in time and without an error, and
	// with something that a model can be given. See [ErrUnknown] and the others.
	Err error

	// Elapsed is how long the call took.
	Elapsed time.Duration
}

// Failed reports whether JSON tells of a failure.
func (r Result) Failed() bool { return r.Err != nil }

// String describes the result without its content.
func (r Result) String() string {
	if r.Failed() {
		return fmt.Sprintf("%s failed after %v: %v", clip(r.Tool), r.Elapsed, r.Err)
	}
	return fmt.Sprintf("%s returned %d bytes after %v", clip(r.Tool), len(r.JSON), r.Elapsed)
}

// failure is a Result of err, told to the model as message.
func failure(name string, err error, message string) Result {
	return Result{Tool: name, Err: err, JSON: errorObject(message)}
}

func errorObject(message string) json.RawMessage {
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	text, err := encode(struct { // encode mends the half character that the cut may leave
		Error string `json:"error"`
	}{message})
	if err != nil {
		return json.RawMessage(`{"error":"the tool failed"}`) // never: it is a string
	}
	return text
}

// object encodes what a function returned as a JSON object.
func object(v any, limit int) (json.RawMessage, error) {
	text, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResult, err)
	}
	if !bytes.HasPrefix(text, []byte("{")) {
		wrapped := make([]byte, 0, len(text)+len(`{"result":}`))
		wrapped = append(wrapped, `{"result":`...)
		wrapped = append(wrapped, text...)
		text = append(wrapped, '}')
	}
	if len(text) > limit {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrResult, len(text), limit)
	}
	return text, nil
}

// encode writes v compactly and leaves <, > and & readable.
func encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}
