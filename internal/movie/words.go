package movie

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxWord is how many bytes of a folded word count; what is behind them does not.
const MaxWord = 64

// TitleKey is what titles are sorted by: their words, with a space between.
func TitleKey(title string) string { return strings.Join(Words(title), " ") }

// letters are what letters without a decomposition are folded to, after their case.
var letters = map[rune]string{
	'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ı': "i", 'ĸ': "k",
	'ß': "ss", 'ƶ': "z", 'ƀ': "b", 'ȼ': "c", 'ɇ': "e", 'ǥ': "g", 'ɨ': "i", 'ɉ': "j", 'ɍ': "r", 'ʉ': "u", 'ɏ': "y", 'ⱥ': "a",
}

// dropped are apostrophes of any kind and characters that only say how to break
// lines or join letters: they stand inside words.
const dropped = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u05f3\u2018\u2019\u201a\u201b\u2032\u2035\ua78c\uff07\uff40" +
	"\u00ad\u200c\u200d\u2060\ufeff"

// withoutDropped goes before normalisation, which makes other characters of some.
func withoutDropped(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(dropped, r) {
			return -1
		}
		return r
	}, text)
}

// Words are the words of a title as q looks for them: runs of letters and digits,
// without case, accents and apostrophes ("Spider-Man" is spider and man, "Don't" is
// dont). Letters that have no accent to take away become those that are written for
// them ("Ærø" is aero).
func Words(text string) []string {
	if isASCII(text) { // most titles: a quarter of the time
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
	for _, r := range cases.Fold().String(norm.NFKD.String(withoutDropped(text))) {
		switch written := letters[r]; {
		case written != "":
			word = append(word, written...)
		case unicode.Is(unicode.Mn, r):
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

// asciiWords are the words of a text that has nothing to fold but capitals.
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

// hasWords tells whether a title has all of the words, the last one as a prefix.
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
