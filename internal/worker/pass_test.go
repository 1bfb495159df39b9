package worker

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"jpmovies/internal/queue"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestPass specifies the order of effects: testdata/pass has one file for each case, with the
// bucket before the first pass, the faults, and then the calls to bucket, database and queue,
// and what is left. One object is read at a time, so the order is the same in every run.
//
// The files of an archive:
//
//	bucket/KEY  an object, in the bucket before the first pass
//	put/KEY     the content of a later generation, for the fault "put KEY"
//	messages    lines of keys: each line is a message that names these keys; without this file
//	            the worker lists
//	options     "one by one": each request deletes one object, without a proven condition;
//	            "refuse TITLE": the database refuses that title for good
//	faults      lines of STEP: ACTION, each used once. A step is before or after LIST, GET KEY,
//	            COMMIT or DELETE KEY; an action is fail, put KEY or delete KEY.
//	calls       the calls of all passes, in their order
//	left        the bucket, the movies and the rejections after the last pass
//
// "before ... fail" is a step that was not applied; "after ... fail" is one that was applied and
// whose answer was lost. go test ./internal/worker -run Pass -update rewrites calls and left.
func TestPass(t *testing.T) {
	files, err := filepath.Glob("testdata/pass/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var calls, left string
			synctest.Test(t, func(t *testing.T) { calls, left = playPasses(t, archive) })
			if *update {
				setFile(archive, "calls", calls)
				setFile(archive, "left", left)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for name, got := range map[string]string{"calls": calls, "left": left} {
				if diff := cmp.Diff(fileOf(archive, name), got); diff != "" {
					t.Errorf("%s (-want +got), rewritten by -update:\n%s", name, diff)
				}
			}
		})
	}
}

// playPasses makes passes until nothing waits, at most three.
func playPasses(t *testing.T, archive *txtar.Archive) (calls, left string) {
	t.Helper()
	f := newPassFixture(t, archive)
	w := newTestWorker(f.store(), f.db, func(o *Options) {
		o.Catalogue, o.Status, o.Concurrency = f, f, 1
		o.Hints = Hints{Queue: f, Scope: queue.Scope{Bucket: "films"}}
	})
	schedule := scheduler{worker: w, listAt: time.Now().Add(time.Hour)}
	for n := 1; n <= 3; n++ {
		f.record("pass %d", n)
		next := fullListing
		if messages := slices.Clone(f.messages); len(messages) > 0 {
			next = schedule.messages(answer{messages: messages})
		}
		p := w.pass(t.Context(), t.Context(), next)
		w.finish(t.Context(), p)
		if p.counts.waiting() == 0 && p.counts.failed() == 0 {
			break
		}
	}
	return strings.Join(f.calls, "\n") + "\n", f.left()
}

func fileOf(archive *txtar.Archive, name string) string {
	for _, file := range archive.Files {
		if file.Name == name {
			return string(file.Data)
		}
	}
	return ""
}

func linesOf(archive *txtar.Archive, name string) []string {
	return strings.FieldsFunc(fileOf(archive, name), func(r rune) bool { return r == '\n' })
}

func setFile(archive *txtar.Archive, name, content string) {
	for i, file := range archive.Files {
		if file.Name == name {
			archive.Files[i].Data = []byte(content)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(content)})
}
