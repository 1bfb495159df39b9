package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// s3Delay is the extra latency of the slow bucket, as of a server in the same region but not
// in the same room.
const s3Delay = 20 * time.Millisecond

// bucketName is the bucket that the benchmark fills and drains.
const bucketName = "jpmovies-bench"

// drain compares the worker on one-movie objects with a loop that only lists,
// reads and deletes them.
func (b *bench) drain(ctx context.Context) error {
	endpoint := os.Getenv(s3Variable)
	lines, err := b.movieLines(ctx, b.objects)
	if err != nil {
		return err
	}
	if err := b.drainRow(ctx, "drain %d one-movie objects", endpoint, endpoint, lines, (*store).drain, atLeast(0.75)); err != nil {
		return err
	}
	slow, stop, err := slowed(endpoint, s3Delay)
	if err != nil {
		return err
	}
	defer stop()
	if err := b.drainRow(ctx, "drain %d, S3 answers 20 ms later", endpoint, slow, lines[:b.objects/4], (*store).drain, atLeast(0.9)); err != nil {
		return err
	}
	return b.nothing(ctx, slow)
}

// fixedNumbers are the numbers of requests in flight from which the best is chosen.
var fixedNumbers = []int{parallel, 128, 256, mostParallel}

// distant compares the worker with the best of several bare loops, each with a fixed number of
// requests in flight, on a slow bucket. On the slowest it compares the worker with itself.
func (b *bench) distant(ctx context.Context) error {
	endpoint := os.Getenv(s3Variable)
	lines, err := b.movieLines(ctx, b.objects)
	if err != nil {
		return err
	}
	for _, delay := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond} {
		slow, stop, err := slowed(endpoint, delay)
		if err != nil {
			return err
		}
		work := "drain %d, S3 answers " + delay.String() + " later; the best fixed number"
		err = b.drainRow(ctx, work, endpoint, slow, lines, (*store).drain, atLeast(0.9), fixedNumbers...)
		if err == nil && delay == 150*time.Millisecond {
			err = b.chosen(ctx, endpoint, slow, lines)
		}
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// chosen compares the worker, which finds out how many requests should be in flight, with
// workers that are told.
func (b *bench) chosen(ctx context.Context, fillAt, drainAt string, lines [][]byte) error {
	filled, drained, _, err := bareDrain(ctx, fillAt, drainAt, lines, nil)
	if err != nil {
		return err
	}
	told := func() (best float64, err error) {
		for _, n := range fixedNumbers {
			speed, err := b.drainOnce(ctx, b.subjects[0], filled, drained, lines, "MOVIES_WORKER_CONCURRENCY="+strconv.Itoa(n))
			if err != nil {
				return 0, err
			}
			best = max(best, speed)
		}
		return best, nil
	}
	figures, err := b.one(ctx, told, func(s subject) (float64, error) { return b.drainOnce(ctx, s, filled, drained, lines) })
	if err != nil {
		return err
	}
	b.table.add(fmt.Sprintf("drain %d, S3 answers 150ms later; the worker with the best fixed number", len(lines)), "objects/s", figures, atLeast(0.9))
	return nil
}

// nothing drains an empty bucket. It measures the sequential requests of a worker before and
// after its work, which are a part of the row before.
func (b *bench) nothing(ctx context.Context, endpoint string) error {
	empty, err := openStore(ctx, endpoint, bucketName)
	if err != nil {
		return err
	}
	figures, err := b.one(ctx, nil, func(s subject) (float64, error) {
		env, err := b.fresh(ctx, s, workName)
		if err != nil {
			return 0, err
		}
		took, err := b.worker(ctx, s, environment(append(env, empty.env()...)...))
		return took.Seconds() * 1000, err
	})
	if err != nil {
		return err
	}
	b.table.add("drain nothing, S3 answers 20 ms later", "ms", figures, nil)
	return nil
}

// bareLoop drains the bucket and counts the objects.
type bareLoop func(*store, context.Context) (drained int, err error)

// bareDrain creates the bucket and returns the limit: it fills the bucket at one endpoint, and
// bare drains it at another. The best of several numbers of parallel requests counts.
func bareDrain(ctx context.Context, fillAt, drainAt string, lines [][]byte, bare bareLoop, parallels ...int) (filled, drained *store, limit func() (float64, error), err error) {
	if filled, err = openStore(ctx, fillAt, bucketName); err != nil {
		return nil, nil, nil, err
	}
	if drained, err = openStore(ctx, drainAt, bucketName); err != nil {
		return nil, nil, nil, err
	}
	if len(parallels) == 0 {
		parallels = []int{parallel}
	}
	limit = func() (best float64, err error) {
		for _, drained.parallel = range parallels {
			if err := filled.fill(ctx, lines); err != nil {
				return 0, err
			}
			began := time.Now()
			n, err := bare(drained, ctx)
			if err == nil && n != len(lines) {
				err = fmt.Errorf("%d objects were there, not %d", n, len(lines))
			}
			if err != nil {
				return 0, err
			}
			best = max(best, perSecond(n, time.Since(began)))
		}
		return best, nil
	}
	return filled, drained, limit, filled.create(ctx)
}

// drainRow fills the bucket at one endpoint, drains it at another, and adds the row.
func (b *bench) drainRow(ctx context.Context, work, fillAt, drainAt string, lines [][]byte, bare bareLoop, goal *target, parallels ...int) error {
	filled, drained, limit, err := bareDrain(ctx, fillAt, drainAt, lines, bare, parallels...)
	if err != nil {
		return err
	}
	figures, err := b.one(ctx, limit, func(s subject) (float64, error) { return b.drainOnce(ctx, s, filled, drained, lines) })
	if err != nil {
		return err
	}
	b.table.add(fmt.Sprintf(work, len(lines)), "objects/s", figures, goal)
	return nil
}

// drainOnce fills the bucket, lets the worker drain it with more environment, and returns the
// objects per second.
func (b *bench) drainOnce(ctx context.Context, s subject, filled, drained *store, lines [][]byte, more ...string) (float64, error) {
	env, err := b.fresh(ctx, s, workName)
	if err != nil {
		return 0, err
	}
	if err := filled.fill(ctx, lines); err != nil {
		return 0, err
	}
	took, err := b.worker(ctx, s, environment(slices.Concat(env, drained.env(), more)...))
	if err != nil {
		return 0, err
	}
	return perSecond(len(lines), took), b.mustHave(ctx, workName, len(lines))
}

// mustHave fails if the database lacks movies, as the measured work was then not done.
func (b *bench) mustHave(ctx context.Context, database string, movies int) error {
	var n int
	if err := b.admin.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+database+".movie").Scan(&n); err != nil {
		return err
	}
	if n != movies {
		return fmt.Errorf("the catalogue has %d movies, not %d", n, movies)
	}
	return nil
}

