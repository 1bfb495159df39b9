package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/responses"

	"jpmovies/internal/api"
	"jpmovies/internal/movie"
)

const contract = "openapi.json"

// TestOpenAPI: the API serves the contract, with its base path as the server, and the contract is
// valid.
func TestOpenAPI(t *testing.T) {
	want, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	for base, server := range map[string]string{"": "/", "/films": "/films"} {
		w := httptest.NewRecorder()
		api.New(api.Options{Catalogue: &shelf{t: t}, Logger: slog.New(logless), Staleness: staleness, CacheBytes: 1, BasePath: base}).
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
		var got struct{ Servers []struct{ URL string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Servers) != 1 || got.Servers[0].URL != server {
			t.Errorf("below %q: servers %v, %v", base, got.Servers, err)
		}
		if restored := strings.Replace(w.Body.String(), `"`+server+`"`, `"/"`, 1); restored != string(want) {
			t.Errorf("below %q: %s", base, cmp.Diff(string(want), restored))
		}
	}
	parsed, err := libopenapi.NewDocument(want)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(parsed)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if valid, problems := v.ValidateDocument(); !valid {
		for _, p := range problems {
			t.Errorf("%v", p)
		}
	}
}

// description holds the parts of the document that the tests read.
type description struct {
	Paths map[string]struct {
		Get struct {
			Parameters []describedParameter
			Responses  map[string]any
		}
	}
}

type describedParameter struct {
	Name, In, Description string
	Required              bool
	Example               any
	Schema                struct {
		Type     string
		Items    struct{ Type string }
		Enum     []string
		MaxItems int
		Minimum  *json.Number
		Maximum  *json.Number
	}
}

func described(t *testing.T) description {
	t.Helper()
	text, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestParametersAreDescribed checks that each route takes the parameters in the description, as
// often and within the bounds described.
func TestParametersAreDescribed(t *testing.T) {
	base := serve(t, &shelf{t: t, movies: map[int64]movie.Movie{10: samples[0]}}, slog.DiscardHandler)
	d := described(t)
	for path, item := range d.Paths {
		at := base + strings.ReplaceAll(path, "{id}", "10") + "?"
		var names []string
		required := "" // sent with every other parameter
		for _, p := range item.Get.Parameters {
			if p.Required && p.In == "query" {
				required = p.Name + "=the&"
			}
		}
		for _, p := range item.Get.Parameters {
			if p.Example == nil || p.Description == "" {
				t.Errorf("%s: %s has no example or no description", path, p.Name)
			}
			if p.In != "query" {
				continue
			}
			names = append(names, p.Name)
			with := at
			if !p.Required {
				with += required
			}
			if p.Name == "sort" { // sort=match needs q
				with += "q=the&"
			}
			checkParameter(t, with, p)
		}
		slices.Sort(names)
		if known := knownParameters(t, at); !slices.Equal(known, names) {
			t.Errorf("%s takes %v, described are %v", path, known, names)
		}
	}
	for _, path := range []string{"/", "/movies", "/movies/{id}", "/movies/{id}/history", "/export", "/changes", "/genres", "/years", "/people", "/suggest", "/status", "/openapi.json"} {
		if _, known := d.Paths[path]; !known {
			t.Errorf("%s is not described", path)
		}
	}
}

// knownParameters returns the parameters that the error about an unknown one lists.
func knownParameters(t *testing.T, at string) []string {
	t.Helper()
	var p document
	got := ask(t, http.MethodGet, at+"zzzzzzzz=1")
	if err := json.Unmarshal(got.body, &p); err != nil || got.status != http.StatusBadRequest {
		t.Fatalf("%s: %d %s", at, got.status, got.body)
	}
	if strings.HasSuffix(p.Detail, "this request takes none") {
		return nil
	}
	_, list, found := strings.Cut(p.Detail, "known are ")
	if !found {
		t.Fatalf("%s: %s", at, p.Detail)
	}
	return strings.Split(list, ", ")
}

func checkParameter(t *testing.T, at string, p describedParameter) {
	t.Helper()
	check := func(right bool, values ...string) {
		var pairs []string
		for _, v := range values {
			pairs = append(pairs, p.Name+"="+url.QueryEscape(v))
		}
		got := ask(t, http.MethodHead, at+strings.Join(pairs, "&"))
		if right != (got.status == http.StatusOK) {
			t.Errorf("%s%s: %d", at, strings.Join(pairs, "&"), got.status)
		}
	}
	example := fmt.Sprint(p.Example)
	if list, is := p.Example.([]any); is {
		example = fmt.Sprint(list[0])
	}
	if p.Name != "since" && p.Name != "lastEventId" && p.Name != "wait" { // the revisions do not exist; waiting takes time
		check(true, example)
	}
	check(p.Schema.Type == "array", example, example)
	check(false, "")
	if p.Schema.Type == "array" {
		check(true, slices.Repeat([]string{example}, p.Schema.MaxItems)...)
		check(false, slices.Repeat([]string{example}, p.Schema.MaxItems+1)...)
	}
	for _, value := range p.Schema.Enum {
		check(true, value)
		check(false, value+"x")
	}
	if least := p.Schema.Minimum; least != nil {
		check(true, least.String())
		check(false, decrement(t, least))
		check(false, "x")
	}
	if most := p.Schema.Maximum; most != nil {
		check(true, most.String())
		check(false, most.String()+"0")
	}
}

func decrement(t *testing.T, n *json.Number) string {
	t.Helper()
	i, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(i - 1)
}

// TestEverythingIsDescribed checks that each member of each document has a description and an
// example.
func TestEverythingIsDescribed(t *testing.T) {
	text, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	members := 0
	var look func(path string, value any)
	look = func(path string, value any) {
		object, _ := value.(map[string]any)
		if properties, has := object["properties"].(map[string]any); has {
			for name, p := range properties {
				members++
				if p := p.(map[string]any); p["description"] == nil || p["examples"] == nil {
					t.Errorf("%s: %s has no description or no example", path, name)
				}
			}
		}
		for name, v := range object {
			look(path+"/"+name, v)
		}
	}
	look("", all)
	if members < 30 {
		t.Errorf("only %d members were found", members)
	}
}

// checking guards the validator, which is not safe for concurrent use.
var checking sync.Mutex

// checker validates answers against the description.
var checker = sync.OnceValue(func() responses.ResponseBodyValidator {
	text, err := os.ReadFile(contract)
	if err != nil {
		panic(err)
	}
	parsed, err := libopenapi.NewDocument(text)
	if err != nil {
		panic(err)
	}
	v, errs := validator.NewValidator(parsed, config.WithStrictMode(), config.WithFormatAssertions(),
		config.WithStrictIgnoredHeadersExtra("X-Content-Type-Options", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary",
			"Content-Encoding"))
	if len(errs) > 0 {
		panic(errs)
	}
	return v.GetResponseBodyValidator()
})

var noSuchPath = regexp.MustCompile(`^/(movies|movies/[^/]+|movies/[^/]+/history|changes|export|genres|years|people|suggest|status|openapi\.json|)$`)

// checkDescribed validates an answer against the description. It validates an error for an unknown
// path as one of /movies/{id}, and an error for another method as one of GET.
func checkDescribed(t *testing.T, request *http.Request, got answer) {
	t.Helper()
	if got.status == http.StatusNoContent || request.Method == http.MethodHead {
		return // responses to OPTIONS and HEAD have no body
	}
	if slices.Contains([]string{"/rejections", "/rejections/reasons", "/objects", "/movie", "/openapi.json"}, request.URL.Path) && got.status == http.StatusOK {
		return // the admin port is not described, and /openapi.json is the description
	}
	asked := request.Clone(t.Context())
	asked.Method = http.MethodGet
	if !noSuchPath.MatchString(asked.URL.Path) {
		asked.URL = &url.URL{Path: "/movies/1"}
	}
	body := decode(t, got.header.Get("Content-Encoding"), got.body)
	if got.header.Get("Content-Type") == "application/x-ndjson" { // the validator would parse it as JSON
		body, _ = json.Marshal(string(body))
	}
	checking.Lock()
	defer checking.Unlock()
	valid, problems := checker().ValidateResponseBody(asked, &http.Response{
		StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(body)), Request: asked,
	})
	if !valid {
		for _, p := range problems {
			t.Errorf("%s %.200s: %d is not as described: %v %v", request.Method, request.URL, got.status, p, p.SchemaValidationErrors)
		}
	}
}

// TestReleasedAPI: what the first release describes still holds: a client made from it works on.
// Before that release, the file follows the contract.
func TestReleasedAPI(t *testing.T) {
	first, err := os.ReadFile("../../tests/testdata/releases/first.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	breaking := func(now []byte) (all []string) {
		before, errBefore := libopenapi.NewDocument(first)
		after, errAfter := libopenapi.NewDocument(now)
		if err := errors.Join(errBefore, errAfter); err != nil {
			t.Fatal(err)
		}
		changes, err := libopenapi.CompareDocuments(before, after)
		if err != nil {
			t.Fatal(err)
		}
		if changes == nil {
			return nil
		}
		for _, c := range changes.GetAllChanges() {
			if c.Breaking {
				all = append(all, fmt.Sprintf("%s: %q is %q", c.Property, c.Original, c.New))
			}
		}
		return all
	}
	for _, change := range breaking(now) {
		t.Errorf("a client of the first release does not understand: %s", change)
	}
	for name, edit := range map[string][2]string{
		"a path": {`"/years"`, `"/annees"`}, "a parameter": {`"name": "year_from"`, `"name": "from"`}, "a type": {`"type": "integer"`, `"type": "string"`},
	} {
		if planted := bytes.Replace(now, []byte(edit[0]), []byte(edit[1]), 1); bytes.Equal(planted, now) || len(breaking(planted)) == 0 {
			t.Errorf("another name or type of %s is not noticed", name)
		}
	}
}
