package database

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Collectors returns metrics of the connection pools and of the durability of commits.
func (db *DB) Collectors() []prometheus.Collector {
	all := []prometheus.Collector{
		db.durability(), collectors.NewDBStatsCollector(db.write, "movies"), collectors.NewDBStatsCollector(db.exports, "movies_exports"),
	}
	if db.read != db.write {
		all = append(all, collectors.NewDBStatsCollector(db.read, "movies_read"))
	}
	return all
}
