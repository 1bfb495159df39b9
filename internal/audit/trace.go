package audit

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Trace reports what is known about the objects of a key: the newest entries of the ingest
// log, the state of their movies, and rejections.
func (a *Auditor) Trace(ctx context.Context, key string) (report.Trace, error) {
	t := report.Trace{Key: key, Rejections: []report.Rejection{}}
	var err error
	if t.Applied, err = a.catalogue.Ingests(ctx, key); err != nil {
		return t, err
	}
	if err := a.supersede(ctx, &t); err != nil {
		return t, fmt.Errorf("read movies: %w", err)
	}
	var etags []string // the newest first
	for _, i := range t.Applied {
		if !slices.Contains(etags, i.ObjectETag) {
			etags = append(etags, i.ObjectETag)
		}
	}
	rejections, err := a.catalogue.RejectionsOf(ctx, key, etags)
	if err != nil {
		return t, err
	}
	t.Rejections = append(t.Rejections, rejections...)
	t.Conclude()
	return t, nil
}

// supersede sets SupersededBy of the movies that entries list, from the movies' stamps.
func (a *Auditor) supersede(ctx context.Context, t *report.Trace) error {
	var ids []any
	for _, i := range t.Applied {
		for _, m := range i.Movies {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	records := make(map[int64]movie.Record)
	err := database.ForEach(ctx, a.db.Reader(), func(rows *sql.Rows) error {
		var id int64
		var stamps []byte
		var r movie.Record
		if err := rows.Scan(&id, &stamps); err != nil {
			return err
		}
		if err := r.SetStamps(stamps); err != nil {
			return fmt.Errorf("movie %d: %w", id, err)
		}
		records[id] = r
		return nil
	}, "SELECT id, stamps FROM movie WHERE id IN "+database.Tuples(1, len(ids)), ids...)
	if err != nil {
		return err
	}
	for _, i := range t.Applied {
		for n := range i.Movies {
			m := &i.Movies[n]
			m.SupersededBy = report.SupersededBy(records[m.ID], t.Key, movie.At(i.ObjectTime))
		}
	}
	return nil
}
