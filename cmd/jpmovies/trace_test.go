package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"jpmovies/internal/audit"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestTraceWithoutBucket: when the bucket refuses the key, trace prints what the database knows, and
// fails.
func TestTraceWithoutBucket(t *testing.T) {
	server := httptest.NewServer(&buckettest.Server{Memory: &buckettest.Memory{}, Refuse: func(string, string) string { return "AccessDenied" }})
	defer server.Close()
	for name, value := range map[string]string{
		"MOVIES_BUCKET_NAME": "b", "MOVIES_BUCKET_PATH_STYLE": "true", "AWS_ENDPOINT_URL_S3": server.URL,
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	db := databasetest.Open(t, databasetest.SQLite(t))
	batch := movie.Batch{
		Objects: []movie.Object{{Key: "a.json", ETag: "e"}},
		Updates: []movie.Update{{Identity: movie.Identity{Title: "A", Year: 2000}, Stamp: movie.Stamp{Key: "a.json", Position: 1}}},
	}
	if _, err := catalogue.New(db).Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a.json": `"a.json" is applied`, "b.json": `"b.json" is unknown`} {
		var out strings.Builder
		err := runTrace(t.Context(), &out, audit.New(db), key, false)
		if err == nil || !strings.Contains(err.Error(), "look into the bucket: ") || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %v", key, err)
		}
		if !strings.HasPrefix(out.String(), want+"\nbucket    cannot be searched") {
			t.Errorf("%s: printed %q", key, out.String())
		}
	}
}
