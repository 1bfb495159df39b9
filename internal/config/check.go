package config

import (
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (d *Database) check(wrong report) {
	if d.DBFile != "" {
		if d.DBUser != "" {
			wrong("MOVIES_DB_FILE", "is set and so is MOVIES_DB_USER; expected either a SQLite file or a server")
		}
		return
	}
	if d.DBUser == "" {
		wrong("MOVIES_DB_USER", "is not set; expected the server's user, or MOVIES_DB_FILE for a SQLite file")
	}
	d.checkPassword(wrong)
	checkNumber(wrong, "MOVIES_DB_PORT", d.DBPort, 65535)
	checkNumber(wrong, "MOVIES_DB_CONNECTIONS", d.DBConnections, 10_000)
	switch d.DBTLS {
	case "off", "on", "skip-verify":
	default:
		authority, err := os.ReadFile(d.DBTLS)
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(authority) {
			wrong("MOVIES_DB_TLS", "is %q, expected off, on, skip-verify or the path of a CA file, with certificates in PEM", d.DBTLS)
		}
	}
}

// checkPassword checks that the password file can be read. The database reads it for each
// connection.
func (d *Database) checkPassword(wrong report) {
	if d.DBPasswordFile == "" {
		return
	}
	if d.DBPassword != "" {
		wrong("MOVIES_DB_PASS_FILE", "is set and so is MOVIES_DB_PASS; expected one of them")
		return
	}
	if _, err := os.ReadFile(d.DBPasswordFile); err != nil {
		wrong("MOVIES_DB_PASS_FILE", "cannot be read: %v", err)
	}
}

func (b *Bucket) check(wrong report) {
	switch {
	case b.BucketDir == "" && b.BucketName == "":
		wrong("MOVIES_BUCKET_NAME", "is not set; expected an S3 bucket, or MOVIES_BUCKET_DIR for a folder")
	case b.BucketDir != "" && b.BucketName != "":
		wrong("MOVIES_BUCKET_DIR", "is set and so is MOVIES_BUCKET_NAME; expected either a folder or an S3 bucket")
	case b.BucketName != "":
		checkBucketName(wrong, b.BucketName)
		for _, variable := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
			checkEndpoint(wrong, variable)
		}
	case b.BucketDir != "":
		if info, err := os.Stat(b.BucketDir); err != nil || !info.IsDir() {
			wrong("MOVIES_BUCKET_DIR", "is %q, expected a folder that exists", b.BucketDir)
		}
		if strings.HasPrefix(b.BucketPrefix, ".") || strings.Contains(b.BucketPrefix, "/.") {
			wrong("MOVIES_BUCKET_PREFIX", "is %q, expected no name that begins with a dot; such files of a folder are never read", b.BucketPrefix)
		}
	}
	checkNumber(wrong, "MOVIES_BUCKET_ITEMS_LIMIT", b.BucketItemsLimit, 1000)
}

// checkBucketName reports a name that is not just a bucket's.
func checkBucketName(wrong report, given string) {
	name := strings.TrimPrefix(given, "s3://")
	if strings.HasPrefix(name, "arn:") {
		var isBucket bool
		if _, name, isBucket = strings.Cut(name, ":s3:::"); !isBucket { // an access point
			return
		}
	}
	if strings.Contains(name, "://") {
		wrong("MOVIES_BUCKET_NAME", "is %q, expected the name of a bucket; AWS_ENDPOINT_URL_S3 is the server's address", given)
		return
	}
	name, prefix, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(name), "/"), "/")
	switch {
	case name == "", strings.IndexFunc(name, notInBucketName) >= 0:
		wrong("MOVIES_BUCKET_NAME", "is %q, expected the name of a bucket", given)
	case name == given:
	case prefix == "":
		wrong("MOVIES_BUCKET_NAME", "is %q, expected the name alone: %s", given, name)
	default:
		wrong("MOVIES_BUCKET_NAME", "is %q, expected the name alone: %s, and MOVIES_BUCKET_PREFIX=%s", given, name, prefix)
	}
}

// notInBucketName reports whether no S3 server allows the character in a bucket's name.
func notInBucketName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

// checkEndpoint checks an endpoint variable of the AWS SDK, which would fail only at the
// first request.
func checkEndpoint(wrong report, variable string) {
	given := os.Getenv(variable)
	if given == "" {
		return
	}
	u, err := url.Parse(given)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return
	}
	example := "http://minio:9000"
	if !strings.Contains(given, "://") {
		example = "http://" + given
	}
	wrong(variable, "is %q, expected a URL with its scheme, such as %s", given, example)
}

func (p *Process) check(wrong report) {
	checkAddr(wrong, "MOVIES_ADMIN_ADDR", p.AdminAddr)
	checkDuration(wrong, "MOVIES_SHUTDOWN_TIMEOUT", p.ShutdownTimeout, time.Hour)
}

func (l *Log) check(wrong report) {
	switch l.LogFormat {
	case "", "text", "json":
	default:
		wrong("MOVIES_LOG_FORMAT", "is %q, expected text or json", l.LogFormat)
	}
}

