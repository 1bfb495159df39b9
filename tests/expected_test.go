package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// stored is an object in a bucket.
type stored struct {
	key      string
	modified time.Time
	body     []byte
}

// expected returns the content that the catalogue must have after all objects now in the
// bucket are drained. It computes this without a worker or a database.
func expected(t *testing.T, from s3Bucket) []string {
	t.Helper()
	var objects []stored
	for _, key := range from.keys(t) {
		object, err := from.client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &from.name, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(object.Body)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, stored{key, *object.LastModified, body})
	}
	return lawful(t, objects)
}

// items returns the updates and the rejections of an object, the latter in the form that
// content returns.
func (s stored) items(t *testing.T) (updates []movie.Update, rejections []string) {
	t.Helper()
	err := decode.Read(bytes.NewReader(s.body), func(item decode.Item) error {
		if item.Reason != "" {
			rejections = append(rejections, fmt.Sprintf("rejection|%s|%d|%s", s.key, item.Position, item.Reason))
			return nil
		}
		item.Update.Stamp = movie.Stamp{Time: movie.At(s.modified), Key: s.key, Position: item.Position}
		updates = append(updates, item.Update)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return updates, rejections
}

// lawful returns the content that the catalogue must have after all of the objects are
// drained.
func lawful(t *testing.T, objects []stored) []string {
	t.Helper()
	var all []movie.Update
	var rows []string
	for _, object := range objects {
		updates, rejections := object.items(t)
		all, rows = append(all, updates...), append(rows, rejections...)
	}
	records := movie.Collect(all)
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
