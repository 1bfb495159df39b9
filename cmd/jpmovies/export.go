package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

func newExport() *cobra.Command {
	var format, filter string
	command := &cobra.Command{
		Use:   "export",
		Short: "Write all movies as NDJSON or CSV",
		Long: `Writes the movies to standard output as they are at one revision, which is told
on standard error: follow /changes from there. The output is that of the API's
/export.`,
		Example: `  jpmovies export > movies.ndjson
  jpmovies export --format csv --filter 'genre=Drama&year_from=2000'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			f, err := movie.ParseFilter(filter)
			if err != nil {
				return badUsage("--filter: %v", err)
			}
			return withDatabase(command.Context(), func(db *database.DB) error {
				out := bufio.NewWriterSize(command.OutOrStdout(), 1<<16)
				return export(command, catalogue.New(db), f, format, out)
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&format, "format", "ndjson", "ndjson or csv")
	flags.StringVar(&filter, "filter", "", "only movies that match, as in the query string of the API")
	return command
}

func export(command *cobra.Command, movies *catalogue.Catalogue, f movie.Filter, format string, out *bufio.Writer) error {
	write, finish, err := rowWriter(format, out)
	if err != nil {
		return err
	}
	status, err := movies.Status(command.Context())
	if err != nil {
		return err
	}
	bar := newProgress(os.Stderr)
	bar.count("movies", status.Movies)
	revision, written := int64(0), int64(0)
	err = movies.Export(command.Context(), f, func(r int64) error { revision = r; return nil }, func(rows []movie.Row) error {
		written += int64(len(rows))
		bar.set(written)
		return write(rows)
	})
	bar.stop()
	if err != nil {
		return err
	}
	if err := finish(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.ErrOrStderr(), "%d movies at revision %d\n", written, revision)
	return err
}

func rowWriter(format string, out *bufio.Writer) (write func([]movie.Row) error, finish func() error, err error) {
	switch format {
	case "ndjson":
		return func(rows []movie.Row) error { return writeLines(out, rows) }, out.Flush, nil
	case "csv":
		table := csv.NewWriter(out)
		err := table.Write(movie.CSVHeader())
		return func(rows []movie.Row) error { return writeRecords(table, rows) }, func() error {
			table.Flush()
			return table.Error()
		}, err
	}
	return nil, nil, badUsage("--format is %q, expected ndjson or csv", format)
}

func writeLines(out io.Writer, rows []movie.Row) error {
	var line []byte
	for _, row := range rows {
		line = append(row.AppendJSON(line[:0]), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func writeRecords(table *csv.Writer, rows []movie.Row) error {
	for _, row := range rows {
		record, err := row.CSVRecord()
		if err != nil {
			return err
		}
		if err := table.Write(record); err != nil {
			return err
		}
	}
	return nil
}
