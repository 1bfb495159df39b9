// Package awsconfig loads what the AWS SDK's clients of buckets and queues need.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Load returns the configuration of environment, profile and role. An error means a wrong
// one.
func Load(ctx context.Context) (aws.Config, error) {
	cfg, err := load(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	cfg.Credentials = marking{aws.NewCredentialsCache(&rereading{provider: cfg.Credentials})}
	return cfg, nil
}

// marking wraps the errors of a provider in credentialsError.
type marking struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (m marking) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = credentialsError{err}
	}
	return found, err
}

type credentialsError struct{ error }

func (e credentialsError) Unwrap() error { return e.error }

// IsCredentialsError reports whether a request was not sent because there are no credentials.
// The error may hold the answer of another service, which grants roles.
func IsCredentialsError(err error) bool {
	_, is := errors.AsType[credentialsError](err)
	return is
}

func load(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		// Each signature contains a region, but servers other than AWS have none.
		config.WithDefaultRegion("us-east-1"),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(30*time.Second).WithTransportOptions(ownConnections)))
	if err != nil {
		return aws.Config{}, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return cfg, nil
}

// ownConnections makes each request use a connection alone. Over HTTP/2 all would share one: if a
// router silently drops it, they stop for a quarter of an hour.
func ownConnections(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSClientConfig.NextProtos = nil // the SDK's transport, of which t is a copy, offers HTTP/2
}

// rereadAfter is how long the keys of a file are used before they are read again.
const rereadAfter = time.Minute

// fromFile begins the source of keys that a file holds, in the SDK's words.
const fromFile = "SharedConfigCredentials"

// rereading reads the keys of a file again, which another program may rotate: the SDK reads
// them once. The cache calls Retrieve from one goroutine at a time.
type rereading struct{ provider aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (r *rereading) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := r.provider.Retrieve(ctx)
	if err == nil && !strings.HasPrefix(found.Source, fromFile) {
		return found, nil
	}
	if cfg, loadErr := load(ctx); loadErr == nil {
		fresh, freshErr := cfg.Credentials.Retrieve(ctx)
		// Without the file, which may just be being written, the SDK finds other keys.
		if freshErr == nil && (err != nil || fresh.Source == found.Source) {
			r.provider, found, err = cfg.Credentials, fresh, nil
		}
	}
	if err == nil && strings.HasPrefix(found.Source, fromFile) {
		found.CanExpire, found.Expires = true, time.Now().Add(rereadAfter)
	}
	return found, err
}
