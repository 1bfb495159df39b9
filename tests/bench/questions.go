package main

import (
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// askedTimes is how often each round asks each question.
const askedTimes = 200

// sample is a movie from which questions are built.
type sample struct {
	ID     int64
	Title  string
	Year   int
	Cast   []string
	Genres []string
}

// someone returns a person of the sample, or "Nobody".
func (m sample) someone() string { return append(m.Cast, "Nobody")[0] }

// question builds the path of a request about a sample movie. n differs each time.
type question struct {
	name string
	path func(m sample, n int) string
	goal goal
}

// goal is in milliseconds, for less than 10,000,000 movies and for more.
type goal struct{ million, ten float64 }

// ask builds a path with a query from names and values.
func ask(path string, parameters ...string) string {
	values := url.Values{}
	for pair := range slices.Chunk(parameters, 2) {
		values.Add(pair[0], pair[1])
	}
	return path + "?" + values.Encode()
}

// Counting takes longer than listing, since it scans all matching movies.
var listing, counting = goal{5, 20}, goal{25, 250}

var questions = []question{
	{"a movie", func(m sample, _ int) string { return fmt.Sprintf("/movies/%d", m.ID) }, listing},
	{"page at any depth", func(m sample, _ int) string { return ask("/movies", "start", strconv.FormatInt(m.ID+1, 10)) }, listing},
	{"page of a genre", func(m sample, n int) string {
		return ask("/movies", "genre", m.Genres[0], "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"page of two genres that never meet", func(_ sample, n int) string {
		return ask("/movies", "genre", leftGenre, "genre", rightGenre, "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"page of all, the latest first", func(_ sample, n int) string {
		return ask("/movies", "sort", "-year", "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"page of a person", func(m sample, _ int) string { return ask("/movies", "cast", m.someone()) }, listing},
	{"page of a genre and 30 years, the latest first", func(m sample, n int) string {
		return ask("/movies", "genre", m.Genres[0], "year_from", strconv.Itoa(m.Year), "year_to", strconv.Itoa(m.Year+30), "sort", "-year", "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"page of one of two genres, not a third, by title", func(m sample, n int) string {
		return ask("/movies", "genre_any", m.Genres[0], "genre_any", leftGenre, "genre_not", rightGenre, "sort", "title", "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"page of q, best match first", func(m sample, _ int) string { return ask("/movies", "q", m.Title, "sort", "match") }, listing},
	{"page of q, one letter", func(m sample, n int) string {
		return ask("/movies", "q", first(m.Title, 1), "limit", strconv.Itoa(1+n%100))
	}, listing},
	{"genres of all", func(_ sample, n int) string { return ask("/genres", "year_from", strconv.Itoa(1+n)) }, listing},
	{"genres of a person", func(m sample, _ int) string { return ask("/genres", "cast", m.someone()) }, listing},
	{"years of a genre", func(m sample, n int) string {
		return ask("/years", "genre", m.Genres[0], "year_from", strconv.Itoa(1+n))
	}, listing},
	{"people of all", func(_ sample, n int) string { return ask("/people", "limit", strconv.Itoa(1+n%100)) }, counting},
	{"people of a genre", func(m sample, n int) string {
		return ask("/people", "genre", m.Genres[0], "limit", strconv.Itoa(1+n%100))
	}, counting},
	{"people by name", func(m sample, _ int) string { return ask("/people", "name", first(m.someone(), 4)) }, listing},
	{"suggestions, one letter", func(m sample, n int) string {
		return ask("/suggest", "q", first(m.Title, 1), "limit", strconv.Itoa(1+n%20))
	}, listing},
	{"suggestions, four letters", func(m sample, _ int) string { return ask("/suggest", "q", first(m.Title, 4)) }, listing},
	{"suggestions, a typing error", func(m sample, _ int) string { return ask("/suggest", "q", first(m.someone(), 2)+"x"+m.someone()[2:]) }, listing},
}

func first(text string, letters int) string {
	return strings.TrimSpace(string([]rune(text)[:min(letters, len([]rune(text)))]))
}

// questions asks each question one by one on one connection, with the smallest cache. The
// figures are the 99th percentiles of the times.
func (b *bench) questions(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	apis, err := b.startAPIs(ctx, smallCache)
	if err != nil {
		return err
	}
	defer b.stopAPIs("", apis)
	samples, err := b.samples(ctx, apis[0].addr)
	if err != nil {
		return err
	}
	for _, q := range questions {
		figures, err := b.one(ctx, nil, func(s subject) (float64, error) { return times(ctx, of(apis, s).addr, 0.99, q, samples) })
		if err != nil {
			return fmt.Errorf("%s: %w\nwhat ours has logged: %s", q.name, err, apis[0].complaints())
		}
		most := q.goal.million
		if b.served >= 10_000_000 {
			most = q.goal.ten
		}
		b.table.add(q.name+", p99", "ms", figures, atMost(most, "ms"))
	}
	return nil
}

// samples returns movies from the whole catalogue.
func (b *bench) samples(ctx context.Context, addr string) (all []sample, err error) {
	for len(all) < askedTimes {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/movies?limit=1&start=%d", addr, 2+rand.Int64N(b.top)), nil) //nolint:gosec // no secret
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		var page struct{ Movies []sample }
		err = json.NewDecoder(response.Body).Decode(&page)
		_ = response.Body.Close() // it was read to its end
		if err != nil {
			return nil, err
		}
		for _, m := range page.Movies {
			if len(m.Genres) > 0 && len(m.someone()) > 2 {
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// times asks one by one, and returns percentile p of the times in milliseconds.
func times(ctx context.Context, addr string, p float64, q question, samples []sample) (float64, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }() // every answer was read
	took := make([]float64, len(samples))
	for i, m := range samples {
		request := get(q.path(m, i))
		began := time.Now()
		if err := c.ask(request, http.StatusOK); err != nil {
			return 0, err
		}
		took[i] = time.Since(began).Seconds() * 1000
	}
	return percentile(took, p), nil
}

// follow requests pages while a worker writes, and measures the time from a commit until it is
// visible.
func (b *bench) follow(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "follow")
	if err := b.generate(ctx, dir, b.movies, moviesPerFile); err != nil {
		return err
	}
	apis, err := b.startAPIs(ctx, smallCache)
	if err != nil {
		return err
	}
	defer b.stopAPIs("", apis)
	samples, err := b.samples(ctx, apis[0].addr)
	if err != nil {
		return err
	}
	reads, err := b.one(ctx, nil, func(s subject) (float64, error) { return b.readBesideWriter(ctx, s, of(apis, s), dir, samples) })
	if err != nil {
		return err
	}
	b.table.add("page of a genre while a worker writes, p99", "ms", reads, atMost(20, "ms"))
	visible, err := b.one(ctx, nil, func(s subject) (float64, error) { return b.untilVisible(ctx, s, of(apis, s)) })
	if err != nil {
		return err
	}
	b.table.add("from the end of import to an answer that shows it", "ms", visible, atMost(300, "ms"))
	return nil
}

// readBesideWriter delivers a folder's movies, and asks meanwhile. It returns the worst 99th
// percentile.
func (b *bench) readBesideWriter(ctx context.Context, s subject, r *running, dir string, samples []sample) (float64, error) {
	env, err := b.databaseEnv(catalogueName)
	if err != nil {
		return 0, err
	}
	written := make(chan error, 1)
	go func() {
		_, err := b.deliver(ctx, s, env, delivery{dir, time.Now()})
		written <- err
	}()
	page := questions[2]
	worst := 0.0
	for {
		took, err := times(ctx, r.addr, 0.99, page, samples)
		if err != nil {
			return 0, err
		}
		worst = max(worst, took)
		select {
		case err := <-written:
			return worst, err
		default:
		}
	}
}

// untilVisible imports a movie and polls until the API shows it.
func (b *bench) untilVisible(ctx context.Context, s subject, r *running) (float64, error) {
	env, err := b.databaseEnv(catalogueName)
	if err != nil {
		return 0, err
	}
	title := fmt.Sprint("Visible ", time.Now().UnixNano())
	file := filepath.Join(b.dir, "visible.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"title": %q, "year": 2026}`, title), 0o600); err != nil {
		return 0, err
	}
	if _, err := b.command(ctx, s, "", environment(env...), "import", file); err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		response, err := http.Get("http://" + r.addr + ask("/movies", "title", title)) //nolint:noctx // bounded by the loop
		if err != nil {
			return 0, err
		}
		_ = response.Body.Close() // only the header counts
		took := time.Since(began)
		if response.Header.Get("Total-Count") == "1" {
			return took.Seconds() * 1000, nil
		}
		if took > time.Minute {
			return 0, fmt.Errorf("%s is not visible", title)
		}
	}
}

// start measures the time from the start of an API until it is ready, and, beside it, the time
// to read the same rows.
func (b *bench) start(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	figures, err := b.take(ctx, 2, nil, func(s subject) ([]float64, error) {
		r, err := b.startAPI(ctx, s, catalogueName)
		if err != nil {
			return nil, err
		}
		if err := r.stop(); err != nil {
			return nil, err
		}
		read, err := b.readAll(ctx)
		return []float64{r.ready.Seconds() * 1000, read.Seconds() * 1000}, err
	})
	if err != nil {
		return err
	}
	movies := b.served + b.served/lonersPart
	work := fmt.Sprintf("API, start until ready, %d movies", movies)
	b.table.add(work, "ms", figures[0], atMost(max(300, float64(movies)*15/1100), "ms"))
	b.table.add(work+": to read the same rows alone", "ms", figures[1], nil)
	return nil
}

// readAll reads what the API reads at its start, does nothing with it, and returns how long
// that takes.
func (b *bench) readAll(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	rows, err := b.admin.QueryContext(ctx, "SELECT id, title, year, hidden, fields FROM "+catalogueName+".movie ORDER BY id")
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // it was read to its end
	for raw := make([]sql.RawBytes, 5); rows.Next(); {
		if err := rows.Scan(&raw[0], &raw[1], &raw[2], &raw[3], &raw[4]); err != nil {
			return 0, err
		}
	}
	return time.Since(began), rows.Err()
}
