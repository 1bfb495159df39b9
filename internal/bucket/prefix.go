package bucket

import (
	"slices"
	"strings"
)

// OtherSpelling returns another spelling of a prefix that has objects, if the prefix itself
// has none; else "". holds reports whether any object has a prefix.
func OtherSpelling(prefix string, holds func(prefix string) (bool, error)) (string, error) {
	if prefix == "" {
		return "", nil
	}
	for _, candidate := range append([]string{prefix}, spellings(prefix)...) {
		found, err := holds(candidate)
		switch {
		case err != nil:
			return "", err
		case found && candidate == prefix:
			return "", nil
		case found:
			return candidate, nil
		}
	}
	return "", nil
}

// spellings returns the prefixes that may be meant, the likeliest first.
func spellings(prefix string) []string {
	bare := strings.Trim(strings.TrimPrefix(strings.TrimSpace(prefix), "./"), "/*\\")
	if bare == "" {
		return nil
	}
	clean := strings.ReplaceAll(bare, "\\", "/")
	for strings.Contains(clean, "//") {
		clean = strings.ReplaceAll(clean, "//", "/")
	}
	all := []string{bare + "/", clean + "/", bare, clean, "/" + bare + "/", strings.ToLower(clean) + "/", strings.ToUpper(clean[:1]) + clean[1:] + "/"}
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == prefix })
}
