package queue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/queue"
)

// documented is the example of S3's documentation, with a key that needs decoding.
const documented = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"1970-01-01T00:00:00.000Z",
"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule","bucket":{"name":"mybucket","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},
"arn":"arn:aws:s3:::mybucket"},"object":{"key":"in/Happy+Face%2B%C3%A9.json","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e",
"versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}`

const documentedTest = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"mybucket",
"RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}`

func event(name, bucket, key string) string {
	return fmt.Sprintf(`{"eventName": %q, "eventTime": "2026-11-01T10:00:00.5Z", "s3": {"bucket": {"name": %q}, "object": {"key": %q, "size": 7}}}`, name, bucket, key)
}

func records(events ...string) string { return `{"Records": [` + strings.Join(events, ",") + `]}` }

func envelope(t testing.TB, message string) string {
	t.Helper()
	quoted, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return `{"Type": "Notification", "MessageId": "22b80b92", "TopicArn": "arn:aws:sns:us-west-2:123456789012:T", "Subject": "Amazon S3 Notification", "Message": ` +
		string(quoted) + `, "Timestamp": "2012-05-02T00:54:06.655Z"}`
}

// eventBridge returns an event of EventBridge, whose keys are not encoded.
func eventBridge(kind, key string) string {
	return fmt.Sprintf(`{"version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": %q, "source": "aws.s3",
		"account": "111122223333", "time": "2021-11-12T00:00:00Z", "region": "ca-central-1", "resources": ["arn:aws:s3:::mybucket"],
		"detail": {"version": "0", "bucket": {"name": "mybucket"}, "object": {"key": %q, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184",
		"sequencer": "617f08299329d189"}, "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012", "reason": "PutObject"}}`, kind, key)
}

func quoted(t testing.TB, body string) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEvents(t *testing.T) {
	put := func(key string) string { return event("ObjectCreated:Put", "mybucket", key) }
	for _, test := range []struct {
		name, body string
		keys       string // joined by |
		skipped    string // part of the error
	}{
		{"documented", documented, "in/Happy Face+é.json", ""},
		{"documented, by SNS", envelope(t, documented), "in/Happy Face+é.json", ""},
		{"test", documentedTest, "", "a test event of S3"},
		{"test, with records", strings.Replace(records(put("in/a")), "{", `{"Event":"s3:TestEvent",`, 1), "in/a", ""},
		{"test, by SNS", envelope(t, documentedTest), "", "a test event of S3"},
		{"confirmation of SNS", `{"Type": "SubscriptionConfirmation", "Token": "2336412f37", "Message": "You have chosen to subscribe to the topic T",
			"SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"}`, "",
			"open https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"},
		{"all ways to create", records(put("in/a"), event("ObjectCreated:Post", "mybucket", "in/b"), event("ObjectCreated:Copy", "mybucket", "in/c"),
			event("ObjectCreated:CompleteMultipartUpload", "mybucket", "in/d")), "in/a|in/b|in/c|in/d", ""},
		{"other servers", records(event("s3:ObjectCreated:Put", "mybucket", "in/a")), "in/a", ""},
		{"a key twice", records(put("in/a"), put("in/b"), put("in/a")), "in/a|in/b", ""},
		{"encoded", records(put("in/%E6%97%A5+%2B%25%2F%22%5C%0A")), "in/日 +%/\"\\\n", ""},
		{"not encoded", records(put("in/日")), "in/日", ""},
		{"perhaps not encoded", records(put("in/a+b.json")), "in/a b.json or in/a+b.json", ""},
		{"in scope only as written", records(put("%69n/a"), put("in+/a"), put("in/+a")), "in/a|in/ a or in/+a", ""},
		{"broken code", records(put("in/%zz"), put("in/a")), "in/%zz|in/a", ""},
		{"no key", records(put("")), "", "no key"},
		{"other prefix", records(put("out/a"), put("in/a"), put("in")), "in/a", ""},
		{"other bucket", records(event("ObjectCreated:Put", "Mybucket", "in/a"), put("in/b")), "in/b", `bucket "Mybucket"`},
		{"removed", records(event("ObjectRemoved:Delete", "mybucket", "in/a")), "", `event "ObjectRemoved:Delete"`},
		{"restored", records(event("ObjectRestore:Completed", "mybucket", "in/a")), "", `event "ObjectRestore:Completed"`},
		{"created, nearly", records(event("ObjectCreatedX:Put", "mybucket", "in/a")), "", "event"},
		{"no records", `{"Records": []}`, "", "no records"},
		{"another object", `{"hello": "world"}`, "", "no records"},
		{"empty", "", "", "not a notification"},
		{"text", "hello", "", "not a notification"},
		{"array", "[]", "", "not a notification"},
		{"null", "null", "", "no records"},
		{"wrong type", `{"Records": 7}`, "", "not a notification"},
		{"text, by SNS", envelope(t, "hello"), "", "the SNS envelope contains no"},
		{"an envelope in an envelope", envelope(t, envelope(t, documented)), "", "no records"},
		{"EventBridge", eventBridge("Object Created", "in/a b+c.json"), "in/a b+c.json", ""},
		{"EventBridge, encoded", eventBridge("Object Created", "in/a+b.json"), "in/a+b.json or in/a b.json", ""},
		{"EventBridge, by SNS", envelope(t, eventBridge("Object Created", "in/a")), "in/a", ""},
		{"EventBridge, deleted", eventBridge("Object Deleted", "in/a"), "", `event "Object Deleted"`},
		{"EventBridge, no kind", `{"detail": {"object": {"key": "in/a"}}}`, "in/a", ""},
		{"odd members", `{"Records": [{"eventTime": "", "eventName": 7, "s3": {"bucket": {"name": null}, "object": {"key": "in/a", "size": "big"}}}], "Type": {}}`, "in/a", ""},
		{"only a key", `{"Records": [{"s3": {"object": {"key": "in/a"}}}]}`, "in/a", ""},
		{"one of several is odd", `{"Records": ["x", ` + put("in/a") + `, {"s3": 7}, 3]}`, "in/a", "cannot unmarshal"},
		{"encoded twice", quoted(t, records(put("in/a"))), "in/a", ""},
		{"access point alias", records(event("ObjectCreated:Put", "films-abcdefgh1234567890-s3alias", "in/a")), "in/a", ""},
		{"access point", records(event("ObjectCreated:Put", "arn:aws:s3:eu-west-1:123456789012:accesspoint/films", "in/a")), "in/a", ""},
		{"bucket by ARN", records(event("ObjectCreated:Put", "arn:aws:s3:::mybucket", "in/a")), "in/a", ""},
		{"another partition's bucket by ARN", records(event("ObjectCreated:Put", "arn:aws-cn:s3:::others", "in/a")), "", "others"},
		{"another bucket by ARN", records(event("ObjectCreated:Put", "arn:aws:s3:::others", "in/a")), "", "others"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events, err := queue.Scope{Bucket: "mybucket", Prefix: "in/"}.Events(test.body)
			var keys []string
			for _, e := range events {
				if e.Other != "" && strings.Contains(test.keys, " or ") {
					e.Key += " or " + e.Other
				}
				keys = append(keys, e.Key)
			}
			if got := strings.Join(keys, "|"); got != test.keys {
				t.Errorf("keys %q, want %q", got, test.keys)
			}
			if test.skipped == "" && err != nil || test.skipped != "" && (err == nil || !strings.Contains(err.Error(), test.skipped)) {
				t.Errorf("error %v, want %q", err, test.skipped)
			}
		})
	}
}

