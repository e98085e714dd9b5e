package sonictest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/parley-go/parley/internal/pipenet"
)

// URL returns the server's base URL, for instance https://127.0.0.1:40123. It
// is empty before the server is started.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

// CAFile returns the path of the PEM file with the CA's certificate. It is
// empty without TLS. Close removes the file.
func (s *Server) CAFile() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caFile
}

// Credentials returns the keys that the server accepts.
func (s *Server) Credentials() []Credentials { return append([]Credentials(nil), s.keys...) }

// Unwanted returns the names of variables that would lead an AWS SDK away from
// what Environ says: SDKs prefer profiles and bearer tokens to a key. They must
// not be set, not even to nothing: the SDK for JavaScript takes that for a token.
func Unwanted() []string {
	return []string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
		"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
	}
}

// ChildEnviron returns the environment of a child process that is to talk to
// this server: environ, which is usually os.Environ(), without what is Unwanted,
// with Environ, and with this server's host among those that no proxy is used
// for.
func (s *Server) ChildEnviron(environ []string) []string {
	host := s.URL()
	if u, err := url.Parse(host); err == nil {
		host = u.Hostname()
	}
	unwanted := Unwanted()
	var env []string
	direct := map[string]string{"NO_PROXY": host, "no_proxy": host}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "NO_PROXY" || name == "no_proxy":
			if value != "" {
				direct[name] = value + "," + host
			}
		case !slices.Contains(unwanted, name):
			env = append(env, v)
		}
	}
	env = append(env, "NO_PROXY="+direct["NO_PROXY"], "no_proxy="+direct["no_proxy"])
	return append(env, s.Environ()...)
}

// Environ returns the variables, as NAME=value, that point any AWS SDK at this
// server with its first key, if none of the Unwanted ones is set.
func (s *Server) Environ() []string {
	key := s.keys[0]
	env := []string{
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + s.URL(),
		"AWS_REGION=" + s.cfg.Region,
		"AWS_ACCESS_KEY_ID=" + key.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + key.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + key.SessionToken,
		"AWS_EC2_METADATA_DISABLED=true",
	}
	if ca := s.CAFile(); ca != "" {
		// The SDK for JavaScript listens to Node's own variable.
		env = append(env, "AWS_CA_BUNDLE="+ca, "NODE_EXTRA_CA_CERTS="+ca)
	}
	return env
}

// AWSConfig returns a configuration for clients of this server in this process.
// Its credentials are the server's first key; if that expires, the next one
// from five minutes before, and so on. Each call makes an HTTP client, and with it connections,
// of its own; Close closes them when they are idle.
func (s *Server) AWSConfig() aws.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	transport := &http.Transport{HTTP2: &http.HTTP2Config{}, Protocols: &http.Protocols{}}
	if s.roots != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(s.roots)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		transport.Protocols.SetHTTP2(true)
	} else {
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	if pipe, ok := s.listener.(*pipenet.Listener); ok {
		transport.DialContext = pipe.DialContext
	}
	s.clients = append(s.clients, transport)
	return aws.Config{
		Region:       s.cfg.Region,
		Credentials:  s.provider(),
		BaseEndpoint: aws.String(s.address),
		HTTPClient:   &http.Client{Transport: transport},
	}
}

// renewBefore is how long before its expiry a key is replaced by the next, as
// the providers of temporary credentials do it.
const renewBefore = 5 * time.Minute

// provider hands out the first key that does not expire soon, or the last.
func (s *Server) provider() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		key := s.keys[len(s.keys)-1]
		for _, k := range s.keys {
			if k.Expires.IsZero() || time.Until(k.Expires) > renewBefore {
				key = k
				break
			}
		}
		return aws.Credentials{
			AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken,
			Source: "parley-emulator", CanExpire: !key.Expires.IsZero(), Expires: key.Expires,
		}, nil
	})
}
