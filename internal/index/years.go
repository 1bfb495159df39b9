package index

// years holds the movies of each year and of each decade, and the year of each movie.
type years struct {
	list          []int // the years with movies, in order
	sets, decades vector[set]
	of            vector[uint16] // by id; also of hidden movies
}

// at returns the year of a movie.
func (y *years) at(id uint32) int { return int(y.of.at(id)) }

// set returns the movies of a year.
func (y *years) set(year int) set { return y.sets.at(uint32(year)) } //nolint:gosec // 1 to 9999

// between returns the movies of a range of years, with decades in one step.
func (y *years) between(from, to int) set {
	var inside []set
	for year, next := from, 0; year <= to; year = next {
		s := y.set(year)
		if next = year + 1; year%10 == 0 && year+9 <= to {
			s, next = y.decades.at(uint32(year/10)), year+10 //nolint:gosec // 1 to 9999
		}
		if s.len() > 0 {
			inside = append(inside, s)
		}
	}
	return union(inside)
}

// yearsWriter builds the next version of years.
type yearsWriter struct {
	sets, decades setsWriter
	of            vectorWriter[uint16]
}

func (y *years) change(first bool) yearsWriter {
	return yearsWriter{changeSets(y.sets, first), changeSets(y.decades, first), y.of.change()}
}

func (w *yearsWriter) add(year int, id uint32) {
	w.sets.add(uint32(year), id)       //nolint:gosec // 1 to 9999
	w.decades.add(uint32(year/10), id) //nolint:gosec // 1 to 9999
}

func (w *yearsWriter) remove(year int, id uint32) {
	w.sets.remove(uint32(year), id)       //nolint:gosec // 1 to 9999
	w.decades.remove(uint32(year/10), id) //nolint:gosec // 1 to 9999
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
