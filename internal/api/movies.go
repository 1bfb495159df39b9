package api

import (
	"fmt"
	"net/http"
	"strconv"

	"jpmovies/internal/movie"
)

// movies answers with one page, one movie a line:
//
//	{"movies": [
//	{"id": 12, "title": ..., "self_url": "/movies/12"},
//	{"id": 11, "title": ..., "self_url": "/movies/11"}
//	],
//	"next_url": "/movies?limit=2&start=11"}
func (a *api) movies(w http.ResponseWriter, r *http.Request) error {
	q, err := movie.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	// One row more tells whether there is a next page.
	rows, err := a.catalogue.Movies(r.Context(), q.Filter, q.Start, q.Limit+1)
	if err != nil {
		return err
	}
	next := "null"
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = `"/movies?` + q.Next(rows[q.Limit-1].ID) + `"` // percent-encoded, so it needs no escapes
	}
	return send(w, appendPage(nil, rows, next))
}

func appendPage(body []byte, rows []movie.Row, next string) []byte {
	body = append(body, `{"movies": [`...)
	for i, row := range rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = row.AppendJSON(append(body, '\n'))
	}
	if len(rows) > 0 {
		body = append(body, '\n')
	}
	body = append(body, "],\n\"next_url\": "...)
	body = append(body, next...)
	return append(body, "}\n"...)
}

func (a *api) movie(w http.ResponseWriter, r *http.Request) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != text {
		return problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("no movie %q: ids are whole numbers from 1", text)}
	}
	row, err := a.catalogue.Movie(r.Context(), id)
	if err != nil {
		return err
	}
	return send(w, append(row.AppendJSON(nil), '\n'))
}

func send(w http.ResponseWriter, body []byte) error {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // JSON, and a client that went away need not be told
	return nil
}
