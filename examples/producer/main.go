// Command producer sends movie updates to the bucket MOVIES_BUCKET_NAME:
//
//	MOVIES_BUCKET_NAME=my-bucket go run ./examples/producer
//
// Credentials, region and endpoint are those of every AWS program.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// update is what an object says about a movie. A nil list keeps the names that the
// catalogue knows; an empty one clears them.
type update struct {
	Title   string   `json:"title"`
	Year    int      `json:"year"`
	Cast    []string `json:"cast,omitzero"`
	Genres  []string `json:"genres,omitzero"`
	Deleted bool     `json:"deleted,omitzero"`
}

func main() {
	var object bytes.Buffer
	lines := json.NewEncoder(&object)
	for _, u := range []update{
		{Title: "The dawn", Year: 2020, Genres: []string{"Politics"}},
		{Title: "A new marathon", Year: 2017, Cast: []string{"Chris Evans", "Mark Ruffalo"}},
		{Title: "The mystery meat", Year: 2021, Deleted: true},
	} {
		if err := lines.Encode(u); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	bucket := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = os.Getenv("MOVIES_BUCKET_PATH_STYLE") == "true" })
	_, err = bucket.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(os.Getenv("MOVIES_BUCKET_NAME")),
		Key:    aws.String(os.Getenv("MOVIES_BUCKET_PREFIX") + time.Now().UTC().Format("20060102T150405.000000000") + ".ndjson"),
		Body:   bytes.NewReader(object.Bytes()),
	})
	if err != nil {
		log.Fatal(err)
	}
}
