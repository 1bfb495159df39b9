// Command jpmovies drains movie updates from a bucket into a database and serves the
// movies.
//
// Its commands, flags, exit codes and environment variables, the API, the change feed and
// the stored schema stay compatible within a major version: docs/upgrade.md has the
// promise.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // for images without certificates

	"jpmovies/internal/config"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	started := false
	root := newRoot()
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var wrong *config.Error
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.Is(err, context.Canceled):
		err = errors.New("stopped before it was done")
	}
	fmt.Fprintf(os.Stderr, "jpmovies: %v\n", err)
	var usage usageError
	if !started || errors.As(err, &wrong) || errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// newRoot returns the tree of all commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "jpmovies",
		Short: "Drains movie updates from a bucket into a database and serves them over HTTP",
		Long: `jpmovies drains movie updates from an S3 bucket (or a folder) into a
MySQL-protocol server (or a SQLite file), safely and in order, and serves the
movies over HTTP. "jpmovies demo" shows all of it and needs nothing else.

Settings come from the environment: see "jpmovies help environment".`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		reads(newAPI(), apiSettings), reads(newWorker(), workerSettings), reads(newMigrate(), databaseSettings),
		reads(newDemo(), config.Variables(config.Demo{})), newCheck(), reads(newImport(), databaseSettings), reads(newExport(), databaseSettings),
		newRejections(), reads(newTrace(), databaseSettings, bucketSettings), reads(newVerify(), databaseSettings), newGenerate(), newVersion(),
		reads(newReplay(), config.Variables(config.Replay{}), aws), newEnvironment(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() { // cobra takes any arguments of these two
		switch c.Name() {
		case "help":
			c.Args = topic
		case "completion":
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	return root
}

// topic checks the arguments of help.
func topic(c *cobra.Command, args []string) error {
	if _, rest, err := c.Root().Find(args); err != nil || len(rest) > 0 {
		return badUsage("there is no help on %q", strings.Join(args, " "))
	}
	return nil
}

// usageError reports wrong arguments.
type usageError struct{ string }

func (e usageError) Error() string { return e.string }

func badUsage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// errSilent fails a command that has already printed the reason.
var errSilent = errors.New("failed")
