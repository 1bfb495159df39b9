package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// preference is one element of an Accept or Accept-Encoding header.
type preference struct {
	name    string
	quality float64 // from 0, which is never, to 1
}

// preferences takes such headers apart (RFC 9110, 12.4.2).
func preferences(headers []string) []preference {
	var all []preference
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			name, parameters, _ := strings.Cut(one, ";")
			p := preference{strings.ToLower(strings.TrimSpace(name)), 1}
			for parameter := range strings.SplitSeq(parameters, ";") {
				if text, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameter)), "q="); found {
					p.quality = quality(text)
				}
			}
			if p.name != "" {
				all = append(all, p)
			}
		}
	}
	return all
}

// quality reads a weight; what is none is 0, so that nothing is sent that may
// not be wanted.
func quality(text string) float64 {
	q, err := strconv.ParseFloat(text, 64)
	if err == nil && q >= 0 && q <= 1 {
		return q
	}
	return 0
}

// prefers tells whether the client would rather have a media type than what is
// sent by default. Of equal ones it likes the first best.
func prefers(r *http.Request, mediaType string, defaults ...string) bool {
	most, preferred := 0.0, false
	for _, p := range preferences(r.Header.Values("Accept")) {
		if p.quality <= most {
			continue
		}
		switch {
		case p.name == mediaType:
			most, preferred = p.quality, true
		case p.name == "*/*", p.name == "application/*", slices.Contains(defaults, p.name):
			most, preferred = p.quality, false
		}
	}
	return preferred
}

// chooseEncoding is the encoding on offer that the client likes best, the first
// of equal ones; "" for none (RFC 9110, 12.5.3). It is insisted on when the
// client does not take the body as it is.
func chooseEncoding(headers []string, offered ...string) (best string, insisted bool) {
	all := preferences(headers)
	if len(all) == 0 {
		return "", false
	}
	asItIs, named := find(all, "identity")
	most := 0.0
	for _, name := range offered {
		if q, _ := find(all, name); q > most {
			best, most = name, q
		}
	}
	if named && asItIs > most {
		return "", false
	}
	return best, best != "" && named && asItIs == 0
}

// find is the quality of an encoding, and whether it is said in so many words or
// by *.
func find(all []preference, name string) (q float64, said bool) {
	for _, p := range all {
		switch {
		case p.name == name, name == "gzip" && p.name == "x-gzip":
			return p.quality, true
		case p.name == "*":
			q, said = p.quality, true
		}
	}
	// Whoever says *;q=1 for the others has nothing against identity, but does
	// not ask for it either.
	if name == "identity" && q > 0 {
		return 0, false
	}
	return q, said
}
