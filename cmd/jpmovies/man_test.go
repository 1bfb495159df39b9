package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// TestManPages generates the man page of each command, in MOVIES_MAN_DIR if that is set. Only
// tests import the library, so the program does not contain it.
func TestManPages(t *testing.T) {
	dir := os.Getenv("MOVIES_MAN_DIR")
	if dir == "" {
		dir = t.TempDir()
		t.Setenv("SOURCE_DATE_EPOCH", "1800000000")
	}
	pages := 0
	var write func(*cobra.Command)
	write = func(c *cobra.Command) {
		pages++
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		var page bytes.Buffer
		if err := doc.GenMan(described(c), &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "JPMovies", Manual: "JPMovies"}, &page); err != nil {
			t.Fatal(err)
		}
		if text := page.String(); !strings.Contains(text, c.Short) || strings.Contains(c.Long, "\nEnvironment:") && !strings.Contains(text, "\n  MOVIES_") {
			t.Errorf("the page of %s lacks its purpose or its variables:\n%s", name, text)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".1"), page.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, sub := range c.Commands() {
			write(sub)
		}
	}
	write(newRoot())
	if pages < 15 {
		t.Errorf("only %d pages", pages)
	}
}

// described adds the variables to the description, as the help does. Markdown keeps the
// table's lines when they are indented by four spaces.
func described(c *cobra.Command) *cobra.Command {
	c.SetOut(io.Discard)
	c.HelpFunc()(c, nil)
	text, table, found := strings.Cut(c.Long, "\n\nEnvironment:\n")
	if found {
		c.Long = text + "\n\nEnvironment:\n\n" + strings.ReplaceAll("\n"+table, "\n  ", "\n      ")[1:]
	}
	c.DisableAutoGenTag = true
	return c
}
