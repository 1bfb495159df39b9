package worker

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// metrics holds the worker's metrics. None has labels.
type metrics struct {
	read, readFailures         prometheus.Counter
	removed, removeFailures    prometheus.Counter
	overwritten                prometheus.Counter
	updates, rejected, changes prometheus.Counter
	ignoredFields              prometheus.Counter
	commitSeconds, passSeconds prometheus.Histogram
	abortedPasses              prometheus.Counter
	received, deleted, ignored prometheus.Counter // messages
	receiveFailures            prometheus.Counter
	messageFailures            prometheus.Counter
	notUnderstood, givenUp     prometheus.Counter // messages; objects of messages
	waiting, oldest, lastPass  prometheus.Gauge
	conditional                prometheus.Gauge
	lastHousekeeping           prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, readsAtOnce func() int, shard Shard) *metrics {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "movies", Subsystem: "worker", Name: "concurrency", Help: "Objects that may be read at a time at present.",
	}, func() float64 { return float64(readsAtOnce()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "movies", Subsystem: "worker", Name: "shards", Help: "Parts into which the keys are divided; 1 if they are not.",
	}, func() float64 { return float64(max(shard.Count, 1)) })
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
	m := &metrics{
		read:           counter("objects_read_total", "Objects read to their end."),
		readFailures:   counter("object_read_failures_total", "Failed reads of objects, or of a part of a folder; what is not read stays in the bucket and is retried."),
		removed:        counter("objects_removed_total", "Objects deleted after their updates were committed."),
		removeFailures: counter("object_remove_failures_total", "Failed deletes; the objects are read again."),
		overwritten:    counter("objects_overwritten_total", "Objects that survived their delete because they were overwritten after the read."),
		updates:        counter("updates_total", "Updates committed, repeated ones included."),
		rejected:       counter("rejections_total", "Updates rejected as invalid."),
		changes:        counter("changes_total", "Changes of movies that readers see."),
		ignoredFields:  counter("updates_with_ignored_fields_total", "Updates with fields that are ignored; the log names each field once."),
		abortedPasses:  counter("passes_failed_total", "Passes aborted because the bucket or the database was unavailable."),
		received:       counter("messages_received_total", "Messages received from the queue, repeated ones included."),
		deleted:        counter("messages_deleted_total", "Messages deleted: their objects need no more work, or they were ignored."),
		ignored:        counter("messages_ignored_total", "Messages that name no object to read."),

		notUnderstood: counter("messages_not_understood_total", "Messages not understood, or only in part; each makes a listing due soon."),
		givenUp:       counter("hints_given_up_total", "Objects of messages that the store denied again and again; each makes a listing due soon."),

		receiveFailures: counter("receive_failures_total", "Failed receives; the bucket is listed instead."),
		messageFailures: counter("message_delete_failures_total", "Failed requests to delete messages; the messages are received again."),

		commitSeconds: histogram("commit_seconds", "Duration of one transaction, retries included."),
		passSeconds:   histogram("pass_seconds", "Duration of one pass."),
		waiting:       gauge("objects_waiting", "Objects waiting in the bucket when the last pass ended."),
		oldest:        gauge("oldest_waiting_timestamp_seconds", "LastModified of the oldest waiting object; 0 if none waits."),
		lastPass:      gauge("last_pass_timestamp_seconds", "End of the last pass."),
		conditional:   gauge("conditional_deletes", "1 if the store is proven to keep an object that was overwritten after its read; else 0."),

		lastHousekeeping: gauge("last_housekeeping_timestamp_seconds", "When this worker last deleted all old rows; at first its start."),
	}
	m.lastHousekeeping.SetToCurrentTime()
	return m
}

func (m *metrics) committed(b movie.Batch, changes int) {
	m.updates.Add(float64(len(b.Updates)))
	m.rejected.Add(float64(len(b.Rejections)))
	m.changes.Add(float64(changes))
}

func (m *metrics) finish(p *pass) {
	if p.fatal != nil {
		m.abortedPasses.Inc()
	}
	m.conditional.Set(1)
	if d, ok := p.worker.options.Store.(bucket.Deleter); ok && !d.Conditional() {
		m.conditional.Set(0)
	}
	m.passSeconds.Observe(time.Since(p.start).Seconds())
	b := p.backlog()
	m.waiting.Set(float64(b.objects))
	m.lastPass.SetToCurrentTime()
	m.oldest.Set(0)
	if b.oldest != nil {
		m.oldest.Set(cmp.Or(float64(b.oldest.Unix()), -1)) // 0 means none, so the start of 1970 becomes -1
	}
}
