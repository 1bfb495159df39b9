package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jpmovies/internal/decode"
)

// ignoredText lists ignored fields in alphabetical order, with the field that may have been
// meant; empty if there are none.
//
//	ignored fields: "actors" (3, did you mean cast?), "href" (2512)
func ignoredText(c decode.FieldCounts) string {
	var shown []string
	for name, n := range c.Updates {
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
	if c.More {
		shown = append(shown, "and others")
	}
	return fmt.Sprintf("ignored fields: %s", strings.Join(shown, ", "))
}
