package movie

// MaxBytes bounds what is read of a list at a time: a page, a batch of changes and
// a piece of an export get no more movies once those they have hold this many
// bytes. A movie may hold a megabyte, so a count alone bounds nothing.
const MaxBytes = 1 << 20

// Fill returns how many of these rows make a page of at most limit movies and about
// MaxBytes; one at least.
func Fill(rows []Row, limit int) int {
	n := 0
	for size := 0; n < len(rows) && n < limit && size < MaxBytes; n++ {
		size += len(rows[n].Fields)
	}
	return n
}
