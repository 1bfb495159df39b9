package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	dialLimit = 10 * time.Second
	// responseLimit limits a request from its start, with its connection and its body, to
	// the header of the response; listingLimit that of a page of a listing. A server walks
	// over all delete markers before the first key: minutes for a bucket with versions.
	responseLimit = 30 * time.Second
	listingLimit  = 3 * time.Minute
)

// newHTTPClient returns a client whose requests and responses cannot hang. It starts from
// the SDK's client, which honours AWS_CA_BUNDLE.
func newHTTPClient(configured aws.HTTPClient, connections int, stall time.Duration, l *limiter) guard {
	base, ok := configured.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	transport := base.GetTransport()
	transport.DialContext = (&net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}).DialContext
	// Reads, deletes and a listing are in flight at the same time.
	transport.MaxIdleConnsPerHost = 2*connections + 4
	transport.MaxIdleConns = 0
	// The bytes of an object are its content, whatever Content-Encoding says.
	transport.DisableCompression = true
	client := &http.Client{
		Transport: transport,
		// A redirect would invalidate the signature; the SDK handles the response.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return guard{client: client, stall: stall, limiter: l}
}

// unsignedAcceptEncoding keeps Accept-Encoding out of the signature: proxies rewrite the
// header, which would invalidate every signature.
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

// guard cancels requests and bodies that make no progress. net/http limits neither the
// sending of a request nor the reading of a body.
type guard struct {
	client  *http.Client
	stall   time.Duration
	limiter *limiter
}

// Do implements the SDK's HTTPClient.
func (g guard) Do(r *http.Request) (*http.Response, error) { return g.limiter.observe(r, g.send) }

func (g guard) send(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	limit := responseLimit
	if isPatient, _ := r.Context().Value(patientKey{}).(bool); isPatient {
		limit = listingLimit
	}
	timer := time.AfterFunc(limit, func() { cancel(stalledError{"request", limit}) })
	r = r.WithContext(ctx)
	r.Header.Set(acceptEncoding, "identity") // after signing, see unsignedAcceptEncoding
	response, err := g.client.Do(r)          //nolint:gosec // the operator configures the endpoint
	timer.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer = time.AfterFunc(g.stall, func() { cancel(stalledError{"body", g.stall}) })
	timer.Stop()
	body := &guardedBody{body: response.Body, stall: g.stall, least: 1, ctx: ctx, cancel: cancel, timer: timer}
	if isRead(r) {
		body.least = leastInStall
	}
	response.Body = body
	return response, nil
}

type patientKey struct{}

// patiently returns a context whose requests may take as long as a listing.
func patiently(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

// leastInStall is how many bytes of an object must come while its reader waits for stall. Other
// bodies may be slow: a server writes them as it works.
const leastInStall = 64 << 10

// guardedBody cancels a body that brings less than its least while Read waits for stall. The
// time between reads does not count: a slow reader is no stall.
type guardedBody struct {
	body   io.ReadCloser
	stall  time.Duration
	least  int
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	waited time.Duration // since the last least bytes
	got    int
}

func (b *guardedBody) Read(p []byte) (int, error) {
	begin := time.Now()
	b.timer.Reset(b.stall - b.waited)
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.waited += time.Since(begin)
	if b.got += n; b.got >= b.least {
		b.waited, b.got = 0, 0
	}
	if cause := context.Cause(b.ctx); err != nil && !errors.Is(err, io.EOF) && cause != nil {
		err = cause
	}
	return n, err
}

func (b *guardedBody) Close() error {
	b.timer.Stop()
	err := b.body.Close()
	b.cancel(nil)
	return err
}

// stalledError is a timeout, so the SDK retries the request.
type stalledError struct {
	what  string
	limit time.Duration
}

func (s stalledError) Error() string {
	return fmt.Sprintf("%s made too little progress for %v", s.what, s.limit)
}
func (s stalledError) Timeout() bool { return true }
