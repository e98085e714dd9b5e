package sonictest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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

// Environ returns the variables, as NAME=value, that point any AWS SDK at this
// server with its first key. AWS_BEARER_TOKEN_BEDROCK, which SDKs prefer to a
// key, must not be set, not even to nothing: the SDK for JavaScript takes that
// for a token.
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
	if pipe, ok := s.listener.(*pipeListener); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return pipe.dial(ctx) }
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
