package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// TestGenerate: the movies are distributed as in a real catalogue, and all are valid.
func TestGenerate(t *testing.T) {
	const n = 50_000
	var out bytes.Buffer
	if err := (generator{seed: 7}).write(&out, 0, n); err != nil {
		t.Fatal(err)
	}
	identities := make(map[movie.Identity]bool)
	titles := make(map[string]int)
	cast, genres, drama, words := 0, 0, 0, make(map[int]int)
	err := decode.Read(bytes.NewReader(out.Bytes()), func(item decode.Item) error {
		u := item.Update
		if item.Reason != "" {
			t.Fatalf("item %d: %s", item.Position, item.Reason)
		}
		identities[u.Identity] = true
		titles[u.Title]++
		words[len(strings.Fields(u.Title))]++
		cast += len(u.Cast)
		genres += len(u.Genres)
		for _, g := range u.Genres {
			if g == "Drama" {
				drama++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(identities) != n {
		t.Errorf("%d different movies, want %d", len(identities), n)
	}
	shared := 0
	for _, count := range titles {
		if count > 1 {
			shared += count
		}
	}
	for name, got := range map[string][2]float64{
		"cast": {float64(cast) / n, 3.7}, "genres": {float64(genres) / n, 1.8},
		"drama": {float64(drama) / n, 0.39}, "shared titles": {float64(shared) / n, 0.08},
	} {
		if math.Abs(got[0]/got[1]-1) > 0.05 {
			t.Errorf("%s: %.3f, want %.2f", name, got[0], got[1])
		}
	}
	for count := 1; count <= 8; count++ {
		if words[count] == 0 {
			t.Errorf("no title of %d words", count)
		}
	}
	if len(words) != 8 {
		t.Errorf("words of titles: %v", words)
	}
}

// TestGenerateInParts: generating movies in parts gives the same movies as at once.
func TestGenerateInParts(t *testing.T) {
	var whole, parts bytes.Buffer
	g := generator{seed: 3}
	for _, part := range []struct {
		out          *bytes.Buffer
		first, count int
	}{{&whole, 0, 100}, {&parts, 0, 24}, {&parts, 24, 1}, {&parts, 25, 75}} {
		if err := g.write(part.out, part.first, part.count); err != nil {
			t.Fatal(err)
		}
	}
	if whole.String() != parts.String() {
		t.Error("the parts are not the whole")
	}
	var other bytes.Buffer
	if err := (generator{seed: 4}).write(&other, 0, 100); err != nil {
		t.Fatal(err)
	}
	if other.String() == whole.String() {
		t.Error("another seed gives the same movies")
	}
}
