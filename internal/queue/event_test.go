package queue_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/queue"
)

// documented is the example of S3's documentation, with a key that needs
// decoding.
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

func TestEvents(t *testing.T) {
	put := func(key string) string { return event("ObjectCreated:Put", "mybucket", key) }
	for _, test := range []struct {
		name, body string
		keys       string // joined by |
		unused     string // part of the error
	}{
		{"documented", documented, "in/Happy Face+é.json", ""},
		{"documented, by SNS", envelope(t, documented), "in/Happy Face+é.json", ""},
		{"test", documentedTest, "", "a test of S3"},
		{"test, by SNS", envelope(t, documentedTest), "", "a test of S3"},
		{"all ways to create", records(put("in/a"), event("ObjectCreated:Post", "mybucket", "in/b"), event("ObjectCreated:Copy", "mybucket", "in/c"),
			event("ObjectCreated:CompleteMultipartUpload", "mybucket", "in/d")), "in/a|in/b|in/c|in/d", ""},
		{"other servers", records(event("s3:ObjectCreated:Put", "mybucket", "in/a")), "in/a", ""},
		{"a key twice", records(put("in/a"), put("in/b"), put("in/a")), "in/a|in/b", ""},
		{"encoded", records(put("in/%E6%97%A5+%2B%25%2F%22%5C%0A")), "in/日 +%/\"\\\n", ""},
		{"not encoded", records(put("in/日")), "in/日", ""},
		{"broken code", records(put("in/%zz"), put("in/a")), "in/a", `key "in/%zz": invalid URL escape`},
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
		{"text, by SNS", envelope(t, "hello"), "", "the SNS envelope holds no"},
		{"an envelope in an envelope", envelope(t, envelope(t, documented)), "", "no records"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events, err := queue.Scope{Bucket: "mybucket", Prefix: "in/"}.Events(test.body)
			var keys []string
			for _, e := range events {
				keys = append(keys, e.Key)
			}
			if got := strings.Join(keys, "|"); got != test.keys {
				t.Errorf("keys %q, want %q", got, test.keys)
			}
			if test.unused == "" && err != nil || test.unused != "" && (err == nil || !strings.Contains(err.Error(), test.unused)) {
				t.Errorf("error %v, want %q", err, test.unused)
			}
		})
	}
}

func TestEventHoldsSizeAndTime(t *testing.T) {
	got, err := queue.Scope{Bucket: "b"}.Events(records(event("ObjectCreated:Put", "b", "k")))
	if err != nil {
		t.Fatal(err)
	}
	want := []queue.Event{{Key: "k", Size: 7, Time: time.Date(2026, 11, 1, 10, 0, 0, 5e8, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzEvents: whatever comes, the result is in scope, and says why it is empty.
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
