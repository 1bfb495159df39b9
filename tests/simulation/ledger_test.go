package simulation

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// ledger knows what was written, what was committed and what was deleted, and
// what readers have to see. It shares no code with what it judges.
type ledger struct {
	last  map[string]*generation // the newest of each key, also when it is gone
	there map[string]*generation // what is in the bucket
	all   map[string][]*generation
	// done are the positions committed of each content: the store's condition for
	// a delete is the ETag, so generations with the same bytes are one to it. When
	// such twins come between reading and deleting, the younger one goes unread.
	// Nothing that it says is lost, but its stamp is.
	done map[bucket.Ref]map[int64]bool
	// own likewise, but for each generation by its time.
	own map[*generation]map[int64]bool

	movies     map[movie.Identity]*history
	rejections map[rejectionKey]bool
	order      int  // of commits
	strict     bool // a twin counts for itself alone
	stats      struct{ puts, overwritten, deletes, updates, rejections, outdated int }
	// unread are the updates of generations that were deleted unread, because a
	// generation with the same bytes had been read.
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

// put is told of an object that was written.
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

// has tells whether a generation of the key has that time.
func (l *ledger) has(key string, at movie.Time) bool {
	return slices.ContainsFunc(l.all[key], func(g *generation) bool { return g.time == at })
}

// removed is told of an object that a worker deleted, and says what is wrong
// with that: every update in it must have been committed.
func (l *ledger) removed(key string) string {
	l.stats.deletes++
	g := l.there[key]
	delete(l.there, key)
	if g == nil {
		return "it was never written by a producer"
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

// committed is told of a transaction, and says what is wrong with it.
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
		wrong = append(wrong, fmt.Sprintf("a batch said to make %d changes, for readers it makes %d", changes, want))
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
		return fmt.Sprintf("an update that nobody wrote: %+v", u)
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

// holds tells whether the generation holds that very update.
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

// sameList tells nil from empty: one keeps, the other clears.
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
			return fmt.Sprintf("the reason does not tell why: %q", r.Reason)
		}
		l.done[ref][r.Position] = true
		l.rejections[rejectionKey{ref, r.Position}] = true
		return ""
	}
	return fmt.Sprintf("a rejection from an object that nobody wrote: %+v", r)
}

// history is all that was committed about a movie.
type history struct{ events []event }

type event struct {
	movie.Update
	order int
}

func (h *history) add(u movie.Update, order int) {
	for i, e := range h.events {
		if e.Stamp == u.Stamp && sameUpdate(e.Update, u) {
			h.events[i].order = order
			return
		}
	}
	h.events = append(h.events, event{u, order})
}

// view is what a movie comes to.
type view struct {
	visible                        bool
	cast, genres                   []string
	updated, deleted, casts, genre movie.Stamp
}

// view plays the updates from the oldest to the newest, as anyone would do it
// who had all of them in one list. Equal stamps come from overwriting within the
// resolution of LastModified, and there the later commit counts.
func (h *history) view() view {
	events := slices.Clone(h.events)
	slices.SortFunc(events, func(a, b event) int {
		if c := compareStamps(a.Stamp, b.Stamp); c != 0 {
			return c
		}
		return a.order - b.order
	})
	var v view
	for _, e := range events {
		if e.Deleted {
			v = view{deleted: e.Stamp}
			continue
		}
		v.visible, v.updated = true, e.Stamp
		if e.Cast != nil {
			v.cast, v.casts = e.Cast, e.Stamp
		}
		if e.Genres != nil {
			v.genres, v.genre = e.Genres, e.Stamp
		}
	}
	return v
}

func compareStamps(a, b movie.Stamp) int {
	switch {
	case a.Time.Time().Before(b.Time.Time()):
		return -1
	case b.Time.Time().Before(a.Time.Time()):
		return 1
	case a.Key != b.Key:
		return strings.Compare(a.Key, b.Key)
	}
	return int(a.Position - b.Position)
}

// equal tells whether readers see the same.
func (v view) equal(other view) bool {
	if !v.visible || !other.visible {
		return v.visible == other.visible
	}
	return slices.Equal(v.cast, other.cast) && slices.Equal(v.genres, other.genres)
}

// differs tells whether readers would see anything else if the generations that
// were deleted unread had been read. It spoils the ledger.
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

// digest names a batch by its content and order, for traces.
func digest(batch movie.Batch) string {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%+v %+v", batch.Updates, batch.Rejections) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}
