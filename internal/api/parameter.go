package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"jpmovies/internal/movie"
	"jpmovies/internal/nearest"
)

// parameterError says what is wrong with a query parameter.
type parameterError struct {
	parameter string
	// detail names the parameter, what is wrong, and what would be right.
	detail string
	cause  error // nil when the value itself is wrong
}

func (e *parameterError) Error() string { return e.detail }

func (e *parameterError) Unwrap() error { return e.cause }

// parameter is one name that a query string may hold.
type parameter[T any] struct {
	name string
	// repeats is how often it may be given; 0 means once.
	repeats int
	// exact keeps the value as it is: neither trimmed nor normalised.
	exact bool
	// set takes a value, which is clean and not empty, or says what is wrong with it.
	set func(to *T, value string) (wrong string)
}

// parse reads a query string into a struct and returns the cleaned values. The error is
// a *parameterError.
func parse[T any](raw string, known []parameter[T], into *T) (url.Values, error) {
	pairs, err := splitQuery(raw)
	if err != nil {
		return nil, err
	}
	given := url.Values{}
	for _, pair := range pairs {
		if err := setParameter(pair[0], pair[1], known, into, given); err != nil {
			return nil, err
		}
	}
	return given, nil
}

func setParameter[T any](name, value string, known []parameter[T], into *T, given url.Values) error {
	i := slices.IndexFunc(known, func(p parameter[T]) bool { return p.name == name })
	if i < 0 {
		return unknownParameter(name, known)
	}
	wrong := func(format string, args ...any) error {
		return &parameterError{parameter: name, detail: name + " " + fmt.Sprintf(format, args...)}
	}
	switch most := max(1, known[i].repeats); {
	case len(given[name]) < most:
	case most == 1:
		return wrong("is given more than once, expected it once")
	default:
		return wrong("is given more than %d times, expected it %d times at most", most, most)
	}
	if !known[i].exact {
		value = movie.Clean(value)
	}
	if value == "" {
		return wrong("is empty, expected a value or no such parameter")
	}
	if text := known[i].set(into, value); text != "" {
		return wrong("%s", text)
	}
	given.Add(name, value)
	return nil
}

// noParameters returns an error if the query string holds any parameter.
func noParameters(raw string) error {
	pairs, err := splitQuery(raw)
	if err != nil || len(pairs) == 0 {
		return err
	}
	name := pairs[0][0]
	return &parameterError{parameter: name, detail: fmt.Sprintf("unknown parameter %q; this request takes none", name)}
}

// splitQuery splits a query string into names and values. It is stricter than
// [url.ParseQuery], and its errors name the fault. The error is a *parameterError.
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
			return nil, &parameterError{parameter: name, detail: fmt.Sprintf("%q %s", name, wrong)}
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

func unknownParameter[T any](name string, known []parameter[T]) error {
	names := make([]string, len(known))
	for i, p := range known {
		names[i] = p.name
	}
	slices.Sort(names)
	advice := "; known are "
	if meant := nearest.Name(name, names); meant != "" {
		advice = fmt.Sprintf(", did you mean %s? Known are ", meant)
	}
	return &parameterError{parameter: name, detail: fmt.Sprintf("unknown parameter %q", name) + advice + strings.Join(names, ", ")}
}

// setNumber reads an integer from least to most, or says what is wrong with the text.
func setNumber[T int | int64](to *T, text string, least, most T) (wrong string) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n < uint64(least) || n > uint64(most) {
		return fmt.Sprintf("is %q, expected an integer from %d to %d", text, least, most)
	}
	*to = T(n)
	return ""
}
