package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Genres of the loners: half of them have the one, half the other, and none has
// both, so that whoever asks for both looks through all of one genre.
const leftGenre, rightGenre = "Bench Left", "Bench Right"

// lonersPart: so many movies of the catalogue bring one more loner.
const lonersPart = 10

// complete makes the catalogue that the API serves: the movies of bulk, and the
// loners.
func (b *bench) complete(ctx context.Context) error {
	if b.top != 0 {
		return nil
	}
	if err := b.makeCatalogue(ctx); err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "loners")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := writeLoners(filepath.Join(dir, "loners.ndjson"), b.movies/lonersPart); err != nil {
		return err
	}
	env, err := b.databaseEnv(catalogueName)
	if err != nil {
		return err
	}
	if _, err := b.deliver(ctx, b.subjects[0], env, delivery{dir, written}); err != nil {
		return err
	}
	return b.admin.QueryRowContext(ctx, "SELECT MAX(id) FROM "+catalogueName+".movie").Scan(&b.top)
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
	ready       time.Duration // from the start of the process until it was ready
}

// startAPI starts an API on the catalogue and waits until it is ready.
func (b *bench) startAPI(ctx context.Context, s subject, env ...string) (*running, error) {
	database, err := b.databaseEnv(catalogueName)
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
		if time.Since(began) > 30*time.Second {
			return nil, fmt.Errorf("%s is not ready: %w", s.name, r.stop())
		}
		time.Sleep(time.Millisecond)
	}
}

// startAPIs starts one for each subject, in their order.
func (b *bench) startAPIs(ctx context.Context, env ...string) ([]*running, error) {
	var all []*running
	for _, s := range b.subjects {
		r, err := b.startAPI(ctx, s, env...)
		if err != nil {
			b.stopAPIs("", all)
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// stopAPIs ends them, and notes their memory as that of what, if that is named.
func (b *bench) stopAPIs(what string, all []*running) {
	for _, r := range all {
		if peak := peakOf(r.command.Process.Pid); what != "" {
			b.peaks.note(what, r.subject, peak)
		}
		_ = r.stop() // it did what it was for
	}
}

// of finds the process of a subject.
func of(all []*running, s subject) *running {
	for _, r := range all {
		if r.subject == s {
			return r
		}
	}
	return nil
}
