package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jpmovies/internal/config"
)

// Groups of variables. Those of aws and otel are read by libraries.
var (
	databaseSettings = config.Variables(config.Migrate{})
	bucketSettings   = append(without(config.Variables(config.Source{}), databaseSettings), aws...)
	workerSettings   = append(config.Variables(config.Worker{}), append(aws, otel...)...)
	apiSettings      = append(config.Variables(config.API{}), otel...)

	aws = []config.Variable{
		{Name: "AWS_*", Help: "credentials, region and endpoint as the AWS SDK finds them, such as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3"},
	}
	otel = []config.Variable{
		{Name: "OTEL_*", Help: "traces, if OTEL_EXPORTER_OTLP_ENDPOINT names a collector, such as http://collector:4318"},
	}
)

// reads adds the environment variables that a command reads to its help, when that is
// asked for.
func reads(command *cobra.Command, variables ...[]config.Variable) *cobra.Command {
	help := command.HelpFunc()
	command.SetHelpFunc(func(c *cobra.Command, args []string) {
		if c.Long == "" {
			c.Long = c.Short + "."
		}
		c.Long += "\n\nEnvironment:\n" + table(variables...)
		help(c, args)
	})
	return command
}

// newEnvironment is a help topic, since it does not run.
func newEnvironment() *cobra.Command {
	return reads(&cobra.Command{
		Use:   "environment",
		Short: "The settings, which all come from the environment",
		Long: `All settings come from environment variables. A wrong value, or a name that
is nearly one of these, ends a command at once, with exit code 2 and every
variable at fault. The help of each command lists the variables that it reads.`,
	}, workerSettings, without(apiSettings, workerSettings))
}

// without returns the variables that are not among others.
func without(variables, others []config.Variable) (rest []config.Variable) {
	names := map[string]bool{}
	for _, v := range others {
		names[v.Name] = true
	}
	for _, v := range variables {
		if !names[v.Name] {
			rest = append(rest, v)
		}
	}
	return rest
}

func table(variables ...[]config.Variable) string {
	text := &strings.Builder{}
	columns := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	for _, group := range variables {
		for _, v := range group {
			help := v.Help
			if v.Default != "" {
				help += " (" + v.Default + ")"
			}
			_, _ = fmt.Fprintf(columns, "  %s\t%s\n", v.Name, help) // a Builder returns no error
		}
	}
	_ = columns.Flush()
	return strings.TrimRight(text.String(), "\n")
}
