package index

import (
	"slices"
	"unicode/utf8"
)

// typos returns how many typing errors a word may have: one from 4 letters, two from 8.
func typos(word string) int {
	switch n := utf8.RuneCountInString(word); {
	case n >= 8:
		return 2
	case n >= 4:
		return 1
	}
	return 0
}

// automaton accepts texts that are a word with a number of typing errors: a letter added,
// left out or replaced, or two exchanged (Damerau-Levenshtein distance). As a prefix it
// accepts texts that begin so. It reads bytes, as vellum does, and its states are rows of
// the table of distances after whole letters, built when they are first needed. It
// implements [vellum.Automaton].
type automaton struct {
	word   []rune
	most   byte
	prefix bool
	states []state
	known  map[state]int
	next   map[step]int
}

// state is a row of distances from the prefixes of the word, capped at most+1, and the first
// bytes of the next letter. When the last letter is one of the word's, so that the next one may
// be exchanged with it, it also has that letter and the row before. Strings make it comparable.
// The state of a found prefix has no rows.
type state struct {
	row, before string
	last        rune
	bytes       string
	found       bool
}

type step struct {
	from int
	by   byte
}

func newAutomaton(word string, most int, prefix bool) *automaton {
	a := &automaton{word: []rune(word), most: byte(most), prefix: prefix, known: map[state]int{}, next: map[step]int{}} //nolint:gosec // 0 to 2
	first := make([]byte, len(a.word)+1)
	for i := range first {
		first[i] = byte(min(i, most+1)) //nolint:gosec // just capped
	}
	a.intern(state{row: string(first)})
	return a
}

func (a *automaton) intern(s state) int {
	if a.prefix && !s.found && s.row[len(s.row)-1] <= a.most {
		s = state{found: true}
	}
	at, known := a.known[s]
	if !known {
		at = len(a.states)
		a.known[s] = at
		a.states = append(a.states, s)
	}
	return at
}

// Start implements vellum.Automaton.
func (a *automaton) Start() int { return 0 }

// IsMatch implements vellum.Automaton.
func (a *automaton) IsMatch(at int) bool {
	s := a.states[at]
	return s.found || s.bytes == "" && s.row[len(s.row)-1] <= a.most
}

// CanMatch implements vellum.Automaton.
func (a *automaton) CanMatch(at int) bool {
	s := a.states[at]
	if s.found {
		return true
	}
	for i := range len(s.row) {
		if s.row[i] <= a.most {
			return true
		}
	}
	return false
}

// WillAlwaysMatch implements vellum.Automaton.
func (a *automaton) WillAlwaysMatch(at int) bool { return a.states[at].found }

// Accept implements vellum.Automaton.
func (a *automaton) Accept(at int, by byte) int {
	key := step{at, by}
	next, known := a.next[key]
	if !known {
		next = a.intern(a.follow(a.states[at], by))
		a.next[key] = next
	}
	return next
}

func (a *automaton) follow(s state, by byte) state {
	if s.found {
		return s
	}
	if s.bytes += string([]byte{by}); !utf8.FullRuneInString(s.bytes) {
		return s
	}
	letter, _ := utf8.DecodeRuneInString(s.bytes)
	row := make([]byte, len(s.row))
	row[0] = min(s.row[0]+1, a.most+1)
	for i := range len(a.word) {
		cost := s.row[i]
		if a.word[i] != letter {
			cost++
		}
		cost = min(cost, s.row[i+1]+1, row[i]+1, a.most+1)
		if s.before != "" && i > 0 && a.word[i] == s.last && a.word[i-1] == letter {
			cost = min(cost, s.before[i-1]+1)
		}
		row[i+1] = cost
	}
	if !slices.Contains(a.word, letter) { // it cannot be exchanged with the next one
		return state{row: string(row)}
	}
	return state{row: string(row), before: s.row, last: letter}
}

// run reports whether the automaton accepts a text. If it accepts no text with this
// beginning, dead is the length of the shortest such beginning, else 0.
func (a *automaton) run(text string) (matches bool, dead int) {
	at := a.Start()
	for i := range len(text) {
		if at = a.Accept(at, text[i]); !a.CanMatch(at) {
			return false, i + 1
		}
	}
	return a.IsMatch(at), 0
}

func (a *automaton) matches(text string) bool {
	matches, _ := a.run(text)
	return matches
}
