package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Limits of the summary: how many of the newest rejections are grouped, into how many
// groups, with how many examples each.
const (
	maxGrouped  = 1000
	maxGroups   = 25
	maxExamples = 5
)

// shownReason is a group of rejections with the same kind of reason.
type shownReason struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
	// Rejections are the newest examples.
	Rejections []report.Rejection `json:"rejections"`
}

var reasonsParameters = []parameter[string]{
	{name: "q", set: func(q *string, v string) string { *q = v; return "" }},
}

// reasons groups the newest rejections by kind of reason, the most frequent first. q
// selects those with the text in their key or reason, ignoring case.
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
	folded := func(text string) string { return strings.ToLower(movie.Clean(text)) } // keys may be in another Unicode form
	matching := slices.DeleteFunc(slices.Clone(found), func(r report.Rejection) bool {
		return !strings.Contains(folded(r.Key)+"\n"+folded(r.Reason), folded(q))
	})
	return sendJSON(w, struct {
		Searched int           `json:"searched"`
		Matched  int           `json:"matched"`
		Reasons  []shownReason `json:"reasons"`
	}{len(found), len(matching), group(matching)})
}

// group keeps rejections in order, the newest first, among groups of equal counts.
func group(rejections []report.Rejection) []shownReason {
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

// kindOf removes the texts and numbers found in one update from a reason. The expectation
// stays.
func kindOf(reason string) string {
	found, expected := unquote.ReplaceAllString(reason, ""), ""
	if i := strings.LastIndex(found, ", expected "); i >= 0 {
		found, expected = found[:i], found[i:]
	}
	found = quoted.ReplaceAllString(found, "…")
	return numbers.ReplaceAllString(found, "$1…$2") + expected
}
