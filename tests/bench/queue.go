package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"               //nolint:depguard // messages are sent without our code
	"github.com/aws/aws-sdk-go-v2/config"            //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/sqs"       //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/sqs/types" //nolint:depguard // see above
	"golang.org/x/sync/errgroup"
)

// sqsVariable names the SQS server.
const sqsVariable = "MOVIES_TEST_SQS_ENDPOINT"

// queued compares workers that receive messages about one-movie objects with the loop that
// lists the objects.
func (b *bench) queued(ctx context.Context) error {
	s3, sqs := os.Getenv(s3Variable), os.Getenv(sqsVariable)
	if sqs == "" {
		log.Printf("  skipped: there is no SQS server (%s is not set; scripts/with_sqs needs npm)", sqsVariable)
		return nil
	}
	lines, err := b.movieLines(ctx, b.objects)
	if err != nil {
		return err
	}
	if err := b.queuedRows(ctx, "%d by messages, %s", s3, 0, lines); err != nil {
		return err
	}
	slow, stop, err := slowed(s3, s3Delay)
	if err != nil {
		return err
	}
	defer stop()
	return b.queuedRows(ctx, "%d by messages, %s, S3 and SQS answer 20 ms later", slow, s3Delay, lines[:b.objects/4])
}

// queuedRows adds the rows of one worker and of four.
func (b *bench) queuedRows(ctx context.Context, work, drainAt string, delay time.Duration, lines [][]byte) error {
	filled, drained, limit, err := bareDrain(ctx, os.Getenv(s3Variable), drainAt, lines, (*store).drain)
	if err != nil {
		return err
	}
	counts, names := []int{1, 4}, []string{"1 worker", "4 workers"}
	figures, err := b.take(ctx, len(counts), limit, func(s subject) ([]float64, error) {
		var speeds []float64
		for _, workers := range counts {
			took, err := b.drainQueued(ctx, s, workers, filled, drained, delay, lines)
			if err != nil {
				return nil, err
			}
			speeds = append(speeds, perSecond(len(lines), took))
		}
		return speeds, nil
	})
	if err != nil {
		return err
	}
	for i, f := range figures {
		b.table.add(fmt.Sprintf(work, len(lines), names[i]), "objects/s", f, nil)
	}
	return nil
}

// drainQueued measures running workers: from the moment that they can receive messages until
// the bucket is empty.
func (b *bench) drainQueued(ctx context.Context, s subject, workers int, filled, drained *store, delay time.Duration, lines [][]byte) (took time.Duration, err error) {
	env, err := b.fresh(ctx, s, workName)
	if err != nil {
		return 0, err
	}
	messages, err := newMessages(ctx, os.Getenv(sqsVariable))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, messages.remove(context.WithoutCancel(ctx))) }()
	shut, address, stop, err := newGate(messages.endpoint, delay)
	if err != nil {
		return 0, err
	}
	defer stop()
	env = environment(append(append(env, drained.env()...),
		"MOVIES_SQS_URL="+messages.url, "AWS_ENDPOINT_URL_SQS="+address, "MOVIES_WORKER_RECONCILE=24h")...)
	for range workers {
		w, err := b.serve(s.binary, env, "worker")
		if err != nil {
			return 0, err
		}
		defer func() {
			b.peaks.note("worker", s, peakOf(w.command.Process.Pid))
			err = errors.Join(err, w.stop())
			if complaints := w.complaints(); complaints != "" { // such as failed and retried objects
				log.Print(complaints)
			}
		}()
	}
	// A worker lists the empty bucket before it asks for messages.
	if err := until(ctx, func() (bool, error) { return int(shut.waiting.Load()) == workers, nil }); err != nil {
		return 0, fmt.Errorf("workers start: %w", err)
	}
	if err := errors.Join(filled.fill(ctx, lines), messages.send(ctx, filled.name, lines)); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	began := time.Now()
	close(shut.open)
	if err := until(ctx, func() (bool, error) { return filled.empty(ctx) }); err != nil {
		return 0, fmt.Errorf("empty bucket: %w", err)
	}
	took = time.Since(began)
	if err := until(ctx, func() (bool, error) { return messages.gone(ctx) }); err != nil {
		return 0, fmt.Errorf("empty queue: %w", err)
	}
	return took, b.mustHave(ctx, workName, len(lines))
}

