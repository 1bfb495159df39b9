package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
	"jpmovies/internal/worker"
)

// catalogue is what an import needs of the database.
type catalogue interface {
	worker.Catalogue
	Committed(ctx context.Context, objects []movie.Object) ([]database.Committed, error)
}

// imported is the catalogue as an import sees it. What is known to be committed
// of a large file, by an import that was interrupted or by one that was not, does
// not get through to it. And there is no worker of the bucket's, so its passes are
// none that others should know of.
type imported struct {
	catalogue
	large                        map[string]bool // keys of which to ask what is known
	updates, changes, rejections atomic.Int64

	mu     sync.Mutex
	known  map[generation]database.Committed // of the objects of the last batch
	before map[generation]int64              // how many updates were applied before this import
}

// generation names an object as stamps do.
type generation struct {
	key  string
	time int64
}

func (i *imported) Apply(ctx context.Context, b movie.Batch) (int, error) {
	known, err := i.lookUp(ctx, b.Objects)
	if err != nil {
		return 0, err
	}
	rest := without(b, known)
	changes, err := i.catalogue.Apply(ctx, rest)
	if err != nil {
		i.forget()
		return changes, err
	}
	i.updates.Add(int64(len(rest.Updates)))
	i.changes.Add(int64(changes))
	i.rejections.Add(int64(len(b.Rejections)))
	return changes, nil
}

// without leaves out what is known to be committed: updates, and rejections whose
// record is there.
func without(b movie.Batch, known map[generation]database.Committed) movie.Batch {
	if len(known) == 0 {
		return b
	}
	rest := movie.Batch{Objects: b.Objects}
	for _, u := range b.Updates {
		if !known[generation{u.Stamp.Key, u.Stamp.Time}].Applied(u.Stamp.Position) {
			rest.Updates = append(rest.Updates, u)
		}
	}
	times := make(map[[2]string]int64, len(b.Objects)) // rejections name the ETag instead
	for _, o := range b.Objects {
		times[[2]string{o.Key, o.ETag}] = o.Time
	}
	for _, r := range b.Rejections {
		if !known[generation{r.Key, times[[2]string{r.Key, r.ObjectETag}]}].Rejected(r.Position) {
			rest.Rejections = append(rest.Rejections, r)
		}
	}
	return rest
}

// forget makes the next batch ask anew: the answer may be what was lost.
func (i *imported) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known = nil
}

// sayBefore says what there was no need to apply, if anything.
func (i *imported) sayBefore(out io.Writer) error {
	updates, resumed := int64(0), 0
	for _, n := range i.before {
		updates += n
		if n > 0 {
			resumed++
		}
	}
	if resumed == 0 {
		return nil
	}
	files := "1 file"
	if resumed > 1 {
		files = fmt.Sprintf("%d files", resumed)
	}
	_, err := fmt.Fprintf(out, "%d updates of %s were applied before\n", updates, files)
	return err
}

// lookUp asks the database about the large objects that the last batch did not have.
func (i *imported) lookUp(ctx context.Context, objects []movie.Object) (map[generation]database.Committed, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	known := make(map[generation]database.Committed, len(objects))
	var fresh []movie.Object
	for _, o := range objects {
		if !i.large[o.Key] {
			continue
		}
		g := generation{o.Key, o.Time}
		if c, found := i.known[g]; found {
			known[g] = c
		} else {
			fresh = append(fresh, o)
		}
	}
	if len(fresh) > 0 {
		found, err := i.Committed(ctx, fresh)
		if err != nil {
			return nil, err
		}
		for n, o := range fresh {
			g := generation{o.Key, o.Time}
			known[g] = found[n]
			if _, asked := i.before[g]; !asked { // else it may be this import's own
				i.before[g] = found[n].Updates()
			}
		}
	}
	i.known = known
	return known, nil
}

func (i *imported) Report(context.Context, movie.WorkerStatus) error  { return nil }
func (i *imported) Prune(context.Context, time.Time, time.Time) error { return nil }
