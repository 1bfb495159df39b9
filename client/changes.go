package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Change is a change of the catalogue.
type Change struct {
	Revision int64 `json:"revision"`
	ID       int64 `json:"id"`
	// Movie is the movie as it is now, which later changes may have made too; nil when it
	// is deleted.
	Movie *Movie `json:"movie"`
}

const (
	// wait is the time of a long poll. Many balancers end a request after 30 s without an answer.
	wait        = 20 * time.Second
	changesPage = 1000
	// drainPause is the pause after a long poll that an ending API has cut short.
	drainPause = 250 * time.Millisecond
)

// Changes follows the change feed after a revision, in commit order, until ctx is done.
// Revisions have no holes. It waits for changes, and repeats requests as long as the API
// is away. The error that ends it is ErrGone, that of ctx, or a *Problem. To resume, give
// the revision of the last change.
func (c *Client) Changes(ctx context.Context, since int64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for changes, err := range c.follow(ctx, since) {
			if err != nil {
				yield(Change{}, err)
				return
			}
			for _, change := range changes {
				if !yield(change, nil) {
					return
				}
			}
		}
	}
}

// follow yields the changes page by page; no page is empty.
func (c *Client) follow(ctx context.Context, since int64) iter.Seq2[[]Change, error] {
	return func(yield func([]Change, error) bool) {
		since := since
		for {
			start := time.Now()
			p, err := ask[struct {
				Changes  []Change
				Revision int64
			}](ctx, c, forever, "/changes", url.Values{
				"since": {strconv.FormatInt(since, 10)}, "limit": {strconv.Itoa(changesPage)}, "wait": {wait.String()},
			}, wait)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case len(p.Changes) > 0:
				since = p.Revision
				if !yield(p.Changes, nil) {
					return
				}
			case time.Since(start) < wait/2:
				select {
				case <-ctx.Done():
				case <-time.After(drainPause):
				}
			}
		}
	}
}

// Export starts an export of all movies that match, and returns the revision that it
// shows. Iterate over the movies once; that ends the request, and so does the end of ctx.
// The API ends an export that is read at less than 16 KiB a second, or not for 20 seconds.
// An error ends the iteration: then what came before is only a part.
func (c *Client) Export(ctx context.Context, f Filter) (revision int64, movies iter.Seq2[Movie, error], err error) {
	response, err := retry(ctx, c, tries, func(ctx context.Context) (*http.Response, error) { //nolint:bodyclose // the iterator does
		return c.sendPatiently(ctx, "/export", f.values())
	})
	if err != nil {
		return 0, nil, err
	}
	revision, err = strconv.ParseInt(response.Header.Get(catalogueRevision), 10, 64)
	if err != nil {
		_ = response.Body.Close()
		return 0, nil, fmt.Errorf("revision of the export: %w", err)
	}
	return revision, func(yield func(Movie, error) bool) {
		defer func() { _ = response.Body.Close() }()
		text := &limited{Reader: response.Body}
		for lines := json.NewDecoder(text); ; {
			var m Movie
			text.left = largestAnswer
			err := lines.Decode(&m)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Movie{}, fmt.Errorf("export: %w", err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}, nil
}

// Copy is a copy of the catalogue elsewhere, such as a table or a map.
type Copy interface {
	// Replace takes the movies of an export instead of all that the copy has, as fast as the
	// API demands (see [Client.Export]). When the iteration yields an error, Replace returns
	// it and keeps nothing of the part; it is called again with a new export.
	Replace(ctx context.Context, revision int64, movies iter.Seq2[Movie, error]) error
	// Apply takes changes in commit order, at least one. Where the copy outlives the
	// process, it stores the revision of the last one together with them.
	Apply(ctx context.Context, changes []Change) error
}

// An export that breaks after less than brokenAfter was not read too slowly: the API waits longer
// for a slow reader. Of others, mostBroken may break.
const (
	brokenAfter = 10 * time.Second
	mostBroken  = 5
)

// Mirror keeps a copy equal to the catalogue until ctx is done, the copy returns an error, or
// five exports have broken, as where the copy takes the movies too slowly. since is the
// revision that the copy is at, 0 for none: then it begins with an export, as it does when the
// changes since then are no longer kept.
func (c *Client) Mirror(ctx context.Context, since int64, to Copy) error {
	pauses := newPauses()
	for stale := since <= 0; ; stale = true {
		applied := !stale
		if stale {
			broken := 0
			revision, err := retry(ctx, c, forever, func(ctx context.Context) (int64, error) {
				began := time.Now()
				revision, err := c.replace(ctx, to)
				if b, ok := errors.AsType[brokenError](err); ok && time.Since(began) > brokenAfter {
					if broken++; broken == mostBroken {
						err = &finalError{fmt.Errorf("%d exports have broken; does the copy take the movies too slowly? %w", broken, b.error)}
					}
				}
				return revision, err
			})
			if err != nil {
				return unwrap(err)
			}
			since = revision
		}
		var gone error
		for changes, err := range c.follow(ctx, since) {
			if errors.Is(err, ErrGone) {
				gone = err
				break
			}
			if err == nil {
				err = to.Apply(ctx, changes)
			}
			if err != nil {
				return err
			}
			since, applied = changes[len(changes)-1].Revision, true
		}
		if applied {
			pauses.Reset()
			continue
		}
		// Another process of the API does not have the revision of the export.
		if err := c.pause(ctx, pauses.NextBackOff(), gone); err != nil {
			return err
		}
	}
}

// pause waits before something is repeated because of an error.
func (c *Client) pause(ctx context.Context, pause time.Duration, why error) error {
	if c.OnRetry != nil {
		c.OnRetry(why, pause)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// replace makes the copy anew. An error of the copy itself is final.
func (c *Client) replace(ctx context.Context, to Copy) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the export if the copy does not iterate over it
	revision, movies, err := c.Export(ctx, Filter{})
	if err != nil {
		return 0, err
	}
	var broken error
	err = to.Replace(ctx, revision, func(yield func(Movie, error) bool) {
		for m, err := range movies {
			broken = err
			if !yield(m, err) {
				return
			}
		}
	})
	if broken != nil {
		return 0, brokenError{broken}
	}
	if err != nil {
		return 0, &finalError{err}
	}
	return revision, nil
}

// brokenError is the error of an export that had begun.
type brokenError struct{ error }

func (b brokenError) Unwrap() error { return b.error }

// unwrap returns the error of a copy as it was.
func unwrap(err error) error {
	if final, ok := errors.AsType[*finalError](err); ok {
		return final.error
	}
	return err
}