// TestNotUnderstood: only a part that may name an object in scope is ErrNotUnderstood.
func TestNotUnderstood(t *testing.T) {
	put := func(key string) string { return event("ObjectCreated:Put", "mybucket", key) }
	for body, want := range map[string]bool{
		"": true, "hello": true, "[]": true, "{}": true, `{"Records": 7}`: true, `{"detail": {}}`: true, records(put("")): true,
		records(event("Invented", "mybucket", "in/a")):                true,
		records(event("ObjectRemoved:Delete", "others", "in/a"), "7"): true,
		eventBridge("AWS API Call via CloudTrail", "in/a"):            true,
		documentedTest: false, records(put("out/a")): false, records(put("in/a")): false,
		records(event("ObjectCreated:Put", "others", "in/a")):      false,
		records(event("ObjectRemoved:Delete", "mybucket", "in/a")): false,
		records(event("s3:ObjectTagging:Put", "mybucket", "in/a")): false,
		eventBridge("Object Deleted", "in/a"):                      false,
	} {
		_, err := queue.Scope{Bucket: "mybucket", Prefix: "in/"}.Events(body)
		if errors.Is(err, queue.ErrNotUnderstood) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestBucketNamedByAccessPoint: events of any bucket name are in scope, since an access point
// does not tell its bucket.
func TestBucketNamedByAccessPoint(t *testing.T) {
	for _, name := range []string{"films-abcdefgh1234567890-s3alias", "arn:aws:s3:eu-west-1:123456789012:accesspoint/films"} {
		events, err := queue.Scope{Bucket: name}.Events(records(event("ObjectCreated:Put", "mybucket", "in/a")))
		if err != nil || len(events) != 1 {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

func TestEventHasSizeAndTime(t *testing.T) {
	got, err := queue.Scope{Bucket: "b"}.Events(records(event("ObjectCreated:Put", "b", "k")))
	if err != nil {
		t.Fatal(err)
	}
	want := []queue.Event{{Key: "k", Size: 7, Time: time.Date(2026, 11, 1, 10, 0, 0, 5e8, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzEvents: for any body, each key is in scope and returned once.
func FuzzEvents(f *testing.F) {
	for _, body := range []string{documented, documentedTest, envelope(f, documented), records(event("ObjectCreated:Put", "mybucket", "in/%zz")), "{}", ""} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		events, _ := queue.Scope{Bucket: "mybucket", Prefix: "in/"}.Events(body)
		seen := make(map[string]bool)
		for _, e := range events {
			if !strings.HasPrefix(e.Key, "in/") || seen[e.Key] {
				t.Errorf("key %q of %q", e.Key, body)
			}
			seen[e.Key] = true
		}
	})
}
