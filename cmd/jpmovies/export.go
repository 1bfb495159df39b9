package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

func newExport() *cobra.Command {
	var format, filter string
	command := &cobra.Command{
		Use:   "export",
		Short: "Write all movies as NDJSON or CSV",
		Long: `Writes the movies at one revision to standard output, in the formats of the API's
/export, and prints the revision to standard error: follow /changes from there.`,
		Example: `  jpmovies export > movies.ndjson
  jpmovies export --format csv --filter 'genre=Drama&year_from=2000'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			f, err := api.ParseFilter(filter)
			if err != nil {
				return badUsage("--filter: %v", err)
			}
			return withDatabase(command.Context(), func(db *database.DB) error {
				return export(command, catalogue.New(db), f, format)
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&format, "format", "ndjson", "ndjson, csv or spreadsheet")
	flags.StringVar(&filter, "filter", "", "only movies that match, as in the query string of the API")
	return command
}

func export(command *cobra.Command, movies *catalogue.Catalogue, f movie.Filter, format string) error {
	out, err := api.NewRowWriter(command.OutOrStdout(), format, "")
	if err != nil {
		return badUsage("--format: %v", err)
	}
	status, err := movies.Status(command.Context())
	if err != nil {
		return err
	}
	bar := newProgress()
	bar.count("movies", status.Movies)
	revision, written := int64(0), int64(0)
	err = movies.Export(command.Context(), f, func(r int64) error { revision = r; return nil }, func(rows []movie.Row) error {
		written += int64(len(rows))
		bar.set(written)
		return out.Write(rows)
	})
	bar.stop()
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.ErrOrStderr(), "%d movies at revision %d\n", written, revision)
	return err
}
