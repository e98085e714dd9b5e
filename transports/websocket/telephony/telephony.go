package telephony

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/transports/websocket"
)

// Codec is how samples are written.
type Codec uint8

// The codecs of telephone lines.
const (
	ULaw Codec = iota // G.711 µ-law, 8 kHz ("PCMU")
	ALaw              // G.711 A-law, 8 kHz ("PCMA")
	PCM               // 16 bits, little-endian
)

// String returns the codec's usual name.
func (c Codec) String() string {
	switch c {
	case ULaw:
		return "µ-law"
	case ALaw:
		return "A-law"
	case PCM:
		return "PCM16"
	}
	return fmt.Sprintf("Codec(%d)", uint8(c))
}

func (c Codec) encode(dst []byte, samples []int16) []byte {
	switch c {
	case ULaw:
		return audio.EncodeULaw(dst, samples)
	case ALaw:
		return audio.EncodeALaw(dst, samples)
	}
	return audio.EncodePCM(dst, samples)
}

func (c Codec) decode(b []byte) ([]int16, error) {
	switch c {
	case ULaw:
		return audio.DecodeULaw(make([]int16, 0, len(b)), b), nil
	case ALaw:
		return audio.DecodeALaw(make([]int16, 0, len(b)), b), nil
	}
	if len(b)%2 != 0 {
		return nil, refuse(ws.StatusInvalidFramePayloadData, "%d bytes of audio are not a whole number of samples of 2 bytes", len(b))
	}
	return audio.DecodePCM(make([]int16, 0, len(b)/2), b), nil
}

// line is how one direction of a call is spoken.
type line struct {
	codec Codec
	rate  audio.SampleRate
	swap  bool   // PCM has the high byte first
	raw   []byte // of the latest chunk
}

// hear returns audio. It may change b.
func (l *line) hear(b []byte) ([]frames.Frame, error) {
	if l.swap && l.codec == PCM {
		swap(b)
	}
	samples, err := l.codec.decode(b)
	if err != nil || len(samples) == 0 {
		return nil, err
	}
	return []frames.Frame{&frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(l.rate), Samples: samples}}}, nil
}

// say returns a chunk as it is written, until the next one.
func (l *line) say(samples []int16) []byte {
	l.raw = l.codec.encode(l.raw[:0], samples)
	if l.swap && l.codec == PCM {
		swap(l.raw)
	}
	return l.raw
}

// swap exchanges the bytes of 16-bit samples.
func swap(b []byte) {
	for ; len(b) >= 2; b = b[2:] {
		b[0], b[1] = b[1], b[0]
	}
}

// number is a number that some providers write as a string.
type number int

// UnmarshalJSON accepts 8000 and "8000".
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		return nil
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%.20q is not a number", s)
	}
	*n = number(v)
	return nil
}

// key returns a key that was pressed; nothing for a hook flash, or whatever else a
// provider takes for a digit.
func key(digit string) []frames.Frame {
	digit = strings.ToUpper(digit)
	if len(digit) != 1 || !strings.Contains("0123456789ABCD*#", digit) {
		return nil
	}
	return []frames.Frame{&frames.DTMFInput{Digit: digit[0]}}
}

// hungUp is what is said of a caller who has.
func hungUp() []frames.Frame { return []frames.Frame{&frames.End{Reason: "the caller hung up"}} }

// parse reads JSON.
func parse(m websocket.Message, into any) error {
	if m.Binary {
		return refuse(ws.StatusUnsupportedData, "a binary message came where JSON is spoken, in text messages")
	}
	// What has another type than is expected is left out: it may be of an event
	// that is of no interest.
	err := json.Unmarshal(m.Data, into)
	if _, odd := errors.AsType[*json.UnmarshalTypeError](err); odd {
		return nil
	}
	if err != nil {
		return refuse(ws.StatusInvalidFramePayloadData, "a message is not the JSON that is expected: %v", err)
	}
	return nil
}

func refuse(code ws.StatusCode, format string, args ...any) error {
	return &websocket.Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// quote returns a string in JSON.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // no string fails
	}
	return string(b)
}

// checkIDs refuses identities that are none. They go into addresses of the
// provider's API, where an empty one, or "..", would name something else: all
// calls of the account, for instance.
func checkIDs(ids map[string]string) error {
	for name, id := range ids {
		if !identity.MatchString(id) {
			return refuse(ws.StatusPolicyViolation, "the start message has the %s %.40q, which is none", name, id)
		}
	}
	return nil
}

var identity = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_-]{0,255}$`)

// end asks a provider's API to end a call, with what auth adds to the request. A
// call that has ended already, as this status and code in the answer say, is as
// good.
func end(ctx context.Context, client *http.Client, method, address, mime, body string, auth func(*http.Request), over int, code string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", mime)
	}
	auth(req)
	resp, err := cmp.Or(client, http.DefaultClient).Do(req)
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // it only explains
	if resp.StatusCode/100 == 2 || resp.StatusCode == over && strings.Contains(string(b), code) {
		return nil
	}
	return fmt.Errorf("hang up: %s answered %s: %.200q", req.URL.Host, resp.Status, b)
}

// at returns an address of an API, whose paths are escaped.
func at(base, standard string, path ...string) string {
	address := strings.TrimSuffix(cmp.Or(base, standard), "/")
	for _, p := range path {
		address += "/" + url.PathEscape(p)
	}
	return address
}
