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
	"os"
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
	wait        = 30 * time.Second // of a long poll
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
	revision, body, err := c.export(ctx, f)
	if err != nil {
		return 0, nil, err
	}
	return revision, func(yield func(Movie, error) bool) {
		defer func() { _ = body.Close() }()
		for m, err := range lines(body) {
			if !yield(m, err) {
				return
			}
		}
	}, nil
}

func (c *Client) export(ctx context.Context, f Filter) (revision int64, body io.ReadCloser, err error) {
	response, err := retry(ctx, c, tries, func(ctx context.Context) (*http.Response, error) {
		return c.sendPatiently(ctx, "/export", f.values())
	})
	if err != nil {
		return 0, nil, err
	}
	revision, err = strconv.ParseInt(response.Header.Get("Catalogue-Revision"), 10, 64)
	if err != nil {
		_ = response.Body.Close()
		return 0, nil, fmt.Errorf("revision of the export: %w", err)
	}
	return revision, response.Body, nil
}

// lines yields the movies of an export. An error is the last.
func lines(export io.Reader) iter.Seq2[Movie, error] {
	return func(yield func(Movie, error) bool) {
		for decoder := json.NewDecoder(export); ; {
			var m Movie
			err := decoder.Decode(&m)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(Movie{}, fmt.Errorf("export: %w", err))
				return
			case !yield(m, nil):
				return
			}
		}
	}
}

// Copy is a copy of the catalogue elsewhere, such as a table or a map.
type Copy interface {
	// Replace takes the movies of an export instead of all that the copy has. It may take its
	// time. When the iteration yields an error, Replace returns it and keeps nothing of the
	// part.
	Replace(ctx context.Context, revision int64, movies iter.Seq2[Movie, error]) error
	// Apply takes changes in commit order, at least one. Where the copy outlives the
	// process, it stores the revision of the last one together with them.
	Apply(ctx context.Context, changes []Change) error
}

// Mirror keeps a copy equal to the catalogue until ctx is done, or the copy returns an
// error. since is the revision that the copy is at, 0 for none: then it begins with an
// export, as it does when the changes since then are no longer kept. An export is stored in a
// temporary file first, so that the copy may be slower than the API allows.
func (c *Client) Mirror(ctx context.Context, since int64, to Copy) error {
	for stale := since <= 0; ; stale = true {
		if stale {
			revision, err := retry(ctx, c, forever, func(ctx context.Context) (int64, error) { return c.replace(ctx, to) })
			if err != nil {
				return unwrap(err)
			}
			since = revision
		}
		for changes, err := range c.follow(ctx, since) {
			if errors.Is(err, ErrGone) {
				break
			}
			if err == nil {
				err = to.Apply(ctx, changes)
			}
			if err != nil {
				return err
			}
			since = changes[len(changes)-1].Revision
		}
	}
}

// replace makes the copy anew. An error of the copy itself, or of the temporary file, is final.
func (c *Client) replace(ctx context.Context, to Copy) (int64, error) {
	file, err := os.CreateTemp("", "jpmovies-export-")
	if err != nil {
		return 0, &finalError{err}
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer func() { _ = file.Close() }()
	revision, body, err := c.export(ctx, Filter{})
	if err != nil {
		return 0, err
	}
	received := &failures{Reader: body}
	_, err = io.Copy(file, received)
	_ = body.Close()
	switch {
	case received.err != nil:
		return 0, fmt.Errorf("export: %w", received.err)
	case err == nil:
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = to.Replace(ctx, revision, lines(file))
	}
	if err != nil {
		return 0, &finalError{err}
	}
	return revision, nil
}

// failures remembers why a reader failed.
type failures struct {
	io.Reader
	err error
}

func (f *failures) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// unwrap returns the error of a copy as it was.
func unwrap(err error) error {
	if final, ok := errors.AsType[*finalError](err); ok {
		return final.error
	}
	return err
}
