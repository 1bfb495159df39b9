// Package audit examines the whole catalogue: whether its tables agree with each other,
// and what became of an object.
package audit

import (
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
)

// Auditor audits the catalogue in a database. It is safe for concurrent use.
type Auditor struct {
	db        *database.DB
	catalogue *catalogue.Catalogue
}

// New returns an auditor of the catalogue in a database.
func New(db *database.DB) *Auditor { return &Auditor{db, catalogue.New(db)} }
