package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database/databasetest"
	"jpmovies/tests/history"
	"jpmovies/tests/mutation"
)

// produce puts objects until ctx is done. It repeats a put that fails, which the store may
// have carried out all the same.
func (c *cluster) produce(ctx context.Context, producer int) {
	random := rand.New(rand.NewPCG(uint64(producer), uint64(time.Now().UnixNano())))
	for ctx.Err() == nil {
		for key, body := range mixedInput(random, 1) {
			key = fmt.Sprintf("%06d-%s", c.puts.Add(1), key)
			for c.put(c.t.Context(), key, body) != nil {
				if c.t.Context().Err() != nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			c.objects.Store(key, body)
		}
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
	}
}

func (c *cluster) put(ctx context.Context, key string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := c.bucket.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.bucket.name, Key: &key, Body: bytes.NewReader(body)})
	return err
}

// watchCommits records the revision of the database.
func (c *cluster) watchCommits(ctx context.Context) {
	for ctx.Err() == nil {
		newest := c.Newest()
		short, cancel := context.WithTimeout(ctx, c.longest+time.Second)
		if revision, err := c.site.db.Revision(short); err == nil {
			c.Committed(time.Now(), revision, newest)
		}
		cancel()
		time.Sleep(10 * time.Millisecond)
	}
}

// read sends requests to the processes that choose names, and records the answers.
func (c *cluster) read(ctx context.Context, seed uint64, by http.Client, choose func() int) {
	random := rand.New(rand.NewPCG(seed, seed))
	defer by.CloseIdleConnections()
	for ctx.Err() == nil {
		api := c.api(choose())
		answer := history.Answer{Process: "API " + strconv.Itoa(api.Process.Pid), Path: question(random), Began: time.Now()}
		err := c.ask(ctx, by, api.api, &answer)
		switch {
		case errors.Is(err, errStatus):
			c.Fault("%s: %v", answer.Path, err)
		case err == nil:
			c.Add(answer)
		}
		time.Sleep(time.Millisecond)
	}
}

var errStatus = errors.New("unexpected status")

// errAway is the answer of a process that is not ready.
var errAway = errors.New("away")

// ask sends a request and completes the answer.
func (c *cluster) ask(ctx context.Context, by http.Client, api string, answer *history.Answer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api+answer.Path, nil)
	if err != nil {
		return err
	}
	response, err := by.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body := fnv.New64a()
	if _, err := io.Copy(body, response.Body); err != nil {
		return err
	}
	answer.Ended, answer.Body = time.Now(), strconv.FormatUint(body.Sum64(), 16)+" "+response.Header.Get("Total-Count")
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		if response.Header.Get("Retry-After") == "" {
			return fmt.Errorf("%w: 503 without Retry-After", errStatus)
		}
		return errAway
	default:
		return fmt.Errorf("%w: %s", errStatus, response.Status)
	}
	if answer.Revision, err = strconv.ParseInt(response.Header.Get("Catalogue-Revision"), 10, 64); err != nil {
		return fmt.Errorf("%w: Catalogue-Revision: %w", errStatus, err)
	}
	if age := response.Header.Get("Age"); age != "" {
		seconds, err := strconv.Atoi(age)
		if err != nil {
			return fmt.Errorf("%w: Age: %w", errStatus, err)
		}
		answer.Age = time.Duration(seconds) * time.Second
	}
	return nil
}

// question returns the path of one of some hundred questions.
func question(random *rand.Rand) string {
	q := url.Values{}
	switch random.IntN(4) {
	case 0:
		q.Set("genre", fmt.Sprintf("g%d", random.IntN(9)))
	case 1:
		q.Set("cast", fmt.Sprintf("a%d", random.IntN(5)))
	case 2:
		q.Set("q", fmt.Sprintf("film %d", random.IntN(5)))
	}
	path := []string{"/movies", "/movies", "/genres", "/years", "/people"}[random.IntN(5)]
	if path == "/movies" {
		q.Set("sort", []string{"-id", "year", "title"}[random.IntN(3)])
		q.Set("limit", []string{"3", "25"}[random.IntN(2)])
	}
	return path + "?" + q.Encode()
}

func newestOf(api string) (int64, error) {
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(api + "/movies?limit=1")
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	return strconv.ParseInt(response.Header.Get("Catalogue-Revision"), 10, 64)
}

// checkMerge compares the tables with the merge of all objects. Their stamps are in the ingest
// log, which must name each object that was put; of an object that was put twice, the later
// stamp counts.
func (c *cluster) checkMerge() {
	logged := map[string]time.Time{}
	raw := databasetest.Raw(c.t, c.site.database)
	for _, row := range texts(c.t, raw, "SELECT DISTINCT CONCAT_WS('|', object_key, object_time) FROM ingest") {
		key, text, _ := strings.Cut(row, "|")
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			c.t.Fatal(err)
		}
		if at.After(logged[key]) {
			logged[key] = at
		}
	}
	var objects []stored
	c.objects.Range(func(key, body any) bool {
		at, ok := logged[key.(string)]
		if !ok {
			c.Fault("%s was put, but is not in the ingest log", key)
		}
		objects = append(objects, stored{key.(string), at, body.([]byte)})
		return true
	})
	want := lawful(c.t, objects)
	if got := withoutETags(content(c.t, c.site.database)); !slices.Equal(want, got) {
		c.Fault("the tables differ from the merge (-want +got): %.3000s", cmp.Diff(want, got))
	}
}

// TestHistories lets clients, producers, workers and API processes work while processes,
// servers and networks fail, and checks all that was answered.
func TestHistories(t *testing.T) {
	needServers(t)
	length, longest := 30*time.Second, 5*time.Second
	if text := os.Getenv(variableHistory); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", variableHistory, err)
		}
		longest = min(length/20, 90*time.Second)
	}
	c := newCluster(t, binary, longest)
	t.Cleanup(func() { // also after a fatal error
		_, _, faults := c.Result()
		for _, f := range faults[:min(len(faults), 20)] {
			t.Error(f)
		}
	})
	c.run(length)
	answers, compared, _ := c.Result()
	t.Logf("%d answers, of these %d compared with another one; revision %d; %v", answers, compared, c.Newest(), c.events)
	if compared < 100 {
		t.Error("too few answers were compared")
	}
}

// variableHistory is the time for TestHistories; TestHistoriesNotice runs if it is set.
const variableHistory = "MOVIES_TEST_HISTORY"

// TestHistoriesNotice plants mistakes in the real source, one at a time, each of which
// TestHistories must notice within five minutes.
func TestHistoriesNotice(t *testing.T) {
	if os.Getenv(variableHistory) == "" {
		t.Skipf("takes an hour; %s is not set", variableHistory)
	}
	needServers(t)
	for _, m := range planted {
		t.Run(m.name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "jpmovies")
			build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "-overlay="+mutation.Overlay(t, m.file, m.old, m.new), "../cmd/jpmovies")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			c := newCluster(t, program, 3*time.Second)
			began := time.Now()
			for !c.failed() && time.Since(began) < 5*time.Minute {
				c.run(time.Minute)
			}
			_, _, faults := c.Result()
			if len(faults) == 0 {
				t.Fatal("not noticed")
			}
			t.Logf("noticed after %v: %.200s", time.Since(began).Round(time.Second), faults[0])
		})
	}
}

// TestPlantedFit fails if the source no longer contains the text of a planted mistake.
func TestPlantedFit(t *testing.T) {
	for _, m := range planted {
		mutation.Overlay(t, m.file, m.old, m.new)
	}
}
