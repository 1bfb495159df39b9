package api

import (
	"net/http"
	"net/url"
	"strconv"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// people answers with a page of the people in the matching movies, those with the most
// movies first:
//
//	{"people": [
//	{"name": "Tom Hanks", "movies": 54, "first_year": 1980, "last_year": 2022, "movies_url": "/movies?cast=Tom+Hanks"}
//	],
//	"next_url": "/people?limit=1&start=Tom+Hanks"}
func (a *API) people(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, peopleParameters)
	if err != nil {
		return err
	}
	return a.computed(w, r, "/people?"+r.URL.RawQuery, func(x *index.Index) (*answer, error) {
		found, err := x.People(q.Filter, q.Name, q.StartName, q.Limit)
		if err != nil {
			return nil, &parameterError{parameter: "start", detail: "start is " + strconv.Quote(q.StartName) +
				", a name that no movie of these has, or has any more; begin again without start", cause: err}
		}
		body := []byte(`{"people": [`)
		for i, p := range found.People {
			body = movie.AppendQuoted(append(appendSeparator(body, i), `{"name": `...), p.Name)
			body = appendMovies(body, p.Movies)
			body = strconv.AppendInt(append(body, `, "first_year": `...), int64(p.FirstYear), 10)
			body = strconv.AppendInt(append(body, `, "last_year": `...), int64(p.LastYear), 10)
			body = append(a.appendLink(body, "cast", p.Name), '}')
		}
		next := ""
		if found.More {
			next = a.base + "/people?" + asGiven(q.next(found.People[len(found.People)-1].Name), r.URL.RawQuery)
		}
		return newAnswer(appendNext(appendEnd(body, len(found.People)), next), next).withTotal(found.Total), nil
	})
}

// suggest answers with completions of typed text, the best first:
//
//	{"suggestions": [
//	{"kind": "movie", "text": "Interstellar", "year": 2014, "url": "/movies/35"},
//	{"kind": "person", "text": "Tom Hanks", "movies": 54, "url": "/movies?cast=Tom+Hanks"}
//	]}
func (a *API) suggest(w http.ResponseWriter, r *http.Request) error {
	q, err := parseSuggest(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return a.computed(w, r, "/suggest?"+q.key(), func(x *index.Index) (*answer, error) {
		suggestions := x.Suggest(q.Words, q.Limit)
		body := []byte(`{"suggestions": [`)
		for i, s := range suggestions {
			body = append(append(appendSeparator(body, i), `{"kind": "`...), s.Kind...)
			body = movie.AppendQuoted(append(body, `", "text": `...), s.Text)
			body = a.appendSuggested(body, s)
			body = append(body, '}')
		}
		if len(suggestions) > 0 {
			body = append(body, '\n')
		}
		return newAnswer(append(body, "]}\n"...), ""), nil
	})
}

// appendSuggested appends the fields that depend on the kind of a suggestion, and its URL.
func (a *API) appendSuggested(body []byte, s index.Suggestion) []byte {
	parameter := "cast"
	switch s.Kind {
	case index.KindMovie:
		body = strconv.AppendInt(append(body, `, "year": `...), int64(s.Year), 10)
		return append(body, `, "url": "`+a.base+movieKey(s.ID)+`"`...)
	case index.KindGenre:
		parameter = "genre"
	case index.KindPerson:
	}
	body = appendMovies(body, s.Movies)
	return append(body, `, "url": "`+a.base+`/movies?`+parameter+`=`+url.QueryEscape(s.Text)+`"`...)
}
