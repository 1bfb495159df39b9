package movie

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Row is a visible movie: its id, and its other members as [Movie.AppendFields] writes
// them.
type Row struct {
	ID     int64
	Fields []byte
}

// AppendFields appends the movie's JSON members, without braces, id and self_url. The
// database stores this form, so that the API need not decode it.
//
//	"title": "The dawn", "year": 2020, "cast": ["Chris Ruf", "Mark Zei"], "genres": ["Politics"]
func (m Movie) AppendFields(dst []byte) []byte {
	dst = AppendIdentity(dst, m.Title, m.Year)
	dst = AppendNames(append(dst, `, "cast": `...), m.Cast)
	return AppendNames(append(dst, `, "genres": `...), m.Genres)
}

// AppendIdentity appends the members title and year, as AppendFields does.
func AppendIdentity(dst []byte, title string, year int) []byte {
	dst = AppendQuoted(append(dst, `"title": `...), title)
	return strconv.AppendInt(append(dst, `, "year": `...), int64(year), 10)
}

// AppendJSON appends the row as the API shows it. base is the path in front of the
// link; it needs no escapes.
//
//	{"id": 10, "title": "The dawn", ..., "self_url": "/movies/10"}
func (r Row) AppendJSON(dst []byte, base string) []byte {
	return AppendSelf(append(AppendOpening(dst, r.ID), r.Fields...), base, r.ID)
}

// AppendOpening appends the brace and the id that come before a movie's fields.
func AppendOpening(dst []byte, id int64) []byte {
	dst = strconv.AppendInt(append(dst, `{"id": `...), id, 10)
	return append(dst, `, `...)
}

// AppendSelf appends the link and the brace that come after a movie's fields. base is the
// path in front of the link.
func AppendSelf(dst []byte, base string, id int64) []byte {
	dst = append(append(dst, `, "self_url": "`...), base...)
	dst = strconv.AppendInt(append(dst, `/movies/`...), id, 10)
	return append(dst, `"}`...)
}

// ParseFields parses the output of AppendFields.
func ParseFields(fields []byte) (Movie, error) {
	object := make([]byte, 0, len(fields)+2)
	object = append(append(append(object, '{'), fields...), '}')
	var m struct {
		Title  string   `json:"title"`
		Year   int      `json:"year"`
		Cast   []string `json:"cast"`
		Genres []string `json:"genres"`
	}
	if err := json.Unmarshal(object, &m); err != nil {
		return Movie{}, fmt.Errorf("stored fields are damaged: %w", err)
	}
	return Movie{Identity: Identity{Title: m.Title, Year: m.Year}, Cast: m.Cast, Genres: m.Genres}, nil
}

// AppendNames appends a list as JSON.
func AppendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, `, `...)
		}
		dst = AppendQuoted(dst, name)
	}
	return append(dst, ']')
}

// AppendQuoted appends a JSON string. The text must be valid UTF-8, as decode ensures:
// AppendQuote has no other error.
func AppendQuoted(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}
