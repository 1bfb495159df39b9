package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// stallLimit is how long a body may give no byte.
	stallLimit = 30 * time.Second
	// answerLimit is how long a request may take from its start, with its
	// connection and its own body, until the answer's header.
	answerLimit = 60 * time.Second
	dialLimit   = 10 * time.Second
	maxBackoff  = time.Second
	// firstBackoff is the longest pause before the second attempt; it doubles
	// with each further one.
	firstBackoff = 25 * time.Millisecond
	maxAttempts  = 10
	// retryLimit is the age at which a request is not tried again: attempts that
	// fail at once are cheap, those that hang must not add up.
	retryLimit = time.Minute
)

// jittered is a retry.BackoffDelayer. The SDK's own begins with up to a second,
// so that a few single failures cost more than all the work.
type jittered struct{ limit time.Duration }

// BackoffDelay returns a random pause after an attempt; they count from 1.
func (j jittered) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	longest := min(j.limit, firstBackoff<<min(max(attempt-1, 0), 16))
	return time.Duration(rand.Int64N(int64(longest) + 1)), nil //nolint:gosec // no secret
}

// cutAnswer tells whether an answer broke off before its end.
func cutAnswer(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// retryer gives up on requests that are older than limit.
type retryer struct {
	aws.RetryerV2
	limit time.Duration
}

// GetRetryToken implements aws.Retryer.
func (r retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	if begun, ok := middleware.GetStackValue(ctx, begunKey{}).(time.Time); ok && time.Since(begun) > r.limit {
		return nil, fmt.Errorf("no answer within %v", r.limit)
	}
	return r.RetryerV2.GetRetryToken(ctx, err)
}

type begunKey struct{}

// noteBegin notes when a request begins, for retryer.
func noteBegin(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("NoteBegin",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(middleware.WithStackValue(ctx, begunKey{}, time.Now()), in)
		}), middleware.Before)
}

// newRetryer returns a retryer without the SDK's token bucket, which turns a
// burst of SlowDown answers into errors that are not retried at all.
func newRetryer(backoff, limit time.Duration) aws.Retryer {
	return retryer{limit: limit, RetryerV2: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = jittered{backoff}
		o.RateLimiter = ratelimit.None
		// Not only AWS's words for "later".
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{
			http.StatusTooManyRequests: {},
		}}, retry.RetryableErrorCode{Codes: map[string]struct{}{
			"ConditionalRequestConflict": {},
			"OperationAborted":           {},
			"InternalError":              {},
			"ServiceUnavailable":         {},
		}}, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if cutAnswer(err) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})}
}

// newHTTPClient returns a client whose requests and answers can't hang. It begins
// with the SDK's own, which knows AWS_CA_BUNDLE.
func newHTTPClient(configured aws.HTTPClient, connections int, stall time.Duration) guard {
	base, ok := configured.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	transport := base.GetTransport()
	transport.DialContext = (&net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = 30 * time.Second
	// Reads and deletes are in flight at the same time, and a listing.
	transport.MaxIdleConnsPerHost = 2*connections + 4
	transport.MaxIdleConns = 0
	// The bytes of an object are its content, whatever Content-Encoding says.
	transport.DisableCompression = true
	client := &http.Client{
		Transport: transport,
		// A signature doesn't survive a redirect; the SDK reads the answer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return guard{client: client, stall: stall}
}

// unsignedAcceptEncoding takes the Accept-Encoding header out of what is signed:
// proxies rewrite it, which would make every signature wrong.
func unsignedAcceptEncoding(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("UnsignedAcceptEncoding",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				request.Header.Del(acceptEncoding)
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.Before)
}

const acceptEncoding = "Accept-Encoding"

// guard ends requests and bodies that make no progress: net/http limits neither
// the sending of a request nor the reading of a body.
type guard struct {
	client *http.Client
	stall  time.Duration
}

// Do implements the SDK's HTTPClient.
func (g guard) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(answerLimit, func() { cancel(stalled{"request", answerLimit}) })
	r = r.WithContext(ctx)
	r.Header.Set(acceptEncoding, "identity") // after signing, see unsignedAcceptEncoding
	response, err := g.client.Do(r)          //nolint:gosec // the endpoint is the operator's
	timer.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer = time.AfterFunc(g.stall, func() { cancel(stalled{"body", g.stall}) })
	timer.Stop()
	response.Body = &guardedBody{ReadCloser: response.Body, guard: g, ctx: ctx, cancel: cancel, timer: timer}
	return response, nil
}

// guardedBody lets the clock run only while somebody waits in Read: a reader
// that takes its time is no stall.
type guardedBody struct {
	io.ReadCloser
	guard  guard
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *guardedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.guard.stall)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if cause := context.Cause(b.ctx); err != nil && !errors.Is(err, io.EOF) && cause != nil {
		err = cause
	}
	return n, err
}

func (b *guardedBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// stalled is a timeout, so that the SDK tries the request again.
type stalled struct {
	what  string
	limit time.Duration
}

func (s stalled) Error() string { return fmt.Sprintf("%s made no progress for %v", s.what, s.limit) }
func (s stalled) Timeout() bool { return true }
