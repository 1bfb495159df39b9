package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// faults are network faults. Each lasts for a while in the middle of a drain.
var faults = []fault{
	{name: "latency", delay: 50 * time.Millisecond},
	{name: "cut in the middle of an answer", after: 700},
	{name: "reset in the middle of an answer", after: 700, reset: true},
	{name: "black hole", hole: true},
	{name: "slow", delay: 250 * time.Millisecond, piece: 256}, // 1 KB/s
}

// time returns how long a fault lasts: a black hole must outlast the time-outs.
func (f fault) time() time.Duration {
	if f.hole {
		return 40 * time.Second
	}
	return 5 * time.Second
}

// adminOf returns the address of the program's admin port.
func (p *process) adminOf(t *testing.T, message string) string {
	t.Helper()
	var line struct{ Admin string }
	if err := json.Unmarshal([]byte(p.logs(t, `"msg":"`+message+`"`)), &line); err != nil {
		t.Fatal(err)
	}
	return "http://" + line.Admin
}

// status returns the status of a GET, 0 without a response.
func status(url string) int {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestNetworkFaults puts each fault between the worker and one of its servers in the middle of
// a drain. The worker loses and rejects nothing, recovers by itself and leaks no goroutines.
func TestNetworkFaults(t *testing.T) {
	for _, between := range []string{"database", "bucket"} {
		for _, f := range faults {
			t.Run(between+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				testNetworkFault(t, between, f)
			})
		}
	}
}

func testNetworkFault(t *testing.T, between string, f fault) {
	o := server(t)
	s := newSite(t, o, newS3Bucket(t))
	random := rand.New(rand.NewPCG(11, 12))
	putAll(t, s.inbox, mixedInput(random, 200))
	want := expected(t, s.inbox.(s3Bucket))

	target := o.Host + ":" + strconv.Itoa(o.Port)
	if between == "bucket" {
		endpoint, err := url.Parse(os.Getenv(s3Variable))
		if err != nil {
			t.Fatal(err)
		}
		target = endpoint.Host
	}
	p := newProxy(t, target)
	host, port, _ := strings.Cut(p.Addr().String(), ":")
	if between == "database" {
		s.env = append(s.env, "MOVIES_DB_HOST="+host, "MOVIES_DB_PORT="+port)
	} else {
		s.env = append(s.env, "AWS_ENDPOINT_URL_S3=http://"+p.Addr().String())
	}
	s.env = append(s.env, "MOVIES_WORKER_BATCH=20", "MOVIES_WORKER_CONCURRENCY=4")

	p.set(fault{delay: 2 * time.Millisecond}) // slows the drain, so that the fault comes in the middle
	w := s.start(t, "worker")
	admin := w.adminOf(t, "worker starts")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < 200 })
	p.set(f)
	wentUnready := false
	for end := time.Now().Add(f.time()); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if status(admin+"/livez") != http.StatusOK {
			t.Error("not live during the fault")
		}
		wentUnready = wentUnready || status(admin+"/readyz") != http.StatusOK
	}
	if left := len(s.keys(t)); f.hole && left > 0 && !wentUnready {
		t.Errorf("ready all the time, with %d objects left and no way to them", left)
	}
	p.set(fault{})
	waitFor(t, "the bucket to be empty", func() bool { return len(s.keys(t)) == 0 })
	waitFor(t, "the worker to be ready", func() bool { return status(admin+"/readyz") == http.StatusOK })
	if n := goroutines(t, admin); n > 60 {
		t.Errorf("%d goroutines after all", n)
	}
	if code := w.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	checkSame(t, want, o)
}

func goroutines(t *testing.T, admin string) int {
	t.Helper()
	n, err := strconv.Atoi(metric(t, admin, "go_goroutines"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resident returns the resident memory of the process.
func resident(t *testing.T, admin string) string {
	t.Helper()
	n, err := strconv.ParseFloat(metric(t, admin, "process_resident_memory_bytes"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.0f MiB", n/(1<<20))
}

func metric(t *testing.T, admin, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(string(get(t, admin+"/metrics")), "\n") {
		if text, found := strings.CutPrefix(line, name+" "); found {
			return text
		}
	}
	t.Fatalf("no metric %s", name)
	return ""
}

// TestAPIWithoutDatabase: the API reports that it is degraded and stays in service, since the
// database is away for all of its processes alike. It answers from the index, with an Age
// header; anything else is 503 with Retry-After. With the index off, it answers only from its
// cache. It recovers by itself.
func TestAPIWithoutDatabase(t *testing.T) {
	t.Run("index", func(t *testing.T) { testAPIWithoutDatabase(t, "on", "/history", "database: ok\nindex: ok\n") })
	t.Run("SQL", func(t *testing.T) { testAPIWithoutDatabase(t, "off", "", "database: ok\n") })
}

func testAPIWithoutDatabase(t *testing.T, index, read, ready string) {
	o := server(t)
	s := newSite(t, o, newFolder(t))
	s.put(t, "key", []byte(`{"title": "T", "year": 2000}`))
	s.drain(t)
	p := newProxy(t, fmt.Sprintf("%s:%d", o.Host, o.Port))
	host, port, _ := strings.Cut(p.Addr().String(), ":")
	s.env = append(s.env, "MOVIES_DB_HOST="+host, "MOVIES_DB_PORT="+port, "MOVIES_API_INDEX="+index)
	api := s.start(t, "api")
	admin := api.adminOf(t, "API starts")
	movies := api.apiOf(t) + "/movies/1" + read // not in the index
	waitFor(t, "the API to be ready", func() bool { return status(admin+"/readyz") == http.StatusOK })
	if got := status(api.apiOf(t) + "/movies"); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	p.set(fault{after: 1, reset: true})
	p.drop()
	if got := status(movies); got != http.StatusServiceUnavailable {
		t.Errorf("status %d while the database is away", got)
	}
	if got := status(api.apiOf(t) + "/movies"); got != http.StatusOK {
		t.Errorf("status %d of what is cached while the database is away", got)
	}
	if got := status(api.apiOf(t) + "/people"); got != map[string]int{"on": http.StatusOK, "off": http.StatusNotImplemented}[index] {
		t.Errorf("status %d of people while the database is away", got)
	}
	if live := status(admin + "/livez"); live != http.StatusOK {
		t.Errorf("livez is %d while the database is away", live)
	}
	if text := string(get(t, admin+"/readyz")); !strings.HasPrefix(text, "database: degraded: ") {
		t.Errorf("readyz says %q while the database is away", text)
	}
	waitFor(t, "an Age", func() bool {
		response, err := http.Get(api.apiOf(t) + "/movies")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.Header.Get("Age") != ""
	})
	p.set(fault{})
	waitFor(t, "the API to recover", func() bool {
		return status(movies) == http.StatusOK && string(get(t, admin+"/readyz")) == ready
	})
}
