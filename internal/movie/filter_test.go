package movie

import "testing"

// TestMatches: all conditions that are set must hold, by exact bytes.
func TestMatches(t *testing.T) {
	m := Movie{Identity: Identity{"Am\u00e9lie", 2001}, Cast: []string{"Audrey Tautou", "Mathieu Kassovitz"}, Genres: []string{"Comedy", "Romance"}}
	bare := Movie{Identity: Identity{"Am\u00e9lie", 2001}}
	for name, test := range map[string]struct {
		filter     Filter
		full, bare bool // whether it matches m, and the movie without names
	}{
		"nothing":         {Filter{}, true, true},
		"title":           {Filter{Title: "Am\u00e9lie"}, true, true},
		"accent":          {Filter{Title: "Amelie"}, false, false},
		"not normalised":  {Filter{Title: "Ame\u0301lie"}, false, false},
		"case":            {Filter{Title: "am\u00e9lie"}, false, false},
		"trailing space":  {Filter{Title: "Am\u00e9lie "}, false, false},
		"prefix":          {Filter{Title: "Am\u00e9"}, false, false},
		"year":            {Filter{Year: 2001}, true, true},
		"other year":      {Filter{Year: 2002}, false, false},
		"title, year":     {Filter{Title: "Am\u00e9lie", Year: 2001}, true, true},
		"only title":      {Filter{Title: "Am\u00e9lie", Year: 2002}, false, false},
		"only year":       {Filter{Title: "x", Year: 2001}, false, false},
		"cast":            {Filter{Cast: []string{"Mathieu Kassovitz"}}, true, false},
		"all cast":        {Filter{Cast: []string{"Mathieu Kassovitz", "Audrey Tautou"}}, true, false},
		"cast repeated":   {Filter{Cast: []string{"Audrey Tautou", "Audrey Tautou"}}, true, false},
		"cast in part":    {Filter{Cast: []string{"Audrey Tautou", "Nobody"}}, false, false},
		"part of a name":  {Filter{Cast: []string{"Audrey"}}, false, false},
		"genre":           {Filter{Genres: []string{"Romance"}}, true, false},
		"genres in part":  {Filter{Genres: []string{"Drama", "Romance"}}, false, false},
		"genre as cast":   {Filter{Cast: []string{"Comedy"}}, false, false},
		"cast as genre":   {Filter{Genres: []string{"Audrey Tautou"}}, false, false},
		"everything":      {Filter{Title: "Am\u00e9lie", Year: 2001, Cast: []string{"Audrey Tautou"}, Genres: []string{"Comedy", "Romance"}}, true, false},
		"all but a genre": {Filter{Title: "Am\u00e9lie", Year: 2001, Cast: []string{"Audrey Tautou"}, Genres: []string{"Drama"}}, false, false},
	} {
		if got := test.filter.Matches(0, m); got != test.full {
			t.Errorf("%s: %t", name, got)
		}
		if got := test.filter.Matches(0, bare); got != test.bare {
			t.Errorf("%s, movie without names: %t", name, got)
		}
	}
}
