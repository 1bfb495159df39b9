package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/client"
)

func open(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.New(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// faulty answers each request by the next of its handlers, the last one again and again.
func faulty(t *testing.T, answers ...http.HandlerFunc) (c *client.Client, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[min(int(requests.Add(1)), len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	return open(t, server.URL), requests
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Catalogue-Revision", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// cut ends the connection after the text.
func cut(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(http.StatusOK, text)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

const film = `{"id": 1, "title": "A", "year": 2000, "cast": [], "genres": []}`

func TestNew(t *testing.T) {
	for _, wrong := range []string{"", "127.0.0.1:8080", "ftp://a", "http://", "http://a?b=c", "http://a#b", "http://a b"} {
		if _, err := client.New(wrong); err == nil {
			t.Errorf("%q is taken for an address", wrong)
		}
	}
}

// counter is a transport that counts its requests.
type counter struct{ requests int }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	return http.DefaultTransport.RoundTrip(r)
}

// TestMovies compares pages of any size with each other, and filters with the demo's films.
func TestMovies(t *testing.T) {
	c := open(t, address+"/")
	sent := &counter{}
	c.HTTP = &http.Client{Transport: sent}
	var want []int64
	for id := range int64(36) {
		want = append(want, 36-id)
	}
	for _, size := range []int{0, 1, 7, 36, 100} {
		if got := ids(t, c, client.Query{PageSize: size}, 100); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	for _, test := range []struct {
		filter client.Filter
		want   []int64
	}{
		{client.Filter{Title: "The Lion King"}, []int64{15, 5}},
		{client.Filter{Title: "the lion king"}, nil},
		{client.Filter{Title: "The Lion King", Year: 2019}, []int64{15}},
		{client.Filter{Year: 2017}, []int64{9}},
		{client.Filter{YearFrom: 2015, YearTo: 2016}, []int64{36, 13, 7}},
		{client.Filter{YearFrom: 2020}, []int64{12, 11, 10}},
		{client.Filter{YearTo: 1941}, []int64{16, 1}},
		{client.Filter{Words: "THE d"}, []int64{10}},
		{client.Filter{Cast: []string{"Chris Evans"}}, []int64{9, 7}},
		{client.Filter{Cast: []string{"Chris Evans", "Chris Hemsworth"}}, []int64{7}},
		{client.Filter{Genre: []string{"Action"}}, []int64{31, 13, 9, 7}},
		{client.Filter{Genre: []string{"Action", "Adventure"}}, []int64{13}},
		{client.Filter{CastAny: []string{"Chris Evans", "Mark Zei"}}, []int64{12, 10, 9, 7}},
		{client.Filter{GenreAny: []string{"Politics", "Food"}}, []int64{12, 11, 10}},
		{client.Filter{Genre: []string{"Action"}, CastNot: []string{"Chris Hemsworth", "Tom Hardy"}}, []int64{31, 9}},
		{client.Filter{Genre: []string{"Action"}, GenreNot: []string{"Adventure", "Science Fiction"}}, []int64{9, 7}},
		{client.Filter{IDs: []int64{1, 36}}, []int64{36, 1}},
		{client.Filter{IDs: []int64{1, 36}, Year: 1927}, []int64{1}},
	} {
		if got := ids(t, c, client.Query{Filter: test.filter, PageSize: 1}, 100); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v", test.filter, got, test.want)
		}
		if count, err := c.Count(t.Context(), test.filter); err != nil || count != int64(len(test.want)) {
			t.Errorf("%+v: %d counted, %v, want %d", test.filter, count, err, len(test.want))
		}
	}
	for stop, requests := range map[int]int{1: 1, 7: 1, 8: 2} { // a loop that ends asks for no page more
		sent.requests = 0
		if got := ids(t, c, client.Query{PageSize: 7}, stop); len(got) != stop || sent.requests != requests {
			t.Errorf("%d requests for %d movies, want %d for %d", sent.requests, len(got), requests, stop)
		}
	}
	status, err := c.Status(t.Context())
	if err != nil || status.Movies != 36 || status.Revision != 36 || status.LastCommit != nil || status.OldestWaitingSeconds != nil {
		t.Errorf("%+v, %v", status, err)
	}
	genres, err := c.Genres(t.Context(), client.Filter{Year: 2017})
	if err != nil || len(genres) != 1 || genres[0] != (client.Genre{Genre: "Action", Movies: 1}) {
		t.Errorf("%v, %v", genres, err)
	}
	years, err := c.Years(t.Context(), client.Filter{Genre: []string{"Politics"}})
	if err != nil || len(years) != 2 || years[1] != (client.Year{Year: 2021, Movies: 1}) {
		t.Errorf("%v, %v", years, err)
	}
}

// ids returns the ids of the first movies of a query.
func ids(t *testing.T, c *client.Client, q client.Query, most int) (found []int64) {
	t.Helper()
	for m, err := range c.Movies(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if found = append(found, m.ID); len(found) == most {
			break
		}
	}
	return found
}

// TestProblem: what the API says about a wrong request reaches the caller at once.
func TestProblem(t *testing.T) {
	c := open(t, address)
	for _, err := range c.Movies(t.Context(), client.Query{Sort: "size"}) {
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != http.StatusBadRequest || p.Parameter != "sort" || !strings.Contains(p.Detail, "size") {
			t.Errorf("%#v", err)
		}
	}
	if _, err := c.Movie(t.Context(), 99); !errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrGone) {
		t.Error(err)
	}
	for _, err := range c.Changes(t.Context(), 1000) {
		if !errors.Is(err, client.ErrGone) {
			t.Error(err)
		}
	}
	proxy, requests := faulty(t, answer(http.StatusForbidden, "<html>"))
	var p *client.Problem
	if _, err := proxy.Movie(t.Context(), 1); !errors.As(err, &p) || p.Status != http.StatusForbidden || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// TestHostileServer: a server can neither learn more than it is told, nor keep a caller for
// ever, nor fill the memory.
func TestHostileServer(t *testing.T) {
	c, _ := faulty(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "100000000000")
		answer(http.StatusUnauthorized, "<html>")(w, r)
	})
	var p *client.Problem
	if _, err := c.Movie(t.Context(), 1); !errors.As(err, &p) || p.RetryAfter != 5*time.Minute {
		t.Errorf("%#v", err)
	}
	server := httptest.NewServer(answer(http.StatusUnauthorized, "<html>"))
	t.Cleanup(server.Close)
	secret := open(t, strings.Replace(server.URL, "http://", "http://bob:hunter2@", 1))
	if _, err := secret.Movie(t.Context(), 1); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in %q", err)
	}
	c, requests := faulty(t, answer(http.StatusOK, `{"movies": [], "next_url": "/movies?start=1"}`))
	for _, err := range c.Movies(t.Context(), client.Query{}) {
		if err == nil || requests.Load() != 2 { // the second page is its own next one
			t.Errorf("%v after %d requests", err, requests.Load())
		}
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Catalogue-Revision", "7")
		_, _ = io.WriteString(w, `{"title": "`)
		for text := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	}
	c, _ = faulty(t, endless)
	if _, movies, err := c.Export(t.Context(), client.Filter{}); err != nil {
		t.Error(err)
	} else {
		for _, err := range movies {
			if err == nil || !strings.Contains(err.Error(), "larger than any") {
				t.Errorf("an endless movie: %v", err)
			}
		}
	}
	for _, body := range []string{`null`, `{}`, `{"message": "ok"}`, `[]`} {
		c, _ = faulty(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if m, err := c.Movie(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "not the API's") {
			t.Errorf("%s is the movie %v: %v", body, m, err)
		}
	}
	c, requests = faulty(t, endless)
	if _, err := c.Movie(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "larger than any") || requests.Load() != 1 {
		t.Errorf("an endless answer: %v after %d requests", err, requests.Load())
	}
	c, _ = faulty(t, answer(http.StatusOK, `{"movies": [], "next_url": "/movies?start=9"}`), answer(http.StatusOK, `{"movies": [`+film+`], "next_url": null}`))
	movies := 0
	for _, err := range c.Movies(t.Context(), client.Query{}) {
		if err != nil {
			t.Error(err)
		}
		movies++
	}
	if movies != 1 {
		t.Errorf("%d movies after an empty page", movies)
	}
}

// TestRetry: what fails for a moment is asked again, and not for ever.
func TestRetry(t *testing.T) {
	c, requests := faulty(t, answer(http.StatusServiceUnavailable, ""), answer(http.StatusRequestTimeout, ""), cut(`{"id": 1, "tit`),
		answer(http.StatusOK, film))
	told := 0
	c.OnRetry = func(err error, _ time.Duration) {
		if err != nil {
			told++
		}
	}
	if m, err := c.Movie(t.Context(), 1); err != nil || m.Title != "A" || requests.Load() != 4 || told != 3 {
		t.Errorf("%v, %v after %d requests, told %d times", m, err, requests.Load(), told)
	}
	c, requests = faulty(t, answer(http.StatusBadGateway, ""))
	var p *client.Problem
	if _, err := c.Movie(t.Context(), 1); !errors.As(err, &p) || p.Status != http.StatusBadGateway || requests.Load() != 4 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
	c, requests = faulty(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		answer(http.StatusServiceUnavailable, "")(w, r)
	}, answer(http.StatusOK, film))
	start := time.Now()
	if _, err := c.Movie(t.Context(), 1); err != nil || requests.Load() != 2 || time.Since(start) < time.Second {
		t.Errorf("%v after %d requests and %s", err, requests.Load(), time.Since(start))
	}
	c, _ = faulty(t, answer(http.StatusBadGateway, ""))
	ctx, cancel := context.WithCancelCause(t.Context())
	c.OnRetry = func(error, time.Duration) { cancel(nil) }
	if _, err := c.Movie(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestChangesGoOn: the feed survives answers that fail, end early or are empty, and misses
// no change.
func TestChangesGoOn(t *testing.T) {
	var asked []string
	note := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.FormValue("since"))
			next(w, r)
		}
	}
	c, _ := faulty(t,
		note(answer(http.StatusOK, `{"changes": [{"revision": 8, "id": 1, "movie": null}], "revision": 8}`)),
		note(answer(http.StatusServiceUnavailable, "")),
		note(cut(`{"changes": [{"revision": 9, "id": 1, "movie": null}]`)),
		note(answer(http.StatusOK, `{"changes": [], "revision": 8}`)),
		note(answer(http.StatusOK, `{"changes": [{"revision": 9, "id": 2, "movie": `+film+`}], "revision": 9}`)),
		note(answer(http.StatusGone, `{"detail": "too old"}`)))
	var got []int64
	var last error
	for change, err := range c.Changes(t.Context(), 7) {
		if last = err; err == nil {
			got = append(got, change.Revision)
		}
	}
	if !slices.Equal(got, []int64{8, 9}) || !errors.Is(last, client.ErrGone) || strings.Join(asked, " ") != "7 8 8 8 8 9" {
		t.Errorf("%v, then %v; asked after %v", got, last, asked)
	}
}

// balancer stands before an API without changes, and gives up a request after 30 seconds, as many
// do.
type balancer struct{}

func (balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	wait, err := time.ParseDuration(r.FormValue("wait"))
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if wait >= 30*time.Second {
		wait, status = 30*time.Second, http.StatusGatewayTimeout
	}
	select {
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	case <-time.After(wait):
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Catalogue-Revision": {"7"}}, Body: io.NopCloser(strings.NewReader(`{"changes": [], "revision": 7}`))}, nil
}

// TestChangesBehindBalancer: a feed without changes does not fail again and again.
func TestChangesBehindBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "http://api")
		c.HTTP = &http.Client{Transport: balancer{}}
		c.OnRetry = func(err error, _ time.Duration) { t.Error(err) }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for change, err := range c.Changes(ctx, 7) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", change, err)
			}
		}
	})
}

