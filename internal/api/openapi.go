package api

import (
	"bytes"
	_ "embed"
	"net/http"
)

// description is the OpenAPI document. Tests compare the routes, their parameters and
// their answers with it.
//
//go:embed openapi.json
var description []byte

// describe returns the document with the API's base path.
func describe(base string) *answer {
	if base == "" {
		return newAnswer(description, "")
	}
	return newAnswer(bytes.Replace(description, []byte(`"url": "/"`), []byte(`"url": "`+base+`"`), 1), "")
}

// openapi answers with the OpenAPI document.
func (a *API) openapi(w http.ResponseWriter, r *http.Request) error {
	return a.sendConstant(w, r, a.description)
}
