package client

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Movie is a movie of the catalogue. Its lists are never nil.
type Movie struct {
	ID     int64    `json:"id"`
	Title  string   `json:"title"`
	Year   int      `json:"year"`
	Cast   []string `json:"cast"`
	Genres []string `json:"genres"`
}

// Filter selects movies that match all of its fields; a field that is empty selects all.
// Matches are exact, but for Words.
type Filter struct {
	Title string
	Year  int
	// YearFrom and YearTo are a range, both included.
	YearFrom, YearTo int
	// Words of the title, whatever their case and accents; the last one may be the
	// beginning of a word.
	Words string
	// The movie has all of these.
	Cast, Genre []string
	// The movie has at least one of these.
	CastAny, GenreAny []string
	// The movie has none of these.
	CastNot, GenreNot []string
	// IDs, up to 100: only these movies.
	IDs []int64
}

// values returns the filter as a query string.
func (f Filter) values() url.Values {
	v := url.Values{}
	setText(v, "title", f.Title)
	setText(v, "q", f.Words)
	setNumber(v, "year", f.Year)
	setNumber(v, "year_from", f.YearFrom)
	setNumber(v, "year_to", f.YearTo)
	for name, list := range map[string][]string{
		"cast": f.Cast, "genre": f.Genre, "cast_any": f.CastAny, "genre_any": f.GenreAny, "cast_not": f.CastNot, "genre_not": f.GenreNot,
	} {
		if len(list) > 0 {
			v[name] = slices.Clone(list)
		}
	}
	for _, id := range f.IDs {
		v.Add("id", strconv.FormatInt(id, 10))
	}
	return v
}

func setText(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setNumber(v url.Values, name string, value int) {
	if value != 0 {
		v.Set(name, strconv.Itoa(value))
	}
}

// Query asks for movies.
type Query struct {
	Filter
	// Sort is "-id", the newest first, when empty; else "year", "-year", "title" or, with
	// Words, "match".
	Sort string
	// PageSize is the number of movies in a request, up to 100; 100 when 0.
	PageSize int
}

const largestPage = 100

// page is an answer with a list that goes on.
type page struct {
	Movies  []Movie  `json:"movies"`
	People  []Person `json:"people"`
	NextURL *string  `json:"next_url"`
}

// walk asks for one page after the other.
func walk[T any](ctx context.Context, c *Client, path string, query url.Values, items func(page) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := query
		for {
			p, err := ask[page](ctx, c, tries, path, query, 0)
			for _, item := range items(p) {
				if !yield(item, nil) {
					return
				}
			}
			var next *url.URL
			if err == nil {
				if p.NextURL == nil {
					return
				}
				next, err = url.Parse(*p.NextURL)
			}
			if err == nil && maps.EqualFunc(next.Query(), query, slices.Equal) {
				err = fmt.Errorf("answer to %s: a page is its own next one", path)
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			query = next.Query()
		}
	}
}

// Movies iterates over all movies that match, in the order of the query. It visits every
// movie that stays in the catalogue exactly once, whatever changes meanwhile. An error
// ends it.
func (c *Client) Movies(ctx context.Context, q Query) iter.Seq2[Movie, error] {
	v := q.values()
	setText(v, "sort", q.Sort)
	v.Set("limit", strconv.Itoa(pageSize(q.PageSize)))
	return walk(ctx, c, "/movies", v, func(p page) []Movie { return p.Movies })
}

func pageSize(wanted int) int {
	if wanted == 0 {
		return largestPage
	}
	return wanted
}

// Movie returns one movie, or an error that is ErrNotFound.
func (c *Client) Movie(ctx context.Context, id int64) (Movie, error) {
	return ask[Movie](ctx, c, tries, "/movies/"+strconv.FormatInt(id, 10), nil, 0)
}

// Count returns the number of movies that match.
func (c *Client) Count(ctx context.Context, f Filter) (int64, error) {
	return retry(ctx, c, tries, func(ctx context.Context) (int64, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		response, err := c.send(ctx, http.MethodHead, "/movies", f.values())
		if err != nil {
			return 0, err
		}
		_ = response.Body.Close()
		count, err := strconv.ParseInt(response.Header.Get("Total-Count"), 10, 64)
		if err != nil {
			return 0, &finalError{fmt.Errorf("the API counts nothing; is its index off? %w", err)}
		}
		return count, nil
	})
}

// Genre is a genre with the number of its movies.
type Genre struct {
	Genre  string `json:"genre"`
	Movies int64  `json:"movies"`
}

// Genres returns the genres of the movies that match, those with the most movies first.
func (c *Client) Genres(ctx context.Context, f Filter) ([]Genre, error) {
	found, err := ask[struct{ Genres []Genre }](ctx, c, tries, "/genres", f.values(), 0)
	return found.Genres, err
}

// Year is a year with the number of its movies.
type Year struct {
	Year   int   `json:"year"`
	Movies int64 `json:"movies"`
}

// Years returns the years of the movies that match, in their order.
func (c *Client) Years(ctx context.Context, f Filter) ([]Year, error) {
	found, err := ask[struct{ Years []Year }](ctx, c, tries, "/years", f.values(), 0)
	return found.Years, err
}

// Person is somebody in the cast of movies.
type Person struct {
	Name      string `json:"name"`
	Movies    int64  `json:"movies"`
	FirstYear int    `json:"first_year"`
	LastYear  int    `json:"last_year"`
}

// PeopleQuery asks for people.
type PeopleQuery struct {
	// Filter selects the movies whose cast is meant.
	Filter
	// Name has words of the name, as Words has those of a title.
	Name string
	// PageSize is the number of people in a request, up to 100; 100 when 0.
	PageSize int
}

// People iterates over the people in the movies that match, those with the most movies
// first. An error ends it.
func (c *Client) People(ctx context.Context, q PeopleQuery) iter.Seq2[Person, error] {
	v := q.values()
	setText(v, "name", q.Name)
	v.Set("limit", strconv.Itoa(pageSize(q.PageSize)))
	return walk(ctx, c, "/people", v, func(p page) []Person { return p.People })
}

// Suggestion completes a text that somebody types.
type Suggestion struct {
	Kind string `json:"kind"` // movie, person or genre
	Text string `json:"text"`
	// Year is that of a movie, Movies the number of a person's or a genre's movies.
	Year   int   `json:"year"`
	Movies int64 `json:"movies"`
}

// Suggest returns up to limit completions of a text, 1 to 20, the best first; 8 when limit
// is 0.
func (c *Client) Suggest(ctx context.Context, text string, limit int) ([]Suggestion, error) {
	v := url.Values{"q": {text}}
	setNumber(v, "limit", limit)
	found, err := ask[struct{ Suggestions []Suggestion }](ctx, c, tries, "/suggest", v, 0)
	return found.Suggestions, err
}

// Status is how fresh the catalogue is.
type Status struct {
	Revision int64 `json:"revision"`
	Movies   int64 `json:"movies"`
	// LastCommit is nil when there was none.
	LastCommit     *time.Time `json:"last_commit"`
	ObjectsWaiting int64      `json:"objects_waiting"`
	// OldestWaitingSeconds is nil when no object waits.
	OldestWaitingSeconds *int64   `json:"oldest_waiting_seconds"`
	Workers              []Worker `json:"workers"`
	Version              string   `json:"version"`
}

// Worker is one that has reported.
type Worker struct {
	Shard    string     `json:"shard"`
	LastPass *time.Time `json:"last_pass"`
}

// Status returns how fresh the catalogue is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, tries, "/status", nil, 0)
}
