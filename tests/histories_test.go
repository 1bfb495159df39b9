package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/client"
	"jpmovies/internal/audit"
	"jpmovies/internal/database/databasetest"
	"jpmovies/tests/history"
)

// slack is how far answers may be behind the commits, besides their age: the staleness of
// 250 ms, and what a loaded machine adds.
const slack = 2 * time.Second

// users are those whose connections to a server can fail.
var users = []string{"workers to database", "APIs to database", "API to replica", "workers to bucket"}

// cluster is three workers and three API processes with a database, its replica, from which one
// of the APIs reads, and a bucket. They reach these through proxies. Clients record what they
// see.
type cluster struct {
	*history.History
	t        *testing.T
	site     *site
	bucket   s3Bucket
	random   *rand.Rand
	longest  time.Duration // of a pause of a process or of the network
	database *replicated
	own      *proxy // of the test, to the database
	store    privateServer
	network  map[string]*proxy // by its users
	workers  [3]*process
	apis     [3]atomic.Pointer[replica]
	follower *mirror
	objects  sync.Map // bodies by key, of puts that the store has confirmed
	puts     atomic.Int64
	events   map[string]int
}

// newCluster starts all servers and processes. program is the path of the binary.
func newCluster(t *testing.T, program string, longest time.Duration) *cluster {
	t.Helper()
	c := &cluster{
		History: history.New(slack), t: t, longest: longest, events: map[string]int{}, network: map[string]*proxy{},
		random: rand.New(rand.NewPCG(randomSeed(t), 0)),
	}
	c.database, c.store = newReplicated(t), startOnSmallDisk(t, "versitygw")
	t.Setenv(s3Variable, "http://127.0.0.1:"+c.store.port)
	c.bucket = newS3Bucket(t).(s3Bucket)
	toPrimary := func() string { primary, _ := c.database.addresses(); return primary }
	c.own = newBalancer(t, toPrimary)
	c.site = newSite(t, databasetest.Server(t, "movies:movies@tcp("+c.own.Addr().String()+")/"), c.bucket)
	c.site.binary = program
	c.network["workers to database"], c.network["APIs to database"] = newBalancer(t, toPrimary), newBalancer(t, toPrimary)
	c.network["API to replica"] = newBalancer(t, func() string { _, replica := c.database.addresses(); return replica })
	c.network["workers to bucket"] = newProxy(t, "127.0.0.1:"+c.store.port)
	c.follower = &mirror{errorf: c.Fault}
	for i := range c.workers {
		c.startWorker(i)
	}
	for i := range c.apis {
		c.startAPI(i)
	}
	return c
}

func (c *cluster) startWorker(i int) {
	c.workers[i] = c.through("workers to database").start(c.t, "worker")
}

func (c *cluster) startAPI(i int) {
	s := c.through("APIs to database")
	if i == 0 {
		s.env = append(s.env, "MOVIES_DB_READ_HOST="+c.network["API to replica"].Addr().String())
	}
	p := s.start(c.t, "api")
	c.apis[i].Store(&replica{process: p, api: p.apiOf(c.t), admin: p.adminOf(c.t, "API starts")})
}

// through returns the site as processes see it that reach the database through a proxy.
func (c *cluster) through(user string) *site {
	s := *c.site
	_, port, err := net.SplitHostPort(c.network[user].Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	s.env = append(slices.Clone(s.env), "MOVIES_DB_PORT="+port,
		"AWS_ENDPOINT_URL_S3=http://"+c.network["workers to bucket"].Addr().String())
	return &s
}

func (c *cluster) api(i int) *replica { return c.apis[i].Load() }

// disturb does one thing that goes wrong in production, waits for it to end, and counts it.
func (c *cluster) disturb() {
	i, pause := c.random.IntN(3), c.pause()
	user := users[c.random.IntN(len(users))]
	what := ""
	switch c.random.IntN(16) {
	case 0:
		what = "worker killed"
		_ = c.workers[i].Process.Kill()
		c.workers[i].exit(c.t)
		c.startWorker(i)
	case 1:
		what = "worker stopped by SIGTERM"
		if code := c.workers[i].stop(c.t); code != 0 && !strings.Contains(c.workers[i].tail(1), "the shutdown timeout ended") { // the store was away
			c.Fault("a worker ended with %d:\n%s", code, c.workers[i].tail(5))
		}
		c.startWorker(i)
	case 2:
		what = "worker paused"
		c.suspend(c.workers[i].Process.Pid, pause)
	case 3:
		what = "API killed"
		_ = c.api(i).Process.Kill()
		c.api(i).exit(c.t)
		c.startAPI(i)
	case 4:
		what = "API stopped by SIGTERM"
		if code := c.api(i).stop(c.t); code != 0 {
			c.Fault("an API ended with %d:\n%s", code, c.api(i).tail(5))
		}
		c.startAPI(i)
	case 5:
		what = "API paused"
		c.suspend(c.api(i).Process.Pid, pause)
	case 6:
		what = "database killed"
		c.database.primary.kill(c.t)
		c.database.primary.start(c.t)
	case 7:
		what = "database paused"
		c.suspend(c.database.primary.pid(c.t), pause)
	case 8:
		what = "store killed"
		c.store.kill(c.t)
		c.store.start(c.t)
	case 9:
		what = "connections cut: " + user
		c.network[user].drop()
	case 10:
		what = "network swallows: " + user
		c.network[user].set(fault{hole: true})
		time.Sleep(pause)
		c.network[user].set(fault{})
	case 11:
		what = "API started without database"
		_ = c.api(i).Process.Kill()
		c.api(i).exit(c.t)
		c.network["APIs to database"].set(fault{hole: true})
		c.network["APIs to database"].drop()
		c.startAPI(i)
		time.Sleep(pause)
		c.network["APIs to database"].set(fault{})
	case 12:
		what = "replica killed"
		c.database.replica.kill(c.t)
		c.database.replica.start(c.t)
	case 13:
		what = "replica stands still"
		c.database.tell(c.t, "STOP SLAVE SQL_THREAD")
		time.Sleep(pause)
		c.database.tell(c.t, "START SLAVE SQL_THREAD")
	case 14:
		what = "replica and primary change places"
		c.database.handOver(c.t, func() {
			for _, user := range users[:3] {
				c.network[user].drop()
			}
			c.own.drop()
		})
	case 15:
		what = "disk of the store full"
		disk := c.store.disk()
		if disk == "" {
			return
		}
		fill(c.t, disk)
		time.Sleep(pause)
		removeBallast(c.t, disk)
	}
	c.events[what]++
}

// pause returns a short time in most cases.
func (c *cluster) pause() time.Duration {
	part := c.random.Float64()
	return 100*time.Millisecond + time.Duration(part*part*part*float64(c.longest))
}

func (c *cluster) suspend(pid int, pause time.Duration) {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(pause)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		c.t.Fatal(err)
	}
}

