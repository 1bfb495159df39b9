// Package client reads movies from a JPMovies API.
//
// Lists and feeds are iterators that ask for pages as they go. Requests that fail for a
// moment are repeated. An answer that is no success is a *Problem; a 200 without the header
// Catalogue-Revision, as of a login page, is another error.
//
//	movies, err := client.New("http://127.0.0.1:8080")
//	...
//	for m, err := range movies.Movies(ctx, client.Query{Filter: client.Filter{Genre: []string{"Drama"}}}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(m.Title, m.Year)
//	}
//
// Changes follows the change feed; Mirror keeps a whole copy up to date.
//
// Exported names stay within a major version of JPMovies. Structs may get fields, so name
// the fields in literals.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Client reads from one API. It is safe for concurrent use. Set its fields before the
// first request.
type Client struct {
	// HTTP sends the requests; http.DefaultClient when nil. Its Timeout must be 0 or longer
	// than an export takes.
	HTTP *http.Client
	// OnRetry, if set, is called with the error of each failed attempt that will be
	// repeated, and the pause before that.
	OnRetry func(err error, pause time.Duration)

	base string
}

// New returns a client of the API at a URL such as http://127.0.0.1:8080, or
// https://example.com/films where a proxy serves it below a path.
func New(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no URL of an API, expected one such as http://127.0.0.1:8080", base)
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/")}, nil
}

// Errors for errors.Is.
var (
	// ErrNotFound: there is no such movie.
	ErrNotFound = errors.New("not found")
	// ErrGone: the changes after that revision are no longer kept, or the catalogue was
	// restored from a copy. Only a new export helps.
	ErrGone = errors.New("gone")
)

// Problem is an answer that is no success (RFC 9457). It is ErrNotFound or ErrGone when
// its Status says so.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Parameter is the query parameter at fault, if any.
	Parameter string `json:"parameter"`
	// RetryAfter is the time after which the same may be asked again; 0 when not told.
	RetryAfter time.Duration `json:"-"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

// Is implements the interface of errors.Is.
func (p *Problem) Is(target error) bool {
	return target == ErrNotFound && p.Status == http.StatusNotFound || target == ErrGone && p.Status == http.StatusGone
}

// temporary reports whether the same request may succeed later.
func (p *Problem) temporary() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout || p.Status >= 500 && p.Status != http.StatusNotImplemented
}

// tries is how often a request is sent, unless it is repeated until ctx is done.
const (
	tries   = 4
	forever = 0
)

// longestPause bounds a server's Retry-After.
const longestPause = 5 * time.Minute

// largestAnswer is in bytes, many times what the API sends.
const largestAnswer = 64 << 20

var errLarge = errors.New("the answer is larger than any of the API")

// limited fails for good after a number of bytes.
type limited struct {
	io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, &finalError{errLarge}
	}
	n, err := l.Reader.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// patience is how long an answer may take.
const patience = 30 * time.Second

func newPauses() *backoff.ExponentialBackOff {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 10*time.Second
	return pauses
}

// retry repeats an attempt that fails for a moment: the network, or a problem that is
// temporary. It returns the error of the last attempt, or that of ctx.
func retry[T any](ctx context.Context, c *Client, most uint, attempt func(context.Context) (T, error)) (T, error) {
	options := []backoff.RetryOption{backoff.WithBackOff(newPauses()), backoff.WithMaxTries(most), backoff.WithMaxElapsedTime(0)}
	var last error
	if c.OnRetry != nil {
		options = append(options, backoff.WithNotify(func(_ error, pause time.Duration) { c.OnRetry(last, pause) }))
	}
	found, err := backoff.Retry(ctx, func() (T, error) {
		var found T
		found, last = attempt(ctx)
		var p *Problem
		switch isProblem := errors.As(last, &p); {
		case last == nil:
		case errors.As(last, new(*finalError)) || isProblem && !p.temporary():
			return found, backoff.Permanent(last)
		case isProblem && p.RetryAfter > 0:
			return found, errors.Join(last, &backoff.RetryAfterError{Duration: p.RetryAfter})
		}
		return found, last
	}, options...)
	if err != nil && ctx.Err() == nil {
		err = last
	}
	return found, err
}

// finalError is an error that no attempt repairs.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// catalogueRevision is a header of every 200 that the client asks for.
const catalogueRevision = "Catalogue-Revision"

// send sends one request and returns its answer, if that is a success.
func (c *Client) send(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, &finalError{err}
	}
	sender := c.HTTP
	if sender == nil {
		sender = http.DefaultClient
	}
	response, err := sender.Do(request)
	if err != nil || response.StatusCode == http.StatusOK && response.Header.Get(catalogueRevision) != "" {
		return response, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil, fmt.Errorf("answer to %s: it has no %s, so it is not the API's", path, catalogueRevision)
	}
	p := &Problem{}
	// A proxy's error is no problem document.
	if text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10)); err != nil || json.Unmarshal(text, p) != nil || p.Detail == "" {
		p = &Problem{Title: http.StatusText(response.StatusCode), Detail: method + " " + request.URL.Redacted()}
	}
	p.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(min(seconds, int(longestPause/time.Second))) * time.Second
	}
	return nil, p
}

// silence is how long an answer may pause. A filter with few matches may take so long to
// find the next one.
const silence = 5 * time.Minute

// sendPatiently sends a request whose answer may take any time, but not stand still.
func (c *Client) sendPatiently(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &body{ctx: ctx, cancel: cancel}
	var response *http.Response
	err := b.within(patience, func() (err error) {
		response, err = c.send(ctx, http.MethodGet, path, query) //nolint:bodyclose // b closes it
		return err
	})
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b.ReadCloser, response.Body = response.Body, b
	return response, nil
}

// body is the body of an answer that ends when it stands still.
type body struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // of the request
	cancel context.CancelCauseFunc
}

var errSilent = errors.New("the API sends nothing any more")

// within runs a part of the request, and ends the request after a time.
func (b *body) within(limit time.Duration, do func() error) error {
	timer := time.AfterFunc(limit, func() { b.cancel(errSilent) })
	defer timer.Stop()
	err := do()
	if err != nil && errors.Is(context.Cause(b.ctx), errSilent) {
		err = errSilent
	}
	return err
}

func (b *body) Read(p []byte) (n int, err error) {
	err = b.within(silence, func() (err error) {
		n, err = b.ReadCloser.Read(p)
		return err
	})
	return n, err
}

func (b *body) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// ask asks for a JSON answer.
func ask[T any](ctx context.Context, c *Client, most uint, path string, query url.Values, wait time.Duration) (T, error) {
	return retry(ctx, c, most, func(ctx context.Context) (found T, err error) {
		ctx, cancel := context.WithTimeout(ctx, wait+patience)
		defer cancel()
		response, err := c.send(ctx, http.MethodGet, path, query)
		if err != nil {
			return found, err
		}
		defer func() { _ = response.Body.Close() }()
		if err := json.NewDecoder(&limited{response.Body, largestAnswer}).Decode(&found); err != nil {
			return found, fmt.Errorf("answer to %s: %w", path, err)
		}
		return found, nil
	})
}
