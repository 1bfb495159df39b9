package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// moviesPerFile is the number of movies in each file of a bulk load.
const moviesPerFile = 2000

// written is the modification time of all files, old enough that the producer counts as
// finished. A file that is delivered again keeps it.
var written = time.Now().Add(-2 * time.Minute)

// bulk compares loading files of many movies with the server's LOAD DATA.
func (b *bench) bulk(ctx context.Context) error {
	if err := b.makeCatalogue(ctx); err != nil {
		return err
	}
	rows, err := b.dump(ctx, catalogueName)
	if err != nil {
		return err
	}
	limit := func() (float64, error) {
		if _, err := b.fresh(ctx, b.subjects[0], limitName); err != nil {
			return 0, err
		}
		took, err := b.load(ctx, limitName, rows)
		return perSecond(b.movies, took), errors.Join(err, b.mustHave(ctx, limitName, b.movies))
	}
	turn := func(s subject) ([]float64, error) {
		env, err := b.fresh(ctx, s, workName)
		if err != nil {
			return nil, err
		}
		var speeds []float64
		for _, d := range []delivery{{b.moviesDir(), written}, {b.moviesDir(), written}, {b.changedDir(), written.Add(time.Minute)}} {
			took, err := b.deliver(ctx, s, env, d)
			if err != nil {
				return nil, err
			}
			speeds = append(speeds, perSecond(b.movies, took))
		}
		return speeds, b.mustHave(ctx, workName, b.movies)
	}
	figures, err := b.take(ctx, 3, limit, turn)
	if err != nil {
		return err
	}
	b.table.add(fmt.Sprintf("bulk, %d movies into empty tables; LOAD DATA", b.movies), "movies/s", figures[0], atLeast(0.35))
	b.table.add("bulk, the same files again", "movies/s", figures[1], atLeast(1.5))
	b.table.add("bulk, newer files, 10 % with another cast", "movies/s", figures[2], nil)
	return nil
}

func (b *bench) moviesDir() string  { return filepath.Join(b.dir, "movies") }
func (b *bench) changedDir() string { return filepath.Join(b.dir, "changed") }

// makeCatalogue generates the files and, once, the catalogue. Its rows are the input of the
// limit, and the API serves it later.
func (b *bench) makeCatalogue(ctx context.Context) error {
	if b.made {
		return nil
	}
	b.made = true
	if err := b.generate(ctx, b.moviesDir(), b.movies, moviesPerFile); err != nil {
		return err
	}
	if err := changeSome(b.moviesDir(), b.changedDir()); err != nil {
		return err
	}
	env, err := b.fresh(ctx, b.subjects[0], catalogueName)
	if err != nil {
		return err
	}
	if _, err = b.deliver(ctx, b.subjects[0], env, delivery{b.moviesDir(), written}); err != nil {
		return err
	}
	return b.mustHave(ctx, catalogueName, b.movies)
}

// delivery is a folder's files, to be copied with one modification time.
type delivery struct {
	from    string
	written time.Time
}

// deliver copies the files into an inbox and lets the worker drain it.
func (b *bench) deliver(ctx context.Context, s subject, env []string, d delivery) (time.Duration, error) {
	inbox := filepath.Join(b.dir, "inbox")
	if err := errors.Join(os.RemoveAll(inbox), os.CopyFS(inbox, os.DirFS(d.from))); err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(inbox, "*"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if err := os.Chtimes(file, d.written, d.written); err != nil {
			return 0, err
		}
	}
	time.Sleep(settle)
	took, err := b.worker(ctx, s, environment(append(env, "MOVIES_BUCKET_DIR="+inbox)...))
	if err != nil {
		return 0, err
	}
	if left, err := filepath.Glob(filepath.Join(inbox, "*")); err != nil || len(left) > 0 {
		return 0, errors.Join(err, fmt.Errorf("%d files were left", len(left)))
	}
	return took, nil
}

// changeSome copies files and replaces the cast of every tenth movie.
func changeSome(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.ndjson"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	for _, file := range files {
		if err := rewrite(file, filepath.Join(to, filepath.Base(file)), otherCast); err != nil {
			return err
		}
	}
	return nil
}

// otherCast replaces the cast in every tenth line.
func otherCast(i int, line []byte) ([]byte, error) {
	if i%10 != 0 {
		return line, nil
	}
	var movie map[string]any
	if err := json.Unmarshal(line, &movie); err != nil {
		return nil, err
	}
	movie["cast"] = []string{"Ada Abe", fmt.Sprintf("Newcomer %d", i), "Erik Novak"}
	return json.Marshal(movie)
}

func rewrite(from, to string, change func(i int, line []byte) ([]byte, error)) error {
	in, err := os.Open(from) //nolint:gosec // made by us
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.Create(to)         //nolint:gosec // in our folder
	if err != nil {
		return err
	}
	return errors.Join(rewriteLines(in, out, change), out.Close())
}

func rewriteLines(in io.Reader, out io.Writer, change func(i int, line []byte) ([]byte, error)) error {
	buffered := bufio.NewWriter(out)
	scan := bufio.NewScanner(in)
	for i := 0; scan.Scan(); i++ {
		line, err := change(i, scan.Bytes())
		if err != nil {
			return err
		}
		_, _ = buffered.Write(line) // Flush returns the error
		_ = buffered.WriteByte('\n')
	}
	return errors.Join(scan.Err(), buffered.Flush())
}
