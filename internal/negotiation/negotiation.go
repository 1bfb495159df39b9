// Package negotiation reads the request headers by which a client chooses the form of a
// response (RFC 9110, sections 12 and 13.1.2).
package negotiation

import (
	"slices"
	"strconv"
	"strings"
)

// preference is one element of an Accept or Accept-Encoding header.
type preference struct {
	name    string
	quality float64 // 0 (not acceptable) to 1
}

// preferences parses such headers (RFC 9110, section 12.4.2).
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

// quality parses a weight. An invalid one counts as 0, not acceptable.
func quality(text string) float64 {
	q, err := strconv.ParseFloat(text, 64)
	if err == nil && q >= 0 && q <= 1 {
		return q
	}
	return 0
}

// Prefers reports whether Accept headers prefer a media type to the default ones. Of types
// with equal quality, the first in the headers wins.
func Prefers(accept []string, mediaType string, defaults ...string) bool {
	most, preferred := 0.0, false
	for _, p := range preferences(accept) {
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

// Encoding returns the offered encoding with the highest quality in Accept-Encoding
// headers, the first of equal ones; "" for none (RFC 9110, section 12.5.3). insisted
// reports that the client does not accept an unencoded body.
func Encoding(acceptEncoding []string, offered ...string) (best string, insisted bool) {
	all := preferences(acceptEncoding)
	if len(all) == 0 {
		return "", false
	}
	identity, named := find(all, "identity")
	most := 0.0
	for _, name := range offered {
		if q, _ := find(all, name); q > most {
			best, most = name, q
		}
	}
	if named && identity > most {
		return "", false
	}
	return best, best != "" && named && identity == 0
}

// find returns the quality of an encoding, and whether the header sets it, by name or by
// *.
func find(all []preference, name string) (q float64, set bool) {
	for _, p := range all {
		switch {
		case p.name == name, name == "gzip" && p.name == "x-gzip":
			return p.quality, true
		case p.name == "*":
			q, set = p.quality, true
		}
	}
	// "*;q=1" accepts identity but does not ask for it.
	if name == "identity" && q > 0 {
		return 0, false
	}
	return q, set
}

// Matches reports whether If-None-Match headers hold an entity tag. Weak and strong tags
// compare alike.
func Matches(ifNoneMatch []string, tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	for _, header := range ifNoneMatch {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == opaque {
				return true
			}
		}
	}
	return false
}
