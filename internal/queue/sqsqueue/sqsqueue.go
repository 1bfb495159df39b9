// Package sqsqueue implements queue.Queue on Amazon SQS and on servers that speak its
// protocol.
package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/awsconfig"
	"jpmovies/internal/queue"
)

const (
	// requestLimit limits a request with the SDK's retries, beyond the wait for messages.
	requestLimit = 10 * time.Second
	// deletesAtOnce is how many requests of one Delete are in flight at a time.
	deletesAtOnce = 8
	// maxBatch is the number of messages that one request may delete (DeleteMessageBatch).
	maxBatch = 10
)

// Queue implements queue.Queue. It is safe for concurrent use.
type Queue struct {
	client *sqs.Client
	url    string
}

var _ queue.Queue = (*Queue)(nil)

// Open returns the queue and sends no request. The SDK takes credentials, endpoint and region
// from environment, profile and role. The URL's region wins, and its host is the endpoint if
// none is set.
func Open(ctx context.Context, queueURL string) (*Queue, error) {
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, err
	}
	if region := regionOf(queueURL); region != "" {
		cfg.Region = region
	}
	return &Queue{url: queueURL, client: sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if o.BaseEndpoint == nil {
			o.BaseEndpoint = endpointOf(queueURL)
		}
	})}, nil
}

// endpointOf returns where requests about a queue go if the SDK does not find it by itself: to
// the host of its URL, such as a VPC endpoint. nil for AWS's public endpoints: the SDK
// knows them, and refuses an endpoint besides FIPS or dual stack.
func endpointOf(queueURL string) *string {
	u, err := url.Parse(queueURL)
	if err != nil || u.Host == "" || regionOf(queueURL) != "" && !strings.Contains(strings.ToLower(u.Host), ".vpce.") {
		return nil
	}
	return aws.String(u.Scheme + "://" + u.Host)
}

// regionOf returns the region in the URL of a queue on AWS, or "" (AWS General Reference,
// "Amazon SQS endpoints and quotas").
func regionOf(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for _, domain := range []string{".vpce.amazonaws.com.cn", ".amazonaws.com.cn", ".vpce.amazonaws.com", ".amazonaws.com", ".api.aws"} {
		labels, found := strings.CutSuffix(host, domain)
		if !found {
			continue
		}
		parts := strings.Split(labels, ".")
		switch n := len(parts); {
		case n >= 2 && (parts[n-2] == "sqs" || parts[n-2] == "sqs-fips"):
			return parts[n-1]
		case n == 2 && parts[1] == "queue": // legacy endpoints
			return parts[0]
		case labels == "queue":
			return "us-east-1"
		}
		return ""
	}
	return ""
}

// Receive implements queue.Queue.
func (q *Queue) Receive(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+requestLimit)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: queue.MaxMessages,
		WaitTimeSeconds: int32(max(wait/time.Second, 1)), //nolint:gosec // at most 20; 0 would mean the queue's own setting
	})
	if err != nil {
		return nil, fmt.Errorf("receive from %s: %w", q.url, err)
	}
	messages := make([]queue.Message, len(out.Messages))
	for i, m := range out.Messages {
		messages[i] = queue.Message{Receipt: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body)}
	}
	return messages, nil
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, messages []queue.Message) error {
	var group errgroup.Group
	group.SetLimit(deletesAtOnce)
	for batch := range slices.Chunk(messages, maxBatch) {
		group.Go(func() error { return q.deleteBatch(ctx, batch) })
	}
	return group.Wait()
}

func (q *Queue) deleteBatch(ctx context.Context, messages []queue.Message) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Receipt}
	}
	out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		return fmt.Errorf("delete from %s: %w", q.url, err)
	}
	var failed []error
	for _, f := range out.Failed { // such errors come inside a 200
		failed = append(failed, fmt.Errorf("delete from %s: %w: %s: %s", q.url, queue.ErrSome, aws.ToString(f.Code), aws.ToString(f.Message)))
	}
	return errors.Join(failed...)
}
