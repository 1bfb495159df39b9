package api

import (
	"math"
	"net/http"
	"net/url"
	"strconv"

	"jpmovies/internal/report"
)

// keyset is the parsed query string of a page without filters: the entries below start.
type keyset struct {
	start int64
	limit int
}

var keysetParameters = []parameter[keyset]{
	{name: "start", set: func(q *keyset, v string) string { return setNumber(&q.start, v, 1, math.MaxInt64) }},
	{name: "limit", set: func(q *keyset, v string) string { return setNumber(&q.limit, v, 1, maxLimit) }},
}

func parseKeyset(raw string) (q keyset, given url.Values, err error) {
	q.limit = defaultLimit
	given, err = parse(raw, keysetParameters, &q)
	return q, given, err
}

// rejections answers with a page of the newest rejections.
func (o *Operations) rejections(w http.ResponseWriter, r *http.Request) error {
	q, given, err := parseKeyset(r.URL.RawQuery)
	if err != nil {
		return err
	}
	found, err := o.Records.Rejections(r.Context(), q.start, q.limit+1)
	if err != nil {
		return err
	}
	shown := struct {
		Rejections []report.Rejection `json:"rejections"`
		Next       *string            `json:"next_url"`
	}{Rejections: append([]report.Rejection{}, found[:min(len(found), q.limit)]...)} // an empty list is [], not null
	if len(found) > q.limit {
		given.Set("start", strconv.FormatInt(found[q.limit-1].ID, 10))
		next := "/rejections?" + given.Encode()
		shown.Next = &next
	}
	return sendJSON(w, shown)
}