// TestExportCut: a part never looks like the whole.
func TestExportCut(t *testing.T) {
	for name, text := range map[string]string{"between": film + "\n", "within": film + `{"id": 2`} {
		c, _ := faulty(t, cut(text))
		revision, movies, err := c.Export(t.Context(), client.Filter{})
		if err != nil || revision != 7 {
			t.Fatalf("%d, %v", revision, err)
		}
		got := 0
		for m, err := range movies {
			if got++; got == 1 && (err != nil || m.ID != 1) || got == 2 && err == nil {
				t.Errorf("%s: item %d is %v, %v", name, got, m, err)
			}
		}
		if got != 2 {
			t.Errorf("%s: %d items", name, got)
		}
	}
}

// silent is a server that answers as far as it says, and then nothing.
type silent struct{ text string }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.text == "" {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	reader, writer := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = writer.CloseWithError(r.Context().Err()) })
	go func() { _, _ = io.WriteString(writer, s.text) }()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Catalogue-Revision": {"7"}}, Body: reader}, nil
}

// TestSilentExport: an export that stands still ends with an error.
func TestSilentExport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "http://api")
		c.HTTP = &http.Client{Transport: silent{}}
		if _, _, err := c.Export(t.Context(), client.Filter{}); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("no answer, and the error %v", err)
		}
		c.HTTP.Transport = silent{film + "\n"}
		_, movies, err := c.Export(t.Context(), client.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, err = range movies {
			if got++; got == 1 {
				time.Sleep(time.Hour) // the caller may take its time
			}
		}
		if got != 2 || err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%d items, the last %v", got, err)
		}
	})
}

