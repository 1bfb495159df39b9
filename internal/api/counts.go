package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"jpmovies/internal/movie"
)

// countingCatalogue counts movies. SQL does not.
type countingCatalogue interface {
	// Genres and Years are all values with the number of their movies.
	Genres(ctx context.Context) ([]movie.Count, error)
	Years(ctx context.Context) ([]movie.Count, error)
}

// errNeedsIndex answers a request that SQL cannot answer.
var errNeedsIndex = problem{Status: http.StatusNotImplemented, Detail: "this needs the index"}

// genres answers with all genres, the most common first:
//
//	{"genres": [
//	{"genre": "Drama", "movies": 799, "movies_url": "/movies?genre=Drama"}
//	]}
func (a *API) genres(w http.ResponseWriter, r *http.Request) error {
	return a.counts(w, r, "genre", countingCatalogue.Genres, func(body []byte, value string) []byte {
		body, _ = jsontext.AppendQuote(body, value) // stored text is valid UTF-8
		return body
	})
}

// years answers with all years, in order, in the same shape.
func (a *API) years(w http.ResponseWriter, r *http.Request) error {
	return a.counts(w, r, "year", countingCatalogue.Years, func(body []byte, value string) []byte {
		year, _ := strconv.Atoi(value) // four digits
		return strconv.AppendInt(body, int64(year), 10)
	})
}

func (a *API) counts(w http.ResponseWriter, r *http.Request, name string, read func(countingCatalogue, context.Context) ([]movie.Count, error),
	appendValue func([]byte, string) []byte,
) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	c, ok := a.catalogue.(countingCatalogue)
	if !ok {
		return errNeedsIndex
	}
	return a.cached(w, r, "/"+name+"s", func(ctx context.Context) (*answer, error) {
		counts, err := read(c, ctx)
		if err != nil {
			return nil, err
		}
		body := append([]byte(`{"`), name+`s": [`...)
		for i, c := range counts {
			body = append(appendSeparator(body, i), `{"`+name+`": `...)
			shown := appendValue(nil, c.Value)
			body = append(append(body, shown...), `, "movies": `...)
			body = strconv.AppendInt(body, c.Movies, 10)
			query := c.Value
			if name == "year" {
				query = string(shown)
			}
			body = append(body, `, "movies_url": "`+a.base+`/movies?`+url.Values{name: {query}}.Encode()+`"}`...)
		}
		if len(counts) > 0 {
			body = append(body, '\n')
		}
		return newAnswer(append(body, "]}\n"...), ""), nil
	})
}

// status tells how fresh the catalogue is. It is never kept.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(lasting(r), queryTimeout)
	defer cancel()
	s, err := a.catalogue.Status(ctx)
	if err != nil {
		return err
	}
	shown := newStatus(s, time.Now())
	return sendJSON(w, s.Revision, shown)
}

// shownStatus is a status as it is shown. Times are RFC 3339, null for never.
type shownStatus struct {
	Revision       int64         `json:"revision"`
	Movies         int64         `json:"movies"`
	LastCommit     *time.Time    `json:"last_commit"`
	ObjectsWaiting int           `json:"objects_waiting"`
	OldestSeconds  *int64        `json:"oldest_waiting_seconds"`
	Workers        []shownWorker `json:"workers"`
}

type shownWorker struct {
	Shard    string     `json:"shard"`
	LastPass *time.Time `json:"last_pass"`
}

func newStatus(s movie.Status, now time.Time) shownStatus {
	shown := shownStatus{Revision: s.Revision, Movies: s.Movies, Workers: []shownWorker{}}
	var oldest *time.Time
	for _, w := range s.Workers {
		if shown.LastCommit == nil || w.LastCommit.After(*shown.LastCommit) {
			shown.LastCommit = orNull(w.LastCommit)
		}
	}
	for _, w := range movie.Current(s.Workers) {
		shown.Workers = append(shown.Workers, shownWorker{w.Shard, orNull(w.LastPass)})
		shown.ObjectsWaiting += w.ObjectsWaiting
		if oldest == nil || w.OldestWaiting != nil && w.OldestWaiting.Before(*oldest) {
			oldest = w.OldestWaiting
		}
	}
	if oldest != nil {
		seconds := now.Unix() - oldest.Unix() // a Duration ends after 292 years
		if now.Nanosecond() < oldest.Nanosecond() {
			seconds--
		}
		seconds = max(0, seconds)
		shown.OldestSeconds = &seconds
	}
	return shown
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
