package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newGenerate() *cobra.Command {
	var g generator
	var count, perFile int
	var dir string
	command := &cobra.Command{
		Use:   "generate",
		Short: "Generate a synthetic catalogue of any size",
		Long: `Writes movies, one per line, to standard output, or as files into a folder. The
same seed gives the same movies. They are shaped like a real catalogue: a few
genres and people are in very many movies, most in few; the top genre is in 39 %
of them, a movie has 3.7 people and 1.8 genres on average and a title of one to
eight words, and 8 % share their title with another one.`,
		Example: `  jpmovies generate --movies 1000000 > million.ndjson
  jpmovies generate --movies 20000 --dir inbox --per-file 1`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if count < 1 || perFile < 1 {
				return badUsage("--movies is %d and --per-file is %d, expected at least 1", count, perFile)
			}
			if dir != "" {
				return g.files(dir, count, perFile)
			}
			return g.write(command.OutOrStdout(), 0, count)
		},
	}
	flags := command.Flags()
	flags.IntVar(&count, "movies", 1000, "how many movies")
	flags.Uint64Var(&g.seed, "seed", 1, "another seed gives other movies")
	flags.StringVar(&dir, "dir", "", "write files into this folder")
	flags.IntVar(&perFile, "per-file", 1000, "movies in each file")
	return command
}

// generator generates movies. Movie i depends on the seed and i alone.
type generator struct{ seed uint64 }

// files writes files that are complete when they appear under their names.
func (g generator) files(dir string, count, perFile int) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for first := 0; first < count; first += perFile {
		name := fmt.Sprintf("%010d.ndjson", first)
		if err := g.file(filepath.Join(dir, "."+name), first, min(perFile, count-first)); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (g generator) file(path string, first, count int) error {
	f, err := os.Create(path) //nolint:gosec // the user named the folder
	if err != nil {
		return err
	}
	return errors.Join(g.write(f, first, count), f.Close())
}

func (g generator) write(w io.Writer, first, count int) error {
	out := bufio.NewWriterSize(w, 1<<16)
	source := rand.NewPCG(0, 0)
	line := make([]byte, 0, 1<<10)
	for i := first; i < first+count; i++ {
		line = g.appendMovie(line[:0], source, uint64(i)) //nolint:gosec // not negative
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// sharing: one movie in so many has the title of the one before it.
const sharing = 25

func (g generator) appendMovie(b []byte, source *rand.PCG, i uint64) []byte {
	titled, remake := i, i%sharing == sharing-1
	if remake {
		titled--
	}
	source.Seed(g.seed, titled)
	random := rand.New(source) //nolint:gosec // test data
	b = append(b, `{"title": "`...)
	b = appendTitle(b, random, titled)
	year := 1920 + int(105*max(random.Float64(), random.Float64())) // most are recent
	if remake {
		year += 1 + random.IntN(20)
	}
	b = append(b, `", "year": `...)
	b = strconv.AppendInt(b, int64(year), 10)
	source.Seed(g.seed+1, i)
	b = appendStrings(append(b, `, "cast": [`...), distinct(castSize(random), func() int { return person(random) }), appendPerson)
	b = appendStrings(append(b, `], "genres": [`...), distinct(genreCount(random), func() int { return genre(random) }),
		appendGenre)
	return append(b, "]}\n"...)
}

func appendStrings(b []byte, values []int, appendOne func([]byte, int) []byte) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendOne(append(b, '"'), v), '"')
	}
	return b
}

