package movie

// Filter says which movies are wanted: all conditions that are set must hold.
// Texts match by exact bytes and are clean (see [Clean]).
type Filter struct {
	Title string
	// Year is 0 for every year.
	Year int
	// Cast and Genres: the movie has all of these names.
	Cast   []string
	Genres []string
}

// Matches is the meaning of a filter, for one movie.
func (f Filter) Matches(m Movie) bool {
	if f.Title != "" && f.Title != m.Title || f.Year != 0 && f.Year != m.Year {
		return false
	}
	return containsAll(m.Cast, f.Cast) && containsAll(m.Genres, f.Genres)
}

func containsAll(names, wanted []string) bool {
	for _, w := range wanted {
		found := false
		for _, n := range names {
			found = found || n == w
		}
		if !found {
			return false
		}
	}
	return true
}
