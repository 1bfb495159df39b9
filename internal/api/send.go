package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/negotiation"
)

// agedAfter is the age from which responses carry an Age header.
const agedAfter = 2 * time.Second

func setAge(header http.Header, age time.Duration) {
	if age >= agedAfter {
		header.Set("Age", strconv.Itoa(int(age/time.Second)))
	}
}

// send writes an answer, or 304 when the client has it already.
func send(w http.ResponseWriter, r *http.Request, a *answer, s state) {
	header := w.Header()
	header[contentType] = jsonType
	if header[vary] == nil {
		header[vary] = byEncoding
	} else {
		header.Add(vary, "Accept-Encoding")
	}
	if s.moved != nil {
		header[catalogueRevision] = s.text
	}
	if a.link != nil {
		header[link] = a.link
	}
	if a.total != nil {
		header[totalCount] = a.total
	}
	setAge(header, s.age)
	if a.etag == nil {
		header[cacheControl] = noStore
	} else {
		header[cacheControl] = noCache
		header[etag] = a.etag
		if negotiation.Matches(r.Header[ifNoneMatch], a.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	body, encoding := a.encoded(r)
	header[contentLength] = a.length
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
		header.Set(contentLength, strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body) //nolint:gosec // JSON; nobody is left to hear of a write error
}

// computed sends an answer from the cache or from the index.
func (a *API) computed(w http.ResponseWriter, r *http.Request, key string, make func(*index.Index) (*answer, error)) error {
	if a.watcher.mirror == nil {
		return errOff
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	return a.sendComputed(w, r, s, key, make)
}

func (a *API) sendComputed(w http.ResponseWriter, r *http.Request, s state, key string, make func(*index.Index) (*answer, error)) error {
	send := func(s state) error {
		return a.sendHeld(w, r, s, "index", func() (*answer, bool, error) { return a.compute(s, key, make) })
	}
	err := send(s)
	if !errors.Is(err, index.ErrStart) {
		return err
	}
	// The link to the page may come from another process, which knows a newer state.
	tried := s
	try := func(now state) (found bool) {
		if now.number != tried.number {
			tried = now
			w.Header()[catalogueRevision] = now.text
			err = send(now)
		}
		return !errors.Is(err, index.ErrStart)
	}
	newer, failed := a.watcher.newer(lasting(r), try)
	if failed != nil && !try(newer) {
		return errUnseen
	}
	return err
}

var errUnseen = problem{
	Status: http.StatusServiceUnavailable, retryAfter: retryAfter, Parameter: "start",
	Detail: "start is not known here, and the database cannot tell now whether it is new; try again later",
}

// loaded sends an answer from the cache or from the database.
func (a *API) loaded(w http.ResponseWriter, r *http.Request, s state, key string, load func(context.Context) (*answer, error)) error {
	return a.sendHeld(w, r, s, "db", func() (*answer, bool, error) { return a.get(lasting(r), s, key, load) })
}

// sendHeld sends an answer once there is room for it. name is its name in the header
// Server-Timing.
func (a *API) sendHeld(w http.ResponseWriter, r *http.Request, s state, name string, get func() (found *answer, hit bool, err error)) error {
	start := time.Now()
	hit := false
	found, release, err := a.room.hold(lasting(r), func() (found *answer, err error) {
		found, hit, err = get()
		return found, err
	})
	if err != nil {
		return err
	}
	defer release()
	if hit {
		a.sendHit(w, r, s, found)
		return nil
	}
	a.sendMade(w, r, s, name, start, found)
	return nil
}

// sendMade sends an answer that was not cached, with the time that it took.
func (a *API) sendMade(w http.ResponseWriter, r *http.Request, s state, name string, start time.Time, made *answer) {
	a.metrics.misses.Inc()
	w.Header()[serverTiming] = []string{name + ";dur=" + milliseconds(time.Since(start))}
	send(w, r, made, s)
}

// sendCachedKey answers a request whose text is the cache key of an answer, without
// parsing it. It reports whether there was one.
func (a *API) sendCachedKey(w http.ResponseWriter, r *http.Request, key string) bool {
	s := a.watcher.peek()
	if s.moved == nil {
		return false
	}
	found, hit := a.cache.find(s, key)
	if !hit || len(found.body) > smallAnswer { // a large answer has to wait for room
		return false
	}
	a.sendHit(w, r, s, found)
	return true
}

func (a *API) sendHit(w http.ResponseWriter, r *http.Request, s state, found *answer) {
	a.metrics.hits.Inc()
	w.Header()[serverTiming] = fromCache
	send(w, r, found, s)
}

// sendConstant sends an answer that needs no database.
func (a *API) sendConstant(w http.ResponseWriter, r *http.Request, constant *answer) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	w.Header()[serverTiming] = fromCache
	send(w, r, constant, a.watcher.peek())
	return nil
}
