package decode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"jpmovies/internal/movie"
)

// fieldByAlias maps the names that producers use, in lower case, to the fields of an update.
var fieldByAlias = map[string]string{
	"title": "title", "name": "title", "movie": "title", "film": "title", "movie_title": "title", "movietitle": "title", "primarytitle": "title",
	"year": "year", "release_year": "year", "releaseyear": "year", "released": "year", "release_date": "year", "date": "year", "startyear": "year",
	"cast": "cast", "actors": "cast", "actor": "cast", "stars": "cast", "starring": "cast", "people": "cast",
	"genres": "genres", "genre": "genres", "category": "genres", "categories": "genres",
	"deleted": "deleted", "delete": "deleted", "is_deleted": "deleted", "isdeleted": "deleted",
}

// Meant returns the field that a producer probably meant by an ignored one (see
// [Item.Ignored]); "" if none.
func Meant(ignored string) string {
	return fieldByAlias[strings.ToLower(ignored[strings.LastIndexByte(ignored, '/')+1:])]
}

// maxFields is how many names a FieldCounts holds, and as many others that Meant knows.
const maxFields = 100

// FieldCounts counts the updates that had an ignored field, by its name.
type FieldCounts struct {
	Updates map[string]int
	More    bool // there are more names
}

// Add counts the fields of an update and returns those that are new.
func (c *FieldCounts) Add(names []string) (fresh []string) {
	if c.Updates == nil {
		c.Updates = make(map[string]int)
	}
	for _, name := range names {
		n := len(c.Updates)
		switch {
		case c.Updates[name] > 0:
		case n < maxFields, n < 2*maxFields && Meant(name) != "":
			fresh = append(fresh, name)
		default:
			c.More = true
			continue
		}
		c.Updates[name]++
	}
	return fresh
}

const (
	// maxIgnored is how many ignored fields of one update are named, and as many others
	// that Meant knows.
	maxIgnored = 64
	// maxNames is how many names a decoder remembers, of at most maxRaw bytes each.
	maxNames = 1024
	maxRaw   = 2 * maxQuoted
)

// ignoredFields holds the unknown fields of an update. It remembers their names, so that
// naming a field again allocates nothing.
type ignoredFields struct {
	known   map[string]string // by raw name
	names   []string          // of the current update
	wrapper string            // the first that contains objects, as in {"movies": [...]}
}

func (i *ignoredFields) reset() { i.names, i.wrapper = i.names[:0], "" }

// note adds a field by its raw name, and returns its name.
func (i *ignoredFields) note(raw []byte) string {
	name, found := i.known[string(raw)]
	if !found {
		name = strings.Clone(cut(unescape(jsontext.Value(raw)), maxQuoted)) // else it would keep a long name alive
		if i.known == nil || len(i.known) >= maxNames {
			i.known = make(map[string]string)
		}
		if len(raw) <= maxRaw {
			i.known[string(raw)] = name
		}
	}
	i.add(name)
	return name
}

func (i *ignoredFields) add(name string) {
	if len(i.names) < maxIgnored || len(i.names) < 2*maxIgnored && Meant(name) != "" {
		i.names = append(i.names, name)
	}
}

// meant returns the first name by which a field was probably meant.
func (i *ignoredFields) meant(field string) (name string, found bool) {
	for _, name := range i.names {
		if Meant(name) == field && !strings.Contains(name, "/") {
			return name, true
		}
	}
	return "", false
}

// misspelt returns the first name that has the letters of a field in another order.
func (i *ignoredFields) misspelt(field string) (name string, found bool) {
	for _, name := range i.names {
		if sorted(name) == sorted(field) {
			return name, true
		}
	}
	return "", false
}

// sorted returns the bytes of a word in lower case, in order.
func sorted(word string) string {
	letters := []byte(strings.ToLower(word))
	slices.Sort(letters)
	return string(letters)
}

// missing returns the error for an update without a required field.
func (i *ignoredFields) missing(field, expected string) invalidError {
	name, found := i.meant(field)
	if !found {
		name, found = i.misspelt(field)
	}
	if found {
		return invalidError(fmt.Sprintf("%s: found nothing, expected %s; rename %s to %q", field, expected, quote(name), field))
	}
	return invalidError(fmt.Sprintf("%s: found nothing, expected %s", field, expected))
}

// wrapped reports whether the updates are inside the wrapper: beside it is no title in
// another case, and not both title and year under other names.
func (i *ignoredFields) wrapped() bool {
	title, titled := i.meant("title")
	_, dated := i.meant("year")
	return i.wrapper != "" && !strings.EqualFold(title, "title") && (!dated || !titled || title == i.wrapper)
}

// complete returns an error if title or year is missing: only then they are zero.
func (i *ignoredFields) complete(u *movie.Update) error {
	switch {
	case u.Title == "" && u.Year == 0 && i.wrapped():
		return invalidf("update: found the updates inside %s, expected them without it: one array, or one object after the other", quote(i.wrapper))
	case u.Title == "":
		return i.missing("title", "a string")
	case u.Year == 0:
		return i.missing("year", expectedYear)
	}
	return nil
}

// ignore skips an unknown field.
func (p *parser) ignore(raw []byte) error {
	name := p.ignored.note(raw)
	switch p.strict.PeekKind() {
	case jsontext.KindBeginObject:
		return p.ignoreObject(name)
	case jsontext.KindBeginArray:
		return p.ignoreArray(name)
	}
	return p.strict.SkipValue()
}

// ignoreObject skips an object, and notes the members that Meant knows.
func (p *parser) ignoreObject(name string) error {
	p.ignored.wraps(name)
	if _, err := p.strict.ReadToken(); err != nil {
		return err
	}
	for p.strict.PeekKind() != jsontext.KindEndObject {
		member, err := p.strict.ReadValue()
		if err != nil {
			return err
		}
		if inner := string(member[1 : len(member)-1]); fieldByAlias[strings.ToLower(inner)] != "" {
			p.ignored.add(name + "/" + inner)
		}
		if err := p.skipMember(); err != nil {
			return err
		}
	}
	_, err := p.strict.ReadToken()
	return err
}

func (p *parser) ignoreArray(name string) error {
	outside := p.strict.StackDepth()
	if _, err := p.strict.ReadToken(); err != nil {
		return err
	}
	if p.strict.PeekKind() == jsontext.KindBeginObject {
		p.ignored.wraps(name)
	}
	return skipTo(&p.strict, outside)
}

// wraps notes a field that contains objects.
func (i *ignoredFields) wraps(name string) {
	if i.wrapper == "" {
		i.wrapper = name
	}
}

func (p *parser) skipMember() error {
	switch p.strict.PeekKind() {
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		return skipValue(&p.strict)
	}
	return p.strict.SkipValue()
}
