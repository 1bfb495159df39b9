package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
)

const (
	maxAttempts = 10
	// firstBackoff is the longest pause before the second attempt. The pause doubles with
	// each further attempt.
	firstBackoff = 25 * time.Millisecond
)

// newRetryer returns the SDK's retryer, changed in three points:
//
//  1. It has no token bucket, which would turn a burst of SlowDown into errors that are not
//     retried.
//  2. It retries more errors: those of other servers, and responses that were cut.
//  3. It does not retry requests older than limits.retry: attempts that fail at once are
//     cheap, but those that hang must not add up.
func newRetryer(l limits) aws.Retryer {
	return retryer{limit: l.retry, RetryerV2: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = backoff{l.maxBackoff}
		o.RateLimiter = ratelimit.None
		o.Retryables = append(o.Retryables,
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}},
			retry.RetryableErrorCode{Codes: map[string]struct{}{
				"ConditionalRequestConflict": {},
				"OperationAborted":           {},
				"InternalError":              {},
				"ServiceUnavailable":         {},
			}},
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				if isCut(err) {
					return aws.TrueTernary
				}
				return aws.UnknownTernary
			}))
	})}
}

// isCut reports whether a response broke off before its end.
func isCut(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// backoff is a retry.BackoffDelayer with full jitter. The SDK's own starts with up to a
// second, so a few failures would cost more than all the work.
type backoff struct{ limit time.Duration }

// BackoffDelay returns a random pause after an attempt; attempts count from 1.
func (j backoff) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	longest := min(j.limit, firstBackoff<<min(max(attempt-1, 0), 16))
	return time.Duration(rand.Int64N(int64(longest) + 1)), nil //nolint:gosec // needs no secure randomness
}

// retryer does not retry requests older than limit.
type retryer struct {
	aws.RetryerV2
	limit time.Duration
}

// GetRetryToken implements aws.Retryer.
func (r retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	if begin, ok := middleware.GetStackValue(ctx, beginKey{}).(time.Time); ok && time.Since(begin) > r.limit {
		return nil, fmt.Errorf("no success within %v; not retrying", r.limit)
	}
	return r.RetryerV2.GetRetryToken(ctx, err)
}

type beginKey struct{}

// noteBegin records in the context when a request begins, for retryer.
func noteBegin(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("NoteBegin",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(middleware.WithStackValue(ctx, beginKey{}, time.Now()), in)
		}), middleware.Before)
}

// pause waits before the next attempt of a request that the SDK does not retry by itself.
// It returns false if there should be none.
func (b *Bucket) pause(ctx context.Context, attempt int, err error) bool {
	delay, delayErr := b.retryer.RetryDelay(attempt, err)
	if delayErr != nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}
