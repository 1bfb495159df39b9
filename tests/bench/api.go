package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
)

// defaultCacheMB is the API's default cache size.
const defaultCacheMB = 64

// api compares the API with bare servers that give the same answers.
func (b *bench) api(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	if err := b.cached(ctx, nil, []load{
		{work: "API, one movie, from the index", path: fmt.Sprintf("/movies/%d", b.top), goal: atLeast(0.87)},
		{work: "API, a page of 25, cached", path: "/movies", goal: atLeast(0.87)},
		{work: "API, a page of 25, 304", path: "/movies", has: true, goal: atLeast(0.9)},
	}); err != nil {
		return err
	}
	if err := b.cached(ctx, []string{"MOVIES_LOG_LEVEL=info"}, []load{
		{work: "API, one movie, with the access log", path: fmt.Sprintf("/movies/%d", b.top), goal: atLeast(0.85)},
		{work: "API, a page of 25, with the access log", path: "/movies", goal: atLeast(0.85)},
	}); err != nil {
		return err
	}
	return b.uncached(ctx)
}

// load is one kind of request.
type load struct {
	work, path string
	has        bool // send If-None-Match: the answer is a 304
	goal       *target
}

// cached lets the API and a server of recorded answers take turns.
func (b *bench) cached(ctx context.Context, env []string, loads []load) error {
	apis, err := b.startAPIs(ctx, env...)
	if err != nil {
		return err
	}
	defer func() { b.stopAPIs("API", apis) }()
	answers, err := record(ctx, apis[0].addr, loads)
	if err != nil {
		return err
	}
	bare, addr, err := b.static(answers)
	if err != nil {
		return err
	}
	defer func() { _ = bare.stop() }() // the measurement is over
	for _, l := range loads {
		request, status := get(l.path), http.StatusOK
		if l.has {
			request, status = get(l.path, "If-None-Match: "+answers[l.path].Header.Get("ETag")), http.StatusNotModified
		}
		same := func() string { return request }
		figures, err := b.one(ctx,
			func() (float64, error) { return b.hammer(ctx, addr, same, status) },
			func(s subject) (float64, error) { return b.hammer(ctx, of(apis, s).addr, same, status) })
		if err != nil {
			return fmt.Errorf("%s: %w\nwhat ours has logged: %s", l.work, err, apis[0].complaints())
		}
		b.table.add(l.work, "answers/s", figures, l.goal)
	}
	return nil
}

// record saves the API's answers for the bare server.
func record(ctx context.Context, addr string, loads []load) (map[string]recorded, error) {
	answers := map[string]recorded{}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	for _, l := range loads {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+l.path, nil)
		if err != nil {
			return nil, err
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("GET %s: %s", l.path, response.Status)
		}
		for _, own := range []string{"Date", "Connection"} { // the server sets them itself
			response.Header.Del(own)
		}
		answers[l.path] = recorded{response.Header, body}
	}
	return answers, nil
}

func (b *bench) static(answers map[string]recorded) (*server, string, error) {
	text, err := json.Marshal(answers)
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(b.dir, "answers.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, "", err
	}
	return b.spawn(file)
}

// smallCache sets the smallest cache, since the cache cannot be turned off.
const smallCache = "MOVIES_API_CACHE_MB=1"

// uncached requests movies and pages that differ each time. The limit is a server that writes
// the same bytes.
func (b *bench) uncached(ctx context.Context) error {
	apis, err := b.startAPIs(ctx, smallCache)
	if err != nil {
		return err
	}
	defer b.stopAPIs("", apis)
	ids, err := b.someIDs(ctx)
	if err != nil {
		return err
	}
	var loads []load
	for _, id := range ids {
		loads = append(loads, load{path: fmt.Sprintf("/movies/%d", id)}, load{path: fmt.Sprintf("/movies?start=%d", id)})
	}
	answers, err := record(ctx, apis[0].addr, loads)
	if err != nil {
		return err
	}
	bare, addr, err := b.static(answers)
	if err != nil {
		return err
	}
	defer func() { _ = bare.stop() }() // the measurement is over
	var n atomic.Int64
	for i, work := range []string{"API, one movie, not cached", "API, a page of 25, not cached"} {
		request := func() string { return get(loads[2*(int(n.Add(1))%len(ids))+i].path) }
		figures, err := b.one(ctx,
			func() (float64, error) { return b.hammer(ctx, addr, request, http.StatusOK) },
			func(s subject) (float64, error) { return b.hammer(ctx, of(apis, s).addr, request, http.StatusOK) })
		if err != nil {
			return err
		}
		b.table.add(work, "answers/s", figures, atLeast(0.6))
	}
	return nil
}

// someIDs returns ids of movies. Ids have gaps.
func (b *bench) someIDs(ctx context.Context) ([]int64, error) {
	rows, err := b.admin.QueryContext(ctx, "SELECT id FROM "+catalogueName+".movie WHERE id > 25 ORDER BY id LIMIT 5000")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
