package index

// years holds the movies of each year and of each decade, and the year of each movie.
type years struct {
	list          []int          // the years with movies, in order
	sets, decades vector[set]    // by year, and by year / 10
	of            vector[uint16] // by id; also of hidden movies
}

// at returns the year of a movie.
func (y *years) at(id uint32) int { return int(y.of.at(id)) }

// set returns the movies of a year.
func (y *years) set(year int) set { return y.sets.at(uint32(year)) } //nolint:gosec // 1 to 9999

// all reports whether a range of years holds all movies.
func (y *years) all(from, to int) bool {
	return len(y.list) == 0 || from <= y.list[0] && y.list[len(y.list)-1] <= to
}

// between returns the movies of a range of years. It takes the set of a decade where the range
// holds all of it.
func (y *years) between(from, to int) set {
	var inside []set
	for year := from; year <= to; {
		s, span := y.set(year), 1
		if year%10 == 0 && year+9 <= to {
			s, span = y.decades.at(uint32(year/10)), 10 //nolint:gosec // 0 to 999
		}
		if s.len() > 0 {
			inside = append(inside, s)
		}
		year += span
	}
	return union(inside)
}

// yearsWriter builds the next version of years.
type yearsWriter struct {
	sets, decades setsWriter
	of            vectorWriter[uint16]
}

// change begins the next version; own: no version shares the sets yet.
func (y *years) change(own bool) yearsWriter {
	return yearsWriter{changeSets(y.sets, own), changeSets(y.decades, own), y.of.change()}
}

func (w *yearsWriter) add(year int, id uint32) {
	w.sets.add(uint32(year), id)       //nolint:gosec // 1 to 9999
	w.decades.add(uint32(year/10), id) //nolint:gosec // 0 to 999
}

func (w *yearsWriter) remove(year int, id uint32) {
	w.sets.remove(uint32(year), id)       //nolint:gosec // 1 to 9999
	w.decades.remove(uint32(year/10), id) //nolint:gosec // 0 to 999
}

func (w *yearsWriter) commit() years {
	y := years{sets: w.sets.commit(), decades: w.decades.commit(), of: w.of.vector}
	for page := range y.sets.pages {
		for i := range pageSize {
			if year := page*pageSize + i; y.set(year).len() > 0 {
				y.list = append(y.list, year)
			}
		}
	}
	return y
}
