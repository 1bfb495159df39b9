package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// problem is an error document of RFC 9457, and the error that asks for one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Parameter is the query parameter at fault, if one is.
	Parameter string `json:"parameter,omitempty"`

	retryAfter string // seconds after which the same may be asked again; "" for never
}

func (p problem) Error() string { return p.Detail }

// errOff: the database alone does not answer that.
var errOff = problem{
	Status: http.StatusNotImplemented,
	Detail: "only the index answers that, and it is switched off here by MOVIES_API_INDEX=off; without it there are /movies with title, " +
		"year, cast, genre, year_from, year_to, limit and start, /movies/{id}, /export and /changes",
}

// loading says how far the index is while there is none.
func loading(p index.Progress) problem {
	return problem{
		Status: http.StatusServiceUnavailable, retryAfter: retryAfter,
		Detail: fmt.Sprintf("loading the index: %d of about %d movies; try again later", p.Loaded, p.Expected),
	}
}

// retryAfter is when to ask again while the database is away, in seconds.
const retryAfter = "5"

// fail answers with what err means to a stranger. What only operators should
// know goes to the log. A client that went away gets no answer: an empty one would
// look like a success to whoever has only closed its sending side.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var parameter *parameterError
	var p problem
	switch {
	case errors.As(err, &p):
	case errors.As(err, &parameter):
		p = problem{Status: http.StatusBadRequest, Detail: parameter.detail, Parameter: parameter.parameter}
	case errors.Is(err, movie.ErrPruned):
		p = problem{Status: http.StatusGone, Detail: "changes that old are no longer kept; take a new /export, and follow from its Catalogue-Revision"}
	case errors.Is(err, movie.ErrNotFound):
		p = problem{Status: http.StatusNotFound, Detail: "no such movie"}
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client went away; drivers have many words for that
	default:
		a.logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "query", r.URL.RawQuery, "error", err)
		p = problem{Status: http.StatusServiceUnavailable, Detail: "the catalogue cannot be read at the moment, try again later", retryAfter: retryAfter}
	}
	p.send(w)
}

// send answers with the document.
func (p problem) send(w http.ResponseWriter) {
	if p.retryAfter != "" {
		w.Header().Set("Retry-After", p.retryAfter)
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, err := marshal(p)
	if err != nil {
		panic(err) // strings and an int always marshal
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client went away: nobody is left to tell
}

// beyond says that a revision is asked for which the catalogue does not have: it
// was restored from a copy, or the number is wrong. Waiting for it would skip
// what happens until then.
func beyond(revision, current int64) problem {
	return problem{
		Status: http.StatusGone, Parameter: "since",
		Detail: fmt.Sprintf("since is %d, but the catalogue is at revision %d; take a new /export, and follow from its Catalogue-Revision", revision, current),
	}
}
