package worker

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

// record returns the spans of a worker made with o.
func record(o *Options) *tracetest.InMemoryExporter {
	spans := tracetest.NewInMemoryExporter()
	o.Tracing = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	return spans
}

// ends returns end, key and status of each object's span, sorted.
func ends(spans *tracetest.InMemoryExporter) []string {
	var found []string
	for _, s := range spans.GetSpans() {
		if s.Name != "object" {
			continue
		}
		one := s.Status.Code.String() + " " + s.Status.Description
		for _, a := range s.Attributes {
			switch a.Key {
			case "object.key":
				one = a.Value.AsString() + " " + one
			case "object.end":
				one = a.Value.AsString() + " " + one
			}
		}
		found = append(found, strings.TrimSpace(one))
	}
	slices.Sort(found)
	return found
}

// TestObjectSpanEnds: each object's span ends once, and its attribute object.end tells how.
func TestObjectSpanEnds(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(store *buckettest.Memory, ref bucket.Ref, op buckettest.Op) error
		away  bool // the catalogue
		want  string
	}{
		"removed": {want: "removed a Unset"},
		"overwritten": {want: "overwritten a Unset", fault: func(store *buckettest.Memory, _ bucket.Ref, op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				store.Put("a", film("B", "x"))
			}
			return nil
		}},
		"gone before it is read": {want: "gone a Unset", fault: func(store *buckettest.Memory, ref bucket.Ref, op buckettest.Op) error {
			if op.Kind == buckettest.Get && !op.Applied {
				return store.Delete(context.Background(), []bucket.Ref{ref})[0]
			}
			return nil
		}},
		"gone after it was read": {want: "gone a Unset", fault: func(store *buckettest.Memory, ref bucket.Ref, op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				return store.Delete(context.Background(), []bucket.Ref{ref})[0]
			}
			return nil
		}},
		"not committed": {want: "left a Error not all of it was read and committed", away: true},
		"not read": {want: "left a Error fault", fault: func(_ *buckettest.Memory, _ bucket.Ref, op buckettest.Op) error {
			if op.Kind == buckettest.Get {
				return errFault
			}
			return nil
		}},
		"not deleted": {want: "left a Error fault", fault: func(_ *buckettest.Memory, _ bucket.Ref, op buckettest.Op) error {
			if op.Kind == buckettest.Delete {
				return errFault
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			ref := store.Put("a", film("A", "x")).Ref
			var own atomic.Bool // the fault's own operations are not the worker's
			store.Fault = func(op buckettest.Op) error {
				if test.fault == nil || !own.CompareAndSwap(false, true) {
					return nil
				}
				defer own.Store(false)
				return test.fault(store, ref, op)
			}
			if test.away {
				db.setFault(errFault)
			}
			var spans *tracetest.InMemoryExporter
			w := newTestWorker(store, db, func(o *Options) { spans = record(o) })
			w.pass(t.Context(), t.Context(), fullListing)
			if got := ends(spans); !slices.Equal(got, []string{test.want}) {
				t.Errorf("spans end %q, want %q", got, test.want)
			}
		})
	}
}

// TestSpansOfMessages: a receive that returns messages or fails is a span; one that returns
// none is not. An object's span is linked to the receives of all messages that name it.
func TestSpansOfMessages(t *testing.T) {
	var spans *tracetest.InMemoryExporter
	var away atomic.Bool
	withQueue(t, func(s *queueFixture) {
		spans = record(&s.options)
		s.options.Hints.Name = "films"
		s.queue.Fault = func(string) error {
			if away.Load() {
				return errFault
			}
			return nil
		}
		overwritten := false
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied && !overwritten {
				overwritten = true
				s.put("in/a", "B")
				s.put("in/a", "C")
				time.Sleep(500 * time.Millisecond) // they are received in the same pass
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.put("in/a", "A")
		time.Sleep(5 * time.Minute)
		receives, links := map[string]bool{}, []int{}
		for _, span := range spans.GetSpans() {
			switch span.Name {
			case "receive films":
				receives[span.SpanContext.SpanID().String()] = true
			case "object":
				links = append(links, len(span.Links))
				for _, link := range span.Links {
					if !receives[link.SpanContext.SpanID().String()] {
						t.Error("an object is linked to a span that is no receive")
					}
				}
			}
		}
		if len(receives) != 2 && len(receives) != 3 || !slices.Equal(links, []int{1, 2}) {
			t.Errorf("%d receives; links of objects: %v", len(receives), links)
		}
		if got, want := ends(spans), []string{"overwritten in/a Unset", "removed in/a Unset"}; !slices.Equal(got, want) {
			t.Errorf("spans end %q, want %q", got, want)
		}
		spans.Reset()
		away.Store(true)
		time.Sleep(time.Minute)
		if all := spans.GetSpans(); len(all) == 0 || all[0].Name != "receive films" || all[0].Status.Code != codes.Error {
			t.Errorf("spans of a queue that is away: %v", all)
		}
	})
}
