package api

import (
	"fmt"
	"math"
	"net/http"

	"jpmovies/internal/movie"
)

// route is a path, what serves it, and what is told about it.
type route struct {
	path    string
	handle  handler
	about   operation
	answers answers
}

// routes is all there is.
func (a *API) routes() []route {
	return []route{
		{
			"/", a.start,
			operation{ID: "index", Summary: "Where to begin"},
			answers{description: "The first URL to follow.", content: inJSON("Index"), kept: true, constant: true},
		},
		{
			"/movies", a.movies,
			operation{
				ID: "movies", Summary: "A page of the movies that match all filters, in an order",
				Description: "Follow next_url until it is null: that visits every movie that is there all the while exactly once, whatever changes meanwhile.",
				Parameters:  append(filterParameters(), moviesParameters()...),
			},
			answers{description: "A page.", content: inJSON("Movies"), headers: []string{"Link", "Total-Count"}, kept: true, more: []int{http.StatusNotImplemented}},
		},
		{
			"/movies/{id}", a.movie,
			operation{ID: "movie", Summary: "One movie", Parameters: []parameter{idParameter()}},
			answers{description: "The movie.", content: inJSON("Movie"), kept: true, more: []int{http.StatusNotFound}},
		},
		{
			"/movies/{id}/history", a.history,
			operation{
				ID: "history", Summary: "What has changed a movie, the newest first",
				Description: "As far back as changes are kept. A movie that is deleted has its history still.",
				Parameters:  append([]parameter{idParameter()}, pageParameters("changes", "revisions")...),
			},
			answers{description: "A page.", content: inJSON("History"), headers: []string{"Link"}, kept: true, more: []int{http.StatusNotFound}},
		},
		{
			"/export", a.export,
			operation{
				ID: "export", Summary: "All movies that match all filters, as they are at one revision",
				Description: "Streamed, the highest id first. An answer that breaks off is told by the transfer: take it for nothing. Then follow /changes from its Catalogue-Revision, and you have a mirror.",
				Parameters: append(filterParameters(), query("format", "The format, whatever the header Accept says. spreadsheet is CSV to be opened in one: cells that it would take for formulas begin with an apostrophe.",
					schema{Type: "string", Enum: []string{"csv", "ndjson", "spreadsheet"}}, "csv")),
			},
			answers{description: "The movies, one a line; as CSV with a header, and cast and genres as JSON.", headers: []string{"Content-Disposition"}, content: object[mediaType]{
				{"application/x-ndjson", mediaType{Schema: schema{Type: "string", Description: "Each line is a Movie."}}},
				{"text/csv", mediaType{Schema: schema{Type: "string", Description: "Columns: id, title, year, cast, genres."}}},
			}},
		},
		{
			"/changes", a.changes,
			operation{
				ID: "changes", Summary: "What has changed after a revision, in commit order, with the movie as it is now",
				Description: "As a page, at once or after waiting for a change; or, with Accept: text/event-stream, as a stream of server-sent events that resumes by Last-Event-ID and says every 15 seconds that it lives.",
				Parameters:  changeParameters(),
			},
			answers{
				description: "The first changes. There is always a next_url.", headers: []string{"Link", "Server-Timing", "X-Accel-Buffering"},
				content: append(inJSON("Changes"), member[mediaType]{"text/event-stream", mediaType{Schema: schema{
					Type: "string", Description: "Events of the type change; the id is the revision, the data a Change.",
				}}}),
				more: []int{http.StatusGone},
			},
		},
		{
			"/genres", a.genres,
			operation{
				ID: "genres", Summary: "The genres of the movies that match all filters, with their number, the most common first, then by name",
				Parameters: filterParameters(),
			},
			answers{description: "The genres.", content: inJSON("Genres"), headers: []string{"Total-Count"}, kept: true, more: []int{http.StatusNotImplemented}},
		},
		{
			"/years", a.years,
			operation{ID: "years", Summary: "The years of the movies that match all filters, with their number, in order", Parameters: filterParameters()},
			answers{description: "The years.", content: inJSON("Years"), headers: []string{"Total-Count"}, kept: true, more: []int{http.StatusNotImplemented}},
		},
		{
			"/people", a.people,
			operation{
				ID: "people", Summary: "A page of the people in the movies that match all filters, those with the most of them first, then by name",
				Parameters: append(filterParameters(), peopleParameters()...),
			},
			answers{description: "A page.", content: inJSON("People"), headers: []string{"Link", "Total-Count"}, kept: true, more: []int{http.StatusNotImplemented}},
		},
		{
			"/suggest", a.suggest,
			operation{
				ID: "suggest", Summary: "While somebody types: the movies, people and genres that may be meant, the best first",
				Description: "They have all words, the last one as a prefix. Where there is none, one letter of a word may be wrong from 4 letters on, and two from 8.",
				Parameters:  suggestParameters(),
			},
			answers{description: "The suggestions.", content: inJSON("Suggestions"), kept: true, more: []int{http.StatusNotImplemented}},
		},
		{
			"/status", a.status,
			operation{ID: "status", Summary: "How fresh the catalogue is", Description: "Read from the database each time."},
			answers{description: "The status.", content: inJSON("Status")},
		},
		{
			"/openapi.json", a.openapi,
			operation{ID: "openapi", Summary: "This document"},
			answers{description: "The OpenAPI document.", content: object[mediaType]{{"application/json", mediaType{Schema: schema{Type: "object", Others: new(true)}}}}, kept: true, constant: true},
		},
	}
}

