package movie

import (
	"hash/fnv"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxWord is the length in bytes at which a folded word is cut.
const MaxWord = 64

// maxKey is the length in bytes from which on a sort key ends with a hash.
const maxKey = 120

// TitleKey returns the sort key of a title: its words, joined by spaces. Of long ones it has
// the beginning and a hash of all, so that only titles with the same words have equal keys.
func TitleKey(title string) string { return KeyOf(Words(title)) }

// KeyOf returns the [TitleKey] of a title with these words.
func KeyOf(words []string) string {
	key := strings.Join(words, " ")
	if len(key) <= maxKey {
		return key
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, key) // never fails
	return string(hash.Sum([]byte(key[:maxKey])))
}

// letters maps letters without a Unicode decomposition to what they are folded to, after
// case folding.
var letters = map[rune]string{
	'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ı': "i", 'ĸ': "k",
	'ß': "ss", 'ƶ': "z", 'ƀ': "b", 'ȼ': "c", 'ɇ': "e", 'ǥ': "g", 'ɨ': "i", 'ɉ': "j", 'ɍ': "r", 'ʉ': "u", 'ɏ': "y", 'ⱥ': "a",
}

// dropped holds apostrophes of any kind, the Arabic tatweel, which only stretches a word, and
// characters that only control line breaks or ligatures. They stand inside words.
const dropped = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u02ee\u055a\u05f3\u07f4\u07f5\u2018\u2019\u201a\u201b\u2032\u2035" +
	"\ua78c\uff07\uff40\u0640\u00ad\u200c\u200d\u2060\ufeff"

// trademarks holds the symbols that NFKD turns into TM, SM, MC, MD and MR. Nobody types them.
const trademarks = "\u2122\u2120\U0001f16a\U0001f16b\U0001f16c"

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

// spaced puts spaces around the symbols and numbers that NFKD would join with the word beside
// them, and in the place of trademarks. It joins the separate voicing marks of kana (U+309B,
// U+309C) with the letter before.
func spaced(text string) string {
	if !strings.ContainsFunc(text, isSymbol) {
		return text
	}
	var out strings.Builder
	before := false // the last character stands apart
	for _, r := range text {
		if apart := standsApart(r); apart != before {
			before = apart
			out.WriteByte(' ')
		}
		switch {
		case strings.ContainsRune(trademarks, r):
			r = ' '
		case r == '\u309b', r == '\u309c':
			r -= 2 // the combining form
		}
		out.WriteRune(r)
	}
	return out.String()
}

// isSymbol reports whether spaced may change something at a character.
func isSymbol(r rune) bool { return r >= utf8.RuneSelf && unicode.In(r, unicode.No, unicode.S) }

// standsApart reports whether a character means a word of its own: an abbreviation, such as №
// and ㎏, or a number in a form of its own, as in 9½ and Alien³, which people type as "9 1/2"
// and "alien 3". Subscripts, as in H₂O, are part of the word.
func standsApart(r rune) bool {
	if !isSymbol(r) || '₀' <= r && r <= '₉' {
		return false
	}
	form := norm.NFKC.String(string(r))
	if unicode.Is(unicode.No, r) {
		return form != string(r)
	}
	return utf8.RuneCountInString(form) > 1 && !strings.ContainsRune("\u309b\u309c", r)
}

// isAccent reports whether a mark only modifies its letter. Other marks make other words: the
// vowels and tones of Thai and of Indic scripts, and the voicing of kana, which is Inherited
// like the accents of Latin.
func isAccent(r rune) bool {
	switch {
	case r < '\u0300', r == '\u3099', r == '\u309a':
		return false
	case r == '\u093c': // the nukta, which Hindi may leave out
		return true
	}
	return unicode.IsMark(r) && unicode.In(r, unicode.Inherited, unicode.Greek, unicode.Coptic, unicode.Cyrillic, unicode.Hebrew,
		unicode.Arabic, unicode.Syriac, unicode.Variation_Selector)
}

// composed joins each mark with the letter before it, where Unicode has a character for both,
// which is then one letter to prefixes and typos: は does not begin ばら. Hangul, whose parts
// are letters, stays decomposed: 기새 begins 기생충.
func composed(word []byte) []byte {
	joined := make([]byte, 0, len(word))
	for _, r := range norm.NFD.String(string(word)) { // dropped characters may have hidden the order
		start := len(joined)
		if unicode.IsMark(r) {
			_, size := utf8.DecodeLastRune(joined)
			start -= size
		}
		joined = append(joined[:start], norm.NFC.String(string(joined[start:])+string(r))...)
	}
	return joined
}

// Words returns the folded words of a title, as q looks for them: runs of letters and
// digits, without case, accents and apostrophes ("Spider-Man" is spider and man, "Don't"
// is dont). Letters without a decomposition become their usual transcription ("Ærø" is
// aero). Fractions and superscripts are words of their own ("9½" is 9, 1 and 2).
func Words(text string) []string {
	if isASCII(text) { // most titles; four times as fast
		return asciiWords(text)
	}
	var words []string
	var word []byte
	marked := false
	end := func() {
		if marked {
			word = composed(word)
		}
		if len(word) > 0 {
			words = append(words, cutWord(string(word)))
		}
		word, marked = word[:0], false
	}
	for _, r := range cases.Fold().String(norm.NFKD.String(spaced(withoutDropped(norm.NFC.String(text))))) {
		r = unicode.ToLower(r) // of Cherokee, Fold exchanges the cases
		switch written := letters[r]; {
		case written != "":
			word = append(word, written...)
		case isAccent(r), strings.ContainsRune(dropped, r): // ŉ becomes an apostrophe and n
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			word = utf8.AppendRune(word, r)
			marked = marked || unicode.IsMark(r)
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
