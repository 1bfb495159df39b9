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
		"nothing":        {Filter{}, true, true},
		"title":          {Filter{Title: "Am\u00e9lie"}, true, true},
		"accent":         {Filter{Title: "Amelie"}, false, false},
		"not normalised": {Filter{Title: "Ame\u0301lie"}, false, false},
		"case":           {Filter{Title: "am\u00e9lie"}, false, false},
		"trailing space": {Filter{Title: "Am\u00e9lie "}, false, false},
		"prefix":         {Filter{Title: "Am\u00e9"}, false, false},
		"year":           {Filter{Year: 2001}, true, true},
		"other year":     {Filter{Year: 2002}, false, false},
		"title, year":    {Filter{Title: "Am\u00e9lie", Year: 2001}, true, true},
		"only title":     {Filter{Title: "Am\u00e9lie", Year: 2002}, false, false},
		"only year":      {Filter{Title: "x", Year: 2001}, false, false},
		"cast":           {Filter{Cast: []string{"Mathieu Kassovitz"}}, true, false},
		"all cast":       {Filter{Cast: []string{"Mathieu Kassovitz", "Audrey Tautou"}}, true, false},
		"cast repeated":  {Filter{Cast: []string{"Audrey Tautou", "Audrey Tautou"}}, true, false},
		"cast in part":   {Filter{Cast: []string{"Audrey Tautou", "Nobody"}}, false, false},
		"part of a name": {Filter{Cast: []string{"Audrey"}}, false, false},
		"genre":          {Filter{Genres: []string{"Romance"}}, true, false},
		"genres in part": {Filter{Genres: []string{"Drama", "Romance"}}, false, false},
		"genre as cast":  {Filter{Cast: []string{"Comedy"}}, false, false},
		"cast as genre":  {Filter{Genres: []string{"Audrey Tautou"}}, false, false},
		"everything":     {Filter{Title: "Am\u00e9lie", Year: 2001, Cast: []string{"Audrey Tautou"}, Genres: []string{"Comedy", "Romance"}}, true, false},
		"id":             {Filter{IDs: []int64{7}}, true, true},
		"one of the ids": {Filter{IDs: []int64{1, 7, 9}}, true, true},
		"other ids":      {Filter{IDs: []int64{1, 70, -7}}, false, false},
		"id, other year": {Filter{IDs: []int64{7}, Year: 2002}, false, false},

		"any cast":            {Filter{CastAny: []string{"Nobody", "Audrey Tautou"}}, true, false},
		"any cast, all":       {Filter{CastAny: []string{"Audrey Tautou", "Mathieu Kassovitz"}}, true, false},
		"any cast, none":      {Filter{CastAny: []string{"Nobody", "Audrey", "Comedy"}}, false, false},
		"any cast and cast":   {Filter{Cast: []string{"Audrey Tautou"}, CastAny: []string{"Nobody"}}, false, false},
		"any genre":           {Filter{GenresAny: []string{"Drama", "Romance"}}, true, false},
		"any genre, none":     {Filter{GenresAny: []string{"Drama", "romance", "Audrey Tautou"}}, false, false},
		"any genre and cast":  {Filter{CastAny: []string{"Audrey Tautou"}, GenresAny: []string{"Drama"}}, false, false},
		"not in the cast":     {Filter{CastNot: []string{"Audrey Tautou"}}, false, true},
		"one not in the cast": {Filter{CastNot: []string{"Nobody", "Mathieu Kassovitz"}}, false, true},
		"not others":          {Filter{CastNot: []string{"Nobody", "Audrey", "Comedy"}}, true, true},
		"in the cast and not": {Filter{Cast: []string{"Audrey Tautou"}, CastNot: []string{"Audrey Tautou"}}, false, false},
		"not the genre":       {Filter{GenresNot: []string{"Comedy"}}, false, true},
		"one not a genre":     {Filter{GenresNot: []string{"Drama", "Romance"}}, false, true},
		"not other genres":    {Filter{GenresNot: []string{"Drama", "comedy", "Audrey Tautou"}}, true, true},

		"from the year":      {Filter{YearFrom: 2001}, true, true},
		"from an earlier":    {Filter{YearFrom: 2000}, true, true},
		"from a later":       {Filter{YearFrom: 2002}, false, false},
		"to the year":        {Filter{YearTo: 2001}, true, true},
		"to a later":         {Filter{YearTo: 2002}, true, true},
		"to an earlier":      {Filter{YearTo: 2000}, false, false},
		"within years":       {Filter{YearFrom: 2001, YearTo: 2001}, true, true},
		"before the years":   {Filter{YearFrom: 2002, YearTo: 2010}, false, false},
		"after the years":    {Filter{YearFrom: 1990, YearTo: 2000}, false, false},
		"year outside years": {Filter{Year: 2001, YearFrom: 2002}, false, false},

		"word":       {Filter{Words: []string{"amelie"}}, true, true},
		"other word": {Filter{Words: []string{"emilie"}}, false, false},

		"all but a genre": {Filter{Title: "Am\u00e9lie", Year: 2001, Cast: []string{"Audrey Tautou"}, Genres: []string{"Drama"}}, false, false},
	} {
		if got := test.filter.Matches(7, m); got != test.full {
			t.Errorf("%s: %t", name, got)
		}
		if got := test.filter.Matches(7, bare); got != test.bare {
			t.Errorf("%s, movie without names: %t", name, got)
		}
	}
}