const overview = `The movies that producers have told of, as JSON. Everything is read-only; HEAD answers like GET without the body.

Answers are at most the configured staleness (a quarter of a second) behind the database, and so is what you read after a write. ` +
	`Movies, lists, counts and suggestions come from an index in memory, exactly as the catalogue is at the revision that Catalogue-Revision names. ` +
	`They carry an entity tag: with If-None-Match, an answer that has not changed is 304. While the database is away, they are answered still, with their Age; the rest is 503.

Unknown parameters, repeats where one value is meant, values out of range and empty values are errors (400), not ignored. ` +
	`Every error is a problem document (RFC 9457). Bodies come in zstd or gzip by Accept-Encoding. Scripts of all origins may read.`

func inJSON(name string) object[mediaType] {
	return object[mediaType]{{"application/json", mediaType{Schema: ref(name)}}}
}

func ref(name string) schema { return schema{Ref: "#/components/schemas/" + name} }

func integer(least, most int64) schema {
	s := schema{Type: "integer", Format: "int64", Minimum: &least}
	if most < math.MaxInt64 {
		s.Maximum = &most
	}
	return s
}

func text() schema { return schema{Type: "string", MinLength: 1} }

// told adds what a schema means, with an example.
func told(s schema, description string, example any) schema {
	s.Description, s.Examples = description, []any{example}
	return s
}

func orAbsent(s schema) schema {
	s.Type = []any{s.Type, "null"}
	return s
}

func listOf(s schema) schema { return schema{Type: "array", Items: &s} }

// record is an object whose members are all there.
func record(description string, members object[schema]) schema {
	s := schema{Type: "object", Description: description, Properties: members}
	for _, m := range members {
		s.Required = append(s.Required, m.name)
	}
	return s
}

func query(name, description string, s schema, example any) parameter {
	return parameter{Name: name, In: "query", Description: description, Schema: s, Example: example}
}

// repeated may be given several times.
func repeated(s schema, most int) schema {
	s = listOf(s)
	s.MaxItems = most
	return s
}

// filterParameters are those of movie.ParseFilter.
func filterParameters() []parameter {
	year := integer(movie.MinYear, movie.MaxYear)
	names := func(name, description, example string) parameter {
		return query(name, description, repeated(text(), movie.MaxRepeats), []string{example})
	}
	return []parameter{
		names("cast", "The name of a cast member, exact; the movie has all that are given.", "Mark Zei"),
		names("cast_any", "The name of a cast member, exact; the movie has at least one that is given.", "Chris Ruf"),
		names("cast_not", "The name of a cast member, exact; the movie has none that is given.", "Tom Hardy"),
		names("genre", "A genre, exact; the movie has all that are given.", "Politics"),
		names("genre_any", "A genre, exact; the movie has at least one that is given.", "Drama"),
		names("genre_not", "A genre, exact; the movie has none that is given.", "War"),
		query("id", "The id of a movie; the movie is one of these.", repeated(integer(1, math.MaxInt64), movie.MaxIDs), []int{10}),
		query("q", fmt.Sprintf("Words of the title, whatever their case and accents; the last one may be the beginning of a word. At most %d.", movie.MaxWords),
			text(), "the da"),
		query("title", "The title, exact.", text(), "The dawn"),
		query("year", "The year.", year, 2020),
		query("year_from", "The first year that is wanted.", year, 1990),
		query("year_to", "The last year that is wanted; not before year_from.", year, 2020),
	}
}

