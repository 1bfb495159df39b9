package database

// SearchLittle lets a small catalogue take the ways that searches take in a large
// one.
func (db *DB) SearchLittle() {
	db.searching = searchLimits{first: 1, least: 30, prefixed: 150, words: 3, sift: 50, pick: 20}
}
