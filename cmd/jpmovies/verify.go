package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
)

func newVerify() *cobra.Command {
	var repair, asJSON bool
	command := &cobra.Command{
		Use:   "verify",
		Short: "Check that the tables agree with each other",
		Long: `Reads the catalogue at one revision and checks that the tables of names, the
number of movies and the change log agree with the movies' rows. Workers may run
meanwhile. Prints each difference, and fails when there is one. --repair repairs
the names and the number of movies from the rows. It repairs neither damaged rows
nor a change log with holes: restore a copy.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withDatabase(command.Context(), func(db *database.DB) error {
				v := verifier{out: command.OutOrStdout(), asJSON: asJSON}
				return v.run(command, db, repair)
			})
		},
	}
	flags := command.Flags()
	flags.BoolVar(&repair, "repair", false, "repair names and the number of movies")
	flags.BoolVar(&asJSON, "json", false, "a JSON object for each difference")
	return command
}

// maxDifferences bounds the differences collected for one repair.
const maxDifferences = 100_000

type verifier struct {
	out    io.Writer
	asJSON bool
	found  []audit.Difference
	more   bool
	err    error
}

func (v *verifier) run(command *cobra.Command, db *database.DB, repair bool) error {
	ctx := command.Context()
	status, err := catalogue.New(db).Status(ctx)
	if err != nil {
		return err
	}
	auditor := audit.New(db)
	bar := newProgress()
	bar.count("movies", status.Movies)
	revision, movies, err := auditor.Verify(ctx, v.difference, bar.set)
	bar.stop()
	if err == nil {
		err = v.err
	}
	if err != nil {
		return err
	}
	if len(v.found) == 0 {
		return v.say("%d movies at revision %d: all tables agree", movies, revision)
	}
	if !repair {
		if err := v.say("%d differences%s", len(v.found), v.andMore(" and more")); err != nil {
			return err
		}
		return errSilent
	}
	repaired, err := auditor.Repair(ctx, v.found)
	if err != nil {
		return err
	}
	if err := v.say("%d of %d differences are repaired%s", repaired, len(v.found), v.andMore("; there are more: run it again")); err != nil {
		return err
	}
	if repaired < len(v.found) || v.more {
		return errSilent
	}
	return nil
}

// andMore returns a text if there are more differences than are kept.
func (v *verifier) andMore(text string) string {
	if v.more {
		return text
	}
	return ""
}

func (v *verifier) say(format string, args ...any) error {
	if v.asJSON {
		return nil
	}
	_, err := fmt.Fprintf(v.out, format+"\n", args...)
	return err
}

func (v *verifier) difference(d audit.Difference) {
	if len(v.found) == maxDifferences {
		v.more = true
		return
	}
	v.found = append(v.found, d)
	var err error
	if v.asJSON {
		err = json.NewEncoder(v.out).Encode(d)
	} else {
		_, err = fmt.Fprintln(v.out, d)
	}
	if v.err == nil {
		v.err = err
	}
}
