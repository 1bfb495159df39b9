package decode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxQuoted and maxClipped limit the parts of a reason, in bytes: quoted text of the object,
// and other text.
const (
	maxQuoted  = 64
	maxClipped = 96
)

var (
	tooLarge = fmt.Sprintf("update: found more than %d bytes, expected at most that", MaxUpdate)
	tooDeep  = fmt.Sprintf("update: found nesting deeper than %d, expected at most that", MaxDepth)
)

// invalidError is the reason to reject an update that is valid JSON.
type invalidError string

func (f invalidError) Error() string { return string(f) }

// inField adds the name of the field to an invalidError.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[invalidError](err); ok {
		return invalidError(field + ": " + string(f))
	}
	return err
}

func invalidf(format string, args ...any) error { return invalidError(fmt.Sprintf(format, args...)) }

// errDepth reports a value that is nested too deeply to parse.
var errDepth = errors.New(tooDeep)

// found describes a JSON value for a reason.
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

// quote returns text in quotes, shortened, on one line.
func quote(text string) string {
	short := cut(text, maxQuoted)
	if len(short) < len(text) {
		return strconv.Quote(short) + "..."
	}
	return strconv.Quote(short)
}

// clip returns text as it is, shortened; quoted if it cannot be printed on one line.
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

// cut shortens text to at most n bytes at the boundary of a rune.
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

// head quotes the character at the start of data.
func head(data []byte) string {
	_, n := utf8.DecodeRune(data)
	return quote(string(data[:n]))
}

// syntaxReason returns the reason for invalid JSON, with the position of the error.
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
