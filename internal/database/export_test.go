package database

// SearchLittle lets a small catalogue take the ways that searches take in a large
// one.
func (db *DB) SearchLittle() {
	db.searching = searchLimits{rare: 30, first: 1, prefixed: 40, words: 3, sift: 50, pick: 20}
}
