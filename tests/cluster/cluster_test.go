// Package cluster tests the shipped manifests on a real cluster, which scripts/test_cluster
// starts. The tests depend on each other: each continues from the state that the one before it
// left.
package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/s3bucket"
)

const (
	namespace = "movies"
	// hostVariable is the address at which pods reach servers beside the cluster, and at which
	// the node answers.
	hostVariable = "CLUSTER_TEST_HOST"
	password     = "right"
)

// setting returns a variable that scripts/test_cluster sets.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skipf("%s is not set: scripts/test_cluster does all this needs", name)
	}
	return value
}

// kubectl runs a command and returns what it prints.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryKubectl(t, "", args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func tryKubectl(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, setting(t, "KUBECTL"), append([]string{"-n", namespace}, args...)...)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// eventually polls until done, for at most two minutes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited two minutes for %s\n%s", what, kubectl(t, "get", "pods", "-o", "wide"))
		}
	}
}

// overlay writes a kustomization, the local overlay with images of one version and components,
// and returns its folder.
func overlay(t *testing.T, version string, components ...string) string {
	t.Helper()
	dir := t.TempDir()
	manifests := relative(t, dir, "../../deployment/k8s")
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: movies\nresources: [" + manifests + "/overlays/local]\nimages:\n"
	for _, image := range []string{"movies-api", "movies-worker"} {
		text += "- {name: " + image + ", newName: registry.local/" + image + ", newTag: " + version + "}\n"
	}
	if len(components) > 0 {
		text += "components:\n"
		for _, c := range components {
			text += "- " + manifests + "/components/" + c + "\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	to, err := filepath.Abs(to)
	if err != nil {
		t.Fatal(err)
	}
	r, err := filepath.Rel(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func apply(t *testing.T, version string, components ...string) {
	t.Helper()
	if out, err := exec.Command("../../scripts/deploy", overlay(t, version, components...)).CombinedOutput(); err != nil {
		t.Fatalf("deploy %s: %v\n%s", version, err, out)
	}
}

func api(t *testing.T) string {
	return "http://" + setting(t, hostVariable) + ":30000"
}

var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func getJSON(t *testing.T, url string, into any) error {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// movies returns how many movies the API counts, or -1 if it does not answer.
func movies(t *testing.T) int {
	t.Helper()
	status := struct {
		Movies  int `json:"movies"`
		Waiting int `json:"objects_waiting"`
	}{Movies: -1}
	if err := getJSON(t, api(t)+"/status", &status); err != nil {
		return -1
	}
	return status.Movies
}

func store(t *testing.T) *s3bucket.Bucket {
	t.Helper()
	b, err := s3bucket.Open(t.Context(), s3bucket.Options{Name: "movies", PathStyle: true, Concurrency: 16, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes objects, 16 in parallel.
func put(t *testing.T, objects map[string]string) {
	t.Helper()
	b := store(t)
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for key, body := range objects {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := b.Put(t.Context(), key, []byte(body)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func left(t *testing.T) int {
	t.Helper()
	n := 0
	for page, err := range store(t).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			if !bucket.Ignored(o) {
				n++
			}
		}
	}
	return n
}

// films returns objects with one new film each.
func films(name string, n int) map[string]string {
	objects := make(map[string]string)
	for i := range n {
		objects[fmt.Sprintf("%s/%04d.json", name, i)] = fmt.Sprintf(`{"title": "%s %d", "year": 2020, "genres": ["Test"]}`, name, i)
	}
	return objects
}

// load sends requests at a bounded rate over kept connections until it is stopped. The test
// never retries a request.
type load struct {
	requests, failures atomic.Int64
	first              atomic.Value
	stop               func()
}

func startLoad(t *testing.T) *load {
	t.Helper()
	return startClients(t, 8, 60*time.Millisecond)
}

// startClients is startLoad with so many clients, each of which pauses before each request.
func startClients(t *testing.T, clients int, pause time.Duration) *load {
	t.Helper()
	l := &load{}
	end := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			kept := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			defer kept.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				case <-time.After(pause):
				}
				if n%20 == 19 { // reconnect from time to time
					kept.CloseIdleConnections()
				}
				l.requests.Add(1)
				if err := ask(kept, api(t)+"/movies?limit=10&start="+strconv.Itoa(100+n%500)); err != nil {
					l.failures.Add(1)
					l.first.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	l.stop = func() { close(end); all.Wait() }
	return l
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// end expects many requests and no failure.
func (l *load) end(t *testing.T, what string) {
	t.Helper()
	for wait := time.Now().Add(time.Minute); l.requests.Load() < 1000 && time.Now().Before(wait); {
		time.Sleep(100 * time.Millisecond)
	}
	l.stop()
	t.Logf("%s: %d requests, %d failed", what, l.requests.Load(), l.failures.Load())
	if l.requests.Load() < 1000 || l.failures.Load() > 0 {
		t.Errorf("%s: %d of %d requests failed, first: %v", what, l.failures.Load(), l.requests.Load(), l.first.Load())
	}
}

// pods returns the names of an application's running pods.
func pods(t *testing.T, app string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "pods", "-l", "app.kubernetes.io/name="+app,
		"--field-selector=status.phase=Running", "-o", "go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}"))
}

func restarts(t *testing.T, app string) string {
	t.Helper()
	return kubectl(t, "get", "pods", "-l", "app.kubernetes.io/name="+app, "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
}

func ready(t *testing.T, kind, name string) int {
	t.Helper()
	n, _ := strconv.Atoi(kubectl(t, "get", kind, name, "-o", "jsonpath={.status.readyReplicas}")) // empty means 0
	return n
}

func rolledOut(t *testing.T, workload string) {
	t.Helper()
	kubectl(t, "rollout", "status", workload, "--timeout=180s")
}

// secrets creates or replaces both secrets.
func secrets(t *testing.T, password string) {
	t.Helper()
	for name, more := range map[string][]string{
		"movies-api":    nil,
		"movies-worker": {"--from-literal=AWS_ACCESS_KEY_ID=" + setting(t, "AWS_ACCESS_KEY_ID"), "--from-literal=AWS_SECRET_ACCESS_KEY=" + setting(t, "AWS_SECRET_ACCESS_KEY")},
	} {
		made := kubectl(t, append([]string{"create", "secret", "generic", name, "--from-literal=MOVIES_DB_PASS=" + password, "--dry-run=client", "-o", "yaml"}, more...)...)
		if out, err := tryKubectl(t, made, "apply", "-f", "-"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

type step struct {
	name string
	run  func(*testing.T)
}

// mainPath lists the steps in which an installation starts, drains and serves, and changes its
// workers.
var mainPath = []step{
	{"secrets missing", secretsMissing}, {"wrong password", wrongPassword}, {"three migrate at once", migrateAtOnce}, {"two shards", sharded},
	{"real movies", realMovies}, {"one worker instead", oneWorker},
}

// TestCluster runs all steps of an installation's life.
func TestCluster(t *testing.T) {
	follow(t, append(slices.Clone(mainPath), []step{
		{"roll the API", rollAPI}, {"roll the worker", rollWorker},
		{"pod deleted", podDeleted}, {"container killed", containerKilled}, {"out of memory", outOfMemory},
		{"worker restarted in a drain", workerRestarted}, {"database away", databaseAway}, {"node drained", nodeDrained},
		{"read-only root", readOnlyRoot}, {"memory under load", memoryUnderLoad}, {"index off", indexOff},
	}...))
}

// TestMainPath runs the part that another kind of database must pass, in a cluster of its own.
func TestMainPath(t *testing.T) {
	follow(t, append(slices.Clone(mainPath), step{"worker restarted in a drain", workerRestarted}, step{"index off", indexOff}))
}

// follow installs the servers outside the cluster and runs the steps until one fails.
func follow(t *testing.T, steps []step) {
	host := setting(t, hostVariable)
	kubectl(t, "create", "-f", "../../deployment/k8s/overlays/local/namespace.yaml")
	outside, err := os.ReadFile("testdata/outside.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tryKubectl(t, strings.ReplaceAll(string(outside), "HOST", host), "apply", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range steps {
		if !t.Run(s.name, s.run) {
			return
		}
	}
}

// secretsMissing: deploy and the pods name the missing secrets.
func secretsMissing(t *testing.T) {
	t.Setenv("ROLLOUT_TIMEOUT", "5s")
	out, err := exec.Command("../../scripts/deploy", overlay(t, "v1")).CombinedOutput()
	if err == nil {
		t.Fatalf("deploy succeeds without secrets:\n%s", out)
	}
	for _, secret := range []string{"movies-api", "movies-worker"} {
		if !strings.Contains(string(out), "there is no secret "+secret) {
			t.Errorf("deploy does not name %s:\n%s", secret, out)
		}
		eventually(t, "the pods to name "+secret, func() bool {
			return strings.Contains(kubectl(t, "get", "events", "-o", "jsonpath={.items[*].message}"), `secret "`+secret+`" not found`)
		})
	}
}

// wrongPassword: the API is not ready, and its log says why.
func wrongPassword(t *testing.T) {
	secrets(t, "wrong")
	// Pods that wait for a secret start once it exists.
	eventually(t, "the API's log to say why", func() bool {
		out, _ := tryKubectl(t, "", "logs", "-l", "app.kubernetes.io/name=movies-api", "--tail=50")
		return strings.Contains(out, "Access denied for user")
	})
	if n := ready(t, "deployment", "movies-api"); n != 0 {
		t.Errorf("%d API pods are ready with a wrong password", n)
	}
}

// migrateAtOnce: three workers start on an empty database.
func migrateAtOnce(t *testing.T) {
	secrets(t, password)
	kubectl(t, "scale", "deployment/movies-worker", "--replicas=3")
	began := time.Now()
	kubectl(t, "delete", "pods", "--all", "--grace-period=1") // before any of them starts
	rolledOut(t, "deployment/movies-worker")
	rolledOut(t, "deployment/movies-api")
	t.Logf("from an empty database to all ready: %s", time.Since(began).Round(100*time.Millisecond))
	workers := pods(t, "movies-worker")
	if len(workers) != 3 {
		t.Errorf("%d workers, want 3", len(workers))
	}
	for _, pod := range workers {
		if log := kubectl(t, "logs", pod, "-c", "migrate"); !strings.Contains(log, "schema is up to date") {
			t.Errorf("%s: %s", pod, log)
		}
	}
}

// sharded replaces the worker by two that share the keys.
func sharded(t *testing.T) {
	apply(t, "v1", "shards")
	if n := len(pods(t, "movies-worker")); n != 2 {
		t.Errorf("%d workers, want 2", n)
	}
	if out, err := tryKubectl(t, "", "get", "deployment", "movies-worker"); err == nil {
		t.Errorf("the plain worker is still there: %s", out)
	}
}

// changed matches the log line of a pass that changed movies.
var changed = regexp.MustCompile(`"changes":[1-9]`)

// realMovies drains the movies of MOVIES_TEST_DATA, or else generated ones, with sharded
// workers, and reads them through the node's port.
func realMovies(t *testing.T) {
	objects := films("Film", 2512)
	want := len(objects)
	if dir := os.Getenv("MOVIES_TEST_DATA"); dir != "" {
		content, err := os.ReadFile(filepath.Join(dir, "movies-2010s.json"))
		if err != nil {
			t.Fatal(err)
		}
		var all []json.RawMessage
		if err := json.Unmarshal(content, &all); err != nil {
			t.Fatal(err)
		}
		objects = make(map[string]string)
		distinct := make(map[string]bool)
		for i, m := range all {
			var movie struct {
				Title string
				Year  int
			}
			if err := json.Unmarshal(m, &movie); err != nil {
				t.Fatal(err)
			}
			distinct[fmt.Sprint(strings.TrimSpace(movie.Title), movie.Year)] = true
			objects[fmt.Sprintf("real/%04d.json", i)] = string(m)
		}
		want = len(distinct)
	}
	began := time.Now()
	put(t, objects)
	eventually(t, "all to be drained", func() bool { return left(t) == 0 })
	eventually(t, "all to be served", func() bool { return movies(t) == want })
	t.Logf("%d movies of %d objects put, drained and served in %s", want, len(objects), time.Since(began).Round(100*time.Millisecond))
	for _, pod := range pods(t, "movies-worker") {
		if log := kubectl(t, "logs", pod, "-c", "worker"); !changed.MatchString(log) {
			t.Errorf("%s did nothing:\n%s", pod, log)
		}
	}
}

// oneWorker replaces the sharded workers by the plain worker.
func oneWorker(t *testing.T) {
	apply(t, "v1")
	if out, err := tryKubectl(t, "", "get", "statefulset", "movies-worker"); err == nil {
		t.Errorf("the sharded workers are still there: %s", out)
	}
}

// indexOff rolls the API to answers by SQL, under load. They show the same movies.
func indexOff(t *testing.T) {
	lists := []string{"/movies?genre=Test&limit=100"}
	if os.Getenv("MOVIES_TEST_DATA") != "" {
		lists = append(lists, "/movies?genre=Drama&limit=100", "/movies?year_from=2014&year_to=2015&limit=50")
	}
	want := walk(t, lists)
	l := startLoad(t)
	began := time.Now()
	apply(t, "v1", "index-off")
	took := time.Since(began).Round(100 * time.Millisecond)
	eventually(t, "the old pods to go", func() bool { return len(pods(t, "movies-api")) == 3 })
	if got := walk(t, lists); !slices.Equal(got, want) {
		t.Errorf("other movies than before: %d instead of %d", len(got), len(want))
	}
	for range 10 { // of several pods
		if status, body := read(t, "/suggest?q=a"); status != http.StatusNotImplemented || !strings.Contains(body, "MOVIES_API_INDEX=off") {
			t.Errorf("/suggest: %d %s", status, body)
		}
	}
	l.end(t, fmt.Sprintf("index off: roll in %s, %d movies alike", took, len(want)))
}

// walk returns the movies of lists. A page of SQL may be short, even empty, and have a next one.
func walk(t *testing.T, lists []string) (movies []string) {
	t.Helper()
	for _, next := range lists {
		before := len(movies)
		for next != "" {
			status, body := read(t, next)
			var page struct {
				Movies []json.RawMessage `json:"movies"`
				Next   string            `json:"next_url"`
			}
			if err := json.Unmarshal([]byte(body), &page); status != http.StatusOK || err != nil {
				t.Fatalf("%s: %d %s", next, status, body)
			}
			for _, m := range page.Movies {
				movies = append(movies, string(m))
			}
			next = page.Next
		}
		if len(movies) == before {
			t.Fatalf("no movies in one of %q", lists)
		}
	}
	return movies
}

func read(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := client.Get(api(t) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// rollAPI rolls the API to a new version and back, under load.
func rollAPI(t *testing.T) {
	for _, version := range []string{"v2", "v1"} {
		l := startLoad(t)
		began := time.Now()
		if version == "v2" {
			apply(t, version)
		} else {
			kubectl(t, "rollout", "undo", "deployment/movies-api")
			rolledOut(t, "deployment/movies-api")
		}
		took := time.Since(began).Round(100 * time.Millisecond)
		eventually(t, "the old pods to go", func() bool { return len(pods(t, "movies-api")) == 3 })
		time.Sleep(time.Second)
		l.end(t, fmt.Sprintf("roll to %s in %s", version, took))
		if image := kubectl(t, "get", "deployment", "movies-api", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); !strings.HasSuffix(image, version) {
			t.Errorf("image is %s, want %s", image, version)
		}
	}
}

// rollWorker rolls the worker back and forward again, while objects arrive.
func rollWorker(t *testing.T) {
	before := movies(t)
	l := startLoad(t)
	for i, version := range []string{"v1", "v2"} {
		put(t, films("Roll "+version, 500))
		if i == 0 {
			kubectl(t, "rollout", "undo", "deployment/movies-worker")
		} else {
			kubectl(t, "set", "image", "deployment/movies-worker", "worker=registry.local/movies-worker:v2", "migrate=registry.local/movies-worker:v2")
		}
		rolledOut(t, "deployment/movies-worker")
	}
	eventually(t, "all to be served", func() bool { return movies(t) == before+1000 && left(t) == 0 })
	l.end(t, "two rolls of the worker")
}

// podDeleted: a new pod replaces a deleted one, and no request fails.
func podDeleted(t *testing.T) {
	l := startLoad(t)
	kubectl(t, "delete", "pod", pods(t, "movies-api")[0])
	eventually(t, "three pods", func() bool { return ready(t, "deployment", "movies-api") == 3 })
	l.end(t, "a pod deleted")
}

// containerKilled: the kubelet restarts a killed container.
func containerKilled(t *testing.T) {
	killer := setting(t, "CLUSTER_TEST_KILL")
	for _, app := range []string{"movies-api", "movies-worker"} {
		before := restarts(t, app)
		pod := pods(t, app)[0]
		id := kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].containerID}")
		if out, err := exec.Command(killer, strings.TrimPrefix(id, "containerd://")).CombinedOutput(); err != nil {
			t.Fatalf("kill %s: %v\n%s", id, err, out)
		}
		eventually(t, "a restart of "+app, func() bool { return restarts(t, app) != before })
		eventually(t, app+" to be ready", func() bool {
			return kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].ready}") == "true"
		})
	}
}

// outOfMemory: a memory limit that is far too low for large updates kills the worker
// repeatedly; no update is lost.
func outOfMemory(t *testing.T) {
	before := movies(t)
	kubectl(t, "set", "resources", "deployment/movies-worker", "-c=worker", "--limits=memory=16Mi", "--requests=memory=8Mi")
	rolledOut(t, "deployment/movies-worker")
	var cast strings.Builder
	for i := range 1500 { // some 750 KB, and the worker holds several of these
		fmt.Fprintf(&cast, `"%04d %s",`, i, strings.Repeat("x", 490))
	}
	large := make(map[string]string)
	for i := range 40 {
		large[fmt.Sprintf("large/%d.json", i)] = fmt.Sprintf(`{"title": "Large %d", "year": 2020, "cast": [%s"last"]}`, i, cast.String())
	}
	put(t, large)
	eventually(t, "a worker to be killed", func() bool {
		return strings.Contains(kubectl(t, "get", "pods", "-l", "app.kubernetes.io/name=movies-worker", "-o", "jsonpath={.items[*].status.containerStatuses[*]}"), "OOMKilled")
	})
	apply(t, "v2")
	eventually(t, "all to be served", func() bool { return movies(t) == before+40 && left(t) == 0 })
}

// workerRestarted deletes the worker's pod in the middle of a drain.
func workerRestarted(t *testing.T) {
	before := movies(t)
	put(t, films("Restart", 2000))
	eventually(t, "the drain to begin", func() bool { return left(t) < 2000 })
	at := left(t)
	kubectl(t, "delete", "pod", "-l", "app.kubernetes.io/name=movies-worker", "--grace-period=0", "--force")
	eventually(t, "all to be served", func() bool { return movies(t) == before+2000 && left(t) == 0 })
	t.Logf("%d of 2,000 objects were left when the worker was killed", at)
}

// databaseAway: the API's pods stay in the service and answer through the node's port, with an
// Age header. The worker is not ready. Nothing restarts.
func databaseAway(t *testing.T) {
	database := func(args ...string) {
		if out, err := exec.Command(setting(t, "CLUSTER_TEST_DATABASE"), args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	apiBefore, workerBefore := restarts(t, "movies-api"), restarts(t, "movies-worker")
	for _, pod := range pods(t, "movies-api") { // so that each pod has cached the page
		if err := ask(client, "http://"+kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")+":8080/movies"); err != nil {
			t.Errorf("%s: %v", pod, err)
		}
	}
	database("stop")
	eventually(t, "the worker not to be ready", func() bool { return ready(t, "deployment", "movies-worker") == 0 })
	failed, aged := 0, 0
	for end := time.Now().Add(35 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // longer than liveness would take
		response, err := client.Get(api(t) + "/movies")
		if err != nil {
			failed++
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			failed++
		} else if response.Header.Get("Age") != "" {
			aged++
		}
	}
	if failed > 0 || aged < 100 {
		t.Errorf("without a database %d requests fail, %d answers say their age", failed, aged)
	}
	t.Logf("without a database: %d answers with their age through the node's port, %d failed", aged, failed)
	if n := ready(t, "deployment", "movies-api"); n != 3 {
		t.Errorf("%d API pods are ready without a database, want 3", n)
	}
	for _, pod := range pods(t, "movies-api") {
		ip := kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
		if err := ask(client, "http://"+ip+":9090/livez"); err != nil {
			t.Errorf("%s: livez: %v", pod, err)
		}
	}
	database("start")
	began := time.Now()
	eventually(t, "all to be ready", func() bool {
		return ready(t, "deployment", "movies-api") == 3 && ready(t, "deployment", "movies-worker") == 1
	})
	t.Logf("ready %s after the database was back", time.Since(began).Round(100*time.Millisecond))
	if a, w := restarts(t, "movies-api"), restarts(t, "movies-worker"); a != apiBefore || w != workerBefore {
		t.Errorf("restarts: %s becomes %s, %s becomes %s", apiBefore, a, workerBefore, w)
	}
	put(t, films("Back", 10))
	eventually(t, "the worker to go on", func() bool { return left(t) == 0 })
}

// nodeDrained: the disruption budget stops a drain of the node.
func nodeDrained(t *testing.T) {
	node := kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	out, err := tryKubectl(t, "", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=10s",
		"--pod-selector=app.kubernetes.io/name=movies-api")
	defer kubectl(t, "uncordon", node)
	if err == nil || !strings.Contains(out, "violate the pod's disruption budget") {
		t.Errorf("drain: %v\n%s", err, out)
	}
	if n := ready(t, "deployment", "movies-api"); n < 2 {
		t.Errorf("%d API pods are ready, want at least 2", n)
	}
	kubectl(t, "uncordon", node)
	rolledOut(t, "deployment/movies-api")
}

// readOnlyRoot: a process in the container cannot write to its root file system.
func readOnlyRoot(t *testing.T) {
	for _, app := range []string{"movies-api", "movies-worker"} {
		out, err := tryKubectl(t, "", "exec", "deployment/"+app, "--", "/jpmovies", "generate", "--dir", "/written")
		if err == nil || !strings.Contains(out, "read-only file system") {
			t.Errorf("%s: %v\n%s", app, err, out)
		}
	}
}

// memoryUnderLoad logs the memory of the pods.
func memoryUnderLoad(t *testing.T) {
	l := startLoad(t)
	put(t, films("Load", 1000))
	eventually(t, "the worker to drain", func() bool { return left(t) == 0 })
	for _, app := range []string{"movies-api", "movies-worker"} {
		for _, pod := range pods(t, app) {
			ip := kubectl(t, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
			response, err := client.Get("http://" + ip + ":9090/metrics")
			if err != nil {
				t.Error(err)
				continue
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			for line := range bytes.Lines(body) {
				if value, ok := strings.CutPrefix(string(line), "process_resident_memory_bytes "); ok {
					n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
					t.Logf("%s: %.0f MiB", pod, n/(1<<20))
				}
			}
		}
	}
	l.end(t, "load with a drain beside it")
}
