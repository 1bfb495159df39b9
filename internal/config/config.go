// Package config reads the settings of each subcommand from the environment and validates
// them as a whole, before anything else happens. A wrong configuration ends the process in
// its first second, and the error names every variable at fault.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"

	"jpmovies/internal/nearest"
)

// Error lists the problems of a configuration, one line each.
type Error struct{ Problems []string }

func (e *Error) Error() string {
	return "wrong configuration:\n  " + strings.Join(e.Problems, "\n  ")
}

// Database configures the database.
type Database struct {
	DBFile string `env:"MOVIES_DB_FILE" help:"a SQLite file, instead of the server"`

	DBUser         string `env:"MOVIES_DB_USER" help:"the server's user"`
	DBPassword     string `env:"MOVIES_DB_PASS" help:"the user's password"`
	DBPasswordFile string `env:"MOVIES_DB_PASS_FILE" help:"a file that holds the password, read for each new connection"`
	DBName         string `env:"MOVIES_DB_NAME" envDefault:"movies" help:"the database on the server"`
	DBHost         Host   `env:"MOVIES_DB_HOST" envDefault:"127.0.0.1" help:"the MySQL-protocol server: a host, host:port, [::1], [::1]:port or the path of a socket"`
	DBPort         int    `env:"MOVIES_DB_PORT" envDefault:"3306" help:"the port, unless the host has one"`
	DBConnections  int    `env:"MOVIES_DB_CONNECTIONS" envDefault:"32" help:"most connections to the server; requests wait for one"`
	DBTLS          string `env:"MOVIES_DB_TLS" envDefault:"off" help:"off, on, skip-verify, or the path of a CA file"`
}

// Bucket configures the source of objects.
type Bucket struct {
	BucketDir        string `env:"MOVIES_BUCKET_DIR" help:"a local folder, instead of S3"`
	BucketName       string `env:"MOVIES_BUCKET_NAME" help:"the S3 bucket"`
	BucketPrefix     string `env:"MOVIES_BUCKET_PREFIX" help:"only keys under it"`
	BucketPathStyle  bool   `env:"MOVIES_BUCKET_PATH_STYLE" help:"true for S3-compatible servers without bucket host names"`
	BucketItemsLimit int    `env:"MOVIES_BUCKET_ITEMS_LIMIT" envDefault:"1000" help:"objects per listing"`
}

// Process configures a long-running subcommand.
type Process struct {
	AdminAddr       string        `env:"MOVIES_ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"the operators' listener: a page, /livez, /readyz, /metrics"`
	ShutdownTimeout time.Duration `env:"MOVIES_SHUTDOWN_TIMEOUT" envDefault:"20s" help:"time to finish work in flight after SIGINT or SIGTERM"`
}

