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
	// YearFrom and YearTo bound the year, both included; 0 does not.
	YearFrom, YearTo int
	// Words are folded (see [Words]); the title has all of them, the last one as
	// a prefix.
	Words []string
}

// Matches is the meaning of a filter, for one movie.
func (f Filter) Matches(m Movie) bool {
	if f.Title != "" && f.Title != m.Title || f.Year != 0 && f.Year != m.Year {
		return false
	}
	if m.Year < f.YearFrom || f.YearTo != 0 && m.Year > f.YearTo {
		return false
	}
	return containsAll(m.Cast, f.Cast) && containsAll(m.Genres, f.Genres) && hasWords(m.Title, f.Words)
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
