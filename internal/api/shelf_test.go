package api_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/index"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// shelf is a fake catalogue in memory. It checks the arguments of its methods and counts the
// calls.
type shelf struct {
	t *testing.T
	// read, if set, is called with the method's name before the method reads; after, if set, when
	// it has read.
	read  func(ctx context.Context, method string) error
	after func(method string)
	// exported, if set, is called when an export has ended.
	exported func()

	mu      sync.Mutex
	movies  map[int64]movie.Movie
	known   map[int64]movie.Identity // every movie ever put
	feed    []int64                  // the movie that each revision changed, from 1 on
	pruned  int64                    // changes up to this revision are pruned
	workers []report.Worker
	calls   map[string]int
}

// put creates or changes a movie; nil deletes it.
func (s *shelf) put(id int64, m *movie.Movie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.movies == nil {
		s.movies = map[int64]movie.Movie{}
	}
	if s.known == nil {
		s.known = map[int64]movie.Identity{}
	}
	delete(s.movies, id)
	if m != nil {
		s.movies[id], s.known[id] = *m, m.Identity
	}
	s.feed = append(s.feed, id)
}

// set changes the shelf under its lock.
func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// count returns the number of calls of the methods since the last count, and resets it.
func (s *shelf) count(methods ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range methods {
		n += s.calls[m]
		delete(s.calls, m)
	}
	return n
}

