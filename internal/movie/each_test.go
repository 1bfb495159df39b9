package movie_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jpmovies/internal/movie"
)

// TestEachChange: applied to the list before, the changes give the elements of the list after,
// however long the lists are.
func TestEachChange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := func(n int) []int {
		all := random.Perm(3*n + 1)
		return all[:min(n, len(all))]
	}
	for range 2000 {
		before, after := list(random.IntN(80)), list(random.IntN(80))
		var gone, come []int
		movie.EachChange(before, after, func(v int) { gone = append(gone, v) }, func(v int) { come = append(come, v) })
		wantGone := slices.DeleteFunc(slices.Clone(before), func(v int) bool { return slices.Contains(after, v) })
		wantCome := slices.DeleteFunc(slices.Clone(after), func(v int) bool { return slices.Contains(before, v) })
		if !slices.Equal(gone, wantGone) || !slices.Equal(come, wantCome) {
			t.Fatalf("%v becomes %v: %v go, %v come", before, after, gone, come)
		}
	}
}
