package telephony

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// genesysAge is how old a signature may be, and genesysSkew by how much clocks may
	// differ.
	genesysAge  = 10 * time.Second
	genesysSkew = 3 * time.Second

	maxNonces = 10_000
	minNonce  = 22
)

// genesysCovers is what a signature must be of, in any order.
var genesysCovers = []string{"@request-target", "@authority", "audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id", "x-api-key"}

// VerifyGenesys returns what [websocket.Config.Authenticate] wants to let nobody in
// but Genesys: the request has an API key, and is signed with its client secret,
// which Genesys shows in base64. secrets has both, for each key that is valid. A
// signature is good for ten seconds, and once. A proxy must leave the request's path
// and its Host as they were.
//
// Source: draft-ietf-httpbis-message-signatures, with hmac-sha256 and the parameters
// keyid, nonce, created and expires, as in Genesys's reference implementation.
func VerifyGenesys(secrets map[string]string) func(*http.Request) error {
	keys, broken := map[string][]byte{}, error(nil)
	for key, secret := range secrets {
		b, err := base64.StdEncoding.DecodeString(secret)
		if err != nil || len(b) == 0 || key == "" {
			broken = fmt.Errorf("the client secret of the API key %.8q… is none: it is in base64, and not empty", key)
		}
		keys[key] = b
	}
	if len(keys) == 0 {
		broken = errors.New("there is no API key to verify the signature with")
	}
	nonces := &nonces{seen: map[string]time.Time{}}
	nobodys := []byte(rand.Text()) // so that an unknown key takes as long as a known one
	return func(r *http.Request) error {
		if broken != nil {
			return broken
		}
		s, err := parseSignature(r)
		if err != nil {
			return err
		}
		if err := s.check(time.Now()); err != nil {
			return err
		}
		base, err := s.base(r)
		if err != nil {
			return err
		}
		secret, known := keys[s.keyID]
		if !known {
			secret = nobodys
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(base))
		switch good := hmac.Equal(mac.Sum(nil), s.value); {
		case s.keyID != r.Header.Get("X-Api-Key"):
			return errors.New("the X-API-KEY is not the keyid of the signature")
		case !good:
			return errors.New("the Signature is not that of the request: check API key and client secret, and that no proxy changes path or Host")
		case !nonces.first(s.nonce, time.Now()):
			return errors.New("the Signature has been used before")
		}
		return nil
	}
}

// nonces are those that were used, as long as their signatures are good.
type nonces struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether nobody has used a nonce yet, and notes it.
func (n *nonces) first(nonce string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for old, at := range n.seen {
		if now.Sub(at) > genesysAge+2*genesysSkew {
			delete(n.seen, old)
		}
	}
	if _, used := n.seen[nonce]; used || len(n.seen) >= maxNonces {
		return false
	}
	n.seen[nonce] = now
	return true
}

// signature is what the headers Signature-Input and Signature say.
type signature struct {
	covers           []string
	params           string // as it was written, which is what was signed
	keyID, nonce     string
	created, expires time.Time
	value            []byte
}

// parseSignature reads the first signature of a request: those two headers are
// dictionaries of RFC 8941, of which this is the part that is in use.
func parseSignature(r *http.Request) (signature, error) {
	var s signature
	label, params, ok := strings.Cut(strings.TrimSpace(r.Header.Get("Signature-Input")), "=")
	if !ok {
		return s, errors.New("the request has no Signature-Input")
	}
	values := r.Header.Get("Signature")
	value, ok := strings.CutPrefix(strings.TrimSpace(values), label+"=:")
	value, end := strings.CutSuffix(value, ":")
	if !ok || !end {
		return s, fmt.Errorf("the request has no Signature %.20q", label)
	}
	var err error
	if s.value, err = base64.StdEncoding.DecodeString(value); err != nil {
		return s, errors.New("the Signature is not base64")
	}
	s.params = params
	list, rest, ok := strings.Cut(strings.TrimPrefix(params, "("), ")")
	if !ok || !strings.HasPrefix(params, "(") {
		return s, errors.New("the Signature-Input has no list of what is signed")
	}
	for _, item := range strings.Fields(list) {
		name, err := quoted(item)
		if err != nil {
			return s, err
		}
		if slices.Contains(s.covers, name) {
			return s, fmt.Errorf("the Signature-Input names %.40q twice", name)
		}
		s.covers = append(s.covers, name)
	}
	for rest != "" {
		var p string
		if rest, ok = strings.CutPrefix(rest, ";"); !ok {
			return s, errors.New("the Signature-Input is not well formed: one signature is expected")
		}
		p, rest = nextParam(rest)
		name, value, _ := strings.Cut(p, "=")
		if err := s.set(name, value); err != nil {
			return s, err
		}
	}
	return s, nil
}

// nextParam cuts a parameter off, whose value may be a string with anything in it.
func nextParam(s string) (param, rest string) {
	inside := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			inside = !inside
		case s[i] == ';' && !inside:
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// set takes a parameter of the signature's.
func (s *signature) set(name, value string) (err error) {
	switch name {
	case "keyid":
		s.keyID, err = quoted(value)
	case "nonce":
		s.nonce, err = quoted(value)
	case "alg":
		if value != `"hmac-sha256"` {
			err = fmt.Errorf("a signature of %.30s is not known here: hmac-sha256 is", value)
		}
	case "created":
		s.created, err = unix(value)
	case "expires":
		s.expires, err = unix(value)
	default:
		err = fmt.Errorf("the Signature-Input has the parameter %.20q, which is not known here", name)
	}
	return err
}

// quoted returns the text in a string without escapes.
func quoted(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' || strings.ContainsAny(s[1:len(s)-1], "\"\\") {
		return "", fmt.Errorf("the Signature-Input has %.40q where a string is expected", s)
	}
	return s[1 : len(s)-1], nil
}

func unix(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1e12 {
		return time.Time{}, fmt.Errorf("the Signature-Input has the time %.20q, which is none", s)
	}
	return time.Unix(n, 0), nil
}

// check checks everything but the signature itself.
func (s *signature) check(now time.Time) error {
	for _, name := range genesysCovers {
		if !slices.Contains(s.covers, name) {
			return fmt.Errorf("the signature does not cover %s", name)
		}
	}
	switch {
	case len(s.nonce) < minNonce:
		return fmt.Errorf("the signature has a nonce of %d characters, and needs %d", len(s.nonce), minNonce)
	case s.created.IsZero():
		return errors.New("the signature does not say when it was created")
	case s.created.After(now.Add(genesysSkew)):
		return errors.New("the signature was created in the future: check the clock")
	case s.created.Add(genesysAge + genesysSkew).Before(now), !s.expires.IsZero() && s.expires.Add(genesysSkew).Before(now):
		return errors.New("the signature has expired: check the clock")
	}
	return nil
}

// base returns what was signed.
func (s *signature) base(r *http.Request) (string, error) {
	var b strings.Builder
	for _, name := range s.covers {
		var value string
		switch name {
		case "@request-target":
			value = r.RequestURI
		case "@authority":
			value = r.Host
		default:
			if value = strings.TrimSpace(strings.Join(r.Header.Values(name), ", ")); value == "" || strings.HasPrefix(name, "@") {
				return "", fmt.Errorf("the signature covers %.40q, which the request has not", name)
			}
		}
		fmt.Fprintf(&b, "\"%s\": %s\n", name, value)
	}
	return b.String() + `"@signature-params": ` + s.params, nil
}
