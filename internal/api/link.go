package api

import (
	"fmt"
	"net/url"
	"strings"
)

// asGiven writes a query string in the form of the one that it continues: a client that
// sent plain UTF-8 gets plain UTF-8. Percent-encoding makes text up to three times as
// long, and the link might exceed a limit of the client, a proxy or this server.
func asGiven(query, given string) string {
	if isASCII(given) {
		return query
	}
	var out strings.Builder
	for len(query) > 0 {
		plain, escaped, _ := strings.Cut(query, "%")
		out.WriteString(plain)
		query = query[len(plain):]
		if len(escaped) < 2 {
			break
		}
		// Only bytes of multi-byte characters: all others may have a meaning in URLs or
		// JSON.
		if b, err := url.PathUnescape(query[:3]); err == nil && b[0] >= 0x80 {
			out.WriteString(b)
		} else {
			out.WriteString(query[:3])
		}
		query = query[3:]
	}
	return out.String()
}

// escaped returns a link for a header, where only ASCII may be.
func escaped(link string) string {
	if isASCII(link) {
		return link
	}
	var out strings.Builder
	for i := range len(link) {
		if link[i] < 0x80 {
			out.WriteByte(link[i])
		} else {
			fmt.Fprintf(&out, "%%%02X", link[i])
		}
	}
	return out.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
