package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jpmovies/internal/audit"
	"jpmovies/internal/bucket"
	"jpmovies/internal/config"
	"jpmovies/internal/database"
	"jpmovies/internal/report"
)

func newTrace() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "trace KEY",
		Short: "Show what became of an object",
		Long: `Prints what is known about the objects stored under this key: whether one waits in
the bucket (if one is set), which updates were applied and which movies they
changed, which objects superseded them, and which updates were rejected. Fails
when nothing is known: there was no such object, or it was applied more than
MOVIES_CHANGE_DAYS ago. Fails, too, when the bucket does not answer, after it has
printed what the database knows.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return withDatabase(command.Context(), func(db *database.DB) error {
				return runTrace(command.Context(), command.OutOrStdout(), audit.New(db), args[0], asJSON)
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return command
}

func runTrace(ctx context.Context, out io.Writer, auditor *audit.Auditor, key string, asJSON bool) error {
	// Ask the bucket first: an object committed and deleted in between is then reported
	// twice instead of not at all.
	waiting, bucketErr := lookInto(ctx, key)
	if bucketErr != nil {
		bucketErr = fmt.Errorf("look into the bucket: %w", bucketErr)
	}
	if _, isWrong := errors.AsType[*config.Error](bucketErr); isWrong {
		return bucketErr
	}
	t, err := auditor.Trace(ctx, key)
	if err != nil {
		return err
	}
	t.Waiting = waiting
	if bucketErr != nil {
		t.BucketError = bucketErr.Error()
	}
	t.Conclude()
	if asJSON {
		err = json.NewEncoder(out).Encode(t)
	} else {
		_, err = io.WriteString(out, describeTrace(t))
	}
	switch {
	case err != nil:
		return err
	case bucketErr == nil && t.Unknown():
		return errSilent
	}
	return bucketErr
}

// lookInto looks the object up in the bucket, if one is configured.
func lookInto(ctx context.Context, key string) (*report.Waiting, error) {
	if os.Getenv("MOVIES_BUCKET_NAME")+os.Getenv("MOVIES_BUCKET_DIR") == "" {
		return nil, nil //nolint:nilnil // no bucket, so nothing found
	}
	var c config.Source
	if err := config.Parse(&c); err != nil {
		return nil, err
	}
	store, err := openStore(ctx, c.Bucket, concurrency{most: 1}, newLogger(c.Log, stderr))
	if err != nil {
		return nil, err
	}
	return waiting(ctx, store, c.BucketPrefix, key)
}

// waiting returns the object of a key if a worker would find it in the store.
func waiting(ctx context.Context, store bucket.Store, prefix, key string) (*report.Waiting, error) {
	if !strings.HasPrefix(key, prefix) {
		return nil, nil //nolint:nilnil // workers ignore it
	}
	object, body, err := store.Get(ctx, key)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return nil, nil //nolint:nilnil // nothing found
	case errors.Is(err, bucket.ErrSettling):
		return &report.Waiting{Settling: true}, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = body.Close() }() // nothing was read
	if bucket.Ignored(object) {
		return nil, nil //nolint:nilnil // a folder marker
	}
	return &report.Waiting{ObjectETag: object.ETag, ObjectTime: &object.LastModified, Size: object.Size}, nil
}

// describeTrace returns a trace as text.
func describeTrace(t report.Trace) string {
	text := &strings.Builder{}
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(text, format+"\n", args...) } // a Builder returns no error
	line("%q is %s", t.Key, strings.Join(t.States, " and "))
	switch w := t.Waiting; {
	case t.BucketError != "":
		line("bucket    cannot be searched; an object that waits there is not shown")
	case w == nil:
	case w.Settling:
		line("waiting   in the bucket, and may still be being written")
	default:
		line("waiting   %s in the bucket, %d bytes of %s", w.ObjectETag, w.Size, w.ObjectTime.Format(time.RFC3339))
	}
	for _, i := range t.Applied {
		what := "positions " + fmt.Sprint(i.First, " to ", i.Last)
		if i.Last == 0 {
			what = "nothing in it"
		}
		line("applied   %s: %d updates, %d movies changed, %d rejected (%s of %s, %s)", i.Time.Format(time.RFC3339),
			i.Updates, i.Changes, i.Rejections, i.ObjectETag, i.ObjectTime.Format(time.RFC3339), what)
		for _, m := range i.Movies {
			line("          %s", describeTouched(m))
		}
	}
	for _, r := range t.Rejections {
		line("rejected  %s: position %d: %s (%s, rejection %d)", r.Time.Format(time.RFC3339), r.Position, r.Reason, r.ObjectETag, r.ID)
	}
	return text.String()
}

func describeTouched(m report.Touched) string {
	text := fmt.Sprintf("movie %d: revision %d", m.ID, m.Revision)
	if m.Revision == 0 {
		text = fmt.Sprintf("movie %d: nothing changed", m.ID)
	}
	if by := m.SupersededBy; by != nil {
		text += fmt.Sprintf("; superseded by %q of %s", by.Key, by.Time.Format(time.RFC3339))
	}
	return text
}
