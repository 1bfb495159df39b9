package decode

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkRead decodes NDJSON of 10,000 movies as in real feeds.
func BenchmarkRead(b *testing.B) {
	const movies = 10_000
	var object bytes.Buffer
	for i := range movies {
		fmt.Fprintf(&object, `{"title":"The Story of Number %d","year":%d,"cast":["Anna Example","Bert O'Hara %d","Cécile Dubois"],"genres":["Drama","Comedy"],"href":"The_Story_%d"}`+"\n",
			i, 1900+i%120, i%500, i)
	}
	b.SetBytes(int64(object.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := Read(bytes.NewReader(object.Bytes()), func(item Item) error {
			if item.Reason != "" {
				b.Fatal(item.Reason)
			}
			n++
			return nil
		})
		if err != nil || n != movies {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*movies), "ns/update")
}

// BenchmarkReadOne decodes an object of one movie, which is the usual size.
func BenchmarkReadOne(b *testing.B) {
	object := []byte(`{"title":"The dawn","year":2020,"cast":["Chris Ruf","Mark Zei"],"genres":["Politics"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := Read(bytes.NewReader(object), func(Item) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
