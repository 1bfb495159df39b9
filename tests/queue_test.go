package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"jpmovies/internal/database/databasetest"
)

const sqsVariable = "MOVIES_TEST_SQS_ENDPOINT"

// eventQueue is a queue for one test on the configured SQS server.
type eventQueue struct {
	client *sqs.Client
	url    string
}

// newEventQueue creates a queue with a visibility timeout in whole seconds.
func newEventQueue(t *testing.T, visibility time.Duration) eventQueue {
	t.Helper()
	endpoint := os.Getenv(sqsVariable)
	if endpoint == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not set: CI must test on a real server", sqsVariable)
		}
		t.Skipf("no SQS server: %s is not set", sqsVariable)
	}
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(c, func(o *sqs.Options) { o.BaseEndpoint = aws.String(endpoint) })
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName:  aws.String(fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())),
		Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(visibility.Seconds()))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return eventQueue{client, *made.QueueUrl}
}

func (q eventQueue) env() []string {
	return []string{"MOVIES_SQS_URL=" + q.url, "AWS_ENDPOINT_URL_SQS=" + os.Getenv(sqsVariable)}
}

func (q eventQueue) send(t *testing.T, body string) {
	t.Helper()
	if _, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
		t.Error(err)
	}
}

// len returns the number of messages, including hidden ones.
func (q eventQueue) len(t *testing.T) int {
	t.Helper()
	out, err := q.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		n, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// notifyingBucket is a bucket that sends a message to a queue for each put, as S3 does.
type notifyingBucket struct {
	s3Bucket
	queue eventQueue
	// wrap changes the message for a key; "" drops it.
	wrap func(key, body string) string
}

func (b notifyingBucket) put(t *testing.T, key string, body []byte) {
	t.Helper()
	b.s3Bucket.put(t, key, body)
	event := fmt.Sprintf(`{"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": %q,
		"eventName": "ObjectCreated:Put", "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": %q, "arn": "arn:aws:s3:::%s"},
		"object": {"key": %q, "size": %d}}}]}`,
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), b.name, b.name, url.QueryEscape(key), len(body))
	if event = b.wrap(key, event); event != "" {
		b.queue.send(t, event)
	}
}

// newNotifiedSite returns a site whose bucket notifies a queue. The worker lists the bucket
// only once an hour. A message that is not deleted is delivered again after the visibility
// timeout.
func newNotifiedSite(t *testing.T, visibility time.Duration) (*site, *notifyingBucket) {
	t.Helper()
	queue := newEventQueue(t, visibility)
	from := &notifyingBucket{newS3Bucket(t).(s3Bucket), queue, func(_, body string) string { return body }}
	s := newSite(t, databasetest.SQLite(t), from)
	s.env = append(append(s.env, queue.env()...), "MOVIES_WORKER_RECONCILE=1h")
	return s, from
}

func (s *site) waitDrained(t *testing.T, queue eventQueue) {
	t.Helper()
	waitFor(t, "an empty bucket and an empty queue", func() bool { return len(s.keys(t)) == 0 && queue.len(t) == 0 })
}

// TestQueueTellsOfObjects drains by messages of S3 and SNS alone, among some useless ones.
func TestQueueTellsOfObjects(t *testing.T) {
	s, from := newNotifiedSite(t, time.Minute)
	p := s.start(t, "worker")
	p.logs(t, "pass: 0 updates")
	from.queue.send(t, `{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "films"}`)
	from.queue.send(t, "hello")
	from.wrap = func(key, body string) string {
		if strings.HasPrefix(key, "sns") {
			quoted, _ := json.Marshal(body) // a JSON string
			return `{"Type": "Notification", "Message": ` + string(quoted) + `}`
		}
		return body
	}
	var want []string
	for i := range 60 {
		title := fmt.Sprintf("film %02d", i)
		want = append(want, title)
		s.put(t, fmt.Sprintf("%s/%d é+%%.json", []string{"s3", "sns"}[i%2], i), fmt.Appendf(nil, `{"title": %q, "year": 2000}`, title))
	}
	s.waitDrained(t, from.queue)
	if got := texts(t, databasetest.Raw(t, s.database), "SELECT title FROM movie"); !slices.Equal(got, want) {
		t.Errorf("movies: %q", got)
	}
	if strings.Count(p.log(), "message ignored") != 1 || strings.Count(p.log(), "message not understood") != 1 {
		t.Error("one message is of no use, one cannot be understood")
	}
	time.Sleep(100 * time.Millisecond) // until the long poll has begun
	start := time.Now()
	code := p.stop(t)
	// A stop that waits for the poll takes most of its 20 s.
	if took := time.Since(start); code != 0 || took > 10*time.Second {
		t.Errorf("exit %d after %s", code, took)
	}
}

// TestQueueIsOnlyAHint kills two workers repeatedly, drops and repeats messages, and puts many
// objects; no update is lost.
func TestQueueIsOnlyAHint(t *testing.T) {
	s, from := newNotifiedSite(t, 3*time.Second) // messages of a killed worker soon return
	s.env = append(s.env, "MOVIES_WORKER_RECONCILE=5s")
	count := 0
	from.wrap = func(_, body string) string {
		switch count++; count % 5 {
		case 0:
			return ""
		case 1:
			from.queue.send(t, body)
		}
		return body
	}
	var want []string
	for round := range 4 {
		workers := []*process{s.start(t, "worker"), s.start(t, "worker")}
		for i := range 50 {
			title := fmt.Sprintf("film %d-%02d", round, i)
			want = append(want, title)
			s.put(t, fmt.Sprint(round, i), fmt.Appendf(nil, `{"title": %q, "year": 2000, "genres": ["%d"]}`, title, i%7))
		}
		for _, p := range workers {
			if round == 3 {
				s.waitDrained(t, from.queue)
				p.stop(t)
				continue
			}
			_ = p.Process.Kill()
			p.exit(t)
		}
	}
	if got := texts(t, databasetest.Raw(t, s.database), "SELECT title FROM movie"); !slices.Equal(got, want) {
		t.Errorf("%d movies, want %d", len(got), len(want))
	}
	if got := texts(t, databasetest.Raw(t, s.database), "SELECT reason FROM rejection"); len(got) > 0 {
		t.Errorf("rejections: %q", got)
	}
}

// TestQueueAway: a worker whose queue is unreachable or missing lists the bucket instead.
func TestQueueAway(t *testing.T) {
	for name, change := range map[string]func(eventQueue) []string{
		"no server": func(eventQueue) []string { return []string{"AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1"} },
		"no queue":  func(q eventQueue) []string { return []string{"MOVIES_SQS_URL=" + q.url + "-that-is-not-there"} },
	} {
		t.Run(name, func(t *testing.T) {
			s, from := newNotifiedSite(t, time.Minute)
			s.env = append(s.env, change(from.queue)...)
			p := s.start(t, "worker")
			p.logs(t, "the queue does not answer")
			s.put(t, "key", []byte(`{"title": "F", "year": 2000}`))
			waitFor(t, "an empty bucket", func() bool { return len(s.keys(t)) == 0 })
			if code := p.stop(t); code != 0 {
				t.Errorf("exit %d", code)
			}
		})
	}
}
