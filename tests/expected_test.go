package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// expected is what content must give when all that is now in the bucket has been
// drained, by the law alone: no worker and no database take part.
func expected(t *testing.T, from s3Bucket) []string {
	t.Helper()
	records := make(map[movie.Identity]movie.Record)
	var rows []string
	for _, key := range from.keys(t) {
		object, err := from.client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &from.name, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(object.Body)
		if err != nil {
			t.Fatal(err)
		}
		err = decode.Read(bytes.NewReader(body), func(item decode.Item) error {
			if item.Reason != "" {
				rows = append(rows, fmt.Sprintf("rejection|%s|%d|%s", key, item.Position, item.Reason))
				return nil
			}
			u := item.Update
			u.Stamp = movie.Stamp{Time: movie.At(*object.LastModified), Key: key, Position: item.Position}
			before := records[u.Identity]
			before.Identity = u.Identity
			records[u.Identity] = movie.Merge(before, u.Record())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	visible := 0
	for _, r := range records {
		hidden := 1
		if r.Visible() {
			hidden = 0
			visible++
		}
		rows = append(rows, fmt.Sprintf("%d|%s|%X", hidden, r.Movie().AppendFields(nil), r.AppendStamps(nil)))
		for _, name := range r.Cast.List {
			rows = append(rows, fmt.Sprintf("cast|%s|%s|%d", name, r.Title, r.Year))
		}
		for _, name := range r.Genres.List {
			rows = append(rows, fmt.Sprintf("genre|%s|%s|%d", name, r.Title, r.Year))
		}
	}
	rows = append(rows, fmt.Sprintf("movies|%d", visible), "holes|0")
	slices.Sort(rows)
	return rows
}
