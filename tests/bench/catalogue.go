package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Genres of the loners: half of them have one genre, half the other, and none has both. A
// query for both therefore scans all movies of one genre.
const leftGenre, rightGenre = "Bench Left", "Bench Right"

// lonersPart is the number of other movies per loner.
const lonersPart = 10

// complete makes the catalogue that the API serves: the movies of bulk, more for larger sizes,
// and the loners.
func (b *bench) complete(ctx context.Context) error {
	if b.top != 0 {
		return nil
	}
	if err := b.makeCatalogue(ctx); err != nil {
		return err
	}
	return errors.Join(b.serveMovies(ctx, catalogueName, b.served),
		b.admin.QueryRowContext(ctx, "SELECT MAX(id) FROM "+catalogueName+".movie").Scan(&b.top))
}

// serveMovies fills a catalogue up to n movies, and adds the loners. Movies that are already
// there do not change.
func (b *bench) serveMovies(ctx context.Context, database string, n int) error {
	dir := filepath.Join(b.dir, "served")
	if err := errors.Join(os.RemoveAll(dir), b.generate(ctx, dir, n, moviesPerFile)); err != nil {
		return err
	}
	loners := n / lonersPart
	if err := writeLoners(filepath.Join(dir, "loners.ndjson"), loners); err != nil {
		return err
	}
	env, err := b.databaseEnv(database)
	if err != nil {
		return err
	}
	if _, err := b.deliver(ctx, b.subjects[0], env, delivery{dir, written}); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	// The server updates the statistics of new tables at some moment; the figures must not
	// depend on it.
	_, err = b.admin.ExecContext(ctx, "ANALYZE TABLE "+tablesOf(database))
	return errors.Join(err, b.mustHave(ctx, database, n+loners))
}

// tablesOf returns the names of the tables that filters read.
func tablesOf(database string) string {
	names := []string{"movie", "movie_cast", "movie_genre"}
	for i, name := range names {
		names[i] = database + "." + name
	}
	return strings.Join(names, ", ")
}

func writeLoners(path string, n int) error {
	f, err := os.Create(path) //nolint:gosec // in our folder
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	for i := range n {
		genre := leftGenre
		if i%2 == 1 {
			genre = rightGenre
		}
		_, _ = fmt.Fprintf(out, `{"title": "Loner %d", "year": %d, "cast": ["Bench Loner"], "genres": [%q]}`+"\n", i, 1950+i%70, genre)
	}
	if err := out.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// running is an API process of a subject.
type running struct {
	*server
	subject
	addr, admin string
	ready       time.Duration // from process start to ready
}

// startAPI starts an API on a catalogue and waits until it is ready.
func (b *bench) startAPI(ctx context.Context, s subject, name string, env ...string) (*running, error) {
	database, err := b.databaseEnv(name)
	if err != nil {
		return nil, err
	}
	r := &running{subject: s}
	if r.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if r.admin, err = freeAddr(); err != nil {
		return nil, err
	}
	env = append(append(database, "MOVIES_API_ADDR="+r.addr, "MOVIES_ADMIN_ADDR="+r.admin), env...)
	began := time.Now()
	if r.server, err = b.serve(s.binary, environment(env...), "api"); err != nil {
		return nil, err
	}
	for {
		if c, err := dial(ctx, r.admin); err == nil {
			err = c.ask(get("/readyz"), 200)
			_ = c.Close()
			if err == nil {
				r.ready = time.Since(began)
				return r, nil
			}
		}
		if time.Since(began) > 10*time.Minute {
			return nil, fmt.Errorf("%s is not ready: %w", s.name, r.stop())
		}
		time.Sleep(time.Millisecond)
	}
}

// startAPIs starts an API for each subject, in their order.
func (b *bench) startAPIs(ctx context.Context, env ...string) ([]*running, error) {
	var all []*running
	for _, s := range b.subjects {
		r, err := b.startAPI(ctx, s, catalogueName, env...)
		if err != nil {
			b.stopAPIs("", all)
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// stopAPIs stops the APIs. Unless what is "", it notes their peak memory under that name.
func (b *bench) stopAPIs(what string, all []*running) {
	for _, r := range all {
		if peak := peakOf(r.command.Process.Pid); what != "" {
			b.peaks.note(what, r.subject, peak)
		}
		_ = r.stop() // the measurement is over
	}
}

// of returns the process of a subject.
func of(all []*running, s subject) *running {
	for _, r := range all {
		if r.subject == s {
			return r
		}
	}
	return nil
}
