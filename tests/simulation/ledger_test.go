package simulation

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// ledger records what was written, committed and deleted, and what readers must see. It shares
// no code with what it checks.
type ledger struct {
	last  map[string]*generation // the newest of each key, also if it was deleted
	there map[string]*generation // in the bucket
	all   map[string][]*generation
	// done holds the committed positions of each content. A delete is conditional on the ETag,
	// so generations with the same bytes (twins) are the same to the store. If a twin is
	// written between read and delete, it is deleted unread. Its updates are not lost, but
	// its stamp is.
	done map[bucket.Ref]map[int64]bool
	// own holds the committed positions of each generation, twins apart.
	own map[*generation]map[int64]bool

	movies     map[movie.Identity]*history
	rejections map[rejectionKey]bool
	order      int  // of commits
	strict     bool // a twin that was deleted unread is a failure
	stats      struct{ puts, overwritten, deletes, updates, rejections, outdated int }
	// unread holds the updates of twins that were deleted unread.
	unread []movie.Update
}

// generation is one content of an object.
type generation struct {
	bucket.Ref
	number int
	time   movie.Time
	body   []byte
	items  []item
}

type rejectionKey struct {
	bucket.Ref
	position int64
}

func newLedger() *ledger {
	return &ledger{
		last: make(map[string]*generation), there: make(map[string]*generation), all: make(map[string][]*generation),
		done: make(map[bucket.Ref]map[int64]bool), own: make(map[*generation]map[int64]bool),
		movies: make(map[movie.Identity]*history), rejections: make(map[rejectionKey]bool),
	}
}

// put records an object that was written.
func (l *ledger) put(o bucket.Object, body []byte, items []item) int {
	l.stats.puts++
	if l.there[o.Key] != nil {
		l.stats.overwritten++
	}
	g := &generation{Ref: o.Ref, number: l.stats.puts, time: movie.At(o.LastModified), body: body, items: items}
	l.last[o.Key], l.there[o.Key] = g, g
	l.all[o.Key] = append(l.all[o.Key], g)
	l.own[g] = make(map[int64]bool)
	if l.done[o.Ref] == nil {
		l.done[o.Ref] = make(map[int64]bool)
	}
	return g.number
}

// has reports whether a generation of the key has that time.
func (l *ledger) has(key string, at movie.Time) bool {
	return slices.ContainsFunc(l.all[key], func(g *generation) bool { return g.time == at })
}

// removed records that a worker deleted an object. It returns a failure unless every update in
// the object was committed.
func (l *ledger) removed(key string) string {
	l.stats.deletes++
	g := l.there[key]
	delete(l.there, key)
	if g == nil {
		return "no producer wrote it"
	}
	if bucket.Ignored(bucket.Object{Ref: g.Ref, Size: int64(len(g.body))}) {
		return "it is no input"
	}
	outdated := false
	for i, item := range g.items {
		position := int64(i + 1)
		if !l.done[g.Ref][position] {
			return fmt.Sprintf("generation %d is lost: item %d of %d was not committed", g.number, position, len(g.items))
		}
		if !l.own[g][position] && !item.invalid && !item.refused() {
			outdated = true
			u := item.update
			u.Stamp = movie.Stamp{Time: g.time, Key: key, Position: position}
			l.unread = append(l.unread, u)
		}
	}
	if outdated {
		l.stats.outdated++
		if l.strict {
			return fmt.Sprintf("generation %d was never read, only an older one with the same bytes", g.number)
		}
	}
	return ""
}

// committed records a transaction and returns its failures.
func (l *ledger) committed(batch movie.Batch, changes int) (wrong []string) {
	before := make(map[movie.Identity]view)
	for _, u := range batch.Updates {
		l.stats.updates++
		if reason := l.update(u, before); reason != "" {
			wrong = append(wrong, reason)
		}
	}
	for _, r := range batch.Rejections {
		l.stats.rejections++
		if reason := l.rejection(r); reason != "" {
			wrong = append(wrong, reason)
		}
	}
	want := 0
	for identity, was := range before {
		if !was.equal(l.movies[identity].view()) {
			want++
		}
	}
	if changes != want {
		wrong = append(wrong, fmt.Sprintf("a batch reports %d changes, readers see %d", changes, want))
	}
	return wrong
}

func (l *ledger) update(u movie.Update, before map[movie.Identity]view) string {
	written := false
	for _, g := range l.all[u.Stamp.Key] {
		if g.time == u.Stamp.Time && g.holds(u) {
			written = true
			l.done[g.Ref][u.Stamp.Position] = true
			l.own[g][u.Stamp.Position] = true
		}
	}
	if !written {
		return fmt.Sprintf("an update that no producer wrote: %+v", u)
	}
	h := l.movies[u.Identity]
	if h == nil {
		h = &history{}
		l.movies[u.Identity] = h
	}
	if _, known := before[u.Identity]; !known {
		before[u.Identity] = h.view()
	}
	l.order++
	h.add(u, l.order)
	return ""
}

// holds reports whether the generation contains exactly that update.
func (g *generation) holds(u movie.Update) bool {
	if u.Stamp.Position < 1 || u.Stamp.Position > int64(len(g.items)) {
		return false
	}
	item := g.items[u.Stamp.Position-1]
	return !item.invalid && !item.refused() && sameUpdate(item.update, u)
}

func sameUpdate(a, b movie.Update) bool {
	return a.Identity == b.Identity && a.Deleted == b.Deleted && sameList(a.Cast, b.Cast) && sameList(a.Genres, b.Genres)
}

// sameList distinguishes nil, which keeps a list, from empty, which clears it.
func sameList(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

func (l *ledger) rejection(r movie.Rejection) string {
	ref := bucket.Ref{Key: r.Key, ETag: r.ObjectETag}
	for _, g := range l.all[r.Key] {
		if g.ETag != r.ObjectETag {
			continue
		}
		if r.Position < 1 || r.Position > int64(len(g.items)) {
			return fmt.Sprintf("a rejection at position %d of %d: %s", r.Position, len(g.items), r.Reason)
		}
		switch item := g.items[r.Position-1]; {
		case !item.invalid && !item.refused():
			return fmt.Sprintf("a valid update is rejected: %s: %s", item.text, r.Reason)
		case item.refused() && !strings.Contains(r.Reason, refusedWords), r.Reason == "":
			return fmt.Sprintf("the reason does not contain the database's words: %q", r.Reason)
		}
		l.done[ref][r.Position] = true
		l.rejections[rejectionKey{ref, r.Position}] = true
		return ""
	}
	return fmt.Sprintf("a rejection of an object that no producer wrote: %+v", r)
}

// differs reports whether readers would see other movies if the unread twins had been read. The
// ledger cannot be used afterwards.
func (l *ledger) differs() bool {
	before := make(map[movie.Identity]view)
	for identity, h := range l.movies {
		before[identity] = h.view()
	}
	for _, u := range l.unread {
		l.order++
		l.movies[u.Identity].add(u, l.order)
	}
	for identity, was := range before {
		if !was.equal(l.movies[identity].view()) {
			return true
		}
	}
	return false
}

// digest returns a short hash of a batch's content and order.
func digest(batch movie.Batch) string {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%+v %+v", batch.Updates, batch.Rejections) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}
