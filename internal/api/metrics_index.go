package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"jpmovies/internal/index"
)

func addIndexMetrics(f promauto.Factory, m *index.Mirror) {
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "movies", Subsystem: "index", Name: name, Help: help}, value)
	}
	gauge("movies", "Movies in the index.", func() float64 {
		if x := m.Index(); x != nil {
			return float64(x.Len())
		}
		return 0
	})
	gauge("loaded_movies", "Movies that the load of the index has read that is under way, or the last one did.",
		func() float64 { return float64(m.Progress().Loaded) })
	gauge("loading", "1 while all movies are being read; else 0.", func() float64 {
		if m.Progress().Loading {
			return 1
		}
		return 0
	})
	gauge("load_seconds", "Time that the last load of the index took; 0 before the first has ended.",
		func() float64 { return m.Progress().Took.Seconds() })
}
