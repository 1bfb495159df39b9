package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/config"
)

func newReplay() *cobra.Command {
	var since, until, prefix string
	command := &cobra.Command{
		Use:   "replay",
		Short: "Apply again what a versioned bucket still has",
		Long: `Applies the updates of all versions that a versioned S3 bucket keeps, with their
times, for a database that has lost commits: after a fail-over, or restored from an
old copy. It changes nothing in the bucket. Newest wins, so it may run at any time,
twice, and beside workers. --until into an empty database gives the catalogue of
that time.`,
		Example: `  jpmovies replay --since 2026-11-28T00:00:00Z
  MOVIES_DB_FILE=then.sqlite jpmovies replay --until 2026-11-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var r replay
			for _, bound := range []struct {
				flag, text string
				at         *time.Time
			}{{"--since", since, &r.since}, {"--until", until, &r.until}} {
				var err error
				if bound.text == "" {
					continue
				}
				if *bound.at, err = time.Parse(time.RFC3339, bound.text); err != nil {
					return badUsage("%s is %q, expected a time such as 2026-11-28T15:04:05Z", bound.flag, bound.text)
				}
			}
			if !r.until.IsZero() && r.until.Before(r.since) {
				return badUsage("--until is before --since")
			}
			if err := config.Parse(&r.config); err != nil {
				return err
			}
			if r.config.BucketDir != "" {
				return badUsage("MOVIES_BUCKET_DIR is a folder, which keeps no versions; expected a versioned bucket in MOVIES_BUCKET_NAME")
			}
			if command.Flags().Changed("prefix") {
				r.config.BucketPrefix = prefix
			}
			return r.run(command.Context(), command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&since, "since", "", "only versions written at or after this time (RFC 3339)")
	flags.StringVar(&until, "until", "", "only versions written at or before this time (RFC 3339)")
	flags.StringVar(&prefix, "prefix", "", "only keys under it, instead of MOVIES_BUCKET_PREFIX")
	return command
}

// replay is one run of the command.
type replay struct {
	config       config.Replay
	since, until time.Time
}

func (r *replay) run(ctx context.Context, out io.Writer) error {
	c := r.config
	var versions *s3bucket.Versions
	reads := concurrencyOf(0, false, loadBatch)
	l := load{
		name: "replay", database: c.Database, log: c.Log, bar: newProgress(), reads: reads, follow: true,
		open: func(ctx context.Context, logger *slog.Logger) (bucket.Store, error) {
			store, err := s3bucket.Open(ctx, s3bucket.Options{
				Name: c.BucketName, Prefix: c.BucketPrefix, PathStyle: c.BucketPathStyle,
				PageSize: c.BucketItemsLimit, Concurrency: reads.most, Adaptive: reads.adaptive, Logger: logger,
			})
			if err != nil {
				return nil, wrong(err)
			}
			versions, err = store.Versions(ctx, r.since, r.until)
			return versions, err
		},
	}
	done, err := l.run(ctx)
	if versions == nil {
		return err
	}
	if n, example := versions.Waiting(); n > 0 && !errors.Is(err, errStopped) {
		err = errors.Join(err, fmt.Errorf("versions that wait for an older one of the same second, and were not applied: %d, such as %s", n, example))
	}
	_, printed := fmt.Fprintf(out, "%d updates applied again, %d movies changed, %d updates rejected, %d versions gone, in %s\n",
		done.Updates, done.Changes, done.Rejections, versions.Gone(), done.took)
	return errors.Join(err, printed)
}
