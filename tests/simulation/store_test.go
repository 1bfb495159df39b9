package simulation

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"jpmovies/internal/bucket"
)

// processStore is the bucket of one process. Its steps may fail.
type processStore struct{ *process }

var (
	_ bucket.Store   = processStore{}
	_ bucket.Deleter = processStore{}
)

// listing is one walk over the bucket.
type listing struct {
	// frozen is the content to list; nil for the content at the time of each page.
	frozen []bucket.Object
	// after is the last key listed.
	after string
	over  bool
}

// List lists the bucket as it is at each page, as it was when the listing began, or as it was
// some changes ago.
func (s processStore) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		l := &listing{}
		for first := true; !l.over; first = false {
			var page []bucket.Object
			err := s.step(ctx, kindList, "", func(f fate) error {
				if first {
					l.begin(s.simulation, f)
				}
				page = l.page(s.simulation)
				return nil
			})
			if err != nil {
				yield(nil, fmt.Errorf("list: %w", err))
				return
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

func (l *listing) begin(s *simulation, f fate) {
	mode, back := f.random.IntN(4), 1+f.random.IntN(6)
	switch {
	case s.calm:
	case mode == 0:
		l.frozen = s.objects()
	case mode == 1:
		l.frozen = s.listings[max(0, len(s.listings)-1-back)]
	}
	if l.frozen != nil && mode == 0 { // in any order
		f.random.Shuffle(len(l.frozen), func(i, j int) { l.frozen[i], l.frozen[j] = l.frozen[j], l.frozen[i] })
	}
}

func (l *listing) page(s *simulation) []bucket.Object {
	rest := l.frozen
	if rest == nil {
		for _, o := range s.objects() {
			if o.Key > l.after {
				rest = append(rest, o)
			}
		}
	}
	size := 1 + int(s.seed%4)*2 // objects in a page
	l.over = len(rest) <= size
	page := rest[:min(size, len(rest))]
	if l.frozen != nil {
		l.frozen = rest[len(page):]
	}
	if len(page) > 0 {
		l.after = page[len(page)-1].Key
	}
	return page
}

func (s processStore) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	var object bucket.Object
	var body io.ReadCloser
	err := s.step(ctx, kindGet, key, func(fate) (err error) {
		object, body, err = s.memory.Get(context.WithoutCancel(ctx), key)
		return err
	})
	if err == nil {
		return object, &reader{s.process, ctx, key, body}, nil
	}
	if body != nil { // the response was lost
		_ = body.Close()
	}
	return bucket.Object{}, nil, err
}

// reader is a body whose reads are steps.
type reader struct {
	*process
	ctx  context.Context
	key  string
	body io.ReadCloser
}

func (r *reader) Close() error { return r.body.Close() }

func (r *reader) Read(buffer []byte) (n int, err error) {
	err = r.step(r.ctx, kindRead, r.key, func(fate) (err error) {
		n, err = r.body.Read(buffer)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// DeleteSize is one object per request in half of the seeds, and five in the others.
func (s processStore) DeleteSize() int {
	if s.seed/2%2 == 0 {
		return 1
	}
	return 5
}

// Conditional is true: the fake honours every condition.
func (s processStore) Conditional() bool { return true }

// Delete may fail as a whole and for each object, and other processes act between the objects
// of one request.
func (s processStore) Delete(ctx context.Context, refs []bucket.Ref) []error {
	errs := make([]error, len(refs))
	one := func(i int) func(fate) error {
		return func(fate) error { return s.remove(refs[i]) }
	}
	whole := s.step(ctx, kindDelete, refs[0].Key, func(f fate) error {
		if f.outcome == fine && s.endedLocked(ctx) == nil {
			return nil // one by one below
		}
		var said []string
		for i := range refs {
			errs[i] = one(i)(f)
			said = append(said, refs[i].Key+": "+saidShort(errs[i]))
		}
		s.noteLocked(s.String(), "deletes "+strings.Join(said, ", "))
		return nil
	})
	for i := range refs {
		if whole != nil {
			errs[i] = whole
			continue
		}
		errs[i] = s.step(ctx, kindDeleteKey, refs[i].Key, one(i))
	}
	return errs
}

func saidShort(err error) string {
	if err == nil {
		return "ok"
	}
	return "no"
}

// remove deletes an object and checks with the ledger that this is allowed.
func (s processStore) remove(ref bucket.Ref) error {
	if !s.proven {
		s.failLocked("%s deletes %q before conditional deletes are proven", s.process, ref.Key)
	}
	err := s.memory.Delete(context.Background(), []bucket.Ref{ref})[0]
	if err == nil {
		s.changed()
		unread := len(s.ledger.unread)
		reason := s.ledger.removed(ref.Key)
		if len(s.ledger.unread) > unread {
			s.noteLocked(s.String(), "TWIN of "+ref.Key+": only an older generation with the same bytes had been read")
		}
		if reason != "" {
			s.failLocked("%s deletes %q: %s", s.process, ref.Key, reason)
		}
	}
	return err
}
