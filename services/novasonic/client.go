package novasonic

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
)

// Client holds connections to the service. Conversations that share one share
// its TCP connections: HTTP/2 carries about a hundred streams on each, and a
// new stream opens in one round trip where there is a connection already.
//
// It may be used by several goroutines at once.
type Client struct {
	dialer *bedrock.SDKDialer
}

// NewClient returns a client for the credentials, region, endpoint and HTTP
// transport of cfg, which usually is what config.LoadDefaultConfig returned. It
// fails if they cannot be right; no connection is made yet.
func NewClient(cfg aws.Config) (*Client, error) {
	d, err := bedrock.NewDialer(cfg, bedrock.Options{})
	if err != nil {
		return nil, err
	}
	return &Client{dialer: d}, nil
}

// Close closes the connections that no stream uses.
func (c *Client) Close() { c.dialer.CloseIdleConnections() }

// client returns the client of a configuration, and whether it is this
// conversation's own, to be closed with it.
func (c *Config) client(ctx context.Context) (client *Client, own bool, err error) {
	if c.Client != nil {
		return c.Client, false, nil
	}
	if c.AWS != nil {
		client, err = NewClient(*c.AWS)
		return client, true, err
	}
	// What the SDK has to say on the way is in the error, or of no interest.
	loaded, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, false, fmt.Errorf("load AWS configuration: %w", err)
	}
	client, err = NewClient(loaded)
	return client, true, err
}
