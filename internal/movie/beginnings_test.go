package movie

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBeginningsAreStored: what is in databases must be found by later releases.
func TestBeginningsAreStored(t *testing.T) {
	for title, want := range map[string]Beginnings{
		"":                  0,
		"...":               0,
		"a":                 2305847407260205056,
		"The Lion King":     4621276029782606918,
		"Les Misérables":    4899934910451564548,
		"日本のいちばん長い日":        70371436986372,
		"12 Angry Men, The": 2594107012814492672,
	} {
		if got := BeginningsOf(Words(title)); got != want {
			t.Errorf("%q: %d, want %d", title, got, want)
		}
	}
}

// TestBeginningsLoseNothing: a title that has the words may have them by its
// beginnings, too.
func TestBeginningsLoseNothing(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aAbBéÉß日本のﬁ '-1²")), 0, 30, -1)
	rapid.Check(t, func(t *rapid.T) {
		title := text.Draw(t, "title")
		wanted := Words(text.Draw(t, "q"))
		if words := Words(title); len(words) > 0 && rapid.Bool().Draw(t, "of the title") {
			last := []rune(rapid.SampledFrom(words).Draw(t, "last"))
			wanted = []string{rapid.SampledFrom(words).Draw(t, "word"), string(last[:rapid.IntRange(1, len(last)).Draw(t, "length")])}
		}
		stored := BeginningsOf(Words(title))
		if hasWords(title, wanted) && !stored.Contain(BeginningsOf(wanted)) {
			t.Errorf("%q has %q, but not by its beginnings", title, wanted)
		}
		if stored < 0 || !AnyBeginnings.Contain(stored) {
			t.Errorf("%q: %d is not within those of any title", title, stored)
		}
	})
}

// TestBeginningsTell: of titles without a prefix, few may have it.
func TestBeginningsTell(t *testing.T) {
	passed, without := 0, 0
	for _, title := range titles {
		for _, prefix := range []string{"zo", "st", "the", "qui", "ab", "mon"} {
			if hasWords(title, []string{prefix}) {
				continue
			}
			without++
			if BeginningsOf(Words(title)).Contain(BeginningsOf([]string{prefix})) {
				passed++
			}
		}
	}
	if passed*20 > without {
		t.Errorf("%d of %d titles without a prefix pass for having it", passed, without)
	}
}

var titles = []string{
	"The Lion King", "Star Wars: Episode IV", "Back to the Future", "A Nightmare on Elm Street", "Das Boot", "Spider-Man: No Way Home",
	"The Good, the Bad and the Ugly", "Once Upon a Time in the West", "Eternal Sunshine of the Spotless Mind", "Up", "Heat", "Alien",
	"Don't Look Now", "Les Misérables", "12 Angry Men", "The Shawshank Redemption", "Monty Python and the Holy Grail", "Seven Samurai",
	"It's a Wonderful Life", "Raiders of the Lost Ark", "Twelve Monkeys", "Some Like It Hot", "Blade Runner", "Singin' in the Rain",
}
