package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// problem is an error document (RFC 9457), and the error that asks for one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Parameter is the query parameter at fault, if any.
	Parameter string `json:"parameter,omitempty"`

	retryAfter string // seconds after which the same may be asked again; "" for never
}

func (p problem) Error() string { return p.Detail }

// errOff answers requests that need the index while it is off.
var errOff = problem{
	Status: http.StatusNotImplemented,
	Detail: "only the index answers that, and it is switched off here by MOVIES_API_INDEX=off; without it there are /movies with title, " +
		"year, cast, genre, year_from, year_to, limit and start, /movies/{id}, /movies/{id}/history, /export, /changes and /status",
}

// loading answers while the index is loaded for the first time.
func loading(p index.Progress) problem {
	return problem{
		Status: http.StatusServiceUnavailable, retryAfter: retryAfter,
		Detail: fmt.Sprintf("loading the index: %d of about %d movies; try again later", p.Loaded, p.Expected),
	}
}

// retryAfter is the Retry-After header, in seconds, while the database is away.
const retryAfter = "5"

// fail answers with the public meaning of err; details go to the log. A client that
// disconnected gets no response: an empty one would look like a success to a client that
// has only closed its sending side.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var parameter *parameterError
	var p problem
	switch {
	case errors.As(err, &p):
	case errors.As(err, &parameter):
		p = problem{Status: http.StatusBadRequest, Detail: parameter.detail, Parameter: parameter.parameter}
	case errors.Is(err, movie.ErrNotFound):
		p = problem{Status: http.StatusNotFound, Detail: "no such movie"}
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client went away; each driver returns another error for that
	default:
		a.logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "query", r.URL.RawQuery, "error", err)
		p = problem{Status: http.StatusServiceUnavailable, Detail: "the catalogue cannot be read at the moment, try again later", retryAfter: retryAfter}
	}
	p.send(w)
}

// send writes the document.
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

// beyond answers a request for a revision that the catalogue does not have: the catalogue
// was restored from a copy, or the number is wrong. To wait for it would skip the changes
// until then.
func beyond(revision, current int64) problem {
	return problem{
		Status: http.StatusGone,
		Detail: fmt.Sprintf("the catalogue is at revision %d, before %d; take a new /export, and follow from its Catalogue-Revision", current, revision),
	}
}

// replaced answers a request that was waiting while another catalogue took the place of this one.
var replaced = problem{Status: http.StatusGone, Detail: "the catalogue was replaced, as by an older copy of it; take a new /export, and follow from its Catalogue-Revision"}

// pruned answers a request for changes that are no longer kept.
var pruned = problem{Status: http.StatusGone, Detail: "changes since then are no longer kept; take a new /export, and follow from its Catalogue-Revision"}
