package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Show what a worker would apply or reject",
		Long: `Reads each file as the worker would read an object and prints, for every update
in it, what would be applied or why it would be rejected. "-" is the standard
input. It changes nothing. Fails when an update would be rejected.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			out := bufio.NewWriter(command.OutOrStdout())
			rejected, err := checkFiles(files, command.InOrStdin(), out)
			if flushed := out.Flush(); err == nil {
				err = flushed
			}
			if err == nil && rejected {
				return errSilent
			}
			return err
		},
	}
}

func checkFiles(files []string, stdin io.Reader, out io.Writer) (rejected bool, err error) {
	for _, name := range files {
		bad, err := checkFile(name, stdin, out)
		if err != nil {
			return rejected, err
		}
		rejected = rejected || bad
	}
	return rejected, nil
}

func checkFile(name string, stdin io.Reader, out io.Writer) (rejected bool, err error) {
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return false, err
		}
		defer func() { _ = file.Close() }() // read-only
		stdin = file
	}
	name = printable([]byte(name))
	applied, refused, ignored := 0, 0, decode.FieldCounts{}
	err = decode.Read(stdin, func(item decode.Item) error {
		if item.Reason != "" {
			refused++
			_, err := fmt.Fprintf(out, "%s: %d: rejected: %s\n", name, item.Position, item.Reason)
			return err
		}
		applied++
		ignored.Add(item.Ignored)
		_, err := fmt.Fprintf(out, "%s: %d: %s\n", name, item.Position, describe(item.Update))
		return err
	})
	if err != nil {
		return false, err
	}
	if text := ignoredText(ignored); text != "" {
		if _, err := fmt.Fprintf(out, "%s: %s\n", name, text); err != nil {
			return false, err
		}
	}
	_, err = fmt.Fprintf(out, "%s: %d would be applied, %d rejected\n", name, applied, refused)
	return refused > 0, err
}

// describe returns the effect of an update in words.
func describe(u movie.Update) string {
	text := fmt.Sprintf("%q (%d)", u.Title, u.Year)
	if u.Deleted {
		return text + ": deleted"
	}
	for _, list := range []struct {
		name  string
		names []string
	}{{"cast", u.Cast}, {"genres", u.Genres}} {
		switch {
		case list.names == nil:
			text += ", " + list.name + " kept"
		case len(list.names) == 0:
			text += ", " + list.name + " cleared"
		default:
			text += ", " + list.name + ": " + printable([]byte(strings.Join(list.names, "; ")))
		}
	}
	return text
}