// called begins a method and locks the shelf; end unlocks it.
func (s *shelf) called(ctx context.Context, method string) (end func(), err error) {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[method]++
	read, after := s.read, s.after
	s.mu.Unlock()
	if read != nil {
		if err := read(ctx, method); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	return func() {
		s.mu.Unlock()
		if after != nil {
			after(method)
		}
	}, nil
}

func (s *shelf) Movie(ctx context.Context, id int64) (movie.Row, error) {
	if id < 1 {
		s.t.Errorf("movie %d is asked for", id)
	}
	end, err := s.called(ctx, "Movie")
	if err != nil {
		return movie.Row{}, err
	}
	defer end()
	r := s.row(id)
	if r.Fields == nil {
		return movie.Row{}, movie.ErrNotFound
	}
	return r, nil
}

func (s *shelf) row(id int64) movie.Row {
	if m, known := s.movies[id]; known {
		return movie.Row{ID: id, Fields: m.AppendFields(nil)}
	}
	return movie.Row{ID: id}
}

func (s *shelf) Movies(ctx context.Context, filter movie.Filter, start int64, limit int) (rows []movie.Row, next int64, err error) {
	if limit < 1 || limit > 100 || start < 0 {
		s.t.Errorf("%d movies below %d are asked for", limit, start)
	}
	end, err := s.called(ctx, "Movies")
	if err != nil {
		return nil, 0, err
	}
	defer end()
	for _, id := range matching(s.movies, filter) {
		switch {
		case start > 0 && id >= start:
		case fill(rows, limit) < len(rows) || len(rows) == limit:
			return rows, rows[len(rows)-1].ID, nil
		default:
			rows = append(rows, s.row(id))
		}
	}
	return rows, 0, nil
}

func (s *shelf) Export(ctx context.Context, filter movie.Filter, begin func(int64) error, each func([]movie.Row) error) error {
	end, err := s.called(ctx, "Export")
	if err != nil {
		return err
	}
	revision := int64(len(s.feed))
	var rows []movie.Row
	for _, id := range matching(s.movies, filter) {
		rows = append(rows, s.row(id))
	}
	exported := s.exported
	end()
	if exported != nil {
		defer exported()
	}
	if err := begin(revision); err != nil {
		return err
	}
	for len(rows) > 0 {
		some := rows[:fill(rows, 1000)]
		rows = rows[len(some):]
		if err := each(some); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Revision(ctx context.Context) (int64, error) {
	end, err := s.called(ctx, "Revision")
	if err != nil {
		return 0, err
	}
	defer end()
	return int64(len(s.feed)), nil
}

func (s *shelf) Changes(ctx context.Context, since int64, limit int) ([]movie.Change, error) {
	if limit < 1 || since < 0 {
		s.t.Errorf("%d changes after %d are asked for", limit, since)
	}
	end, err := s.called(ctx, "Changes")
	if err != nil {
		return nil, err
	}
	defer end()
	if since < s.pruned {
		return nil, movie.ErrPruned
	}
	var changes []movie.Change
	for r, size := since, 0; r < int64(len(s.feed)) && len(changes) < limit && size < movie.MaxBytes; r++ {
		changes = append(changes, movie.Change{Revision: r + 1, Row: s.row(s.feed[r])})
		size += len(changes[len(changes)-1].Row.Fields)
	}
	return changes, nil
}

// mark returns the shelf's mark at a revision.
func (s *shelf) mark(revision int64) movie.Mark {
	m := movie.Mark{Revision: revision}
	if revision > 0 {
		m.Movie, m.ChangedAt = s.feed[revision-1], revision
	}
	return m
}

// states returns the states of movies for a mirror.
func (s *shelf) states(ids []int64) []movie.State {
	var states []movie.State
	for _, id := range ids {
		if m, shown := s.movies[id]; shown {
			states = append(states, movie.State{ID: id, Identity: m.Identity, Fields: m.AppendFields(nil)})
		} else if i, known := s.known[id]; known {
			states = append(states, movie.State{ID: id, Identity: i, Hidden: true})
		}
	}
	return states
}

func (s *shelf) Snapshot(ctx context.Context, begin func(movie.Mark, int64) error, each func([]movie.State) error) error {
	end, err := s.called(ctx, "Snapshot")
	if err != nil {
		return err
	}
	mark, movies := s.mark(int64(len(s.feed))), int64(len(s.movies))
	ids := append(slices.Collect(maps.Keys(s.movies)), slices.Collect(maps.Keys(s.known))...)
	slices.Sort(ids)
	states := s.states(slices.Compact(ids))
	end()
	if err := begin(mark, movies); err != nil {
		return err
	}
	for some := range slices.Chunk(states, 2) {
		if err := each(some); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Since(ctx context.Context, mark movie.Mark, each func([]movie.State) error) (movie.Mark, error) {
	end, err := s.called(ctx, "Since")
	if err != nil {
		return mark, err
	}
	now := int64(len(s.feed))
	switch {
	case mark.Revision > now || mark != s.mark(mark.Revision):
		err = movie.ErrReplaced
	case mark.Revision < s.pruned && mark.Revision < now:
		err = movie.ErrPruned
	}
	if err != nil {
		end()
		return mark, err
	}
	ids := slices.Clone(s.feed[mark.Revision:])
	slices.Sort(ids)
	states, next := s.states(slices.Compact(ids)), s.mark(now)
	end()
	for some := range slices.Chunk(states, 1000) {
		if err := each(some); err != nil {
			return mark, err
		}
	}
	return next, nil
}

func (s *shelf) Status(ctx context.Context) (report.Status, error) {
	end, err := s.called(ctx, "Status")
	if err != nil {
		return report.Status{}, err
	}
	defer end()
	return report.Status{Revision: int64(len(s.feed)), Movies: int64(len(s.movies)), Workers: slices.Clone(s.workers)}, nil
}

// History reports only creation, deletion, and changes of cast and genres together.
func (s *shelf) History(ctx context.Context, id, start int64, limit int) ([]report.Event, error) {
	if limit < 1 || limit > 101 || start < 0 {
		s.t.Errorf("%d changes below %d are asked for", limit, start)
	}
	end, err := s.called(ctx, "History")
	if err != nil {
		return nil, err
	}
	defer end()
	var events []report.Event
	_, shown := s.movies[id]
	for i, changed := range s.feed {
		if changed == id {
			e := report.Event{Revision: int64(i + 1), Time: time.UnixMilli(int64(i)).UTC(), Changed: movie.CastChanged | movie.GenresChanged}
			if len(events) == 0 {
				e.Changed = movie.Created
			}
			events = append(events, e)
		}
	}
	if len(events) == 0 && !shown {
		return nil, movie.ErrNotFound
	}
	if len(events) > 0 && !shown {
		events[len(events)-1].Changed = movie.Deleted
	}
	slices.Reverse(events)
	events = slices.DeleteFunc(events, func(e report.Event) bool { return start > 0 && e.Revision >= start })
	return events[:min(len(events), limit)], nil
}

// matching returns the ids of the matching movies, highest first.
func matching(movies map[int64]movie.Movie, filter movie.Filter) []int64 {
	var ids []int64
	for id := range maps.Keys(movies) {
		if filter.Matches(id, movies[id]) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	return ids
}

// samples are the movies with ids from 1 in the tables of requests. Number 3 is deleted.
var samples = []movie.Movie{
	{Identity: movie.Identity{Title: "The dawn", Year: 2020}, Cast: []string{"Chris Ruf", "Mark Zei"}, Genres: []string{"Politics"}},
	{Identity: movie.Identity{Title: `He said "hi" \ <b>&`, Year: 1999}},
	{Identity: movie.Identity{Title: "Gone", Year: 2020}, Cast: []string{"Mark Zei"}, Genres: []string{"Politics"}},
	{Identity: movie.Identity{Title: "007", Year: 1962}, Cast: []string{"Sean Connery"}, Genres: []string{"Action", "Politics"}},
	{Identity: movie.Identity{Title: "a\u2028b\x01\t\u00e9\U0001f3ac", Year: 2020}, Cast: []string{"Mark Zei"}, Genres: []string{"Drama"}},
}

const deleted = 3

// eachCatalogue serves the samples from memory and from every available database.
func eachCatalogue(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := &shelf{t: t}
		for i, m := range samples {
			s.put(int64(i+1), &m)
		}
		s.put(deleted, nil)
		test(t, serve(t, s, slog.DiscardHandler))
	})
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		applySamples(t, db)
		test(t, serve(t, db, slog.DiscardHandler))
	})
}

// applySamples puts the samples into a database.
func applySamples(t *testing.T, db *catalogue.Catalogue) {
	t.Helper()
	for i, m := range samples {
		update := movie.Update{Identity: m.Identity, Cast: m.Cast, Genres: m.Genres, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(i + 1)}}}
		apply(t, db, update)
	}
	apply(t, db, movie.Update{Identity: samples[deleted-1].Identity, Deleted: true, Stamp: movie.Stamp{Time: movie.Time{Sec: 99}}})
}

