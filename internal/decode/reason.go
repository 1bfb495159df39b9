package decode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// How much a reason shows, in bytes: of what was found, and of other words.
const (
	maxQuoted  = 64
	maxClipped = 96
)

var (
	tooLarge = fmt.Sprintf("update: found more than %d bytes, expected at most that", MaxUpdate)
	tooDeep  = fmt.Sprintf("update: found nesting deeper than %d, expected at most that", MaxDepth)
)

// fault is what is wrong with an update that is sound JSON.
type fault string

func (f fault) Error() string { return string(f) }

// in says in which field a fault is.
func in(field string, err error) error {
	if err == nil {
		return nil
	}
	var f fault
	if errors.As(err, &f) {
		return fault(field + ": " + string(f))
	}
	return err
}

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// errDepth says that the value is not read because it is nested too deeply.
var errDepth = errors.New(tooDeep)

// found describes a JSON value in the words of a reason.
func found(raw jsontext.Value) string {
	switch raw.Kind() {
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "an array"
	case jsontext.KindString:
		text, _ := jsontext.AppendUnquote(nil, raw)
		return "string " + quote(string(text))
	case jsontext.KindNumber:
		return "number " + clip(string(raw))
	}
	return string(raw)
}

// quote shows text between quotes, shortened, on one line.
func quote(text string) string {
	short := cut(text, maxQuoted)
	if len(short) < len(text) {
		return strconv.Quote(short) + "..."
	}
	return strconv.Quote(short)
}

// clip shows text as it is, shortened, if it can be printed on one line.
func clip(text string) string {
	short := cut(text, maxClipped)
	if !utf8.ValidString(short) || strings.ContainsFunc(short, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return quote(text)
	}
	if len(short) < len(text) {
		return short + "..."
	}
	return short
}

// cut shortens text to at most n bytes, at the boundary of a rune.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for back := range utf8.UTFMax {
		if utf8.RuneStart(text[n-back]) {
			return text[:n-back]
		}
	}
	return text[:n]
}

// head describes the character at the start of data.
func head(data []byte) string {
	_, n := utf8.DecodeRune(data)
	return quote(string(data[:n]))
}

// syntaxReason is the reason for a value that is no JSON, or not strict JSON.
func syntaxReason(err error) string {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) {
		return "update: found no JSON (" + clip(err.Error()) + "), expected an object"
	}
	field := "update"
	if path, inside := strings.CutPrefix(string(s.JSONPointer), "/"); inside {
		field = clip(path)
		if path == "" {
			field = quote(path)
		}
	}
	what := clip(s.Err.Error())
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return field + ": found the key twice, expected it once"
	case errors.Is(err, jsontext.ErrNonStringName):
		what = "a member name that is no string"
	}
	return fmt.Sprintf("%s: found %s at byte %d, expected sound JSON", field, what, s.ByteOffset+1)
}