// untilMost is the longest wait of until.
const untilMost = 30 * time.Minute

// until polls done. The interval grows with the elapsed time and is a fiftieth of it.
func until(ctx context.Context, done func() (bool, error)) error {
	for began := time.Now(); ; {
		over, err := done()
		switch {
		case err != nil:
			return err
		case over:
			return ctx.Err()
		case time.Since(began) > untilMost:
			return fmt.Errorf("not within %s", untilMost)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(20*time.Millisecond, time.Since(began)/50)):
		}
	}
}

// gate is a proxy before SQS. While it is closed, it delivers no messages.
type gate struct {
	*httputil.ReverseProxy
	open    chan struct{}
	waiting atomic.Int32
}

// gateWait is shorter than the worker's time-out for a response.
const gateWait = 10 * time.Second

func newGate(endpoint string, delay time.Duration) (g *gate, address string, stop func(), err error) {
	proxy, err := later(endpoint, delay)
	if err != nil {
		return nil, "", nil, err
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
		if r.Context().Err() == nil { // stopping workers cancel their request
			log.Printf("gate: %v", err)
		}
		w.WriteHeader(http.StatusBadGateway)
	}
	g = &gate{ReverseProxy: proxy, open: make(chan struct{})}
	address, stop, err = listen(g)
	return g, address, stop, err
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case <-g.open:
		g.ReverseProxy.ServeHTTP(w, r)
	case <-r.Context().Done():
	case <-time.After(gateWait):
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}") // no messages
	}
}

// messages is an SQS queue through the bare SDK.
type messages struct {
	client        *sqs.Client
	endpoint, url string
}

func newMessages(ctx context.Context, endpoint string) (*messages, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion("us-east-1"))
	if err != nil {
		return nil, fmt.Errorf("configure SQS: %w", err)
	}
	client := sqs.NewFromConfig(c, func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
	made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().UnixNano())), Attributes: map[string]string{"VisibilityTimeout": "120"},
	})
	if err != nil {
		return nil, fmt.Errorf("create queue: %w", err)
	}
	return &messages{client, endpoint, *made.QueueUrl}, nil
}

func (m *messages) remove(ctx context.Context) error {
	_, err := m.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &m.url})
	return err
}

// send sends a message about an object for each line, as S3 does.
func (m *messages) send(ctx context.Context, bucket string, lines [][]byte) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	const most = 10 // messages in a request
	for from := 0; from < len(lines); from += most {
		group.Go(func() error {
			var entries []types.SendMessageBatchRequestEntry
			for i := from; i < min(from+most, len(lines)); i++ {
				entries = append(entries, types.SendMessageBatchRequestEntry{
					Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(event(bucket, objectKey(i), len(lines[i]))),
				})
			}
			out, err := m.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &m.url, Entries: entries})
			if err == nil && len(out.Failed) > 0 {
				err = fmt.Errorf("%d messages not sent: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
			}
			return err
		})
	}
	return group.Wait()
}

func event(bucket, key string, size int) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":%q,"eventName":"ObjectCreated:Put",`+
		`"s3":{"s3SchemaVersion":"1.0","bucket":{"name":%q,"arn":"arn:aws:s3:::%s"},"object":{"key":%q,"size":%d}}}]}`,
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), bucket, bucket, url.QueryEscape(key), size)
}

// gone reports whether no message is left, including hidden ones.
func (m *messages) gone(ctx context.Context) (bool, error) {
	visible, hidden := types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	out, err := m.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &m.url, AttributeNames: []types.QueueAttributeName{visible, hidden}})
	if err != nil {
		return false, err
	}
	return out.Attributes[string(visible)] == "0" && out.Attributes[string(hidden)] == "0", nil
}
