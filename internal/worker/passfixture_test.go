package worker

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
	"jpmovies/internal/queue"
	"jpmovies/internal/report"
)

// passFixture is a bucket, a database and a queue that record the calls to them.
type passFixture struct {
	t           *testing.T
	archive     *txtar.Archive
	memory      *buckettest.Memory
	db          *fakeCatalogue
	generations map[bucket.Ref]string
	newest      map[string]bucket.Ref
	oneByOne    bool
	messages    []queue.Message // not deleted

	mu        sync.Mutex
	faults    []string // not used yet
	calls     []string
	afterCall []string // events that happened after the call in progress was applied
}

func newPassFixture(t *testing.T, archive *txtar.Archive) *passFixture {
	f := &passFixture{
		t: t, archive: archive, memory: &buckettest.Memory{}, db: newFakeCatalogue(),
		generations: make(map[bucket.Ref]string), newest: make(map[string]bucket.Ref), faults: linesOf(archive, "faults"),
	}
	f.memory.Now = func() time.Time { return time.Date(2026, 1, 1, 0, 0, len(f.generations)+1, 0, time.UTC) }
	for _, file := range archive.Files {
		if key, found := strings.CutPrefix(file.Name, "bucket/"); found {
			f.put(key, file.Data)
		}
	}
	for _, option := range linesOf(archive, "options") {
		if title, found := strings.CutPrefix(option, "refuse "); found {
			f.db.refuse = title
		} else {
			f.oneByOne = option == "one by one"
		}
	}
	for i, keys := range linesOf(archive, "messages") {
		body := strings.ReplaceAll(notification(strings.Fields(keys)...), "\n", "")
		f.messages = append(f.messages, queue.Message{Receipt: fmt.Sprint(i + 1), Body: body})
	}
	f.memory.Fault = func(op buckettest.Op) error {
		name := map[buckettest.Kind]string{buckettest.List: "LIST", buckettest.Get: "GET " + op.Key, buckettest.DeleteKey: "DELETE " + op.Key}[op.Kind]
		return f.fault(name, op.Applied)
	}
	f.db.fault = func(_ movie.Batch, applied bool) error { return f.fault("COMMIT", applied) }
	return f
}

// fault makes the fault of a step, once.
func (f *passFixture) fault(step string, applied bool) error {
	when := map[bool]string{false: "before ", true: "after "}[applied]
	f.mu.Lock()
	i := slices.IndexFunc(f.faults, func(line string) bool { return strings.HasPrefix(line, when+step+": ") })
	if i < 0 {
		f.mu.Unlock()
		return nil
	}
	action := strings.TrimPrefix(f.faults[i], when+step+": ")
	f.faults = slices.Delete(f.faults, i, i+1)
	f.mu.Unlock()
	key := action[strings.LastIndexByte(action, ' ')+1:]
	switch verb, _, _ := strings.Cut(action, " "); verb {
	case "fail":
		return errFault
	case "put":
		f.put(key, []byte(fileOf(f.archive, "put/"+key)))
		f.event(applied, fmt.Sprintf("(a producer puts %s: %s)", key, f.generations[f.newest[key]]))
	case "delete":
		if err := f.memory.Delete(context.Background(), []bucket.Ref{f.newest[key]})[0]; err != nil {
			f.t.Error(err)
		}
		f.event(applied, fmt.Sprintf("(somebody deletes %s)", key))
	default:
		f.t.Errorf("unknown action %q", action)
	}
	return nil
}

// event records what another process does before or after the call in progress.
func (f *passFixture) event(after bool, text string) {
	if after {
		f.afterCall = append(f.afterCall, text)
		return
	}
	f.record("  %s", text)
}

func (f *passFixture) put(key string, content []byte) {
	ref := f.memory.Put(key, content).Ref
	n := 1
	for other := range f.generations {
		if other.Key == key {
			n++
		}
	}
	f.generations[ref], f.newest[key] = fmt.Sprint("generation ", n), ref
}

