package decode

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"jpmovies/internal/movie"
)

// decode parses an update and returns its length.
func (p *parser) decode(data []byte, u *movie.Update) (int, error) {
	if data[0] != '{' {
		return 0, errNoObject
	}
	dec := &p.strict
	p.start(dec, data)
	p.ignored.reset()
	if _, err := dec.ReadToken(); err != nil {
		return 0, err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		if err := p.member(u); err != nil {
			return 0, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return 0, err
	}
	return int(dec.InputOffset()), p.ignored.complete(u)
}

// member reads one member of an update.
func (p *parser) member(u *movie.Update) (err error) {
	name, err := p.strict.ReadValue()
	if err != nil {
		return err
	}
	if bytes.IndexByte(name, '\\') >= 0 {
		name = strconv.AppendQuote(nil, unescape(name)) // so that escapes do not hide a field
	}
	switch string(name) {
	case `"title"`:
		u.Title, err = p.title()
	case `"year"`:
		u.Year, err = p.year()
	case `"cast"`:
		u.Cast, err = p.list("cast", MaxCast)
	case `"genres"`:
		u.Genres, err = p.list("genres", MaxGenres)
	case `"deleted"`:
		u.Deleted, err = p.deleted()
	default:
		err = p.ignore(name)
	}
	return err
}

func unescape(raw jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// wrongType returns the error for the next value, which has another type than expected. The
// content of an object or array does not matter.
func (p *parser) wrongType(field, expected string) error {
	switch p.strict.PeekKind() {
	case jsontext.KindBeginObject:
		return invalidf("%s: found an object, expected %s", field, expected)
	case jsontext.KindBeginArray:
		return invalidf("%s: found an array, expected %s", field, expected)
	}
	raw, err := p.strict.ReadValue()
	if err != nil {
		return err
	}
	return invalidf("%s: found %s, expected %s", field, found(raw), expected)
}

func (p *parser) title() (string, error) {
	const field = "title"
	if p.strict.PeekKind() != jsontext.KindString {
		return "", p.wrongType(field, "a string")
	}
	title, err := p.text(MaxTitle)
	if err == nil && title == "" {
		err = invalidError("found only white space, expected a string that is not blank")
	}
	return title, inField(field, err)
}

// text reads the next value, a string, and cleans it. The caller adds the field's name to an
// error.
func (p *parser) text(limit int) (string, error) {
	raw, err := p.strict.ReadValue()
	if err != nil {
		return "", err
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		p.scratch, err = jsontext.AppendUnquote(p.scratch[:0], raw)
		if err != nil {
			return "", err
		}
		inner = p.scratch
	}
	if bytes.IndexByte(inner, 0) >= 0 {
		return "", invalidf("found a NUL in %s, expected text without", quote(string(inner)))
	}
	text := movie.Clean(string(inner))
	if len(text) > limit {
		return "", invalidf("found %d bytes, expected at most %d", len(text), limit)
	}
	return text, nil
}

var expectedYear = "an integer from " + strconv.Itoa(movie.MinYear) + " to " + strconv.Itoa(movie.MaxYear)

func (p *parser) year() (int, error) {
	const field = "year"
	switch p.strict.PeekKind() {
	case jsontext.KindNumber:
	case jsontext.KindString:
		return 0, p.stringYear()
	default:
		return 0, p.wrongType(field, expectedYear)
	}
	raw, err := p.strict.ReadValue()
	if err != nil {
		return 0, err
	}
	if bytes.ContainsAny(raw, ".eE") {
		return 0, invalidf("%s: found %s, expected %s without fraction or exponent", field, found(raw), expectedYear)
	}
	// Atoi parses all numbers that are in range.
	year, err := strconv.Atoi(string(raw))
	if err != nil || year < movie.MinYear || year > movie.MaxYear {
		return 0, invalidf("%s: found %s, which is out of range, expected %s", field, found(raw), expectedYear)
	}
	return year, nil
}

// stringYear returns the error for a year that is a string, with the remedy if the string is a
// valid year.
func (p *parser) stringYear() error {
	raw, err := p.strict.ReadValue()
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("year: found %s, expected %s", found(raw), expectedYear)
	text := unescape(raw)
	if year, err := strconv.Atoi(text); err == nil && movie.MinYear <= year && year <= movie.MaxYear && strconv.Itoa(year) == text {
		reason += fmt.Sprintf(": write %d without quotes", year)
	}
	return invalidError(reason)
}

func (p *parser) deleted() (bool, error) {
	switch p.strict.PeekKind() {
	case jsontext.KindTrue, jsontext.KindFalse, jsontext.KindNull:
		token, err := p.strict.ReadToken()
		return err == nil && token.Kind() == jsontext.KindTrue, err
	}
	return false, p.wrongType("deleted", "true or false")
}

// list reads names. null means the same as an absent field.
func (p *parser) list(field string, limit int) ([]string, error) {
	switch p.strict.PeekKind() {
	case jsontext.KindNull:
		_, err := p.strict.ReadToken()
		return nil, err
	case jsontext.KindBeginArray:
	default:
		return nil, p.wrongType(field, "an array of strings")
	}
	if _, err := p.strict.ReadToken(); err != nil {
		return nil, err
	}
	p.names = p.names[:0]
	for n := 0; p.strict.PeekKind() != jsontext.KindEndArray; n++ {
		if n == limit {
			return nil, invalidf("%s: found more than %d names, expected at most that", field, limit)
		}
		if err := p.name(field, n); err != nil {
			return nil, err
		}
	}
	if _, err := p.strict.ReadToken(); err != nil {
		return nil, err
	}
	return distinct(p.names), nil
}

// name appends the n-th name of a list to p.names.
func (p *parser) name(field string, n int) error {
	if p.strict.PeekKind() != jsontext.KindString {
		return p.wrongType(field+"/"+strconv.Itoa(n), "a string")
	}
	name, err := p.text(MaxName)
	if err != nil {
		return inField(field+"/"+strconv.Itoa(n), err)
	}
	p.names = append(p.names, name)
	return nil
}

// distinct copies a list without blank and repeated names. Most lists are so short that
// comparing is faster than hashing.
func distinct(names []string) []string {
	const short = 32
	kept := make([]string, 0, len(names))
	if len(names) > short {
		seen := make(map[string]bool, len(names))
		for _, name := range names {
			if name != "" && !seen[name] {
				seen[name] = true
				kept = append(kept, name)
			}
		}
		return kept
	}
	for _, name := range names {
		if name != "" && !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept
}
