package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jpmovies/internal/decode"
)

// ignoredFields counts the updates that had an unknown field, by its name.
type ignoredFields map[string]int

// maxIgnoredNames bounds the distinct names.
const maxIgnoredNames = 100

func (i ignoredFields) add(names []string) {
	for _, name := range names {
		if _, known := i[name]; known || len(i) < maxIgnoredNames {
			i[name]++
		}
	}
}

// String lists the fields in alphabetical order, with the field that may have been meant;
// empty if there are none.
//
//	ignored fields: "actors" (3, did you mean cast?), "href" (2512)
func (i ignoredFields) String() string {
	var shown []string
	for name, n := range i {
		text := strconv.Quote(name) + " (" + strconv.Itoa(n)
		if field := decode.Meant(name); field != "" {
			text += ", did you mean " + field + "?"
		}
		shown = append(shown, text+")")
	}
	if len(shown) == 0 {
		return ""
	}
	slices.Sort(shown)
	return fmt.Sprintf("ignored fields: %s", strings.Join(shown, ", "))
}
