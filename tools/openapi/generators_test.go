// Package openapi checks that generators of clients understand the description of the
// API: what may be null stays so, and what they make compiles.
package openapi

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const description = "../../internal/api/openapi.json"

// run runs a program in a folder and expects it to succeed.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// user reads what the API answers with the client that ogen has made.
const user = `package main

import "jpmovies/tools/openapi/client"

func main() {
	var last, more client.Movies
	check(last.UnmarshalJSON([]byte(` + "`" + `{"movies": [], "next_url": null}` + "`" + `)))
	check(more.UnmarshalJSON([]byte(` + "`" + `{"movies": [], "next_url": "/movies?start=2"}` + "`" + `)))
	if !last.NextURL.Null || more.NextURL.Null || more.NextURL.Value != "/movies?start=2" {
		panic("next_url")
	}
	var gone client.Change
	check(gone.UnmarshalJSON([]byte(` + "`" + `{"revision": 1, "id": 1, "movie": null}` + "`" + `)))
	if !gone.Movie.Null {
		panic("movie")
	}
	var status client.Status
	check(status.UnmarshalJSON([]byte(` + "`" + `{"revision": 1, "movies": 1, "last_commit": null, "objects_waiting": 0, "oldest_waiting_seconds": null,
		"workers": [{"shard": "", "last_pass": null}], "version": "1.0.0"}` + "`" + `)))
	if !status.LastCommit.Null || !status.OldestWaitingSeconds.Null || !status.Workers[0].LastPass.Null {
		panic("status")
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`

// TestGo makes a client with ogen, builds it, and lets it read nulls.
func TestGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	run(t, ".", "go", "tool", "ogen", "--target", filepath.Join(dir, "client"), "--package", "client", description)
	write(t, filepath.Join(dir, "main.go"), user)
	run(t, dir, "go", "run", "-mod=mod", ".")
}

// checks fails to compile unless exactly what may be null may be null.
const checks = `import type { components } from "./api";
type All = components["schemas"];
export const last: All["Movies"]["next_url"] = null;
export const gone: All["Change"]["movie"] = null;
export const never: All["Status"]["last_commit"] = null;
export const none: All["Status"]["oldest_waiting_seconds"] = null;
export const pass: All["Status"]["workers"][number]["last_pass"] = null;
// @ts-expect-error there is always a next one
export const always: All["Changes"]["next_url"] = null;
// @ts-expect-error lists are never null
export const list: All["Movie"]["cast"] = null;
`

// TestTypeScript makes types with openapi-typescript and compiles them. Where npm is
// missing, or its registry cannot be reached, it is skipped.
func TestTypeScript(t *testing.T) {
	skip := func(why string) {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: CI must test with it", why)
		}
		t.Skip(why)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		skip("no npm, so no types are made for TypeScript")
	}
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), npm, "install", "--no-audit", "--no-fund", "openapi-typescript@7.13.0", "typescript@5.9.3")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		skip("npm cannot install openapi-typescript: " + string(out))
	}
	file, err := filepath.Abs(description)
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "node_modules/.bin/openapi-typescript", file, "-o", "api.d.ts")
	write(t, filepath.Join(dir, "checks.ts"), checks)
	run(t, dir, "node_modules/.bin/tsc", "--strict", "--noEmit", "--skipLibCheck", "false", "checks.ts", "api.d.ts")
}
