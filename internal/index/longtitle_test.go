package index_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// TestSameTitle: all movies with the words of a search come first, page by page, however many
// they are, and long titles that only begin alike come later.
func TestSameTitle(t *testing.T) {
	long := strings.Repeat("word ", 30)
	for _, title := range []string{"Home", long} {
		b := index.New()
		const same = 3000
		for i := range same {
			if err := b.Put(int64(2*i+1), movie.Movie{Identity: movie.Identity{Title: title, Year: i + 1}}); err != nil {
				t.Fatal(err)
			}
			if err := b.Put(int64(2*i+2), movie.Movie{Identity: movie.Identity{Title: title + " more", Year: i + 1}}); err != nil {
				t.Fatal(err)
			}
		}
		x, err := b.Commit(2 * same)
		if err != nil {
			t.Fatal(err)
		}
		f := movie.Filter{Words: movie.Words(title)}
		var ids []int64
		for start, more := int64(0), true; more && len(ids) <= 2*same; start = ids[len(ids)-1] { // a page may lead back
			found, err := x.Search(f, movie.SortMatch, start, 700)
			if err != nil {
				t.Fatal(err)
			}
			ids, more = append(ids, found.IDs...), found.More
		}
		if len(ids) != 2*same {
			t.Errorf("%.10q: %d movies, want %d", title, len(ids), 2*same)
		}
		for i, id := range ids {
			if odd := id%2 == 1; odd != (i < same) {
				t.Fatalf("%.10q: movie %d at place %d", title, id, i)
			}
		}
	}
}

// TestLongTitles: titles whose letters fold to many, alike in their beginnings, are ordered by
// their keys and found, as they are loaded and when they come later.
func TestLongTitles(t *testing.T) {
	var titles []string
	for i := range 60 {
		for _, letter := range []string{"a", "Ж", "㌖", "\ufdfa", "é "} {
			titles = append(titles, fmt.Sprintf("%s%02d", strings.Repeat(letter, i*7%100), i))
		}
	}
	put := func(b *index.Builder, from int, titles []string) *index.Index {
		t.Helper()
		for i, title := range titles {
			if err := b.Put(int64(from+i), movie.Movie{Identity: movie.Identity{Title: title, Year: 2000}}); err != nil {
				t.Fatal(err)
			}
		}
		x, err := b.Commit(int64(from + len(titles)))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := put(index.New(), 1, titles[:200])
	x = put(x.Change(), 201, titles[200:])
	want := make([]int64, len(titles))
	for i := range want {
		want[i] = int64(i + 1)
	}
	slices.SortFunc(want, func(a, b int64) int {
		return cmp.Or(strings.Compare(movie.TitleKey(titles[a-1]), movie.TitleKey(titles[b-1])), cmp.Compare(b, a))
	})
	if found, err := x.Search(movie.Filter{}, movie.SortTitle, 0, len(titles)); err != nil || !slices.Equal(found.IDs, want) {
		t.Errorf("%v, %v, want %v", err, found.IDs, want)
	}
	for i, title := range titles {
		found, err := x.Search(movie.Filter{Title: title}, movie.SortNewest, 0, 1)
		if err != nil || !slices.Contains(found.IDs, int64(i+1)) && titles[found.IDs[0]-1] != title {
			t.Errorf("%q: %v, %v", title, err, found.IDs)
		}
		if words := movie.Words(title); len(words) <= 64 {
			best, err := x.Search(movie.Filter{Words: words}, movie.SortMatch, 0, 1)
			if err != nil || !slices.Equal(movie.Words(titles[best.IDs[0]-1]), words) {
				t.Errorf("%q: %v, %v", title, err, best.IDs)
			}
		}
	}
}