// TestMatchesWords: the title has all words, the last one as a prefix, whatever their order,
// case, accents and apostrophes.
func TestMatchesWords(t *testing.T) {
	for _, test := range []struct {
		title string
		words []string // folded
		want  bool
	}{
		{"The Lion King", nil, true},
		{"The Lion King", []string{"lion"}, true},
		{"The Lion King", []string{"the", "lion", "king"}, true},
		{"The Lion King", []string{"king", "the"}, true},
		{"The Lion King", []string{"king", "king"}, true},
		{"The Lion King", []string{"tiger"}, false},
		{"The Lion King", []string{"tiger", "king"}, false},
		{"The Lion King", []string{"king", "tiger"}, false},
		{"The Lion King", []string{"kings"}, false},

		{"The Lion King", []string{"k"}, true}, // only the last one may be a prefix
		{"The Lion King", []string{"lion", "ki"}, true},
		{"The Lion King", []string{"li", "king"}, false},
		{"The Lion King", []string{"ion"}, false},
		{"The Lion King", []string{"lionking"}, false},

		{"THE LION KING", []string{"lion"}, true}, // case and accents
		{"Am\u00e9lie", []string{"ame"}, true},
		{"AM\u00c9LIE", []string{"amelie"}, true},
		{"\u00c6r\u00f8", []string{"aero"}, true},
		{"\u00c6r\u00f8", []string{"ero"}, false},
		{"Stra\u00dfe", []string{"strasse"}, true},

		{"Ocean's Eleven", []string{"oceans", "eleven"}, true}, // apostrophes and hyphens
		{"Ocean\u2019s Eleven", []string{"oceans", "eleven"}, true},
		{"Ocean's Eleven", []string{"ocean"}, true},
		{"Ocean's Eleven", []string{"ocean", "eleven"}, false},
		{"Ocean's Eleven", []string{"s"}, false},
		{"L\u2019\u00e9t\u00e9", []string{"lete"}, true},
		{"L\u2019\u00e9t\u00e9", []string{"ete"}, false},
		{"Spider-Man", []string{"man", "spider"}, true},
		{"Spider-Man", []string{"spiderman"}, false},
		{"!?", []string{"a"}, false},
	} {
		m := Movie{Identity: Identity{test.title, 2000}}
		if got := (Filter{Words: test.words}).Matches(1, m); got != test.want {
			t.Errorf("%q, %q: %t", test.title, test.words, got)
		}
	}
}

// TestMatch: the same title is the best match, then one that has the last word whole, then one
// that has it as a prefix.
func TestMatch(t *testing.T) {
	for _, test := range []struct {
		title string
		words []string
		want  Match
	}{
		{"Lion King", []string{"lion", "king"}, MatchSame},
		{"LION: king!", []string{"lion", "king"}, MatchSame},
		{"L'ion K\u00efng", []string{"lion", "king"}, MatchSame},
		{"The Lion King", []string{"lion", "king"}, MatchWhole},
		{"King Lion", []string{"lion", "king"}, MatchWhole},
		{"Lion King King", []string{"lion", "king"}, MatchWhole},
		{"Lion Kingdom of a King", []string{"lion", "king"}, MatchWhole},
		{"Lion Kings", []string{"lion", "king"}, MatchPrefix},
		{"Kingdom: Lion", []string{"lion", "king"}, MatchPrefix},
		{"Am\u00e9lie", []string{"amelie"}, MatchSame},
		{"Am\u00e9lie 2", []string{"amelie"}, MatchWhole},
		{"Am\u00e9lies", []string{"amelie"}, MatchPrefix},
		{"Am\u00e9lie", []string{"a"}, MatchPrefix},
	} {
		f := Filter{Words: test.words}
		if !f.Matches(1, Movie{Identity: Identity{test.title, 2000}}) {
			t.Errorf("%q does not match %q", test.title, test.words)
		}
		if got := f.Match(test.title); got != test.want {
			t.Errorf("%q, %q: match %d, want %d", test.title, test.words, got, test.want)
		}
	}
	if MatchSame >= MatchWhole || MatchWhole >= MatchPrefix {
		t.Errorf("the matches are in the wrong order: %d, %d, %d", MatchSame, MatchWhole, MatchPrefix)
	}
}
