// Command bench measures the real program from outside. It compares each figure with a limit
// measured in the same run, in turns: what the same servers give to a program that does only
// the unavoidable work. docs/performance.md explains each row.
package main

import (
	"cmp"
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// size is the amount of work in a run.
type size struct {
	objects int           // one-movie objects in the bucket
	movies  int           // movies in the files of bulk
	served  int           // movies in the catalogue that the API serves, without the loners
	turn    time.Duration // how long an API is under load at a time
}

var sizes = map[string]size{
	"tiny":        {200, 2_000, 2_000, 100 * time.Millisecond}, // shows that the benchmark runs; its figures mean nothing
	"small":       {2_000, 20_000, 20_000, time.Second},
	"million":     {20_000, 200_000, 1_000_000, time.Second},
	"ten_million": {100_000, 200_000, 10_000_000, time.Second},
}

// subject is a binary under test: ours, or the base to compare with.
type subject struct{ name, binary string }

// bench is one run.
type bench struct {
	size
	rounds   int
	dir      string // for temporary files
	dsn      string // of the server, without a database
	admin    *sql.DB
	subjects []subject
	made     bool  // whether the catalogue exists
	top      int64 // the highest id, 0 while the catalogue is not complete
	table    table
	peaks    peaks
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		if err := child(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	rounds := flag.Int("rounds", 5, "how often limit and program take turns")
	sizeName := flag.String("size", cmp.Or(os.Getenv("SIZE"), "small"), "tiny, small, million or ten_million")
	output := flag.String("json", "", "write the figures to this file, too")
	base := flag.String("base", "", "a second binary to measure, in turns with ours")
	only := flag.String("only", "", "run these kinds of work alone: comma separated, of "+strings.Join(kinds(), ", "))
	flag.Parse()
	b := &bench{rounds: *rounds}
	var known bool
	if b.size, known = sizes[*sizeName]; !known || *rounds < 1 || flag.NArg() > 0 {
		return errors.New("usage: bench [-rounds N] [-size tiny|small|million|ten_million] [-json FILE] [-base BINARY] [-only WORK,...]")
	}
	if b.dir, err = os.MkdirTemp("", "jpmovies-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.prepare(ctx, *base); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.admin.Close()) }()
	b.table.Machine = b.machine(ctx)
	b.table.Machine.Size, b.table.Machine.Rounds = *sizeName, *rounds
	err = b.work(ctx, *only)
	b.table.print(os.Stdout, *base != "") // also the rows before an error
	if *output == "" {
		return err
	}
	return errors.Join(err, b.table.save(*output))
}

// prepare builds the program and connects to the server.
func (b *bench) prepare(ctx context.Context, base string) error {
	ours := filepath.Join(b.dir, "jpmovies")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", ours, "./cmd/jpmovies") //nolint:gosec // our own path
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	b.subjects = []subject{{"ours", ours}}
	if base != "" {
		b.subjects = append(b.subjects, subject{"base", base})
	}
	return b.connect(ctx)
}

// kind is one kind of work. The kinds that run an API need the catalogue of bulk.
type kind struct {
	name string
	run  func(*bench, context.Context) error
}

var all = []kind{
	{"drain", (*bench).drain},
	{"distant", (*bench).distant},
	{"faults", (*bench).faulty},
	{"queue", (*bench).queued},
	{"bulk", (*bench).bulk},
	{"sqlite", (*bench).sqlite},
	{"api", (*bench).api},
	{"questions", (*bench).questions},
	{"follow", (*bench).follow},
	{"start", (*bench).start},
	{"memory", (*bench).memory},
}

func kinds() []string {
	var names []string
	for _, k := range all {
		names = append(names, k.name)
	}
	return names
}

// work runs the requested kinds of work.
func (b *bench) work(ctx context.Context, only string) error {
	wanted := kinds()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	defer b.dropDatabases(context.WithoutCancel(ctx))
	for _, name := range wanted {
		at := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
		if at < 0 {
			return fmt.Errorf("no work %q, there are %s", name, strings.Join(kinds(), ", "))
		}
		log.Printf("%s", name)
		if err := all[at].run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// machine describes the measuring machine, as far as it can be found out.
func (b *bench) machine(ctx context.Context) machine {
	m := machine{CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	var version string
	if err := b.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err == nil {
		m.Engines = append(m.Engines, version)
	}
	list := exec.CommandContext(ctx, "go", "list", "-modfile=tools/go.mod", "-m", "-f", "{{.Version}}", "github.com/versity/versitygw")
	if out, err := list.Output(); err == nil {
		m.Engines = append(m.Engines, "versitygw "+strings.TrimSpace(string(out)))
	}
	if out, err := exec.CommandContext(ctx, "sqlite3", "--version").Output(); err == nil {
		number, _, _ := strings.Cut(string(out), " ")
		m.Engines = append(m.Engines, "sqlite3 "+number)
	}
	return m
}
