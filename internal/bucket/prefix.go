package bucket

import (
	"slices"
	"strings"
)

// OtherSpelling returns a prefix under which there are objects, when there are none
// under the one given and the two are easily taken for each other; else "". holds
// tells whether there is an object under a prefix.
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

// spellings returns what may be meant by a prefix, the likely first.
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
