package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCatalogue is a Catalogue and StatusReporter in memory, with faults.
type fakeCatalogue struct {
	// fault may fail a batch before it is applied and, with applied true, after.
	fault func(batch movie.Batch, applied bool) error
	// refuse is a title that the database refuses for good.
	refuse string

	mu         sync.Mutex
	records    map[movie.Identity]movie.Record
	rejections map[string]movie.Rejection
	applies    int
	reports    []report.Worker
}

func newFakeCatalogue() *fakeCatalogue {
	return &fakeCatalogue{records: make(map[movie.Identity]movie.Record), rejections: make(map[string]movie.Rejection)}
}

func (c *fakeCatalogue) Apply(ctx context.Context, batch movie.Batch) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applies++
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, u := range batch.Updates {
		if c.refuse != "" && u.Title == c.refuse {
			return 0, fmt.Errorf("apply: %w", &movie.RefusedError{Reason: fmt.Errorf("column title does not take %q", u.Title)})
		}
	}
	if c.fault != nil {
		if err := c.fault(batch, false); err != nil {
			return 0, err
		}
	}
	changes := 0
	for _, r := range movie.Collect(batch.Updates) {
		before := c.records[r.Identity]
		before.Identity = r.Identity
		c.records[r.Identity] = movie.Merge(before, r)
		if !before.ShowsSame(c.records[r.Identity]) {
			changes++
		}
	}
	for _, r := range batch.Rejections {
		c.rejections[fmt.Sprint(r.Key, "|", r.ObjectETag, "|", r.Position)] = r
	}
	if c.fault != nil {
		if err := c.fault(batch, true); err != nil {
			return 0, err
		}
	}
	return changes, nil
}

func (c *fakeCatalogue) Report(_ context.Context, s report.Worker) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, s)
	return nil
}

// shows returns the genres of each visible movie.
func (c *fakeCatalogue) shows() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string][]string)
	for id, r := range c.records {
		if r.Visible() {
			seen[fmt.Sprintf("%s %d", id.Title, id.Year)] = r.Genres.List
		}
	}
	return seen
}

// setFault makes every commit return err from now on.
func (c *fakeCatalogue) setFault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = func(movie.Batch, bool) error { return err }
}

func (c *fakeCatalogue) lastReport() report.Worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reports[len(c.reports)-1]
}