// recorder is a copy that remembers its calls.
type recorder struct {
	calls string
	fails error
}

func (r *recorder) Replace(_ context.Context, revision int64, movies iter.Seq2[client.Movie, error]) error {
	r.calls += fmt.Sprintf("replace at %d:", revision)
	for m, err := range movies {
		if err != nil {
			r.calls += " broken, "
			return err
		}
		r.calls += fmt.Sprint(" ", m.ID)
	}
	r.calls += ", "
	return nil
}

func (r *recorder) Apply(_ context.Context, changes []client.Change) error {
	r.calls += fmt.Sprintf("apply %d to %d, ", len(changes), changes[len(changes)-1].Revision)
	return r.fails
}

// TestMirror: a broken export is repeated, changes that are gone lead to a new one, and an
// error of the copy ends the mirror.
func TestMirror(t *testing.T) {
	c, _ := faulty(t,
		answer(http.StatusGone, `{"detail": "too old"}`), // since 3
		cut(film),                        // export
		answer(http.StatusOK, film+film), // export
		answer(http.StatusOK, `{"changes": [{"revision": 8, "id": 1, "movie": null}], "revision": 8}`), // changes
		answer(http.StatusGone, `{"detail": "restored"}`),                                              // changes
		answer(http.StatusOK, film),      // export
		answer(http.StatusForbidden, "")) // changes
	r := &recorder{}
	var p *client.Problem
	if err := c.Mirror(t.Context(), 3, r); !errors.As(err, &p) || p.Status != http.StatusForbidden {
		t.Error(err)
	}
	if want := "replace at 7: 1 broken, replace at 7: 1 1, apply 1 to 8, replace at 7: 1, "; r.calls != want {
		t.Errorf("%s\nwant %s", r.calls, want)
	}
	full := errors.New("disk full")
	c, requests := faulty(t, answer(http.StatusOK, `{"changes": [{"revision": 8, "id": 1, "movie": null}], "revision": 8}`))
	if err := c.Mirror(t.Context(), 7, &recorder{fails: full}); !errors.Is(err, full) || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// impatient answers exports that break off after the time that the API gives a slow reader.
type impatient struct{ asked atomic.Int64 }

func (i *impatient) RoundTrip(*http.Request) (*http.Response, error) {
	i.asked.Add(1)
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, film+"\n")
		time.Sleep(20 * time.Second)
		_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Catalogue-Revision": {"7"}}, Body: reader}, nil
}

