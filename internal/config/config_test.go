package config_test

import (
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/config"
)

// set replaces all MOVIES_ variables of the environment.
func set(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "MOVIES_") {
			t.Setenv(name, value) // restores it after the test
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// TestDefaults: variables that are not set have the documented defaults.
func TestDefaults(t *testing.T) {
	database := config.Database{DBUser: "movies", DBName: "movies", DBHost: config.Host{Name: "127.0.0.1"}, DBPort: 3306, DBConnections: 32, DBTLS: "off"}
	process := config.Process{AdminAddr: "127.0.0.1:9090", ShutdownTimeout: 20 * time.Second}
	log := config.Log{LogLevel: slog.LevelInfo}
	serving := config.Serving{APIAddr: "127.0.0.1:8080", Staleness: 250 * time.Millisecond, Index: "on", CacheMB: 64, Exports: 4, IdleTimeout: 650 * time.Second}
	for name, test := range map[string]struct{ got, want any }{
		"migrate": {&config.Migrate{}, &config.Migrate{Database: database, Log: log}},
		"worker": {&config.Worker{}, &config.Worker{
			Database: database, Process: process, Log: log,
			Bucket:     config.Bucket{BucketName: "films", BucketItemsLimit: 1000},
			WorkerOnly: config.WorkerOnly{Batch: 500, IdleMax: time.Minute, RejectionDays: 30, ChangeDays: 30},
			Hints:      config.Hints{Reconcile: 10 * time.Minute},
		}},
		"api":  {&config.API{}, &config.API{Database: database, Process: process, Log: log, Serving: serving}},
		"demo": {&config.Demo{}, &config.Demo{Process: process, Log: log, Serving: serving}},
	} {
		t.Run(name, func(t *testing.T) {
			set(t, map[string]string{"MOVIES_DB_USER": "movies", "MOVIES_BUCKET_NAME": "films"}) // these have no default
			parse(t, test.got, test.want)
		})
	}
}

func parse(t *testing.T, got, want any) {
	t.Helper()
	if err := config.Parse(got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +: %s", diff)
	}
}

// TestSettings sets every variable.
func TestSettings(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	set(t, map[string]string{
		"MOVIES_DB_USER": "u", "MOVIES_DB_PASS": " p\n", "MOVIES_DB_NAME": "n", "MOVIES_DB_HOST": "::1", "MOVIES_DB_PORT": "65535", "MOVIES_DB_TLS": ca,
		"MOVIES_DB_READ_HOST": "[::1]:3307", "MOVIES_DB_CONNECTIONS": "7",
		"MOVIES_BUCKET_NAME": "b", "MOVIES_BUCKET_PREFIX": "in/", "MOVIES_BUCKET_PATH_STYLE": "true", "MOVIES_BUCKET_ITEMS_LIMIT": "1",
		"MOVIES_WORKER_CONCURRENCY": "1", "MOVIES_WORKER_BATCH": "1", "MOVIES_WORKER_SHARD": "2/3", "MOVIES_WORKER_IDLE_MAX": "1m30s",
		"MOVIES_SQS_URL": "http://localhost:4566/1/films", "MOVIES_WORKER_RECONCILE": "1s",
		"MOVIES_API_ADDR": ":80", "MOVIES_API_STALENESS": "1s", "MOVIES_API_INDEX": "off", "MOVIES_API_CACHE_MB": "1", "MOVIES_API_EXPORTS": "64", "MOVIES_API_BASE_PATH": "/films/v1", "MOVIES_API_IDLE_TIMEOUT": "1h",
		"MOVIES_ADMIN_ADDR": "[::1]:0", "MOVIES_SHUTDOWN_TIMEOUT": "1ms",
		"MOVIES_REJECTION_DAYS": "1", "MOVIES_CHANGE_DAYS": "2", "MOVIES_LOG_LEVEL": "Debug", "MOVIES_LOG_FORMAT": "text",
	})
	database := config.Database{DBUser: "u", DBPassword: " p\n", DBName: "n", DBHost: config.Host{Name: "::1"}, DBPort: 65535, DBConnections: 7, DBTLS: ca}
	process := config.Process{AdminAddr: "[::1]:0", ShutdownTimeout: time.Millisecond}
	log := config.Log{LogLevel: slog.LevelDebug, LogFormat: "text"}
	serving := config.Serving{APIAddr: ":80", Staleness: time.Second, Index: "off", CacheMB: 1, Exports: 64, BasePath: "/films/v1", IdleTimeout: time.Hour}
	parse(t, &config.Migrate{}, &config.Migrate{Database: database, Log: log})
	replica := config.Replica{DBReadHost: config.Host{Name: "::1", Port: 3307}}
	parse(t, &config.API{}, &config.API{Database: database, Replica: replica, Process: process, Log: log, Serving: serving})
	parse(t, &config.Demo{}, &config.Demo{Process: process, Log: log, Serving: serving})
	parse(t, &config.Worker{}, &config.Worker{
		Database: database, Process: process, Log: log,
		Bucket: config.Bucket{BucketName: "b", BucketPrefix: "in/", BucketPathStyle: true, BucketItemsLimit: 1},
		WorkerOnly: config.WorkerOnly{
			Concurrency: 1, Batch: 1, IdleMax: 90 * time.Second, RejectionDays: 1, ChangeDays: 2,
		},
		Sharding: config.Sharding{Shard: config.Shard{Index: 2, Count: 3}},
		Hints:    config.Hints{QueueURL: "http://localhost:4566/1/films", Reconcile: time.Second},
	})
}

// TestFiles: with a SQLite file and a folder, no server and no bucket are needed.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	set(t, map[string]string{"MOVIES_DB_FILE": "movies.sqlite", "MOVIES_BUCKET_DIR": dir, "MOVIES_OF_ANOTHER_PROGRAM": "x"})
	var c config.Worker
	if err := config.Parse(&c); err != nil || c.DBFile != "movies.sqlite" || c.BucketDir != dir {
		t.Errorf("%v: %+v", err, c)
	}
}

