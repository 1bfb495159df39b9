package movie

// MaxBytes bounds one read of a list in bytes: a page, a batch of changes or a piece of an
// export ends once its movies hold this much. A count alone is no bound, because a movie
// may hold a megabyte.
const MaxBytes = 1 << 20

// Fill returns how many of the rows make a page of at most limit movies and about
// MaxBytes; at least one.
func Fill(rows []Row, limit int) int {
	n := 0
	for size := 0; n < len(rows) && n < limit && size < MaxBytes; n++ {
		size += len(rows[n].Fields)
	}
	return n
}