func apply(t *testing.T, db *catalogue.Catalogue, updates ...movie.Update) {
	t.Helper()
	if _, err := db.Apply(t.Context(), movie.Batch{Updates: updates}); err != nil {
		t.Fatal(err)
	}
}

// exports is the number of concurrent exports that the test APIs allow.
const exports = 4

// staleness is the staleness in tests with the real clock.
const staleness = 4 * time.Millisecond

// start makes an API and runs it until the test ends.
func start(t *testing.T, catalogue api.Catalogue, log slog.Handler) *api.API {
	t.Helper()
	a, _ := startWith(t, api.Options{Catalogue: catalogue, Logger: slog.New(log), Staleness: staleness, CacheBytes: 1 << 20})
	return a
}

// withoutIndex hides the Source methods of a catalogue, so that the API has no index.
type withoutIndex struct{ api.Catalogue }

// startWith creates and runs an API until the test ends or end is called. The API has an index
// unless the catalogue is withoutIndex.
func startWith(t *testing.T, o api.Options) (a *api.API, end func()) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Exports, o.Version = exports, "1.2.3"
	if o.Source == nil {
		o.Source, _ = o.Catalogue.(index.Source)
	}
	a = api.New(o)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	end = func() { stop(); running.Wait() }
	t.Cleanup(end)
	// This waits for the first revision, so that every answer names one.
	record(t, a, http.MethodGet, "/changes?since=9223372036854775807")
	return a, end
}

// awaitLoaded waits until the index is loaded.
func awaitLoaded(a *api.API) {
	for {
		if ready, _ := a.Loading(); ready {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// record sends a request without a network. headers are names and values in turn.
func record(t *testing.T, a http.Handler, method, path string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	response := w.Result()
	defer func() { _ = response.Body.Close() }()
	return received(t, r, response)
}

// serve runs the API and returns its address.
func serve(t *testing.T, catalogue api.Catalogue, log slog.Handler) string {
	t.Helper()
	a := start(t, catalogue, log)
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return server.URL
}

// settle waits until the API has seen all commits.
func settle(t *testing.T, url string, db *catalogue.Catalogue) {
	t.Helper()
	want, err := db.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for {
		seen, err := strconv.ParseInt(ask(t, http.MethodGet, url+"/").header.Get("Catalogue-Revision"), 10, 64)
		if err == nil && seen >= want {
			return
		}
		time.Sleep(staleness / 4)
	}
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   []byte
	timing string // the header Server-Timing, which differs each time
}

var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func ask(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Add(pair[0], pair[1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return received(t, request, response)
}

// received reads a response and validates it against the description.
func received(t *testing.T, request *http.Request, response *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", request.Method, request.URL, err) // also if Content-Length is wrong
	}
	timing := response.Header.Get("Server-Timing")
	response.Header.Del("Server-Timing")
	response.Header.Del("Date")
	got := answer{response.StatusCode, response.Header, body, timing}
	checkDescribed(t, request, got)
	return got
}

// logbook records log output.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *logbook) handler() slog.Handler {
	return slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
}

var logless = slog.DiscardHandler

// liveMemory returns the memory in use after a garbage collection.
func liveMemory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fill returns how many of the rows make a page of at most limit movies and about
// movie.MaxBytes; at least one.
func fill(rows []movie.Row, limit int) int {
	n := 0
	for size := 0; n < len(rows) && n < limit && size < movie.MaxBytes; n++ {
		size += len(rows[n].Fields)
	}
	return n
}