func write(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// everyWrong is a worker's environment in which every value is wrong, with the message for
// each.
var everyWrong = map[string]struct{ value, said string }{
	"MOVIES_DB_PASS_FILE":       {"/nowhere/password", "cannot be read: open /nowhere/password: no such file"},
	"MOVIES_DB_PORT":            {"65536", "is 65536, expected 1 to 65535"},
	"MOVIES_DB_TLS":             {"yes", `is "yes", expected off, on, skip-verify or the path of a CA file`},
	"MOVIES_BUCKET_DIR":         {"/nowhere/inbox", `is "/nowhere/inbox", expected a folder that exists`},
	"MOVIES_BUCKET_PATH_STYLE":  {"yes", `is "yes", expected true or false`},
	"MOVIES_BUCKET_ITEMS_LIMIT": {"1001", "is 1001, expected 1 to 1000"},
	"MOVIES_WORKER_CONCURRENCY": {"many", `is "many", expected auto or a number from 1 to 1024`},
	"MOVIES_WORKER_BATCH":       {"0", "is 0, expected 1 to 10000"},
	"MOVIES_WORKER_SHARD":       {"2/2", `is "2/2", expected i/n with i from 0 to n-1, such as 0/2`},
	"MOVIES_WORKER_IDLE_MAX":    {"60", `is "60", expected a duration such as 20s or 5m`},
	"MOVIES_SQS_URL":            {"films", "is set and so is MOVIES_BUCKET_DIR; a folder sends no messages"},
	"MOVIES_WORKER_RECONCILE":   {"-1m", "is -1m0s, expected 1ms to 24h0m0s"},
	"MOVIES_ADMIN_ADDR":         {"9090", `is "9090", expected host:port`},
	"MOVIES_SHUTDOWN_TIMEOUT":   {"-1s", "is -1s, expected 1ms to 1h0m0s"},
	"MOVIES_REJECTION_DAYS":     {"1.5", `is "1.5", expected a whole number`},
	"MOVIES_CHANGE_DAYS":        {"-1", "is -1, expected 1 to 36500"},
	"MOVIES_LOG_LEVEL":          {"loud", `is "loud", expected debug, info, warn or error`},
	"MOVIES_LOG_FORMAT":         {"xml", `is "xml", expected text or json`},
}

// TestEveryWrong: one error names each wrong variable, once.
func TestEveryWrong(t *testing.T) {
	variables := map[string]string{}
	want := map[string]string{"MOVIES_DB_USER": "is not set; expected the server's user, or MOVIES_DB_FILE"}
	for name, wrong := range everyWrong {
		variables[name], want[name] = wrong.value, wrong.said
	}
	set(t, variables)
	checkProblems(t, config.Parse(&config.Worker{}), want)
}

// TestBucketNames checks valid names.
func TestBucketNames(t *testing.T) {
	for _, name := range []string{"films", "my.films-2026", "Old_Films", "films-abcdefgh1234567890-s3alias", "arn:aws:s3:eu-west-1:123456789012:accesspoint/films"} {
		set(t, map[string]string{"MOVIES_BUCKET_NAME": name, "AWS_ENDPOINT_URL_S3": "http://[::1]:9000/s3", "AWS_ENDPOINT_URL": ""})
		if err := config.Parse(&config.Source{}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestWrong tests one or two wrong variables at a time.
func TestWrong(t *testing.T) {
	folder := t.TempDir()
	password := write(t, "password", "geheim")
	for _, test := range []struct {
		name string
		set  map[string]string // in addition to user and bucket; "" unsets one
		want map[string]string
	}{
		{"nothing is set", map[string]string{"MOVIES_DB_USER": "", "MOVIES_BUCKET_NAME": ""}, map[string]string{
			"MOVIES_DB_USER": "is not set", "MOVIES_BUCKET_NAME": "is not set; expected an S3 bucket, or MOVIES_BUCKET_DIR for a folder",
		}},
		{"file and server", map[string]string{"MOVIES_DB_FILE": "x.sqlite"}, map[string]string{
			"MOVIES_DB_FILE": "is set and so is MOVIES_DB_USER; expected either a SQLite file or a server",
		}},
		{"folder and bucket", map[string]string{"MOVIES_BUCKET_DIR": folder}, map[string]string{
			"MOVIES_BUCKET_DIR": "is set and so is MOVIES_BUCKET_NAME; expected either a folder or an S3 bucket",
		}},
		{"hidden folder", map[string]string{"MOVIES_BUCKET_NAME": "", "MOVIES_BUCKET_DIR": folder, "MOVIES_BUCKET_PREFIX": "a/.in"}, map[string]string{
			"MOVIES_BUCKET_PREFIX": `is "a/.in", expected no name that begins with a dot; such files of a folder are never read`,
		}},
		{"password twice", map[string]string{"MOVIES_DB_PASS": "geheim", "MOVIES_DB_PASS_FILE": password}, map[string]string{
			"MOVIES_DB_PASS_FILE": "is set and so is MOVIES_DB_PASS; expected one of them",
		}},
		{"password, and others wrong", map[string]string{"MOVIES_DB_PASS": "geheim", "MOVIES_DB_PORT": "x", "MOVIES_DB_TLS": "x"}, map[string]string{
			"MOVIES_DB_PORT": `is "x", expected a whole number`, "MOVIES_DB_TLS": `is "x"`,
		}},
		{"password file is a folder", map[string]string{"MOVIES_DB_PASS_FILE": folder}, map[string]string{"MOVIES_DB_PASS_FILE": "cannot be read"}},
		{"bucket folder is a file", map[string]string{"MOVIES_BUCKET_NAME": "", "MOVIES_BUCKET_DIR": password}, map[string]string{
			"MOVIES_BUCKET_DIR": "expected a folder that exists",
		}},
		{"password in a bucket", map[string]string{"MOVIES_BUCKET_NAME": "https://key:geheim@s3.example/b"}, map[string]string{
			"MOVIES_BUCKET_NAME": `is "...@s3.example/b"`,
		}},
		{"password in an endpoint", map[string]string{"AWS_ENDPOINT_URL_S3": "key:geheim@minio:9000"}, map[string]string{
			"AWS_ENDPOINT_URL_S3": `is "...@minio:9000"`,
		}},
		{"port 0", map[string]string{"MOVIES_DB_PORT": "0"}, map[string]string{"MOVIES_DB_PORT": "is 0, expected 1 to 65535"}},
		{"port past int64", map[string]string{"MOVIES_DB_PORT": "99999999999999999999"}, map[string]string{"MOVIES_DB_PORT": "expected a whole number"}},
		{"bucket's URL", map[string]string{"MOVIES_BUCKET_NAME": "s3://x/y"}, map[string]string{
			"MOVIES_BUCKET_NAME": `is "s3://x/y", expected the name alone: x, and MOVIES_BUCKET_PREFIX=y`,
		}},
		{"bucket's URL without a prefix", map[string]string{"MOVIES_BUCKET_NAME": "s3://x/"}, map[string]string{"MOVIES_BUCKET_NAME": "the name alone: x"}},
		{"bucket and prefix", map[string]string{"MOVIES_BUCKET_NAME": "x/in/"}, map[string]string{"MOVIES_BUCKET_NAME": "alone: x, and MOVIES_BUCKET_PREFIX=in/"}},
		{"bucket's ARN", map[string]string{"MOVIES_BUCKET_NAME": "arn:aws:s3:::x"}, map[string]string{"MOVIES_BUCKET_NAME": "the name alone: x"}},
		{"bucket's ARN elsewhere", map[string]string{"MOVIES_BUCKET_NAME": "arn:aws-us-gov:s3:::x"}, map[string]string{"MOVIES_BUCKET_NAME": "the name alone: x"}},
		{"line feeds", map[string]string{"MOVIES_DB_HOST": "db\n", "MOVIES_DB_NAME": "movies\r", "MOVIES_DB_PASS": "geheim\n", "MOVIES_BUCKET_PREFIX": "in/\n", "MOVIES_DB_PORT": "3306\n"}, map[string]string{
			"MOVIES_DB_HOST": `is "db\n", expected a host`, "MOVIES_DB_NAME": `is "movies\r", expected no`, "MOVIES_BUCKET_PREFIX": `is "in/\n", expected no`, "MOVIES_DB_PORT": `is "3306\n"`,
		}},
		{"bucket's address", map[string]string{"MOVIES_BUCKET_NAME": "https://minio:9000/x"}, map[string]string{"MOVIES_BUCKET_NAME": "AWS_ENDPOINT_URL_S3"}},
		{"blank in the bucket", map[string]string{"MOVIES_BUCKET_NAME": "x "}, map[string]string{"MOVIES_BUCKET_NAME": "the name alone: x"}},
		{"no bucket's name", map[string]string{"MOVIES_BUCKET_NAME": "minio:9000"}, map[string]string{"MOVIES_BUCKET_NAME": "expected the name of a bucket"}},
		{"endpoint without scheme", map[string]string{"AWS_ENDPOINT_URL_S3": "minio:9000"}, map[string]string{
			"AWS_ENDPOINT_URL_S3": `is "minio:9000", expected a URL with its scheme, such as http://minio:9000`,
		}},
		{"endpoint of all without scheme", map[string]string{"AWS_ENDPOINT_URL": "127.0.0.1:9000"}, map[string]string{"AWS_ENDPOINT_URL": "such as http://127.0.0.1:9000"}},
		{"endpoint with another scheme", map[string]string{"AWS_ENDPOINT_URL_S3": "s3://minio"}, map[string]string{"AWS_ENDPOINT_URL_S3": "expected a URL"}},
		{"queue's endpoint", map[string]string{"MOVIES_SQS_URL": "https://sqs/1/films", "AWS_ENDPOINT_URL_SQS": "sqs:9324"}, map[string]string{"AWS_ENDPOINT_URL_SQS": "such as http://sqs:9324"}},
		{"items limit 0", map[string]string{"MOVIES_BUCKET_ITEMS_LIMIT": "0"}, map[string]string{"MOVIES_BUCKET_ITEMS_LIMIT": "is 0, expected 1 to 1000"}},
		{"concurrency", map[string]string{"MOVIES_WORKER_CONCURRENCY": "1025"}, map[string]string{"MOVIES_WORKER_CONCURRENCY": `is "1025", expected auto or a number from 1 to 1024`}},
		{"idle 0", map[string]string{"MOVIES_WORKER_IDLE_MAX": "0s"}, map[string]string{"MOVIES_WORKER_IDLE_MAX": "is 0s, expected 1ms to 24h0m0s"}},
		{"misspelt", map[string]string{"MOVIES_BUCKET_PREFX": "in/", "MOVIES_API_IDEX": "off"}, map[string]string{
			"MOVIES_BUCKET_PREFX": "is not known, did you mean MOVIES_BUCKET_PREFIX?", "MOVIES_API_IDEX": "is not known, did you mean MOVIES_API_INDEX?",
		}},
		{"not an authority", map[string]string{"MOVIES_DB_TLS": password}, map[string]string{"MOVIES_DB_TLS": "expected off, on, skip-verify or the path of a CA file, with certificates in PEM"}},
		{"secret in a host", map[string]string{"MOVIES_DB_HOST": "mysql://u:geheim@db:3306"}, map[string]string{"MOVIES_DB_HOST": `is "...@db:3306", expected a host`}},
		{"queue's name", map[string]string{"MOVIES_SQS_URL": "films"}, map[string]string{"MOVIES_SQS_URL": `is "films", expected the URL of a queue`}},
		{"queue's server", map[string]string{"MOVIES_SQS_URL": "https://sqs.eu-central-1.amazonaws.com/"}, map[string]string{"MOVIES_SQS_URL": "expected the URL of a queue"}},
		{"queue's ARN", map[string]string{"MOVIES_SQS_URL": "arn:aws:sqs:eu-central-1:1:films"}, map[string]string{"MOVIES_SQS_URL": "expected the URL of a queue"}},
		{"no reconciliation", map[string]string{"MOVIES_WORKER_RECONCILE": "never"}, map[string]string{"MOVIES_WORKER_RECONCILE": `is "never", expected a duration`}},
		{"no duration", map[string]string{"MOVIES_SHUTDOWN_TIMEOUT": "soon"}, map[string]string{"MOVIES_SHUTDOWN_TIMEOUT": `is "soon", expected a duration`}},
		{"admin port", map[string]string{"MOVIES_ADMIN_ADDR": "127.0.0.1:65536"}, map[string]string{"MOVIES_ADMIN_ADDR": "expected host:port"}},
		{"admin port's name", map[string]string{"MOVIES_ADMIN_ADDR": ":nonsense"}, map[string]string{"MOVIES_ADMIN_ADDR": "expected host:port"}},
		{"admin address", map[string]string{"MOVIES_ADMIN_ADDR": "::1:80"}, map[string]string{"MOVIES_ADMIN_ADDR": "expected host:port"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			variables := map[string]string{"MOVIES_DB_USER": "u", "MOVIES_BUCKET_NAME": "b"}
			for name, value := range test.set {
				variables[name] = value
			}
			set(t, variables)
			checkProblems(t, config.Parse(&config.Worker{}), test.want)
		})
	}
}

// TestGroupsAreFlat: a command's settings are groups without groups in them. Of those, Parse would
// check none.
func TestGroupsAreFlat(t *testing.T) {
	for _, c := range []any{config.Migrate{}, config.Source{}, config.DryRun{}, config.Replay{}, config.Worker{}, config.API{}, config.Demo{}} {
		for _, group := range reflect.VisibleFields(reflect.TypeOf(c)) {
			if group.Anonymous && len(group.Index) > 1 {
				t.Errorf("%T has %s in another group", c, group.Name)
			}
		}
	}
}

// TestWrongDryRun: a dry run checks the settings that it shares with the worker.
func TestWrongDryRun(t *testing.T) {
	set(t, map[string]string{"MOVIES_BUCKET_NAME": "b", "MOVIES_BUCKET_DIR": t.TempDir(), "MOVIES_LOG_FORMAT": "xml", "MOVIES_BUCKET_ITEMS_LIMIT": "-5"})
	checkProblems(t, config.Parse(&config.DryRun{}), map[string]string{
		"MOVIES_BUCKET_DIR": "is set and so is MOVIES_BUCKET_NAME", "MOVIES_LOG_FORMAT": `is "xml"`, "MOVIES_BUCKET_ITEMS_LIMIT": "expected 1 to 1000",
	})
}

// TestAPIAddr: both subcommands that serve check the address.
// TestFilesInBucket: the worker, which deletes the files of its bucket, accepts no file of its
// own in it.
func TestFilesInBucket(t *testing.T) {
	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(inbox, "below"), 0o700), os.Symlink(inbox, filepath.Join(dir, "link")),
		os.WriteFile(filepath.Join(inbox, "real"), nil, 0o600), os.Symlink(filepath.Join(inbox, "real"), filepath.Join(dir, "to-real")),
		os.Symlink(filepath.Join(dir, "outside"), filepath.Join(inbox, "to-outside")), os.WriteFile(filepath.Join(dir, "outside"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(inbox)
	for file, accepted := range map[string]bool{
		"movies.sqlite": false, "below/movies.sqlite": false, "../link/movies.sqlite": false, "../to-real": false, "to-outside": false, filepath.Join(inbox, "movies.sqlite"): false,
		"../movies.sqlite": true, "../outside": true, "../inbox.sqlite": true, filepath.Join(dir, "movies.sqlite"): true,
	} {
		for _, folder := range []string{".", inbox, "../link"} {
			set(t, map[string]string{"MOVIES_DB_FILE": file, "MOVIES_BUCKET_DIR": folder})
			err := config.Parse(&config.Worker{})
			if (err == nil) != accepted || err != nil && !strings.Contains(err.Error(), "MOVIES_DB_FILE") {
				t.Errorf("%s beside %s: %v", file, folder, err)
			}
		}
	}
	set(t, map[string]string{"MOVIES_DB_USER": "movies", "MOVIES_DB_PASS_FILE": "real", "MOVIES_DB_TLS": "real", "MOVIES_BUCKET_DIR": "."})
	if err := config.Parse(&config.Worker{}); err == nil || !strings.Contains(err.Error(), "MOVIES_DB_PASS_FILE") || !strings.Contains(err.Error(), "MOVIES_DB_TLS") {
		t.Errorf("%v", err)
	}
}

func TestAPIAddr(t *testing.T) {
	for _, addr := range []string{"8080", "127.0.0.1", "127.0.0.1:80:80", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:x"} {
		set(t, map[string]string{"MOVIES_DB_USER": "u", "MOVIES_API_ADDR": addr})
		want := map[string]string{"MOVIES_API_ADDR": `is "` + addr + `", expected host:port`}
		checkProblems(t, config.Parse(&config.API{}), want)
		checkProblems(t, config.Parse(&config.Demo{}), want)
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]config.Host{
		"replica": {Name: "replica"}, "replica:3307": {Name: "replica", Port: 3307}, "::1": {Name: "::1"}, "[::1]": {Name: "::1"},
		"[::1]:65535": {Name: "::1", Port: 65535}, "/run/mysqld/mysqld.sock": {Name: "/run/mysqld/mysqld.sock"},
	} {
		set(t, map[string]string{"MOVIES_DB_USER": "u", "MOVIES_DB_HOST": text, "MOVIES_DB_READ_HOST": text})
		var c config.API
		if err := config.Parse(&c); err != nil || c.DBHost != want || c.DBReadHost != want {
			t.Errorf("%q: %+v, %v", text, c.DBReadHost, err)
		}
	}
	for _, text := range []string{"replica:", "replica:0", "replica:65536", "replica:x", ":3306", "a:b:c", "[replica]", "[::1", "mysql://h", "u@h", "tcp(h:1)"} {
		set(t, map[string]string{"MOVIES_DB_USER": "u", "MOVIES_DB_HOST": text, "MOVIES_DB_READ_HOST": text})
		wrong := `is "` + text + `", expected a host, host:port, [::1], [::1]:port or the path of a socket`
		checkProblems(t, config.Parse(&config.API{}), map[string]string{"MOVIES_DB_HOST": wrong, "MOVIES_DB_READ_HOST": wrong})
	}
	set(t, map[string]string{"MOVIES_DB_FILE": "x.sqlite", "MOVIES_DB_READ_HOST": "replica"})
	checkProblems(t, config.Parse(&config.API{}), map[string]string{"MOVIES_DB_READ_HOST": "is set and so is MOVIES_DB_FILE; a file has no replica"})
}

// checkProblems expects that the error names exactly these variables, one a line.
func checkProblems(t *testing.T, err error, want map[string]string) {
	t.Helper()
	var wrong *config.Error
	if !errors.As(err, &wrong) {
		t.Errorf("error is %#v, want a *config.Error", err)
		return
	}
	said := map[string]string{}
	for _, problem := range wrong.Problems {
		name, text, _ := strings.Cut(problem, ": ")
		if before, twice := said[name]; twice {
			t.Errorf("%s is named twice: %q, %q", name, before, text)
		}
		said[name] = text
		if !strings.Contains(err.Error(), "\n  "+problem) {
			t.Errorf("%q does not show %q", err, problem)
		}
	}
	for name, text := range want {
		if got, named := said[name]; !named || !strings.Contains(got, text) {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
		delete(said, name)
	}
	if len(said) > 0 {
		t.Errorf("nothing is wrong with %v", said)
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Errorf("%q shows the password", err)
	}
}

func TestShard(t *testing.T) {
	for text, want := range map[string]config.Shard{"0/1": {0, 1}, "0/2": {0, 2}, "1/2": {1, 2}, "999/1000": {999, 1000}} {
		var got config.Shard
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"1", "/", "1/", "/2", "2/2", "3/2", "-1/2", "0/0", "0/-2", "a/b", "1/2/3", "0.5/2", " 1/2", "1/2 ", "1\\2", "+1/2",
		"0/4294967296", "0/99999999999999999999",
	} {
		var got config.Shard
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestServing checks base paths, and invalid settings of the index, exports and idle
// connections.
func TestServing(t *testing.T) {
	for _, base := range []string{"/films", "/a/b-c_d.e~f", "/v1", "/%C3%A9"} {
		set(t, map[string]string{"MOVIES_DB_USER": "u", "MOVIES_API_BASE_PATH": base})
		var c config.API
		if err := config.Parse(&c); (err == nil) != (base != "/%C3%A9") {
			t.Errorf("%q: %v", base, err)
		}
	}
	for _, base := range []string{"/", "films", "/films/", "//films", "/a/../b", "/a b", "/é", "https://x/films", "/a?b", "/a#b", `/a"b`, "/a\\b", "/<b>"} {
		set(t, map[string]string{"MOVIES_DB_USER": "u", "MOVIES_API_BASE_PATH": base})
		err := config.Parse(&config.Demo{})
		if err == nil || !strings.Contains(err.Error(), "MOVIES_API_BASE_PATH: is ") || !strings.Contains(err.Error(), "such as /films") {
			t.Errorf("%q: %v", base, err)
		}
	}
	for variable, values := range map[string][]string{
		"MOVIES_API_INDEX": {"ON", "yes"}, "MOVIES_API_EXPORTS": {"0", "65", "-1", "x"}, "MOVIES_API_IDLE_TIMEOUT": {"0s", "-1s", "25h", "600"},
	} {
		for _, value := range values {
			set(t, map[string]string{"MOVIES_DB_USER": "u", variable: value})
			if err := config.Parse(&config.API{}); err == nil || !strings.Contains(err.Error(), variable+": is ") {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
		}
	}
}
