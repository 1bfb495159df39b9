package worker

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// metrics of the worker. None has a label whose values producers choose.
type metrics struct {
	read, readFailures         prometheus.Counter
	removed, removeFailures    prometheus.Counter
	overwritten                prometheus.Counter
	updates, rejected, changes prometheus.Counter
	ignoredFields              prometheus.Counter
	commitSeconds, passSeconds prometheus.Histogram
	brokenPasses               prometheus.Counter
	received, deleted, ignored prometheus.Counter // messages
	receiveFailures            prometheus.Counter
	messageFailures            prometheus.Counter
	notUnderstood, givenUp     prometheus.Counter // messages, and hints of them
	waiting, oldest, lastPass  prometheus.Gauge
	conditional                prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Namespace: "movies", Subsystem: "worker", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Namespace: "movies", Subsystem: "worker", Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{
			Namespace: "movies", Subsystem: "worker", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		})
	}
	return &metrics{
		read:           counter("objects_read_total", "Objects read to their end."),
		readFailures:   counter("object_read_failures_total", "Objects that could not be read and stay in the bucket."),
		removed:        counter("objects_removed_total", "Objects deleted after their updates were committed."),
		removeFailures: counter("object_remove_failures_total", "Deletes that failed; the objects are read again."),
		overwritten:    counter("objects_overwritten_total", "Objects that were overwritten between reading and deleting, and survived."),
		updates:        counter("updates_total", "Updates committed, repeated ones included."),
		rejected:       counter("rejections_total", "Updates that could not be used."),
		changes:        counter("changes_total", "Movies that readers see differently."),
		ignoredFields:  counter("updates_with_ignored_fields_total", "Updates read that have a field without a meaning; the log names each field once."),
		brokenPasses:   counter("passes_failed_total", "Passes that bucket or catalogue as a whole broke off."),
		received:       counter("messages_received_total", "Messages of the queue, repeated ones included."),
		deleted:        counter("messages_deleted_total", "Messages whose objects were settled, or that were ignored."),
		ignored:        counter("messages_ignored_total", "Messages that name nothing to read."),

		notUnderstood: counter("messages_not_understood_total", "Messages that could not be understood, or only in part; the bucket is listed soon."),
		givenUp:       counter("hints_given_up_total", "Objects of messages that the store refused again and again; the bucket is listed soon."),

		receiveFailures: counter("receive_failures_total", "Times that the queue did not answer; the bucket is listed meanwhile."),
		messageFailures: counter("message_delete_failures_total", "Requests to delete messages that failed; the messages come again."),

		commitSeconds: histogram("commit_seconds", "Time of one transaction, with its retries."),
		passSeconds:   histogram("pass_seconds", "Time of one pass."),
		waiting:       gauge("objects_waiting", "Objects in the bucket when the last pass ended."),
		oldest:        gauge("oldest_waiting_timestamp_seconds", "LastModified of the oldest of them, 0 = none."),
		lastPass:      gauge("last_pass_timestamp_seconds", "End of the last pass."),
		conditional:   gauge("conditional_deletes", "1 when an object that is overwritten meanwhile is proven to survive its deletion."),
	}
}

func (m *metrics) committed(b movie.Batch, changes int) {
	m.updates.Add(float64(len(b.Updates)))
	m.rejected.Add(float64(len(b.Rejections)))
	m.changes.Add(float64(changes))
}

func (m *metrics) finish(p *pass) {
	if p.broken != nil {
		m.brokenPasses.Inc()
	}
	m.conditional.Set(1)
	if d, ok := p.worker.Store.(bucket.Deleter); ok && !d.Conditional() {
		m.conditional.Set(0)
	}
	m.passSeconds.Observe(time.Since(p.start).Seconds())
	waiting, oldest := p.backlog()
	m.waiting.Set(float64(waiting))
	m.lastPass.SetToCurrentTime()
	m.oldest.Set(0)
	if oldest != nil {
		m.oldest.Set(cmp.Or(float64(oldest.Unix()), -1)) // 1970 itself is not none
	}
}

// progress counts what has been done since the start.
type progress struct{ objects, updates atomic.Int64 }

// Progress is how far a worker is.
type Progress struct {
	// Objects read and Updates committed since the start.
	Objects, Updates int64
	// Waiting objects of those that the present pass has listed.
	Waiting int
}

// Progress may be asked at any time.
func (w *Worker) Progress() Progress {
	now := Progress{Objects: w.progress.objects.Load(), Updates: w.progress.updates.Load()}
	if p := w.present.Load(); p != nil {
		p.count(func(c *counts) { now.Waiting = c.Waiting() })
	}
	return now
}