func (w *WorkerOnly) check(wrong report) {
	checkNumber(wrong, "MOVIES_WORKER_BATCH", w.Batch, 10_000)
	checkNumber(wrong, "MOVIES_REJECTION_DAYS", w.RejectionDays, 36_500)
	checkNumber(wrong, "MOVIES_CHANGE_DAYS", w.ChangeDays, 36_500)
	checkDuration(wrong, "MOVIES_WORKER_IDLE_MAX", w.IdleMax, 24*time.Hour)
}

func (h *Hints) check(wrong report) {
	if h.QueueURL != "" {
		checkEndpoint(wrong, "AWS_ENDPOINT_URL_SQS")
		u, err := url.Parse(h.QueueURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") == "" {
			wrong("MOVIES_SQS_URL", "is %q, expected the URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/movies", h.QueueURL)
		}
	}
	checkDuration(wrong, "MOVIES_WORKER_RECONCILE", h.Reconcile, 24*time.Hour)
}

func (w *Worker) check(wrong report) {
	if w.QueueURL != "" && w.BucketDir != "" {
		wrong("MOVIES_SQS_URL", "is set and so is MOVIES_BUCKET_DIR; a folder sends no messages")
	}
	if w.BucketDir == "" {
		return
	}
	authority := w.DBTLS
	if slices.Contains([]string{"off", "on", "skip-verify"}, authority) { // no file
		authority = ""
	}
	for variable, file := range map[string]string{"MOVIES_DB_FILE": w.DBFile, "MOVIES_DB_PASS_FILE": w.DBPasswordFile, "MOVIES_DB_TLS": authority} {
		if file != "" && lies(file, w.BucketDir) {
			wrong(variable, "is %q, in the folder MOVIES_BUCKET_DIR, whose files the worker reads and deletes; expected a file elsewhere", file)
		}
	}
}

// lies reports whether a file lies below a folder, by its name or where links lead.
func lies(file, folder string) bool {
	for _, name := range []string{filepath.Join(resolved(filepath.Dir(file)), filepath.Base(file)), resolved(file)} {
		if below, err := filepath.Rel(resolved(folder), name); err == nil && filepath.IsLocal(below) {
			return true
		}
	}
	return false
}

// resolved returns an absolute name without links, or with them if nothing has the name.
func resolved(name string) string {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if target, err := filepath.EvalSymlinks(absolute); err == nil {
		return target
	}
	return absolute
}

// maxExports bounds MOVIES_API_EXPORTS: each export holds a database connection.
const maxExports = 64

func (s *Serving) check(wrong report) {
	checkAddr(wrong, "MOVIES_API_ADDR", s.APIAddr)
	checkDuration(wrong, "MOVIES_API_STALENESS", s.Staleness, time.Minute)
	if s.Index != "on" && s.Index != "off" {
		wrong("MOVIES_API_INDEX", "is %q, expected on or off", s.Index)
	}
	checkNumber(wrong, "MOVIES_API_CACHE_MB", s.CacheMB, 1<<20)
	checkNumber(wrong, "MOVIES_API_EXPORTS", s.Exports, maxExports)
	if s.IdleTimeout < time.Second || s.IdleTimeout > 24*time.Hour {
		wrong("MOVIES_API_IDLE_TIMEOUT", "is %s, expected 1s to 24h", s.IdleTimeout)
	}
	s.checkBasePath(wrong)
}

// checkBasePath accepts a path that can be put in front of another and needs no escapes.
func (s *Serving) checkBasePath(wrong report) {
	clean := s.BasePath == "" || s.BasePath != "/" && strings.HasPrefix(s.BasePath, "/") && path.Clean(s.BasePath) == s.BasePath &&
		(&url.URL{Path: s.BasePath}).EscapedPath() == s.BasePath && !strings.ContainsAny(s.BasePath, `"<>\`)
	if !clean {
		wrong("MOVIES_API_BASE_PATH", "is %q, expected a path such as /films, which begins with / and does not end with one", s.BasePath)
	}
}

func (a *API) check(wrong report) {
	if a.DBReadHost.Name != "" && a.DBFile != "" {
		wrong("MOVIES_DB_READ_HOST", "is set and so is MOVIES_DB_FILE; a file has no replica")
	}
}

func checkAddr(wrong report, variable, addr string) {
	_, port, err1 := net.SplitHostPort(addr)
	_, err2 := strconv.ParseUint(port, 10, 16)
	if err1 != nil || err2 != nil {
		wrong(variable, "is %q, expected host:port", addr)
	}
}

func checkNumber(wrong report, variable string, given, most int) {
	if given < 1 || given > most {
		wrong(variable, "is %d, expected 1 to %d", given, most)
	}
}

func checkDuration(wrong report, variable string, given, most time.Duration) {
	if given < time.Millisecond || given > most {
		wrong(variable, "is %s, expected 1ms to %s", given, most)
	}
}