func idParameter() parameter {
	return parameter{Name: "id", In: "path", Required: true, Description: "The movie's id.", Schema: integer(1, math.MaxInt64), Example: 10}
}

// pageParameters choose a page.
func pageParameters(of, by string) []parameter {
	limit := integer(1, movie.MaxLimit)
	limit.Default = movie.DefaultLimit
	return []parameter{
		query("limit", "How many "+of+" at most.", limit, 2),
		query("start", "Only "+by+" below this one; next_url carries it.", integer(1, math.MaxInt64), 11),
	}
}

// moviesParameters choose a page of movies.
func moviesParameters() []parameter {
	order := schema{Type: "string", Enum: []string{"-id", "-year", "match", "title", "year"}, Default: "-id"}
	return []parameter{
		pageParameters("movies", "ids")[0],
		query("sort", "The order: the highest id first, the latest year first, how well the title fits q (the same words, all words whole, the last one as a prefix), "+
			"the title's words, the earliest year first. Of equal ones the highest id comes first. match needs q.", order, "-year"),
		query("start", "Only what comes behind the movie with this id in that order; next_url carries it. The movie may be deleted.", integer(1, math.MaxInt64), 11),
	}
}

// peopleParameters choose a page of people.
func peopleParameters() []parameter {
	return []parameter{
		pageParameters("people", "")[0],
		query("name", fmt.Sprintf("Words of the name, as q those of the title. At most %d.", movie.MaxWords), text(), "mark z"),
		query("start", "Only what comes behind this name; next_url carries it.", text(), "Mark Zei"),
	}
}

func suggestParameters() []parameter {
	limit := integer(1, movie.MaxSuggestions)
	limit.Default = movie.DefaultSuggestions
	q := query("q", fmt.Sprintf("What has been typed: words, the last one may be the beginning of one. At most %d.", movie.MaxWords), text(), "the da")
	q.Required = true
	return []parameter{query("limit", "How many suggestions at most.", limit, 5), q}
}

func changeParameters() []parameter {
	limit, since := integer(1, maxChanges), integer(0, math.MaxInt64)
	limit.Default, since.Default = defaultChanges, 0
	return []parameter{
		query("lastEventId", "Instead of since, for clients of a stream that cannot set the header Last-Event-ID.", integer(0, math.MaxInt64), 18),
		query("limit", "How many changes at most; a stream does not heed it.", limit, 100),
		query("since", "The revision that you know: the changes after it are wanted.", since, 18),
		query("wait", fmt.Sprintf("How long to wait for a change while there is none: a number and its unit, at most %s; a stream does not heed it.", maxWait),
			schema{Type: "string", Pattern: `^([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m))+$|^0$`, Default: "0s"}, "30s"),
		{
			Name: "Last-Event-ID", In: "header", Description: "For a stream, instead of since: the id of the last event that was received.",
			Schema: integer(0, math.MaxInt64), Example: 18,
		},
	}
}

