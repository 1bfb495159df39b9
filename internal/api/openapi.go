package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// The parts of an OpenAPI 3.1 document that ours needs.
type (
	document struct {
		OpenAPI    string           `json:"openapi"`
		Info       info             `json:"info"`
		Servers    []server         `json:"servers"`
		Paths      object[pathItem] `json:"paths"`
		Components components       `json:"components"`
	}
	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}
	server struct {
		URL string `json:"url"`
	}
	pathItem struct {
		Get operation `json:"get"`
	}
	operation struct {
		ID          string           `json:"operationId"`
		Summary     string           `json:"summary"`
		Description string           `json:"description,omitempty"`
		Parameters  []parameter      `json:"parameters,omitempty"`
		Responses   object[response] `json:"responses"`
	}
	parameter struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Required    bool   `json:"required,omitempty"`
		Description string `json:"description"`
		Schema      schema `json:"schema"`
		Example     any    `json:"example"`
	}
	response struct {
		Ref         string            `json:"$ref,omitempty"`
		Description string            `json:"description,omitempty"`
		Headers     object[reference] `json:"headers,omitempty"`
		Content     object[mediaType] `json:"content,omitempty"`
	}
	reference struct {
		Ref string `json:"$ref"`
	}
	header struct {
		Description string `json:"description"`
		Schema      schema `json:"schema"`
		Example     any    `json:"example"`
	}
	mediaType struct {
		Schema  schema `json:"schema"`
		Example any    `json:"example,omitempty"`
	}
	schema struct {
		Ref         string         `json:"$ref,omitempty"`
		Type        any            `json:"type,omitempty"` // a name, or several
		Description string         `json:"description,omitempty"`
		Format      string         `json:"format,omitempty"`
		Enum        []string       `json:"enum,omitempty"`
		Const       any            `json:"const,omitempty"`
		Default     any            `json:"default,omitempty"`
		Minimum     *int64         `json:"minimum,omitempty"`
		Maximum     *int64         `json:"maximum,omitempty"`
		MinLength   int            `json:"minLength,omitempty"`
		Pattern     string         `json:"pattern,omitempty"`
		MaxItems    int            `json:"maxItems,omitempty"`
		Items       *schema        `json:"items,omitempty"`
		AnyOf       []schema       `json:"anyOf,omitempty"`
		Properties  object[schema] `json:"properties,omitempty"`
		Required    []string       `json:"required,omitempty"`
		Others      *bool          `json:"additionalProperties,omitempty"`
		Examples    []any          `json:"examples,omitempty"`
	}
	components struct {
		Schemas   object[schema]   `json:"schemas"`
		Headers   object[header]   `json:"headers"`
		Responses object[response] `json:"responses"`
	}
)

// object is a JSON object whose members keep their order.
type object[T any] []member[T]

type member[T any] struct {
	name  string
	value T
}

// MarshalJSON writes the members in their order.
func (o object[T]) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		out = append(append(strconv.AppendQuote(out, m.name), ':'), value...)
	}
	return append(out, '}'), nil
}

// describe makes the document of a table of routes below a path.
func describe(routes []route, base string) *answer {
	d := document{
		OpenAPI: "3.1.0",
		Info:    info{"JPMovies", "1", overview},
		Servers: []server{{cmp.Or(base, "/")}},
		Components: components{
			Schemas: schemas, Headers: headers, Responses: problems,
		},
	}
	for _, r := range routes {
		r.about.Responses = r.answers.responses()
		d.Paths = append(d.Paths, member[pathItem]{r.path, pathItem{r.about}})
	}
	plain, err := marshal(d)
	if err != nil {
		panic(err) // made of constants
	}
	var shown bytes.Buffer
	if err := json.Indent(&shown, plain, "", "  "); err != nil {
		panic(err)
	}
	return newAnswer(shown.Bytes(), "")
}

// answers are what a route may answer with.
type answers struct {
	description string
	content     object[mediaType]
	headers     []string // besides those of every answer
	kept        bool     // has an entity tag
	constant    bool     // needs no database
	more        []int    // statuses besides 400, 405 and 503
}

// responses describes them.
func (a answers) responses() object[response] {
	names := append([]string{"Catalogue-Revision", "Age"}, a.headers...)
	if a.kept {
		names = append(names, "ETag", "Server-Timing")
	}
	ok := response{Description: a.description, Content: a.content, Headers: referTo(names...)}
	all := object[response]{{"200", ok}}
	statuses := []int{http.StatusBadRequest}
	if a.kept {
		statuses = []int{http.StatusNotModified, http.StatusBadRequest}
	}
	statuses = append(append(statuses, a.more...), http.StatusMethodNotAllowed)
	if !a.constant {
		statuses = append(statuses, http.StatusServiceUnavailable)
	}
	slices.Sort(statuses)
	for _, s := range statuses {
		text := strconv.Itoa(s)
		all = append(all, member[response]{text, response{Ref: "#/components/responses/" + text}})
	}
	return all
}

// referTo names headers of the components.
func referTo(names ...string) object[reference] {
	var all object[reference]
	for _, name := range names {
		all = append(all, member[reference]{name, reference{"#/components/headers/" + name}})
	}
	return all
}

// openapi answers with the description of this API.
func (a *API) openapi(w http.ResponseWriter, r *http.Request) error {
	return a.sendConstant(w, r, a.description)
}
