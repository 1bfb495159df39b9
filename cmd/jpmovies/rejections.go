package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/database"
	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

func newRejections() *cobra.Command {
	command := &cobra.Command{
		Use:   "rejections",
		Short: "Show rejected updates and requeue them",
		Long: `The worker removes invalid updates from the bucket and stores them in the database
for MOVIES_REJECTION_DAYS, with the reason and their first 64 KiB.`,
		Args: cobra.NoArgs, // so that a mistyped subcommand fails
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		reads(newRejectionsList(), databaseSettings), reads(newRejectionsShow(), databaseSettings),
		reads(newRejectionsRequeue(), databaseSettings, bucketSettings),
	)
	return command
}

// withDatabase runs a command that needs only a migrated database.
func withDatabase(ctx context.Context, do func(*database.DB) error) error {
	var c config.Migrate
	if err := config.Parse(&c); err != nil {
		return err
	}
	o := databaseOptions(c.Database, false, newLogger(c.Log, stderr))
	o.Unhurried = true // an operator waits for the command and can interrupt it
	db, err := database.Open(o)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // every statement has been answered
	if err := db.CheckSchema(ctx); err != nil {
		return err
	}
	return do(db)
}

func newRejectionsList() *cobra.Command {
	var limit int
	var before int64
	var asJSON bool
	command := &cobra.Command{
		Use:   "list",
		Short: "List the newest rejections",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if limit < 1 || before < 0 {
				return badUsage("--limit is %d and --before is %d, expected --limit from 1 and --before from 0", limit, before)
			}
			return withDatabase(command.Context(), func(db *database.DB) error {
				found, err := catalogue.New(db).Rejections(command.Context(), before, limit)
				if err != nil {
					return err
				}
				if asJSON {
					return listJSON(command.OutOrStdout(), found)
				}
				return listTable(command.OutOrStdout(), found)
			})
		},
	}
	flags := command.Flags()
	flags.IntVar(&limit, "limit", 20, "how many")
	flags.Int64Var(&before, "before", 0, "only ids below this one, to see more")
	flags.BoolVar(&asJSON, "json", false, "a JSON object a line")
	return command
}

func listJSON(out io.Writer, found []report.Rejection) error {
	e := json.NewEncoder(out)
	for _, r := range found {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func listTable(out io.Writer, found []report.Rejection) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "Nothing was rejected.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tTIME\tOBJECT\tPOSITION\tREASON") // Flush returns the error
	for _, r := range found {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%q\t%d\t%s\n", r.ID, r.Time.Format(time.DateTime), r.Key, r.Position, r.Reason)
	}
	return table.Flush()
}

func newRejectionsShow() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "show ID",
		Short: "Show one rejection, with what was rejected",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return withRejection(command.Context(), args[0], func(_ *catalogue.Catalogue, r report.Rejection) error {
				if asJSON {
					return showJSON(command.OutOrStdout(), r)
				}
				cut := ""
				if r.Truncated {
					cut = fmt.Sprintf("\nThe text goes on: only its first %d bytes are kept.\n", len(r.Bytes))
				}
				_, err := fmt.Fprintf(command.OutOrStdout(), "object    %q, ETag %s\nposition  %d\nrejected  %s\nreason    %s\n%s\n%s\n",
					r.Key, r.ObjectETag, r.Position, r.Time.Format(time.RFC3339), r.Reason, cut, printable(r.Bytes))
				return err
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return command
}

// showJSON writes a rejection. Bytes that are no text are in base64.
func showJSON(out io.Writer, r report.Rejection) error {
	shown := struct {
		report.Rejection
		Bytes     *string `json:"bytes,omitempty"`
		Base64    []byte  `json:"bytes_base64,omitempty"`
		Truncated bool    `json:"truncated"`
	}{Rejection: r, Truncated: r.Truncated}
	text := string(r.Bytes)
	for i := 1; r.Truncated && i < utf8.UTFMax && i <= len(text); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRuneInString(last) { // the cut is inside a character
				text = text[:len(text)-i]
			}
			break
		}
	}
	if utf8.ValidString(text) {
		shown.Bytes = &text
	} else {
		shown.Base64 = r.Bytes
	}
	return json.NewEncoder(out).Encode(shown)
}

// printable escapes control characters, so that bytes from outside cannot control the
// terminal.
func printable(b []byte) string {
	var out []byte
	for _, r := range string(b) {
		if r == '\n' || r == '\t' || strconv.IsPrint(r) {
			out = append(out, string(r)...)
		} else {
			out = append(out, strconv.QuoteRuneToASCII(r)[1:]...)
			out = out[:len(out)-1]
		}
	}
	return string(out)
}

func withRejection(ctx context.Context, text string, do func(*catalogue.Catalogue, report.Rejection) error) error {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return badUsage("id is %q, expected a whole number from 1, as rejections list prints it", text)
	}
	return withDatabase(ctx, func(db *database.DB) error {
		movies := catalogue.New(db)
		r, err := movies.Rejection(ctx, id)
		if errors.Is(err, movie.ErrNotFound) {
			return fmt.Errorf("there is no rejection %d", id)
		}
		if err != nil {
			return err
		}
		return do(movies, r)
	})
}

func newRejectionsRequeue() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "requeue ID",
		Short: "Put a rejected update back into the bucket",
		Long: `Puts a rejected update, or its corrected form in a file, into the bucket as a new
object, whose key is the prefix and "requeued/...", and then deletes the
rejection. The object is new, so its updates are newer than those of older
objects. An update that would be rejected again is refused.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return withRejection(command.Context(), args[0], func(movies *catalogue.Catalogue, r report.Rejection) error {
				body, err := corrected(file, r)
				if err != nil {
					return err
				}
				return requeue(command.Context(), command.OutOrStdout(), movies, r, body)
			})
		},
	}
	command.Flags().StringVar(&file, "file", "", "the corrected update; - is the standard input")
	return command
}

func corrected(file string, r report.Rejection) ([]byte, error) {
	switch {
	case file == "-":
		return io.ReadAll(os.Stdin)
	case file != "":
		return os.ReadFile(file) //nolint:gosec // the user names the file
	case r.Truncated:
		return nil, fmt.Errorf("only its first %d bytes were stored; pass the whole update with --file", movie.MaxKept)
	}
	return r.Bytes, nil
}

func requeue(ctx context.Context, out io.Writer, movies *catalogue.Catalogue, r report.Rejection, body []byte) error {
	var c config.Source
	if err := config.Parse(&c); err != nil {
		return err
	}
	updates := 0
	err := decode.Read(bytes.NewReader(body), func(item decode.Item) error {
		updates++
		if item.Reason != "" {
			return fmt.Errorf("it would be rejected again: %s; pass the corrected update with --file", item.Reason)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if updates == 0 {
		return errors.New("it has no update; pass the corrected one with --file")
	}
	store, err := openStore(ctx, c.Bucket, concurrency{most: 1}, newLogger(c.Log, stderr))
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%srequeued/%d-%d.json", c.BucketPrefix, r.ID, time.Now().UnixMilli())
	if err := store.Put(ctx, key, body); err != nil {
		return err
	}
	// Put first: a rejection that stays after its update was requeued does no harm.
	if err := movies.DropRejection(ctx, r.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "rejection %d is now the object %s\n", r.ID, key)
	return err
}