// schemas are the documents and their parts.
var schemas = object[schema]{
	{"Index", record("Where to begin.", object[schema]{
		{"movies_url", told(text(), "URL of the first page of movies.", "/movies")},
	})},
	{"Movie", record("A movie.", object[schema]{
		{"id", told(integer(1, math.MaxInt64), "Its id: it stays, and is never given to another movie.", 10)},
		{"title", told(text(), "Its title, in Unicode's form NFC.", "The dawn")},
		{"year", told(integer(movie.MinYear, movie.MaxYear), "The year of its release, in the Gregorian calendar. Title and year make the movie.", 2020)},
		{"cast", told(listOf(text()), "Names of cast members, in the producer's order.", []string{"Chris Ruf", "Mark Zei"})},
		{"genres", told(listOf(text()), "Its genres, in the producer's order.", []string{"Politics"})},
		{"self_url", told(text(), "URL of this movie.", "/movies/10")},
	})},
	{"Movies", record("A page of movies.", object[schema]{
		{"movies", told(listOf(ref("Movie")), "The movies.", []any{})},
		{"next_url", told(orAbsent(text()), "URL of the page that follows; null when there is none.", "/movies?limit=2&start=11")},
	})},
	{"Event", record("A change of the movie.", object[schema]{
		{"revision", told(integer(1, math.MaxInt64), "The number of this change.", 17)},
		{"time", told(moment(), "When it was committed.", "2026-03-01T12:00:00Z")},
		{"changed", told(listOf(schema{Type: "string", Enum: movie.ChangedNames()}),
			"What changed. created: the movie is new. deleted: a tombstone hides it. restored: a newer update shows it again, or for the first time. "+
				"cast, genres: the list is another one. Empty for changes that were committed before this was kept.", []string{"cast", "genres"})},
	})},
	{"History", record("A page of a movie's history.", object[schema]{
		{"history", told(listOf(ref("Event")), "The changes, the newest first.", []any{})},
		{"next_url", told(orAbsent(text()), "URL of the page that follows; null when there is none.", "/movies/10/history?limit=2&start=11")},
	})},
	{"Change", record("A change of one movie.", object[schema]{
		{"revision", told(integer(1, math.MaxInt64), "The number of this change: each has the next one.", 17)},
		{"id", told(integer(1, math.MaxInt64), "The movie's id.", 7)},
		{"movie", schema{
			Description: "The movie as it is now, later changes included; null when it is deleted.",
			AnyOf:       []schema{ref("Movie"), {Type: "null"}}, Examples: []any{nil},
		}},
	})},
	{"Changes", record("A piece of the change feed.", object[schema]{
		{"changes", told(listOf(ref("Change")), "The changes in commit order.", []any{})},
		{"revision", told(integer(0, math.MaxInt64), "The last revision that this piece holds.", 18)},
		{"next_url", told(text(), "URL of the piece that follows.", "/changes?since=18")},
	})},
	{"Genres", record("Genres.", object[schema]{
		{"genres", told(listOf(record("A genre.", object[schema]{
			{"genre", told(text(), "Its name.", "Drama")},
			{"movies", told(integer(1, math.MaxInt64), "How many of the movies have it.", 799)},
			{"movies_url", told(text(), "URL of all movies that have it.", "/movies?genre=Drama")},
		})), "The most common first, then by name.", []any{})},
	})},
	{"People", record("A page of people.", object[schema]{
		{"people", told(listOf(record("A cast member.", object[schema]{
			{"name", told(text(), "The name.", "Tom Hanks")},
			{"movies", told(integer(1, math.MaxInt64), "In how many of the movies.", 54)},
			{"first_year", told(integer(movie.MinYear, movie.MaxYear), "The year of the earliest of them.", 1980)},
			{"last_year", told(integer(movie.MinYear, movie.MaxYear), "The year of the latest of them.", 2022)},
			{"movies_url", told(text(), "URL of all movies with this cast member.", "/movies?cast=Tom+Hanks")},
		})), "Those with the most movies first, then by name.", []any{})},
		{"next_url", told(orAbsent(text()), "URL of the page that follows; null when there is none.", "/people?limit=2&start=Tom+Hanks")},
	})},
	{"Suggestions", record("What may be meant.", object[schema]{
		{"suggestions", told(listOf(suggestionSchema()), "The best first.", []any{})},
	})},
	{"Years", record("Years.", object[schema]{
		{"years", told(listOf(record("A year.", object[schema]{
			{"year", told(integer(movie.MinYear, movie.MaxYear), "The year.", 2020)},
			{"movies", told(integer(1, math.MaxInt64), "How many of the movies are of it.", 31)},
			{"movies_url", told(text(), "URL of all movies of it.", "/movies?year=2020")},
		})), "The earliest first.", []any{})},
	})},
	{"Status", record("How fresh the catalogue is.", object[schema]{
		{"revision", told(integer(0, math.MaxInt64), "How many changes there were so far.", 18)},
		{"movies", told(integer(0, math.MaxInt64), "How many movies there are.", 36)},
		{"last_commit", told(orAbsent(moment()), "When a worker last committed changes; null for never.", "2026-03-01T12:00:00Z")},
		{"objects_waiting", told(integer(0, math.MaxInt64), "How many objects waited in the bucket when the workers last looked.", 0)},
		{"oldest_waiting_seconds", told(orAbsent(integer(0, math.MaxInt64)), "Age of the oldest of them, in seconds; null when none waits.", 3)},
		{"workers", told(listOf(record("A worker.", object[schema]{
			{"shard", told(schema{Type: "string"}, "Its part of the keys, i/n; empty for all.", "0/2")},
			{"last_pass", told(orAbsent(moment()), "When it last finished a pass over the bucket; null for never.", "2026-03-01T12:00:00Z")},
		})), "The workers that have reported.", []any{})},
	})},
	{"Problem", problemSchema()},
}

