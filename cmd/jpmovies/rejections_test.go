package main

import (
	"strings"
	"testing"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// TestShowJSON: a text that was cut inside a character is shown as text, other bytes in base64.
func TestShowJSON(t *testing.T) {
	for _, test := range []struct {
		bytes     string
		truncated bool
		want      string
	}{
		{"ab", false, `"bytes":"ab"`},
		{"", false, `"bytes":""`},
		{"a€", true, `"bytes":"a€"`},
		{"a\xe2\x82", true, `"bytes":"a"`},
		{"a\xe2", true, `"bytes":"a"`},
		{"\xf0\x9f\x8e", true, `"bytes":""`},
		{"a\xe2\x82", false, `"bytes_base64":"YeKC"`},
		{"\xff\xfe", true, `"bytes_base64":"//4="`},
	} {
		var out strings.Builder
		r := report.Rejection{Rejection: movie.Rejection{Bytes: []byte(test.bytes), Truncated: test.truncated}}
		if err := showJSON(&out, r); err != nil || !strings.Contains(out.String(), test.want) || strings.Count(out.String(), `"bytes`) != 1 {
			t.Errorf("%q, truncated %t: %s, %v, want %s", test.bytes, test.truncated, out.String(), err, test.want)
		}
	}
}
