package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// The newest rejections are grouped, so many of them at most, into so many groups with so
// many examples each.
const (
	maxGrouped  = 1000
	maxGroups   = 25
	maxExamples = 5
)

// shownReason is a group of rejections with the same kind of reason.
type shownReason struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
	// Rejections are the newest of them.
	Rejections []movie.StoredRejection `json:"rejections"`
}

var reasonsParameters = []parameter[string]{
	{name: "q", set: func(q *string, v string) string { *q = strings.ToLower(v); return "" }},
}

// reasons groups the newest rejections by what is wrong, the most common first. q finds
// those that have the text in their key or reason, whatever its case.
//
//	{"searched": 1000, "matched": 14, "reasons": [{"reason": "...", "count": 12, "rejections": [...]}]}
func (o *Operations) reasons(w http.ResponseWriter, r *http.Request) error {
	var q string
	if _, err := parse(r.URL.RawQuery, reasonsParameters, &q); err != nil {
		return err
	}
	found, err := o.Records.Rejections(r.Context(), 0, maxGrouped)
	if err != nil {
		return err
	}
	matching := slices.DeleteFunc(slices.Clone(found), func(r movie.StoredRejection) bool {
		return !strings.Contains(strings.ToLower(r.Key+"\n"+r.Reason), q)
	})
	return sendJSON(w, struct {
		Searched int           `json:"searched"`
		Matched  int           `json:"matched"`
		Reasons  []shownReason `json:"reasons"`
	}{len(found), len(matching), group(matching)})
}

// group keeps the order of the rejections, the newest first, among equal counts.
func group(rejections []movie.StoredRejection) []shownReason {
	groups := []shownReason{}
	at := map[string]int{}
	for _, r := range rejections {
		kind := kindOf(r.Reason)
		i, known := at[kind]
		if !known {
			i = len(groups)
			at[kind], groups = i, append(groups, shownReason{Reason: kind})
		}
		groups[i].Count++
		if len(groups[i].Rejections) < maxExamples {
			groups[i].Rejections = append(groups[i].Rejections, r)
		}
	}
	slices.SortStableFunc(groups, func(a, b shownReason) int { return b.Count - a.Count })
	return groups[:min(len(groups), maxGroups)]
}

var (
	quoted  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"(?:\.\.\.)?`)
	numbers = regexp.MustCompile(`([ /])-?[0-9][0-9.eE+-]*(?:\.\.\.)?([ ,:;)]|$)`)
	unquote = regexp.MustCompile(`: write [0-9]+ without quotes$`)
)

// kindOf leaves out of a reason what is of one update alone: the texts and numbers that
// were found. What was expected stays.
func kindOf(reason string) string {
	found, expected := unquote.ReplaceAllString(reason, ""), ""
	if i := strings.LastIndex(found, ", expected "); i >= 0 {
		found, expected = found[:i], found[i:]
	}
	found = quoted.ReplaceAllString(found, "…")
	return numbers.ReplaceAllString(found, "$1…$2") + expected
}
