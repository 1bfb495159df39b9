package sqsqueue

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"jpmovies/internal/queue"
	"jpmovies/internal/queue/queuetest"
)

// TestConforms runs the suite on a real server; see scripts/with_sqs.
func TestConforms(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, test func(*testing.T, queuetest.Harness)) {
		q := newQueue(t)
		test(t, queuetest.Harness{Queue: q, Visibility: visibility, Late: 18 * time.Second, Send: func(t *testing.T, body string) {
			t.Helper()
			if _, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
				t.Error(err)
			}
		}})
	})
}

// openFake opens the queue of a fake SQS.
func openFake(t *testing.T, answer http.HandlerFunc) *Queue {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SQS": server.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	q, err := Open(t.Context(), server.URL+"/1/films")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestWait: each receive says how long it waits. Without that, SQS takes the setting of the queue,
// which is up to 20 s.
func TestWait(t *testing.T) {
	var asked struct{ WaitTimeSeconds *int }
	q := openFake(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{}`)
	})
	for wait, want := range map[time.Duration]int{0: 1, time.Second: 1, 20 * time.Second: 20} {
		asked.WaitTimeSeconds = nil
		if _, err := q.Receive(t.Context(), wait); err != nil || asked.WaitTimeSeconds == nil || *asked.WaitTimeSeconds != want {
			t.Errorf("receive waits for %v s, want %d: %v", asked.WaitTimeSeconds, want, err)
		}
	}
}

// TestErrorsOfSingleMessages: Delete returns errors that come inside a 200.
func TestErrorsOfSingleMessages(t *testing.T) {
	q := openFake(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid", "Message": "bad", "SenderFault": true}]}`)
	})
	err := q.Delete(t.Context(), []queue.Message{{Receipt: "good"}, {Receipt: "bad"}})
	if !errors.Is(err, queue.ErrSome) || !strings.Contains(err.Error(), "ReceiptHandleIsInvalid: bad") {
		t.Errorf("delete: %v", err)
	}
}

// TestPlaceOfTheQueue: the region and the host in the URL win over those of the environment,
// but for an endpoint that is set.
func TestPlaceOfTheQueue(t *testing.T) {
	t.Setenv("AWS_REGION", "us-west-2")
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/movies":                                "eu-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/movies":                            "cn-north-1",
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/movies":                       "us-gov-west-1",
		"https://eu-west-2.queue.amazonaws.com/123456789012/movies":                              "eu-west-2",
		"https://queue.amazonaws.com/123456789012/movies":                                        "us-east-1",
		"https://vpce-0a1b2c3d-9z8y7x6w.sqs.eu-central-1.vpce.amazonaws.com/123456789012/movies": "eu-central-1",
		"https://sqs.eu-north-1.api.aws/123456789012/movies":                                     "eu-north-1",
		"http://localhost:4566/000000000000/movies":                                              "us-west-2",
		"https://sqs.example.com/1/movies":                                                       "us-west-2",
	} {
		q, err := Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		o := q.client.Options()
		if o.Region != want {
			t.Errorf("%s: region %q, want %q", url, o.Region, want)
		}
		public := strings.Contains(url, "amazonaws.com") && !strings.Contains(url, "vpce") || strings.Contains(url, "api.aws")
		if endpoint := aws.ToString(o.BaseEndpoint); public != (endpoint == "") || !strings.HasPrefix(url, endpoint) {
			t.Errorf("%s: endpoint %q", url, endpoint)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
	q, err := Open(t.Context(), "http://localhost:4566/000000000000/movies")
	if err != nil {
		t.Fatal(err)
	}
	if endpoint := aws.ToString(q.client.Options().BaseEndpoint); endpoint != "http://127.0.0.1:1" {
		t.Errorf("endpoint %q, another one is set", endpoint)
	}
}

// visibility is the visibility timeout of a new queue.
const visibility = 5 * time.Second

// newQueue creates a queue on the server.
func newQueue(t *testing.T) *Queue {
	t.Helper()
	endpoint := os.Getenv("MOVIES_TEST_SQS_ENDPOINT")
	switch {
	case endpoint == "" && os.Getenv("CI") == "true":
		t.Fatal("MOVIES_TEST_SQS_ENDPOINT is not set: run scripts/with_sqs go test ...")
	case endpoint == "":
		t.Skip("MOVIES_TEST_SQS_ENDPOINT is not set: run scripts/with_sqs go test ...")
	}
	t.Setenv("AWS_ENDPOINT_URL_SQS", endpoint)
	q, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	made, err := q.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("test-" + rand.Text()), Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(visibility.Seconds()))},
	})
	if err != nil {
		t.Fatal(err)
	}
	q.url = *made.QueueUrl
	return q
}
