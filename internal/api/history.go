package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// history answers with a page of the changes of a movie, the newest first:
//
//	{"history": [
//	{"revision": 17, "time": "2026-03-01T12:00:00Z", "changed": ["cast", "genres"]}
//	],
//	"next_url": null}
func (a *API) history(w http.ResponseWriter, r *http.Request) error {
	q, given, err := parseKeyset(r.URL.RawQuery)
	if err != nil {
		return err
	}
	id, err := movieID(r)
	if err != nil {
		return err
	}
	path := movieKey(id) + "/history?"
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	return a.loaded(w, r, s, path+given.Encode(), func(ctx context.Context) (*answer, error) {
		// One event more than the page shows whether there is a next page.
		events, err := a.catalogue.History(ctx, id, q.start, q.limit+1)
		if err != nil {
			return nil, err
		}
		next := ""
		if len(events) > q.limit {
			events = events[:q.limit]
			given.Set("start", strconv.FormatInt(events[q.limit-1].Revision, 10))
			next = a.base + path + given.Encode()
		}
		return newAnswer(appendHistory(nil, events, next), next), nil
	})
}

func appendHistory(body []byte, events []report.Event, next string) []byte {
	body = append(body, `{"history": [`...)
	for i, e := range events {
		body = append(appendSeparator(body, i), `{"revision": `...)
		body = strconv.AppendInt(body, e.Revision, 10)
		body = e.Time.AppendFormat(append(body, `, "time": "`...), time.RFC3339Nano)
		body = movie.AppendNames(append(body, `", "changed": `...), e.Changed.Names())
		body = append(body, '}')
	}
	return appendNext(appendEnd(body, len(events)), next)
}