func (f *passFixture) record(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	for _, event := range f.afterCall {
		f.calls = append(f.calls, "  "+event)
	}
	f.afterCall = nil
}

// store returns the recording bucket.
func (f *passFixture) store() bucket.Store {
	if f.oneByOne {
		return struct {
			recordingStore
			bucket.Deleter
		}{recordingStore{f}, oneByOneStore{}}
	}
	return recordingStore{f}
}

type recordingStore struct{ f *passFixture }

func (s recordingStore) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		for page, err := range s.f.memory.List(ctx) {
			keys := make([]string, len(page))
			for i, o := range page {
				keys[i] = o.Key
			}
			s.f.record("  LIST -> %s", result(err, cmp.Or(strings.Join(keys, " "), "nothing")))
			if !yield(page, err) {
				return
			}
		}
	}
}

func (s recordingStore) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	o, body, err := s.f.memory.Get(ctx, key)
	s.f.record("  GET %s -> %s", key, result(err, s.f.generations[o.Ref]))
	return o, body, err
}

func (s recordingStore) Delete(ctx context.Context, refs []bucket.Ref) []error {
	errs := s.f.memory.Delete(ctx, refs)
	lines := []string{"  DELETE"}
	for i, ref := range refs {
		lines = append(lines, fmt.Sprintf("    %s if %s -> %s", ref.Key, s.f.generations[ref], result(errs[i], "deleted")))
	}
	s.f.record("%s", strings.Join(lines, "\n"))
	return errs
}

// Apply records a transaction.
func (f *passFixture) Apply(ctx context.Context, b movie.Batch) (int, error) {
	changes, err := f.db.Apply(ctx, b)
	f.record("  COMMIT -> %s", result(err, fmt.Sprint("ok, changes: ", changes)))
	for _, u := range b.Updates {
		f.record("    update %s %d from %s:%d", u.Title, u.Year, u.Stamp.Key, u.Stamp.Position)
	}
	for _, r := range b.Rejections {
		f.record("    reject %s:%d: %s", r.Key, r.Position, r.Reason)
	}
	return changes, err
}

// Report records the status of the worker.
func (f *passFixture) Report(_ context.Context, s report.Worker) error {
	f.record("  REPORT %d waiting", s.ObjectsWaiting)
	return nil
}

// Receive returns none: playPasses passes the messages on.
func (f *passFixture) Receive(context.Context, time.Duration) ([]queue.Message, error) {
	return nil, nil
}

// Delete records the messages that are deleted.
func (f *passFixture) Delete(_ context.Context, messages []queue.Message) error {
	for _, m := range messages {
		f.record("  DELETE MESSAGE %s", m.Receipt)
		f.messages = slices.DeleteFunc(f.messages, func(other queue.Message) bool { return other == m })
	}
	return nil
}

// left describes the bucket and the tables.
func (f *passFixture) left() string {
	var lines []string
	for _, key := range f.memory.Keys() {
		lines = append(lines, fmt.Sprintf("object %s: %s", key, f.generations[f.newest[key]]))
	}
	for _, m := range f.messages {
		lines = append(lines, "message "+m.Receipt)
	}
	for id, r := range f.db.records {
		if r.Visible() {
			lines = append(lines, fmt.Sprintf("movie %s %d: genres %s, newest update from %s:%d of %s",
				id.Title, id.Year, r.Genres.List, r.Updated.Key, r.Updated.Position, r.Updated.Time.Time().Format(time.TimeOnly)))
		}
	}
	for _, r := range f.db.rejections {
		lines = append(lines, fmt.Sprintf("rejection %s:%d: %s", r.Key, r.Position, r.Bytes))
	}
	slices.Sort(lines)
	for _, fault := range f.faults {
		f.t.Errorf("the fault %q was not used", fault)
	}
	return strings.Join(lines, "\n") + "\n"
}

func result(err error, otherwise string) string {
	if err != nil {
		return err.Error()
	}
	return otherwise
}
