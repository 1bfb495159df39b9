package database

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Collectors tell how the pools of connections are used, and whether commits are
// durable.
func (db *DB) Collectors() []prometheus.Collector {
	all := []prometheus.Collector{
		db.durability(), collectors.NewDBStatsCollector(db.write, "movies"), collectors.NewDBStatsCollector(db.exports, "movies_exports"),
	}
	if db.read != db.write {
		all = append(all, collectors.NewDBStatsCollector(db.read, "movies_read"))
	}
	return all
}
