package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics counts cached answers.
type metrics struct{ hits, misses prometheus.Counter }

func newMetrics(r prometheus.Registerer, w *watcher) *metrics {
	f := promauto.With(r)
	gauge := func(name, help string, value func(state) float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "movies", Subsystem: "api", Name: name, Help: help},
			func() float64 { return value(w.peek()) })
	}
	gauge("revision", "Revision of the catalogue that answers show.", func(s state) float64 { return float64(s.revision) })
	gauge("revision_age_seconds", "Time since the database last confirmed that revision: it grows while the database is away.",
		func(s state) float64 { return s.confirmed.Seconds() })
	if w.mirror != nil {
		addIndexMetrics(f, w.mirror)
	}
	if w.lag != nil {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "movies", Subsystem: "api", Name: "replica_lag_seconds",
			Help: "Seconds that the read replica may be behind its primary. It also grows while the primary cannot be asked.",
		}, func() float64 { return w.lag.age().Seconds() })
	}
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Namespace: "movies", Subsystem: "api", Name: "cache_requests_total",
		Help: "Answers from the cache (hit), and answers that had to be computed or read (miss).",
	}, []string{"result"})
	return &metrics{hits: requests.WithLabelValues("hit"), misses: requests.WithLabelValues("miss")}
}
