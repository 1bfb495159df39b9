package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"                   //nolint:depguard // limits are taken without our code
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"         //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/aws/retry"             //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/s3"            //nolint:depguard // see above
	smithyhttp "github.com/aws/smithy-go/transport/http" //nolint:depguard // see above
	"golang.org/x/time/rate"
)

// Rates per 1000 requests: 503 SlowDown, 500, connection resets; and per 1000 responses: cuts.
const (
	slowDowns, internals, resets = 300, 30, 30
	cuts                         = 150
)

// faulty compares the worker with the bare loop on an S3 that throttles and fails. The loop
// retries each request as the program does, but without an end.
func (b *bench) faulty(ctx context.Context) error {
	endpoint := os.Getenv(s3Variable)
	lines, err := b.movieLines(ctx, b.objects)
	if err != nil {
		return err
	}
	proxy, err := later(endpoint, 0)
	if err != nil {
		return err
	}
	address, stop, err := listen(newFaults(proxy))
	if err != nil {
		return err
	}
	defer stop()
	err = b.drainRow(ctx, "drain %d, S3 fails half of the requests", endpoint, address, lines, (*store).drainFaulty, atLeast(0.8))
	if err != nil {
		return err
	}
	return b.throttled(ctx, endpoint, lines)
}

// newFaults returns a server that fails some requests and cuts some responses of another.
func newFaults(proxy *httputil.ReverseProxy) http.Handler {
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.FlushInterval = -1 // flush at once, so that a cut comes in the middle
	proxy.ModifyResponse = func(r *http.Response) error {
		if rand.IntN(1000) >= cuts { //nolint:gosec // no secret
			return nil
		}
		if r.ContentLength <= 0 {
			return errCut
		}
		r.Body = &halfBody{r.Body, r.ContentLength / 2}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch fate := rand.IntN(1000); { //nolint:gosec // no secret
		case fate < slowDowns:
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
		case fate < slowDowns+internals:
			refuse(w, http.StatusInternalServerError, "InternalError")
		case fate < slowDowns+internals+resets:
			reset(w)
		default:
			proxy.ServeHTTP(w, r)
		}
	})
}

// allowedRate is how many requests a second the throttling S3 allows.
const allowedRate = 600

// throttled compares the worker with the rate that a slow S3 allows: a read and a delete for
// each object. It adds the share of refused requests, too.
func (b *bench) throttled(ctx context.Context, endpoint string, lines [][]byte) error {
	proxy, err := later(endpoint, 50*time.Millisecond)
	if err != nil {
		return err
	}
	requests, refused := new(atomic.Int64), new(atomic.Int64)
	allowed := rate.NewLimiter(allowedRate, allowedRate/20)
	address, stop, err := listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1); !allowed.Allow() {
			refused.Add(1)
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	if err != nil {
		return err
	}
	defer stop()
	filled, drained, _, err := bareDrain(ctx, endpoint, address, lines, nil)
	if err != nil {
		return err
	}
	limit := func() (float64, error) { return allowedRate / 2, nil }
	figures, err := b.take(ctx, 2, limit, func(s subject) ([]float64, error) {
		requests.Store(0)
		refused.Store(0)
		speed, err := b.drainOnce(ctx, s, filled, drained, lines)
		return []float64{speed, 100 * float64(refused.Load()) / float64(requests.Load())}, err
	})
	if err != nil {
		return err
	}
	work := fmt.Sprintf("drain %d, S3 answers 50 ms later and allows %d requests/s", len(lines), allowedRate)
	b.table.add(work, "objects/s", figures[0], atLeast(0.9))
	figures[1].Limit = nil
	b.table.add(work+": refused", "%", figures[1], atMost(5, "%"))
	return nil
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

var errCut = errors.New("cut")

// halfBody fails in the middle of the body.
type halfBody struct {
	io.ReadCloser
	left int64
}

func (h *halfBody) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errCut
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

// persistent returns a store that retries each request until it succeeds.
func (s *store) persistent() *store {
	return &store{s3.New(s.client.Options(), func(o *s3.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.RateLimiter = math.MaxInt, ratelimit.None
			r.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				longest := min(time.Second, 25*time.Millisecond<<min(max(attempt-1, 0), 16))
				return rand.N(longest), nil //nolint:gosec // no secret
			})
			r.Retryables = append(r.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				return aws.BoolTernary(errors.Is(err, io.ErrUnexpectedEOF))
			}))
		})
	}), s.name, s.endpoint, s.parallel}
}

// drainFaulty is drain for failing requests and cut responses.
func (s *store) drainFaulty(ctx context.Context) (drained int, err error) {
	s = s.persistent()
	return s.drainBy(ctx, s.consumeWhole)
}

// consumeWhole is consume for cut responses.
func (s *store) consumeWhole(ctx context.Context, key *string) error {
	for {
		err := s.consume(ctx, key)
		var response *smithyhttp.ResponseError
		if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound { // deleted, the response was lost
			return nil
		}
		if err == nil || ctx.Err() != nil || response != nil {
			return err
		}
	}
}
