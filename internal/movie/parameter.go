package movie

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParameterError says what is wrong with a query parameter.
type ParameterError struct {
	Parameter string
	// Detail names the parameter, what is wrong, and what would be right.
	Detail string
}

func (e *ParameterError) Error() string { return e.Detail }

// Parameter is one name that a query string may hold.
type Parameter[T any] struct {
	Name string
	// Repeats is how often it may be given; 0 means once.
	Repeats int
	// Exact: the value is taken as it is, neither trimmed nor normalised.
	Exact bool
	// Set takes a value, which is clean and not empty, or says what is wrong
	// with it.
	Set func(to *T, value string) (wrong string)
}

// Parse reads a query string into a struct and returns the values that were
// given, cleaned. The error is a *ParameterError.
func Parse[T any](raw string, known []Parameter[T], into *T) (url.Values, error) {
	pairs, err := splitQuery(raw)
	if err != nil {
		return nil, err
	}
	given := url.Values{}
	for _, pair := range pairs {
		if err := set(pair[0], pair[1], known, into, given); err != nil {
			return nil, err
		}
	}
	return given, nil
}

func set[T any](name, value string, known []Parameter[T], into *T, given url.Values) error {
	i := slices.IndexFunc(known, func(p Parameter[T]) bool { return p.Name == name })
	if i < 0 {
		return unknown(name, known)
	}
	wrong := func(format string, args ...any) error {
		return &ParameterError{Parameter: name, Detail: name + " " + fmt.Sprintf(format, args...)}
	}
	switch most := max(1, known[i].Repeats); {
	case len(given[name]) < most:
	case most == 1:
		return wrong("is given more than once, expected it once")
	default:
		return wrong("is given more than %d times", most)
	}
	if !known[i].Exact {
		value = Clean(value)
	}
	if value == "" {
		return wrong("is empty, expected a value or no such parameter")
	}
	if text := known[i].Set(into, value); text != "" {
		return wrong("%s", text)
	}
	given.Add(name, value)
	return nil
}

// NoParameters is the check of a request that takes none.
func NoParameters(raw string) error {
	pairs, err := splitQuery(raw)
	if err != nil || len(pairs) == 0 {
		return err
	}
	name := pairs[0][0]
	return &ParameterError{Parameter: name, Detail: fmt.Sprintf("unknown parameter %q; this request takes none", name)}
}

// splitQuery takes a query string apart into names and values. The error is a
// *ParameterError.
func splitQuery(raw string) ([][2]string, error) {
	var pairs [][2]string
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(piece, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		wrong := ""
		switch {
		case rawName == "":
			rawName, wrong = piece, "has no name, expected name=value"
		case strings.Contains(piece, ";"):
			wrong = "holds a bare ;, expected & between parameters and %3B in a value"
		case err1 != nil || err2 != nil:
			wrong = "holds a broken percent escape, expected two hexadecimal digits after each %"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			wrong = "is not valid UTF-8, expected UTF-8 text or its percent escapes"
		}
		if wrong != "" {
			name := strings.ToValidUTF8(rawName, "\uFFFD")
			return nil, &ParameterError{Parameter: name, Detail: fmt.Sprintf("%q %s", name, wrong)}
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

func unknown[T any](name string, known []Parameter[T]) error {
	names := make([]string, len(known))
	nearest, distance := "", 3
	for i, p := range known {
		names[i] = p.Name
		// More slips than two, or than half of the word, make another word.
		if d := slips(name, p.Name); d < distance && 2*d <= len(p.Name) {
			nearest, distance = p.Name, d
		}
	}
	slices.Sort(names)
	advice := "; known are "
	if nearest != "" {
		advice = fmt.Sprintf(", did you mean %s? Known are ", nearest)
	}
	return &ParameterError{Parameter: name, Detail: fmt.Sprintf("unknown parameter %q", name) + advice + strings.Join(names, ", ")}
}

// slips is the number of letters to insert, drop or change between two words
// (Levenshtein's distance). Long words are not worth the work.
func slips(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
