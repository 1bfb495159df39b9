package movie

// MaxBytes bounds one read of a list in bytes: a page, a batch of changes or a piece of an
// export ends once its movies hold this much. A count alone is no bound, because a movie
// may hold a megabyte.
const MaxBytes = 1 << 20
