package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/movie"
)

// movies answers with one page, one movie a line:
//
//	{"movies": [
//	{"id": 12, "title": ..., "self_url": "/movies/12"},
//	{"id": 11, "title": ..., "self_url": "/movies/11"}
//	],
//	"next_url": "/movies?limit=2&start=11"}
func (a *API) movies(w http.ResponseWriter, r *http.Request) error {
	if a.sendKept(w, r, a.cache.lists, pageKey(r.URL.RawQuery)) {
		return nil
	}
	q, err := movie.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return a.cached(w, r, pageKey(q.Key()), func(ctx context.Context) (*answer, error) {
		rows, start, err := a.catalogue.Movies(ctx, q.Filter, q.Start, q.Limit)
		if err != nil {
			return nil, err
		}
		next := ""
		if start > 0 {
			next = "/movies?" + q.Next(start)
		}
		return newAnswer(appendPage(nil, rows, next), next), nil
	})
}

// pageKey is the key of a page, by the query string in its normal form.
func pageKey(query string) string { return "/movies?" + query }

func appendPage(body []byte, rows []movie.Row, next string) []byte {
	body = append(body, `{"movies": [`...)
	for i, row := range rows {
		body = row.AppendJSON(appendSeparator(body, i))
	}
	return appendNext(appendEnd(body, len(rows)), next)
}

// appendNext ends a page.
func appendNext(body []byte, next string) []byte {
	body = append(body, `"next_url": `...)
	if next == "" {
		return append(body, "null}\n"...)
	}
	return append(append(append(body, '"'), next...), "\"}\n"...) // percent-encoded, so it needs no escapes
}

// appendSeparator begins the line of the ith element of a list.
func appendSeparator(body []byte, i int) []byte {
	if i > 0 {
		body = append(body, ',')
	}
	return append(body, '\n')
}

// appendEnd ends a list of n elements.
func appendEnd(body []byte, n int) []byte {
	if n > 0 {
		body = append(body, '\n')
	}
	return append(body, "],\n"...)
}

func (a *API) movie(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery == "" && a.sendKept(w, r, a.cache.movies, r.URL.Path) {
		return nil
	}
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	id, err := movieID(r)
	if err != nil {
		return err
	}
	s, err := a.watcher.state(r.Context())
	if err != nil {
		return err
	}
	return a.sendCached(w, r, s, a.cache.movies, movieKey(id), func(ctx context.Context) (*answer, error) {
		row, err := a.catalogue.Movie(ctx, id)
		if err != nil {
			return nil, err
		}
		return newAnswer(append(row.AppendJSON(nil), '\n'), ""), nil
	})
}

// movieID is the id in the path.
func movieID(r *http.Request) (int64, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != text {
		return 0, problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("no movie %q: ids are whole numbers from 1", text)}
	}
	return id, nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64)
}