// soon reports whether something becomes true within a minute, and records a fault if not.
func (c *cluster) soon(what string, done func() bool) bool {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return true
		}
	}
	c.Fault("waited for a minute for %s", what)
	return false
}

// run lets clients work for a time while processes, servers and networks fail. It ends early
// at the first fault that the history shows.
func (c *cluster) run(length time.Duration) {
	ctx, stop := context.WithCancel(c.t.Context())
	var clients, producers sync.WaitGroup
	defer clients.Wait()
	defer stop()
	producing, enough := context.WithCancel(ctx)
	defer enough()
	for n := range 2 {
		producers.Go(func() { c.produce(producing, n) })
	}
	clients.Go(func() { c.watchCommits(ctx) })
	for n := range 4 {
		clients.Go(func() { c.read(ctx, uint64(n), http.Client{Timeout: time.Second}, func() int { return rand.IntN(3) }) })
	}
	for i := range c.apis { // one that waits while the process is paused
		clients.Go(func() { c.read(ctx, 9, http.Client{Timeout: c.longest + 10*time.Second}, func() int { return i }) })
	}
	balancer := newBalancer(c.t, func() string { return strings.TrimPrefix(c.api(rand.IntN(3)).api, "http://") })
	feed, err := client.New("http://" + balancer.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	clients.Go(func() {
		if err := feed.Mirror(ctx, 0, c.follower); ctx.Err() == nil {
			c.Fault("the mirror ends: %v", err)
		}
	})
	for end := time.Now().Add(length); time.Now().Before(end) && !c.failed(); {
		time.Sleep(time.Duration(c.random.IntN(1000)) * time.Millisecond)
		c.disturb()
	}
	enough()
	producers.Wait()
	if !c.failed() {
		c.checkEnd(feed)
	}
}

func (c *cluster) failed() bool {
	_, _, faults := c.Result()
	return len(faults) > 0
}

// checkEnd waits until all is drained and seen, and compares the bucket, the tables, the
// mirror and all API processes.
func (c *cluster) checkEnd(feed *client.Client) {
	if !c.soon("the bucket to be empty", func() bool { return len(c.bucket.keys(c.t)) == 0 }) {
		return
	}
	last := c.site.revision(c.t)
	if !c.soon("the mirror to catch up", func() bool {
		last = c.site.revision(c.t) // a planted mistake may delete before it commits
		return c.follower.at(last)
	}) {
		c.Fault("the mirror is at revision %d, the catalogue at %d", c.follower.now(), last)
		return
	}
	if _, _, err := c.site.auditor.Verify(c.t.Context(), func(d audit.Difference) { c.Fault("verify: %v", d) }, func(int64) {}); err != nil {
		c.t.Fatal(err)
	}
	fresh := &mirror{errorf: c.Fault}
	for i := range c.apis {
		if !c.soon("an API to show the last revision", func() bool {
			revision, err := newestOf(c.api(i).api)
			return err == nil && revision == last
		}) {
			return
		}
	}
	if !c.soon("an export", func() bool {
		revision, movies, err := feed.Export(c.t.Context(), client.Filter{})
		return err == nil && fresh.Replace(c.t.Context(), revision, movies) == nil && fresh.at(last)
	}) {
		return
	}
	if diff := cmp.Diff(fresh.movies, c.follower.copied()); diff != "" {
		c.Fault("at revision %d, export -, mirror +: %.2000s", last, diff)
	}
	for i := range c.apis {
		listed := map[int64]string{}
		for _, m := range walk(c.t, c.api(i).api, "/movies?limit=100") {
			listed[m.ID] = fmt.Sprint(m.Title, m.Year, m.Cast, m.Genres)
		}
		exported := map[int64]string{}
		for id, m := range fresh.movies {
			exported[id] = fmt.Sprint(m.Title, m.Year, m.Cast, m.Genres)
		}
		if diff := cmp.Diff(exported, listed); diff != "" {
			c.Fault("export -, list of API %d +: %.2000s", i, diff)
		}
	}
	c.checkMerge()
}
