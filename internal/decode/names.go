package decode

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"jpmovies/internal/movie"
)

// meant are names that producers use for our fields, in lower case.
var meant = map[string]string{
	"title": "title", "name": "title", "movie": "title", "film": "title", "movie_title": "title", "movietitle": "title", "primarytitle": "title",
	"year": "year", "release_year": "year", "releaseyear": "year", "released": "year", "release_date": "year", "date": "year", "startyear": "year",
	"cast": "cast", "actors": "cast", "actor": "cast", "stars": "cast", "starring": "cast", "people": "cast",
	"genres": "genres", "genre": "genres", "category": "genres", "categories": "genres",
	"deleted": "deleted", "delete": "deleted", "is_deleted": "deleted", "isdeleted": "deleted",
}

// Meant is the field that an ignored one is nearly, by its name; empty if none is.
// The name of a field inside another one is behind a slash.
func Meant(ignored string) string {
	return meant[strings.ToLower(ignored[strings.LastIndexByte(ignored, '/')+1:])]
}

// How many ignored fields an update is said to have, and how many names a decoder
// remembers.
const (
	maxIgnored = 64
	maxNames   = 1024
)

// ignoring remembers names of fields that mean nothing here, so that naming them
// costs no memory.
type ignoring struct {
	known map[string]string
	// names are those of the present update.
	names []string
	// wrapper is the first of them that holds objects, as {"movies": [...]} does.
	wrapper string
}

func (i *ignoring) reset() { i.names, i.wrapper = i.names[:0], "" }

// note notes a field by its raw name, and returns the name.
func (i *ignoring) note(raw []byte) string {
	name, found := i.known[string(raw)]
	if !found {
		if i.known == nil || len(i.known) >= maxNames {
			i.known = make(map[string]string)
		}
		name = cut(unescape(jsontext.Value(raw)), maxQuoted)
		i.known[string(raw)] = name
	}
	i.add(name)
	return name
}

func (i *ignoring) add(name string) {
	if len(i.names) < maxIgnored {
		i.names = append(i.names, name)
	}
}

// missing is the reason for an update without a required field.
func (i *ignoring) missing(field, expected string) fault {
	for _, name := range i.names {
		if Meant(name) == field && !strings.Contains(name, "/") {
			return fault(fmt.Sprintf("%s: found nothing, expected %s; rename %s to %q", field, expected, quote(name), field))
		}
	}
	return fault(fmt.Sprintf("%s: found nothing, expected %s", field, expected))
}

// complete tells whether an update names its movie. Both parts are zero only
// when they are missing.
func (i *ignoring) complete(u *movie.Update) error {
	switch {
	case u.Title == "" && u.Year == 0 && i.wrapper != "":
		return faultf("update: found the updates inside %s, expected them without it: one array, or one object after the other", quote(i.wrapper))
	case u.Title == "":
		return i.missing("title", "a string")
	case u.Year == 0:
		return i.missing("year", expectedYear)
	}
	return nil
}

// ignore reads over a field that means nothing here.
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

// ignoreObject reads over an object, and notes its members that are nearly fields.
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
		if inner := string(member[1 : len(member)-1]); meant[strings.ToLower(inner)] != "" {
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

func (i *ignoring) wraps(name string) {
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