// suggestionSchema is what all kinds have, and what some do.
func suggestionSchema() schema {
	s := record("A movie, a person or a genre.", object[schema]{
		{"kind", told(schema{Type: "string", Enum: []string{"movie", "person", "genre"}}, "What it is.", "movie")},
		{"text", told(text(), "The title or the name.", "Interstellar")},
		{"url", told(text(), "URL of the movie, or of all movies of the person or the genre.", "/movies/35")},
	})
	s.Properties = append(s.Properties,
		member[schema]{"year", told(integer(movie.MinYear, movie.MaxYear), "The year of a movie.", 2014)},
		member[schema]{"movies", told(integer(1, math.MaxInt64), "How many movies a person or a genre has.", 54)},
	)
	return s
}

func moment() schema { return schema{Type: "string", Format: "date-time"} }

func problemSchema() schema {
	s := record("A problem document (RFC 9457).", object[schema]{
		{"type", schema{Type: "string", Const: "about:blank", Description: "Says no more than the status.", Examples: []any{"about:blank"}}},
		{"title", told(text(), "The status in words.", "Bad Request")},
		{"status", told(integer(400, 599), "The HTTP status.", http.StatusBadRequest)},
		{"detail", told(text(), "What is wrong, and what would be right.", `limit is "0", expected an integer from 1 to 100`)},
	})
	s.Properties = append(s.Properties, member[schema]{"parameter", told(schema{Type: "string"}, "The parameter at fault, if one is.", "limit")})
	return s
}

var headers = object[header]{
	{"Catalogue-Revision", header{"The revision of the catalogue: movies, lists and counts are exactly as they are at it; changes may be newer.", integer(0, math.MaxInt64), 18}},
	{"ETag", header{"The entity tag of the answer, the same for all encodings. Send it as If-None-Match.", text(), `W/"qrvM3e7_ABE"`}},
	{"Link", header{`The URL of next_url, as rel="next"; absent when that is null.`, text(), `</movies?limit=2&start=11>; rel="next"`}},
	{"Total-Count", header{"How many movies match the filters; of people, how many people. Absent when the index is off.", integer(0, math.MaxInt64), 36}},
	{"Age", header{"For how many seconds the database has not confirmed the answer, or how far the replica that is read is behind, from 2 on.", integer(0, math.MaxInt64), 12}},
	{"Server-Timing", header{"cache when the answer was at hand, else how many milliseconds the index or the database took.", text(), "index;dur=0.8"}},
	{"Content-Disposition", header{"A file name for CSV that is saved.", text(), `attachment; filename="movies-18.csv"`}},
	{"X-Accel-Buffering", header{"no, on a stream: proxies that know it do not hold back events.", text(), "no"}},
	{"Retry-After", header{"In how many seconds to try again.", integer(0, math.MaxInt64), 5}},
	{"Allow", header{"The methods that are allowed.", text(), "GET, HEAD, OPTIONS"}},
}

// problems are the answers that are no 200, by their status.
var problems = object[response]{
	{"304", response{
		Description: "The answer is the one that If-None-Match names; there is no body.",
		Headers:     referTo("Catalogue-Revision", "ETag", "Link", "Total-Count", "Age", "Server-Timing"),
	}},
	{"400", problemResponse("The request is wrong; parameter says which part of it.")},
	{"404", problemResponse("There is no such movie.")},
	{"405", problemResponse("The method is not GET, HEAD or OPTIONS.", "Allow")},
	{"410", problemResponse("The changes after since are no longer kept, or the catalogue has no such revision. Take a new export.")},
	{"501", problemResponse("Only the index answers that, and it is switched off (MOVIES_API_INDEX).")},
	{"503", problemResponse("The database cannot be read at the moment, the index is still being loaded, or too much is asked at once.", "Retry-After")},
}

func problemResponse(description string, names ...string) response {
	r := response{Description: description, Content: object[mediaType]{{"application/problem+json", mediaType{Schema: ref("Problem")}}}}
	r.Headers = referTo(append([]string{"Catalogue-Revision", "Age"}, names...)...)
	return r
}