// TestMirrorOfSlowCopy: exports that break again and again, as where the copy is too slow for the
// API, end the mirror.
func TestMirrorOfSlowCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "http://api")
		i := &impatient{}
		c.HTTP = &http.Client{Transport: i}
		r := &recorder{}
		if err := c.Mirror(t.Context(), 0, r); err == nil || !strings.Contains(err.Error(), "5 exports have broken") || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		if i.asked.Load() != 5 || strings.Count(r.calls, "broken") != 5 {
			t.Errorf("%d requests: %s", i.asked.Load(), r.calls)
		}
	})
}

// refusing is a copy that takes nothing.
type refusing struct{ client.Copy }

func (refusing) Replace(context.Context, int64, iter.Seq2[client.Movie, error]) error {
	return errors.New("the copy is read-only")
}

// TestMirrorEndsItsExport: an export that the copy does not read is ended, so that the API can
// serve another one.
func TestMirrorEndsItsExport(t *testing.T) {
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Catalogue-Revision", "1")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(ended)
	}))
	defer s.Close()
	c, err := client.New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mirror(t.Context(), 0, refusing{}); err == nil {
		t.Error("no error of the copy")
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the export is still open")
		s.CloseClientConnections()
	}
}

// divided answers exports, and does not have their revision when it is asked for changes.
type divided struct{ exports int }

func (d *divided) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusGone, `{"detail": "another process"}`
	if r.URL.Path == "/export" {
		d.exports++
		status, body = http.StatusOK, film
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Catalogue-Revision": {"7"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestMirrorOfDividedAPI: where the process that answers /changes lacks the revision of each export,
// exports are repeated with pauses, and OnRetry is told.
func TestMirrorOfDividedAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d, told := open(t, "http://api"), &divided{}, 0
		c.HTTP = &http.Client{Transport: d}
		c.OnRetry = func(err error, _ time.Duration) {
			if told++; !errors.Is(err, client.ErrGone) {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Mirror(ctx, 0, &recorder{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d.exports < 3 || d.exports > 30 || told != d.exports {
			t.Errorf("%d exports in a minute, told %d times", d.exports, told)
		}
	})
}
