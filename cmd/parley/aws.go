package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go/logging"
)

// loadAWS reads the AWS configuration of whoever calls, and says which part of
// it cannot be right.
func loadAWS(ctx context.Context) (aws.Config, error) {
	// What the SDK has to say on the way is in the error, or of no interest.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err == nil {
		return cfg, nil
	}
	profile := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
	bundle := os.Getenv("AWS_CA_BUNDLE")
	mend := "check the variables that begin with AWS_, and the files config and credentials in ~/.aws"
	var missing config.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &missing):
		mend = fmt.Sprintf("AWS_PROFILE=%s names a profile that ~/.aws/config and ~/.aws/credentials do not have: see aws configure list-profiles", profile)
	case bundle != "" && (strings.Contains(err.Error(), bundle) || strings.Contains(err.Error(), "CA bundle")):
		mend = fmt.Sprintf("AWS_CA_BUNDLE=%s: name a file of certificates in PEM form, or unset it", bundle)
	}
	return cfg, fmt.Errorf("load AWS configuration: %w; %s", err, mend)
}

// whoAnswers names the endpoint of a call, in a line for people.
func whoAnswers(ctx context.Context, cfg aws.Config, model string) string {
	o := bedrockruntime.NewFromConfig(cfg).Options()
	if o.BaseEndpoint != nil {
		return fmt.Sprintf("%s answers at %s, the endpoint that your AWS configuration names.", model, *o.BaseEndpoint)
	}
	where := ""
	if e, err := o.EndpointResolverV2.ResolveEndpoint(ctx, bedrockruntime.EndpointParameters{
		Region:       aws.String(o.Region),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}); err == nil {
		where = " at " + e.URI.String()
	}
	return fmt.Sprintf("AWS: %s of Amazon Bedrock answers%s.", model, where)
}