// distinct draws until it has n distinct values.
func distinct(n int, draw func() int) []int {
	values := make([]int, 0, n)
	for len(values) < n {
		if v := draw(); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// appendTitle appends a title of one to eight words. Three of them, or one coined word,
// make it unique.
func appendTitle(b []byte, random *rand.Rand, i uint64) []byte {
	const wordBits, bits, odd = 10, 30, 0x2545F491
	mixed := i * odd % (1 << bits) // a permutation of the first billion numbers
	words := 1 + random.IntN(5) + random.IntN(4)
	if words < 3 {
		b = appendCoined(b, mixed)
	}
	for w := range words {
		switch {
		case words < 3 && w == 0:
		case words >= 3 && w < 3:
			b = appendWord(b, mixed>>(wordBits*w))
		default:
			b = appendWord(b, random.Uint64())
		}
		b = append(b, ' ')
	}
	return b[:len(b)-1]
}

// The syllables of the 1,024 words of titles.
var (
	onsets = strings.Fields("b bl br c ch cl cr d dr f fl fr g gl gr h j l m n p pl pr qu r s sh sl st t tr w")
	rimes  = strings.Fields("ack ade ail ake all ame and ane ark ash ate ay eam ear ell est ice ide ill ime ine ing ock oke old ong ore ound ove own ust y")
)

func appendWord(b []byte, n uint64) []byte {
	start, count := len(b), uint64(len(onsets))
	b = append(append(b, onsets[n%count]...), rimes[n/count%uint64(len(rimes))]...)
	b[start] -= 'a' - 'A'
	return b
}

// appendCoined appends a word unique to the number.
func appendCoined(b []byte, n uint64) []byte {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	const syllables = uint64(len(consonants) * len(vowels))
	start := len(b)
	for more := true; more; more = n > 0 {
		b = append(b, consonants[n%uint64(len(consonants))], vowels[n%syllables/uint64(len(consonants))])
		n /= syllables
	}
	b[start] -= 'a' - 'A'
	return b
}

func castSize(random *rand.Rand) int {
	n := random.IntN(4) + random.IntN(4)
	if random.IntN(10) < 7 {
		n++
	}
	return n
}

// Distribution of people: the frequency of one falls like 1/(rank+flat).
const (
	people = 400_000
	flat   = 50
)

func person(random *rand.Rand) int {
	rank := flat * (math.Pow(float64(people+flat)/flat, random.Float64()) - 1)
	return min(int(rank), people-1)
}

var (
	firstNames = strings.Fields("Ada Akira Amir Ana Ben Björn Carla Chen Dora Elif Emma Erik Fatima Felix Grace Hugo Ines Ivan Jana José Kofi Lara Leo Lin Maya Mila Nadia Noah Olga Omar Paul Rosa")
	lastNames  = strings.Fields("Abe Adams Ali Berg Brown Costa Cruz Dahl Diaz Evans Fischer Garcia Gupta Hall Ito Jansen Kim Kovač Lee Lopez Meyer Moreau Nguyen Novak Okoye Park Rossi Sato Silva Smith Weber Young")
)

func appendPerson(b []byte, p int) []byte {
	b = append(b, firstNames[p%len(firstNames)]...)
	p /= len(firstNames)
	if middle := p / len(lastNames); middle > 0 {
		b = appendCoined(append(b, ' '), uint64(middle))
	}
	return append(append(b, ' '), lastNames[p%len(lastNames)]...)
}

var genres = []string{
	"Drama", "Comedy", "Action", "Thriller", "Romance", "Horror", "Crime", "Documentary", "Adventure", "Science Fiction", "Fantasy", "Family",
	"Mystery", "Animated", "Biography", "Western", "War", "Historical", "Musical", "Sports", "Dance", "Superhero", "Noir", "Silent",
}

// genreOdds[i] is the probability that a genre is one of the first i+1.
var genreOdds = func() []float64 {
	odds := make([]float64, len(genres))
	sum := 0.0
	for rank := range genres {
		sum += 1 / (float64(rank) + 1.2)
		odds[rank] = sum
	}
	for rank := range odds {
		odds[rank] /= sum
	}
	return odds
}()

func genre(random *rand.Rand) int {
	at, _ := slices.BinarySearch(genreOdds, random.Float64())
	return min(at, len(genres)-1)
}

func genreCount(random *rand.Rand) int {
	switch n := random.IntN(100); {
	case n < 42:
		return 1
	case n < 82:
		return 2
	case n < 96:
		return 3
	}
	return 4
}

func appendGenre(b []byte, g int) []byte { return append(b, genres[g]...) }
