package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Event says that an object was created, or overwritten.
type Event struct {
	Key  string
	Size int64
	Time time.Time
}

// Scope is what events must be about to count.
type Scope struct {
	// Bucket is the name of the bucket, Prefix the beginning of the keys.
	Bucket, Prefix string
}

// notification is what S3 sends: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type notification struct {
	Records []record
	Event   string // of a test
	// SNS puts the notification into an envelope.
	Type, Message string
}

type record struct {
	EventName string
	EventTime time.Time
	S3        struct {
		Bucket struct{ Name string }
		Object struct {
			Key  string // encoded like a form's field
			Size int64
		}
	}
}

// testEvent is what S3 sends when somebody configures the notifications.
const testEvent = "s3:TestEvent"

// Events returns the events of a message's body which are in scope, each key
// once. The error says why something else in it is of no use.
func (s Scope) Events(body string) ([]Event, error) {
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return nil, fmt.Errorf("not a notification of S3: %w", err)
	}
	if n.Type == "Notification" && n.Message != "" {
		inner := n.Message
		n = notification{}
		if err := json.Unmarshal([]byte(inner), &n); err != nil {
			return nil, fmt.Errorf("the SNS envelope holds no notification of S3: %w", err)
		}
	}
	switch {
	case n.Event == testEvent:
		return nil, errors.New("a test of S3")
	case len(n.Records) == 0:
		return nil, errors.New("not a notification of S3: no records")
	}
	return s.pick(n.Records)
}

// pick returns the events of the records that are in scope.
func (s Scope) pick(records []record) (events []Event, unused error) {
	seen := make(map[string]bool)
	for _, r := range records {
		name := r.S3.Bucket.Name
		key, err := url.QueryUnescape(r.S3.Object.Key)
		switch {
		case !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:"): // some servers begin with s3:
			unused = fmt.Errorf("event %q", r.EventName)
		case name != s.Bucket:
			unused = fmt.Errorf("bucket %q", name)
		case err != nil:
			unused = fmt.Errorf("key %q: %w", r.S3.Object.Key, err)
		case key == "":
			unused = errors.New("no key")
		case strings.HasPrefix(key, s.Prefix) && !seen[key]:
			seen[key] = true
			events = append(events, Event{Key: key, Size: r.S3.Object.Size, Time: r.EventTime})
		}
	}
	return events, unused
}
