package index

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"jpmovies/internal/movie"
)

// Source feeds an index. Rows are valid until each returns.
type Source interface {
	// Snapshot passes all movies at one mark, the lowest id first. It calls begin with the
	// mark and about the number of movies.
	Snapshot(ctx context.Context, begin func(at movie.Mark, movies int64) error, each func([]movie.State) error) error
	// Since passes the movies that changed after one mark, as they are at a later one,
	// which it returns. It may call each without movies, as a sign of life. It returns
	// [movie.ErrPruned] when some of the changes are no longer kept, [movie.ErrReplaced]
	// when the mark is of another catalogue.
	Since(ctx context.Context, mark movie.Mark, each func([]movie.State) error) (movie.Mark, error)
}

// Mirror keeps an index up to date. Follow is for one goroutine; the other methods are
// safe for concurrent use.
type Mirror struct {
	source  Source
	current atomic.Pointer[Index]
	mark    movie.Mark
	failed  time.Time // when a wasteful index could not be loaded again
	failure error     // of the last load that was needed
	again   time.Time // when to repeat that load

	loading                          atomic.Bool
	loaded, expected, took, replaced atomic.Int64
}

// NewMirror returns a mirror without an index.
func NewMirror(s Source) *Mirror { return &Mirror{source: s} }

// Replaced returns how often another catalogue has taken the place of the one that the index
// showed, such as an older copy.
func (m *Mirror) Replaced() int64 { return m.replaced.Load() }

// Index returns the newest version; nil before the first load.
func (m *Mirror) Index() *Index { return m.current.Load() }

// Progress is the progress of a load of all movies.
type Progress struct {
	// Loading: a load is in flight. An older version, if there is one, still answers.
	Loading bool
	// Loaded is the number of movies read, Expected about the number of all.
	Loaded, Expected int64
	// Took is the duration of the last completed load.
	Took time.Duration
}

// Progress returns the progress of the load in flight, or of the last one.
func (m *Mirror) Progress() Progress {
	return Progress{m.loading.Load(), m.loaded.Load(), m.expected.Load(), time.Duration(m.took.Load())}
}

// Follow updates the index to the source's revision. It loads all movies when there is no
// index yet, when the catalogue was restored from a copy or replaced, when changes that it
// needs are no longer kept, and when most names in it are of no movie any more. An error
// leaves the index as it was.
func (m *Mirror) Follow(ctx context.Context) error {
	before := m.current.Load()
	switch {
	case before == nil:
		return m.reload(ctx)
	case before.wasteful() && time.Since(m.failed) > loadAgain:
		err := m.load(ctx)
		if err != nil {
			m.failed = time.Now() // the index is still right, and can be followed
		}
		return err
	}
	var b *Builder
	mark, err := m.source.Since(ctx, m.mark, func(states []movie.State) error {
		if b == nil {
			b = before.Change()
		}
		changes, err := parse(states)
		if err != nil {
			return err
		}
		return b.apply(changes...)
	})
	switch {
	case errors.Is(err, movie.ErrReplaced):
		m.replaced.Add(1)
		return m.reload(ctx)
	case errors.Is(err, movie.ErrPruned):
		return m.reload(ctx)
	case err != nil:
		return fmt.Errorf("follow the catalogue: %w", err)
	case mark == m.mark:
		return nil
	case b == nil:
		b = before.Change()
	}
	return m.commit(b, mark)
}

// loadAgain is the pause after a load of a wasteful index that failed.
const loadAgain = 10 * time.Minute

// reload loads all movies. After a load that failed it waits as long as that took, 10 s at
// most, so that a database that is being restored has time for that.
func (m *Mirror) reload(ctx context.Context) error {
	if time.Now().Before(m.again) {
		return m.failure
	}
	start := time.Now()
	err := m.load(ctx)
	if err != nil {
		m.failure, m.again = err, time.Now().Add(min(time.Since(start), 10*time.Second))
	}
	return err
}

func (m *Mirror) load(ctx context.Context) error {
	start := time.Now()
	m.loaded.Store(0)
	m.expected.Store(0)
	m.loading.Store(true)
	defer m.loading.Store(false)
	b, mark, err := m.read(ctx)
	if err != nil {
		return fmt.Errorf("load the catalogue: %w", err)
	}
	if err := m.commit(b, mark); err != nil {
		return err
	}
	m.took.Store(int64(time.Since(start)))
	debug.FreeOSMemory() // the load leaves half as much garbage as the index takes
	return nil
}

// read builds an index of all movies, while it reads and parses the next ones.
func (m *Mirror) read(ctx context.Context) (*Builder, movie.Mark, error) {
	b := New()
	titles, names := make(chan []change, 4), make(chan []change, 4)
	group, ctx := errgroup.WithContext(ctx)
	each := func(parsed <-chan []change, apply func([]change) error) {
		group.Go(func() (err error) {
			defer func() { // here, a panic would end the process
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
				}
			}()
			for changes := range parsed {
				if err := apply(changes); err != nil {
					return err
				}
			}
			return nil
		})
	}
	each(titles, b.setTitles)
	each(names, func(changes []change) error {
		m.loaded.Add(int64(len(changes)))
		return b.setNames(changes)
	})
	mark, err := m.parseAll(ctx, titles, names)
	if failed := group.Wait(); failed != nil { // this is why parseAll was cancelled
		err = failed
	}
	return b, mark, err
}

// parseAll sends all movies to each channel, and closes the channels.
func (m *Mirror) parseAll(ctx context.Context, parsed ...chan<- []change) (mark movie.Mark, err error) {
	defer func() {
		for _, to := range parsed {
			close(to)
		}
	}()
	begin := func(at movie.Mark, movies int64) error {
		mark = at
		m.expected.Store(movies)
		return nil
	}
	err = m.source.Snapshot(ctx, begin, func(states []movie.State) error {
		changes, err := parse(states)
		if err != nil {
			return err
		}
		for _, to := range parsed {
			select {
			case to <- changes:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return mark, err
}

func (m *Mirror) commit(b *Builder, mark movie.Mark) error {
	next, err := b.Commit(mark.Revision)
	if err != nil {
		return err
	}
	m.mark = mark
	m.current.Store(next)
	return nil
}

func parse(states []movie.State) ([]change, error) {
	changes := make([]change, len(states))
	for i, s := range states {
		changes[i] = change{s.ID, movie.Movie{Identity: s.Identity}, s.Hidden}
		if s.Hidden {
			continue
		}
		var err error
		if changes[i].movie, err = movie.ParseFields(s.Fields); err != nil {
			return nil, fmt.Errorf("movie %d: %w", s.ID, err)
		}
	}
	return changes, nil
}
