package movie

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxWord is the length in bytes at which a folded word is cut.
const MaxWord = 64

// TitleKey returns the sort key of a title: its words, joined by spaces.
func TitleKey(title string) string { return strings.Join(Words(title), " ") }

// letters maps letters without a Unicode decomposition to what they are folded to, after
// case folding.
var letters = map[rune]string{
	'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ı': "i", 'ĸ': "k",
	'ß': "ss", 'ƶ': "z", 'ƀ': "b", 'ȼ': "c", 'ɇ': "e", 'ǥ': "g", 'ɨ': "i", 'ɉ': "j", 'ɍ': "r", 'ʉ': "u", 'ɏ': "y", 'ⱥ': "a",
}

// dropped holds apostrophes of any kind and characters that only control line breaks or
// ligatures. They stand inside words.
const dropped = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u05f3\u2018\u2019\u201a\u201b\u2032\u2035\ua78c\uff07\uff40" +
	"\u00ad\u200c\u200d\u2060\ufeff"

// withoutDropped removes the dropped characters. It must run before NFKD, which turns some
// of them into others.
func withoutDropped(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(dropped, r) {
			return -1
		}
		return r
	}, text)
}

// Words returns the folded words of a title, as q looks for them: runs of letters and
// digits, without case, accents and apostrophes ("Spider-Man" is spider and man, "Don't"
// is dont). Letters without a decomposition become their usual transcription ("Ærø" is
// aero).
func Words(text string) []string {
	if isASCII(text) { // most titles; four times as fast
		return asciiWords(text)
	}
	var words []string
	var word []byte
	end := func() {
		if len(word) > 0 {
			words = append(words, cutWord(string(word)))
			word = word[:0]
		}
	}
	for _, r := range cases.Fold().String(norm.NFKD.String(withoutDropped(norm.NFC.String(text)))) {
		r = unicode.ToLower(r) // of Cherokee, Fold exchanges the cases
		switch written := letters[r]; {
		case written != "":
			word = append(word, written...)
		case unicode.Is(unicode.Mn, r), strings.ContainsRune(dropped, r): // ŉ becomes an apostrophe and n
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			word = utf8.AppendRune(word, r)
		default:
			end()
		}
	}
	end()
	return words
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// asciiWords returns the words of an ASCII text, in which only capitals are folded.
func asciiWords(text string) []string {
	lower := strings.ToLower(text)
	words := make([]string, 0, 2+len(text)/6)
	start, apostrophes := -1, false
	for i := 0; i <= len(lower); i++ {
		if i < len(lower) {
			c := lower[i]
			if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
				if start < 0 {
					start = i
				}
				continue
			}
			if c == '\'' || c == '`' {
				apostrophes = apostrophes || start >= 0
				continue
			}
		}
		if start >= 0 {
			word := lower[start:i]
			if apostrophes {
				word = withoutDropped(word)
			}
			words = append(words, cutWord(word))
		}
		start, apostrophes = -1, false
	}
	return words
}

func cutWord(word string) string {
	if len(word) > MaxWord {
		return strings.ToValidUTF8(word[:MaxWord], "")
	}
	return word
}

// hasWords reports whether a title has all of the words, the last one as a prefix.
func hasWords(title string, wanted []string) bool {
	if len(wanted) == 0 {
		return true
	}
	words := Words(title)
	last := wanted[len(wanted)-1]
	if !containsAll(words, wanted[:len(wanted)-1]) {
		return false
	}
	for _, w := range words {
		if strings.HasPrefix(w, last) {
			return true
		}
	}
	return false
}
