package negotiation

import "testing"

func TestPrefers(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                  false,
		"text/html":                         true,
		"TEXT/HTML ; charset=utf-8 ; Q=0.1": true,
		"text/html,application/xml;q=0.9,*/*;q=0.8": true,
		"application/json,text/html":                false,
		"text/html,application/json":                true,
		"application/json;q=0.5,text/html":          true,
		"text/html;q=0":                             false,
		"text/html;q=2":                             false,
		"text/html;q=x":                             false,
		"*/*":                                       false,
		"*/*, text/html":                            false,
		"application/*;q=0.2,text/html;q=0.3":       true,
	} {
		if got := Prefers([]string{accept}, "text/html", "application/json"); got != want {
			t.Errorf("%q: %v, expected %v", accept, got, want)
		}
	}
}

func TestEncoding(t *testing.T) {
	for accept, want := range map[string]struct {
		best     string
		insisted bool
	}{
		"":                           {"", false},
		"gzip":                       {"gzip", false},
		"x-gzip":                     {"gzip", false},
		"gzip, zstd":                 {"zstd", false},
		"gzip, zstd;q=0.9":           {"gzip", false},
		"br":                         {"", false},
		"*":                          {"zstd", false},
		"*;q=0":                      {"", false},
		"identity":                   {"", false},
		"gzip;q=0.5, identity":       {"", false},
		"gzip;q=0.5, identity;q=0.5": {"gzip", false},
		"gzip, identity;q=0":         {"gzip", true},
		"gzip, *;q=0":                {"gzip", true},
		"zstd;q=0, *":                {"gzip", false},
		"gzip;q=1.5":                 {"", false},
	} {
		if best, insisted := Encoding([]string{accept}, "zstd", "gzip"); best != want.best || insisted != want.insisted {
			t.Errorf("%q: %q, insisted %v, expected %v", accept, best, insisted, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "*": true, `"a"`: true, `W/"a"`: true, `"b", W/"a"`: true, `"b"`: false, `"aa"`: false, "a": false,
	} {
		if got := Matches([]string{header}, `W/"a"`); got != want {
			t.Errorf("%q: %v, expected %v", header, got, want)
		}
	}
}