func perSecond(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

// slowed starts a proxy that delays each response of the endpoint.
func slowed(endpoint string, delay time.Duration) (address string, stop func(), err error) {
	proxy, err := later(endpoint, delay)
	if err != nil {
		return "", nil, err
	}
	return listen(proxy)
}

// later forwards requests at once, and responses after a delay. It keeps the host name, since
// the signature covers it.
func later(endpoint string, delay time.Duration) (*httputil.ReverseProxy, error) {
	to, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 2 * mostParallel, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		},
		ModifyResponse: func(*http.Response) error { time.Sleep(delay); return nil },
	}, nil
}

// movieLines returns movies as producers write them, one for each object.
func (b *bench) movieLines(ctx context.Context, n int) ([][]byte, error) {
	dir := filepath.Join(b.dir, "lines")
	if err := b.generate(ctx, dir, n, n); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("generated files: %v: %w", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var lines [][]byte
	for scan := bufio.NewScanner(f); scan.Scan(); {
		lines = append(lines, append([]byte{}, scan.Bytes()...))
	}
	if len(lines) != n {
		return nil, fmt.Errorf("%d lines were generated, not %d", len(lines), n)
	}
	return lines, nil
}

func (b *bench) generate(ctx context.Context, dir string, n, perFile int) error {
	_, err := b.command(ctx, b.subjects[0], "", environment(),
		"generate", "--movies", strconv.Itoa(n), "--per-file", strconv.Itoa(perFile), "--dir", dir)
	return err
}
