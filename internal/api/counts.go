package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// genres answers with the genres of the matching movies, the most frequent first:
//
//	{"genres": [
//	{"genre": "Drama", "movies": 799, "movies_url": "/movies?genre=Drama"}
//	]}
func (a *API) genres(w http.ResponseWriter, r *http.Request) error {
	return a.counts(w, r, "genre", (*index.Index).Genres)
}

// years answers with the years of the matching movies, in order, in the same shape.
func (a *API) years(w http.ResponseWriter, r *http.Request) error {
	return a.counts(w, r, "year", (*index.Index).Years)
}

func (a *API) counts(w http.ResponseWriter, r *http.Request, name string, count func(*index.Index, movie.Filter) ([]index.Count, int)) error {
	q, err := parseQuery(r.URL.RawQuery, filterParameters)
	if err != nil {
		return err
	}
	return a.computed(w, r, "/"+name+"s?"+q.key(), func(x *index.Index) (*answer, error) {
		counts, movies := count(x, q.Filter)
		body := append([]byte(`{"`), name+`s": [`...)
		for i, c := range counts {
			body = append(appendSeparator(body, i), `{"`+name+`": `...)
			value := c.Value
			if c.Year != 0 {
				value = strconv.Itoa(c.Year)
				body = append(body, value...)
			} else {
				body = movie.AppendQuoted(body, value)
			}
			body = appendMovies(body, c.Movies)
			body = append(a.appendLink(body, name, value), '}')
		}
		if len(counts) > 0 {
			body = append(body, '\n')
		}
		return newAnswer(append(body, "]}\n"...), "").withTotal(movies), nil
	})
}

func appendMovies(body []byte, n int) []byte {
	return strconv.AppendInt(append(body, `, "movies": `...), int64(n), 10)
}

// appendLink appends the URL of the movies that have a value.
func (a *API) appendLink(body []byte, parameter, value string) []byte {
	body = append(append(body, `, "movies_url": "`...), a.base...)
	body = append(append(body, `/movies?`...), parameter...)
	return append(append(append(body, '='), url.QueryEscape(value)...), '"')
}

// status answers with the freshness of the catalogue. It is never cached.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(lasting(r), queryTimeout)
	defer cancel()
	s, err := a.catalogue.Status(ctx)
	if err != nil {
		return err
	}
	w.Header().Set(catalogueRevision, strconv.FormatInt(s.Revision, 10))
	return sendJSON(w, struct {
		shownStatus
		Version string `json:"version"` // of the program that answers
	}{newStatus(s, time.Now()), a.version})
}

// shownStatus is the JSON form of a status. Times are RFC 3339, null for never.
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

func newStatus(s report.Status, now time.Time) shownStatus {
	shown := shownStatus{Revision: s.Revision, Movies: s.Movies, Workers: []shownWorker{}}
	var oldest *time.Time
	for _, w := range s.Workers {
		if shown.LastCommit == nil || w.LastCommit.After(*shown.LastCommit) {
			shown.LastCommit = orNull(w.LastCommit)
		}
	}
	for _, w := range report.Current(s.Workers) {
		shown.Workers = append(shown.Workers, shownWorker{w.Shard, orNull(w.LastPass)})
		shown.ObjectsWaiting += w.ObjectsWaiting
		if oldest == nil || w.OldestWaiting != nil && w.OldestWaiting.Before(*oldest) {
			oldest = w.OldestWaiting
		}
	}
	if oldest != nil {
		seconds := now.Unix() - oldest.Unix() // a time.Duration overflows after 292 years
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
