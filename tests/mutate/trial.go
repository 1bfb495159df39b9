package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// choose is the source that lets a mistake be chosen when the program runs.
//
//go:embed choose.go.txt
var choose string

// trial is a package with mistakes, compiled into tests.
type trial struct {
	work     string // folder for what is made
	dir      string // of the package
	mistakes []mistake
	binaries []binary
}

// binary is the compiled tests of a package, which are run in its folder.
type binary struct{ path, dir string }

// test is one test function.
type test struct {
	binary  binary
	name    string
	took    time.Duration
	reaches map[int]bool
}

// plant makes all mistakes of a package and compiles the tests of packages.
func plant(work string, packages []string) (*trial, error) {
	dirs, err := output(".", nil, "go", append([]string{"list", "-f", "{{.Dir}}"}, packages...)...)
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, dirs)
	}
	t := &trial{work: work}
	for i, dir := range strings.Fields(string(dirs)) {
		t.binaries = append(t.binaries, binary{filepath.Join(work, strconv.Itoa(i)+".test"), dir})
	}
	t.dir = t.binaries[0].dir
	sources, err := output(t.dir, nil, "go", "list", "-f", `{{range .GoFiles}}{{.}} {{end}}`)
	if err != nil {
		return nil, fmt.Errorf("list files: %w\n%s", err, sources)
	}
	wrong := places{}
	for range 20 {
		overlay, err := t.write(strings.Fields(string(sources)), wrong)
		if err != nil {
			return nil, err
		}
		said, err := output(t.dir, nil, "go", "build", "-o", os.DevNull, "-gcflags=-e", "-overlay="+overlay, ".")
		if err == nil {
			return t, t.compile(overlay)
		}
		if !wrong.add(string(said)) {
			return nil, fmt.Errorf("build: %w\n%s", err, said)
		}
	}
	return nil, errors.New("the mistakes do not compile")
}

// places counts at each "FILE:LINE" the builds that failed there. After the first one no
// operator is exchanged there, since its operands may be text; after the second one nothing is.
type places map[string]int

var compilerError = regexp.MustCompile(`([\w.]+\.go:\d+):\d+: `)

// add reports whether what the compiler said tells something new.
func (p places) add(said string) bool {
	lines := map[string]bool{}
	for _, at := range compilerError.FindAllStringSubmatch(said, -1) {
		lines[at[1]] = lines[at[1]] || p[at[1]] < 2
	}
	fresh := false
	for line, isNew := range lines {
		p[line]++
		fresh = fresh || isNew
	}
	return fresh
}

// write writes the sources with mistakes, and returns the overlay that puts them in.
func (t *trial) write(sources []string, wrong places) (string, error) {
	t.mistakes = nil
	replace := map[string]string{}
	next, name := 1, ""
	for _, file := range sources {
		path := filepath.Join(t.dir, file)
		source, err := os.ReadFile(path) //nolint:gosec // a file of the package
		if err != nil {
			return "", err
		}
		if name == "" {
			parsed, err := parser.ParseFile(token.NewFileSet(), path, source, parser.PackageClauseOnly)
			if err != nil {
				return "", err
			}
			name = parsed.Name.Name
		}
		planted, mistakes, err := plantFile(path, source, next, func(line int, typed bool) bool {
			n := wrong[fmt.Sprintf("%s:%d", file, line)]
			return n > 1 || typed && n > 0
		})
		if err != nil {
			return "", err
		}
		t.mistakes = append(t.mistakes, mistakes...)
		next += len(mistakes)
		replace[path] = filepath.Join(t.work, file)
		if err := os.WriteFile(replace[path], planted, 0o600); err != nil { //nolint:gosec // in a folder of its own
			return "", err
		}
	}
	added := filepath.Join(t.work, "mutation.go")
	replace[filepath.Join(t.dir, "mutation_chosen.go")] = added
	overlay := filepath.Join(t.work, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": replace})
	return overlay, errors.Join(err, os.WriteFile(overlay, list, 0o600),
		os.WriteFile(added, []byte(strings.NewReplacer("PACKAGE", name, "COUNT", strconv.Itoa(next)).Replace(choose)), 0o600)) //nolint:gosec // in a folder of its own
}

func (t *trial) compile(overlay string) error {
	for _, b := range t.binaries {
		if said, err := output(b.dir, nil, "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", b.path, "."); err != nil {
			return fmt.Errorf("compile the tests of %s: %w\n%s", b.dir, err, said)
		}
	}
	return nil
}

// explore runs every test once without a mistake, and returns those that pass, the quickest
// first, with the mistakes that they reach.
func (t *trial) explore(skip *regexp.Regexp, workers int) ([]*test, error) {
	var all []*test
	for _, b := range t.binaries {
		list, err := output(b.dir, nil, b.path, "-test.list", "^(Test|Example|Fuzz)")
		if err != nil {
			return nil, fmt.Errorf("list tests: %w\n%s", err, list)
		}
		for name := range strings.FieldsSeq(string(list)) {
			if skip == nil || !skip.MatchString(name) {
				all = append(all, &test{binary: b, name: name})
			}
		}
	}
	var lock sync.Mutex
	var group sync.WaitGroup
	limit := make(chan struct{}, workers)
	var passed []*test
	for i, one := range all {
		group.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			hits := filepath.Join(t.work, fmt.Sprintf("hits%d", i))
			start := time.Now()
			said, err := one.run(10*time.Minute, "MUTATION_HITS="+hits)
			one.took = time.Since(start)
			if err != nil {
				log.Printf("mutate: %s fails without a mistake and is left out:\n%s", one.name, said)
				return
			}
			reached, _ := os.ReadFile(hits) //nolint:gosec // a test that reaches none writes no file
			one.reaches = map[int]bool{}
			for id := range strings.FieldsSeq(string(reached)) {
				n, _ := strconv.Atoi(id)
				one.reaches[n] = true
			}
			lock.Lock()
			defer lock.Unlock()
			passed = append(passed, one)
		})
	}
	group.Wait()
	slices.SortFunc(passed, func(a, b *test) int { return cmp.Compare(a.took, b.took) })
	log.Printf("mutate: %d mistakes, %d tests", len(t.mistakes), len(passed))
	return passed, nil
}

// try makes a mistake and runs the tests that reach it until one notices.
func (t *trial) try(m mistake, tests []*test) (reached, noticed bool) {
	for _, one := range tests {
		if !one.reaches[m.id] {
			continue
		}
		reached = true
		if _, err := one.run(5*one.took+10*time.Second, "MUTATION="+strconv.Itoa(m.id)); err != nil {
			return true, true
		}
	}
	return reached, false
}

func (o *test) run(limit time.Duration, env string) ([]byte, error) {
	return output(o.binary.dir, []string{env}, o.binary.path, "-test.count=1", "-test.run=^"+o.name+"$", "-test.timeout="+limit.String())
}

// output runs a command; its error is that of the command, and what it says holds the cause.
func output(dir string, env []string, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the go command, and what it built
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(append(os.Environ(), "RAPID_NOFAILFILE=true"), env...), time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.Bytes(), err
}
