package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Service is the name that requests are signed for.
const Service = "bedrock"

// streamingPayload is the x-amz-content-sha256 of a request whose body is
// signed message by message.
const streamingPayload = "STREAMING-AWS4-HMAC-SHA256-EVENTS"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Key is an access key.
type Key struct {
	ID, Secret, Token string
	Expires           time.Time // zero: never
	Denied            bool      // not allowed to invoke the model
}

// Verifier checks the signature of requests.
type Verifier struct {
	Region string
	Keys   []Key
	Skew   time.Duration // 0: dates are not checked
}

// Refusal is an HTTP answer in place of a stream.
type Refusal struct {
	Status  int
	Name    string // X-Amzn-ErrorType
	Message string
}

// Error returns the refusal as one line.
func (r *Refusal) Error() string { return r.Name + ": " + r.Message }

func forbidden(name, message string) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Name: name, Message: message}
}

// authorization is a parsed Authorization header.
type authorization struct {
	key, date, region, service string
	signed                     []string
	signature                  []byte
}

// Request checks r's signature at the time now. It returns the key and the
// signature, which seeds the signatures of the messages.
func (v *Verifier) Request(r *http.Request, now time.Time) (Key, []byte, *Refusal) {
	header := r.Header.Get("Authorization")
	switch {
	case header == "":
		return Key{}, nil, forbidden("MissingAuthenticationTokenException", "Missing Authentication Token")
	case strings.HasPrefix(header, "Bearer "):
		return Key{}, nil, forbidden("AccessDeniedException", "Bedrock API keys are not supported for InvokeModelWithBidirectionalStream: sign the request with Signature Version 4.")
	}
	auth, ok := parseAuthorization(header)
	if !ok {
		return Key{}, nil, forbidden("IncompleteSignatureException", "Authorization header is not a complete "+algorithm+" signature.")
	}
	switch {
	case auth.service != Service:
		return Key{}, nil, forbidden("InvalidSignatureException", "Credential should be scoped to correct service: '"+Service+"'. ")
	case auth.region != v.Region:
		return Key{}, nil, forbidden("InvalidSignatureException", "Credential should be scoped to a valid region. ")
	case r.Header.Get("X-Amz-Content-Sha256") != streamingPayload:
		return Key{}, nil, forbidden("InvalidSignatureException", "x-amz-content-sha256 must be "+streamingPayload+".")
	case !slices.Contains(auth.signed, "host") && !slices.Contains(auth.signed, ":authority"):
		// AWS's SDK for JavaScript signs the latter over HTTP/2.
		return Key{}, nil, forbidden("InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for _, name := range []string{"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} {
		// The last one only if there is one: a key may have no token.
		if (name == "x-amz-date" || r.Header.Get(name) != "") && !slices.Contains(auth.signed, name) {
			return Key{}, nil, forbidden("InvalidSignatureException", "'"+name+"' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	i := slices.IndexFunc(v.Keys, func(k Key) bool { return k.ID == auth.key })
	if i < 0 {
		return Key{}, nil, forbidden("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	key := v.Keys[i]
	if !equal(r.Header.Get("X-Amz-Security-Token"), key.Token) {
		return Key{}, nil, forbidden("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if !key.Expires.IsZero() && !now.Before(key.Expires) {
		return Key{}, nil, forbidden("ExpiredTokenException", "The security token included in the request is expired")
	}
	date, err := time.Parse(timeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil || !strings.HasPrefix(r.Header.Get("X-Amz-Date"), auth.date) {
		return Key{}, nil, forbidden("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
	}
	if refusal := v.checkDate(date, now); refusal != nil {
		return Key{}, nil, refusal
	}
	want := sign(key.Secret, auth, r.Header.Get("X-Amz-Date"), canonicalRequest(r, auth.signed))
	if !hmac.Equal(want, auth.signature) {
		return Key{}, nil, forbidden("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if key.Denied {
		return Key{}, nil, forbidden("AccessDeniedException", "User: arn:aws:iam::000000000000:user/parley-emulator is not authorized to perform: bedrock:InvokeModel because no identity-based policy allows the bedrock:InvokeModel action")
	}
	return key, auth.signature, nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (v *Verifier) checkDate(date, now time.Time) *Refusal {
	if v.Skew <= 0 {
		return nil
	}
	d, n := date.UTC().Format(timeFormat), now.UTC().Format(timeFormat)
	switch {
	case now.Sub(date) > v.Skew:
		return forbidden("InvalidSignatureException", "Signature expired: "+d+" is now earlier than "+now.UTC().Add(-v.Skew).Format(timeFormat)+" ("+n+" - "+v.Skew.String()+")")
	case date.Sub(now) > v.Skew:
		return forbidden("InvalidSignatureException", "Signature not yet current: "+d+" is still later than "+now.UTC().Add(v.Skew).Format(timeFormat)+" ("+n+" + "+v.Skew.String()+")")
	}
	return nil
}

func parseAuthorization(header string) (authorization, bool) {
	var a authorization
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return a, false
	}
	fields := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return a, false
		}
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return a, false
	}
	a.key, a.date, a.region, a.service = scope[0], scope[1], scope[2], scope[3]
	a.signed = strings.Split(fields["SignedHeaders"], ";")
	signature, err := hex.DecodeString(fields["Signature"])
	a.signature = signature
	return a, err == nil && len(signature) == sha256.Size
}

// canonicalRequest follows "Create a signed AWS API request" in the IAM user
// guide. The path is escaped twice, as for every service but S3.
func canonicalRequest(r *http.Request, signed []string) string {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(escapePath(r.URL.EscapedPath()))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(r.URL.Query()))
	b.WriteByte('\n')
	for _, name := range signed {
		values := r.Header.Values(name)
		if name == "host" || name == ":authority" {
			values = []string{r.Host}
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, value := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.Fields(value), " "))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(r.Header.Get("X-Amz-Content-Sha256"))
	return b.String()
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, value := range values {
			pairs = append(pairs, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escapePath(path string) string {
	if path == "" {
		return "/"
	}
	return escape(path, true)
}

// escape percent-encodes everything but the unreserved characters of RFC 3986
// and, in a path, the slash.
func escape(s string, path bool) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upper[c>>4])
			b.WriteByte(upper[c&15])
		}
	}
	return b.String()
}

func sign(secret string, a authorization, date, request string) []byte {
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	hashed := sha256.Sum256([]byte(request))
	scope := a.date + "/" + a.region + "/" + a.service + "/aws4_request"
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request"} {
		key = mac(key, part)
	}
	return mac(key, algorithm+"\n"+date+"\n"+scope+"\n"+hex.EncodeToString(hashed[:]))
}