// Log configures logging.
type Log struct {
	LogLevel  slog.Level `env:"MOVIES_LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat string     `env:"MOVIES_LOG_FORMAT" help:"text or json; without it text on a terminal, else json"`
}

// WorkerOnly configures the worker alone.
type WorkerOnly struct {
	Concurrency   Concurrency   `env:"MOVIES_WORKER_CONCURRENCY" envDefault:"auto" help:"parallel GETs: a number, or auto for 16 to 512, as the store's answers and the memory allow"`
	Batch         int           `env:"MOVIES_WORKER_BATCH" envDefault:"500" help:"updates per transaction"`
	IdleMax       time.Duration `env:"MOVIES_WORKER_IDLE_MAX" envDefault:"60s" help:"longest pause between listings"`
	RejectionDays int           `env:"MOVIES_REJECTION_DAYS" envDefault:"30" help:"how long rejections are kept"`
	ChangeDays    int           `env:"MOVIES_CHANGE_DAYS" envDefault:"30" help:"how long the change log and the ingest log are kept"`
}

// Sharding configures which keys a worker takes.
type Sharding struct {
	Shard Shard `env:"MOVIES_WORKER_SHARD" help:"i/n: only this part of the keys, i from 0 to n-1"`
}

// Concurrency is a number of requests in flight; 0 means auto.
type Concurrency int

const maxConcurrency = 1024

// UnmarshalText reads auto or a number.
func (c *Concurrency) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*c = 0
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n < 1 || n > maxConcurrency {
		return errors.New("out of range")
	}
	*c = Concurrency(n)
	return nil
}

// Hints configures the notifications of new objects.
type Hints struct {
	QueueURL  string        `env:"MOVIES_SQS_URL" help:"an SQS queue with the bucket's events"`
	Reconcile time.Duration `env:"MOVIES_WORKER_RECONCILE" envDefault:"10m" help:"with a queue: time between listings"`
}

// Shard is one of Count parts of the keys, numbered from 0.
type Shard struct{ Index, Count int }

var errShard = errors.New("no shard")

// UnmarshalText reads i/n, i from 0 to n-1.
func (s *Shard) UnmarshalText(text []byte) error {
	first, second, _ := strings.Cut(string(text), "/")
	index, err1 := strconv.ParseUint(first, 10, 16) // no sign, at most 65,535
	count, err2 := strconv.ParseUint(second, 10, 16)
	if err1 != nil || err2 != nil || index >= count {
		return errShard
	}
	s.Index, s.Count = int(index), int(count)
	return nil
}

// Migrate configures jpmovies migrate.
type Migrate struct {
	Database
	Log
}

// Source configures commands that need the bucket and no database.
type Source struct {
	Bucket
	Log
}

// DryRun configures a dry run of the worker.
type DryRun struct {
	Bucket
	Log
	Sharding
}

// Replay configures jpmovies replay.
type Replay struct {
	Database
	Bucket
	Log
}

// Worker configures jpmovies worker.
type Worker struct {
	Database
	Bucket
	Process
	Log
	WorkerOnly
	Sharding
	Hints
}

// Serving configures the serving of readers.
type Serving struct {
	APIAddr     string        `env:"MOVIES_API_ADDR" envDefault:"127.0.0.1:8080" help:"the listener of the API"`
	Staleness   time.Duration `env:"MOVIES_API_STALENESS" envDefault:"250ms" help:"how far answers may be behind the database"`
	Index       string        `env:"MOVIES_API_INDEX" envDefault:"on" help:"on, or off: answer by SQL, for catalogues larger than memory"`
	CacheMB     int           `env:"MOVIES_API_CACHE_MB" envDefault:"64" help:"MiB of cached answers"`
	Exports     int           `env:"MOVIES_API_EXPORTS" envDefault:"4" help:"concurrent exports"`
	BasePath    string        `env:"MOVIES_API_BASE_PATH" help:"prefix of every link, behind a proxy that removes it"`
	IdleTimeout time.Duration `env:"MOVIES_API_IDLE_TIMEOUT" envDefault:"650s" help:"how long an idle connection is kept; longer than your load balancer's"`
}

// Replica configures a read replica for the API.
type Replica struct {
	DBReadHost Host `env:"MOVIES_DB_READ_HOST" help:"host or host:port of a read replica"`
}

// Host is the address of a server: a name, an IP address, or the path of a socket. Port is
// 0 when none was given.
type Host struct {
	Name string
	Port int
}

var errHost = errors.New("no host")

// UnmarshalText reads host, host:port, [address], [address]:port, or an absolute path.
func (h *Host) UnmarshalText(text []byte) error {
	name := string(text)
	if filepath.IsAbs(name) {
		h.Name = name
		return nil
	}
	if inner, bracket := strings.CutPrefix(name, "["); bracket && strings.HasSuffix(inner, "]") {
		name = strings.TrimSuffix(inner, "]")
		if net.ParseIP(name) == nil {
			return errHost
		}
	}
	if net.ParseIP(name) != nil || !strings.Contains(name, ":") { // no port
		h.Name = name
		if name == "" || strings.ContainsFunc(name, notInHost) {
			return errHost
		}
		return nil
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return errHost
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if host == "" || n == 0 || err != nil || strings.ContainsFunc(host, notInHost) {
		return errHost
	}
	h.Name, h.Port = host, int(n)
	return nil
}

func notInHost(r rune) bool {
	return strings.ContainsRune("[]()/@", r) || unicode.IsSpace(r) || unicode.IsControl(r)
}

// API configures jpmovies api.
type API struct {
	Database
	Replica
	Process
	Log
	Serving
}

// Demo configures jpmovies demo, which has its own database and bucket.
type Demo struct {
	Process
	Log
	Serving
}

// checker is a group of settings that checks itself.
type checker interface{ check(report) }

// report records a problem of a variable.
type report func(variable, wrong string, args ...any)

// masked returns a value without what may be a password before an @.
func masked(given string) string {
	if at := strings.LastIndex(given, "@"); at > 0 && strings.Contains(given[:at], ":") {
		return "..." + given[at:]
	}
	return given
}

// Parse fills config, a pointer to one of the structs of this package, from the
// environment. The error is an *Error.
func Parse(config any) error {
	var problems []string
	noted := map[string]bool{}
	note := func(variable, wrong string, args ...any) {
		if noted[variable] { // the field of an unreadable variable is also out of range
			return
		}
		noted[variable] = true
		for i, arg := range args {
			if given, ok := arg.(string); ok {
				args[i] = masked(given)
			}
		}
		problems = append(problems, variable+": "+fmt.Sprintf(wrong, args...))
	}
	parsed := env.Parse(config)
	if all, ok := errors.AsType[env.AggregateError](parsed); ok {
		for _, err := range all.Errors {
			var field env.ParseError
			if !errors.As(err, &field) {
				note("environment", "%v", err)
				continue
			}
			name := variable(reflect.TypeOf(config).Elem(), field.Name)
			note(name, "is %q, expected %s", os.Getenv(name), expected(field.Type))
		}
	}
	checkNames(note)
	group := reflect.ValueOf(config).Elem()
	checkLineBreaks(note, group.Interface())
	if c, ok := config.(checker); ok { // checks across groups
		c.check(note)
	}
	for i := range group.NumField() {
		if c, ok := group.Field(i).Addr().Interface().(checker); ok {
			c.check(note)
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return &Error{Problems: problems}
	}
	return nil
}

// checkNames reports variables that are nearly one of ours. Others may be of other programs.
func checkNames(wrong report) {
	var known []string
	for _, c := range []any{Worker{}, API{}} { // these have all
		for _, v := range Variables(c) {
			known = append(known, v.Name)
		}
	}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "MOVIES_") || slices.Contains(known, name) {
			continue
		}
		if meant := nearest.Name(name, known); meant != "" {
			wrong(name, "is not known, did you mean %s?", meant)
		}
	}
}

// checkLineBreaks reports line breaks, such as the one that echo adds to a secret. A password may
// have them.
func checkLineBreaks(wrong report, config any) {
	for _, v := range Variables(config) {
		if given := os.Getenv(v.Name); v.Name != "MOVIES_DB_PASS" && strings.ContainsAny(given, "\r\n") {
			wrong(v.Name, "is %q, expected no line break", given)
		}
	}
}

// variable returns the environment variable of a field, searched in all groups.
func variable(t reflect.Type, field string) string {
	f, _ := t.FieldByName(field)
	return f.Tag.Get("env")
}

func expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 20s or 5m"
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[Host]():
		return "a host, host:port, [::1], [::1]:port or the path of a socket"
	case reflect.TypeFor[Shard]():
		return "i/n with i from 0 to n-1, such as 0/2"
	case reflect.TypeFor[Concurrency]():
		return fmt.Sprintf("auto or a number from 1 to %d", maxConcurrency)
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	}
	return "a whole number"
}
