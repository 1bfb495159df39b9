package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/index"
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
	key := pageKey(r.URL.RawQuery)
	if a.sendCachedKey(w, r, key) {
		return nil
	}
	q, err := parseQuery(r.URL.RawQuery, pageParameters)
	if err != nil {
		return err
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	// The link of the next page is the cache key of its answer, so sendCachedKey finds it
	// without parsing.
	next := func(last int64) string { return pageKey(asGiven(q.next(strconv.FormatInt(last, 10)), r.URL.RawQuery)) }
	if s.index != nil {
		return a.sendComputed(w, r, s, key, func(x *index.Index) (*answer, error) { return a.searchPage(x, q, next) })
	}
	if !q.Simple() || q.Sort != movie.SortNewest {
		return errOff
	}
	return a.loaded(w, r, s, key, func(ctx context.Context) (*answer, error) {
		rows, start, err := a.catalogue.Movies(ctx, q.Filter, q.Start, q.Limit)
		if err != nil {
			return nil, err
		}
		following := ""
		if start > 0 {
			following = a.base + next(start)
		}
		body := []byte(`{"movies": [`)
		for i, row := range rows {
			body = row.AppendJSON(appendSeparator(body, i), a.base)
		}
		return newAnswer(appendNext(appendEnd(body, len(rows)), following), following), nil
	})
}

// pageKey is the cache key of a page.
func pageKey(query string) string { return "/movies?" + query }

// searchPage returns a page from the index. A page of large movies is short.
func (a *API) searchPage(x *index.Index, q query, next func(last int64) string) (*answer, error) {
	found, err := x.Search(q.Filter, q.Sort, q.Start, q.Limit)
	if errors.Is(err, index.ErrStart) {
		return nil, &parameterError{parameter: "start", detail: fmt.Sprintf("start is %d, which no movie has ever had as its id", q.Start), cause: err}
	}
	if err != nil {
		return nil, err
	}
	body := append(make([]byte, 0, 256*len(found.IDs)+128), `{"movies": [`...)
	n := 0
	for ; n < len(found.IDs) && len(body) < movie.MaxBytes; n++ {
		body = a.appendMovie(appendSeparator(body, n), x, found.IDs[n])
	}
	following := ""
	if n < len(found.IDs) || found.More {
		following = a.base + next(found.IDs[n-1])
	}
	return newAnswer(appendNext(appendEnd(body, n), following), following).withTotal(found.Total), nil
}

// appendMovie appends a movie of the index.
func (a *API) appendMovie(body []byte, x *index.Index, id int64) []byte {
	body, _ = x.AppendFields(movie.AppendOpening(body, id), id)
	return movie.AppendSelf(body, a.base, id)
}

// appendNext appends the end of a page.
func appendNext(body []byte, next string) []byte {
	body = append(body, `"next_url": `...)
	if next == "" {
		return append(body, "null}\n"...)
	}
	return append(append(append(body, '"'), next...), "\"}\n"...) // quotes and control characters are percent-encoded
}

// appendSeparator begins the line of element i of a list.
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
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	id, err := movieID(r)
	if err != nil {
		return err
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	setAge(w.Header(), s.age) // also of "no such movie"
	if s.index == nil {
		return a.loaded(w, r, s, movieKey(id), func(ctx context.Context) (*answer, error) {
			row, err := a.catalogue.Movie(ctx, id)
			if err != nil {
				return nil, err
			}
			return newAnswer(append(row.AppendJSON(nil, a.base), '\n'), ""), nil
		})
	}
	started := time.Now()
	of := func(x *index.Index) (*answer, error) {
		body, found := x.AppendFields(movie.AppendOpening(nil, id), id)
		if !found {
			return nil, movie.ErrNotFound
		}
		return newAnswer(append(movie.AppendSelf(body, a.base, id), '\n'), ""), nil
	}
	made, err := of(s.index)
	if err != nil {
		return err
	}
	if len(made.body) >= minCompressed { // a small one is cheaper to compute than to cache
		// It is made again, because this one would be kept while it waits for room.
		return a.sendComputed(w, r, s, movieKey(id), of)
	}
	a.sendMade(w, r, s, "index", started, made)
	return nil
}

// movieID parses the id in the path.
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
