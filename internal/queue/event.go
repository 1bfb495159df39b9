package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ErrNotUnderstood says that a message, or a part of it, may tell of an object
// that nobody can make out.
var ErrNotUnderstood = errors.New("not understood")

// Event says that an object was created, or overwritten.
type Event struct {
	Key string
	// Other is the key when Key does not exist, or "": servers differ in whether
	// they encode keys.
	Other string
	Size  int64
	Time  time.Time // zero: not known
}

// Scope is what events must be about to count.
type Scope struct {
	// Bucket is the name of the bucket, Prefix the beginning of the keys.
	Bucket, Prefix string
}

// message is any of the forms in which a bucket tells of objects. Only the key of
// an object matters, so the type of everything else is open.
type message struct {
	// S3's own form: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
	Records []record
	Event   any // of a test
	// EventBridge: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
	DetailType any `json:"detail-type"`
	Detail     *entity
	Time       any
	// SNS puts one of the others into an envelope.
	Message any
}

type record struct {
	EventName any
	EventTime any
	S3        entity
}

type entity struct {
	Bucket struct{ Name any }
	Object struct {
		Key  any
		Size any
	}
}

// testEvent is what S3 sends when somebody configures the notifications.
const testEvent = "s3:TestEvent"

// Events returns the events of a message's body which are in scope, each key
// once. The error says why something else in it is of no use; it is an
// ErrNotUnderstood unless that is certain.
func (s Scope) Events(body string) ([]Event, error) {
	m, err := parse(body)
	if inner, ok := m.Message.(string); ok && len(m.Records) == 0 && m.Detail == nil {
		if m, err = parse(inner); err != nil {
			err = fmt.Errorf("the SNS envelope holds no notification of S3: %w", err)
		}
	}
	c := collection{scope: s, seen: make(map[string]bool)}
	for _, r := range m.Records {
		name, _ := r.EventName.(string)
		c.add(r.S3, strings.TrimPrefix(name, "s3:"), "ObjectCreated:", r.EventTime, true) // some servers begin with s3:
	}
	if m.Detail != nil {
		name, _ := m.DetailType.(string)
		c.add(*m.Detail, name, "Object Created", m.Time, false)
	}
	switch {
	case m.Event == testEvent:
		return nil, errors.New("a test of S3")
	case err == nil && len(m.Records) == 0 && m.Detail == nil:
		err = fmt.Errorf("%w: not a notification of S3: no records", ErrNotUnderstood)
	}
	if c.unused != nil && !errors.Is(err, ErrNotUnderstood) {
		err = c.unused
	}
	return c.events, err
}

// parse decodes as much of a message as there is of it.
func parse(body string) (m message, err error) {
	err = json.Unmarshal([]byte(body), &m)
	if err == nil {
		return m, nil
	}
	var text string
	if json.Unmarshal([]byte(body), &text) == nil && json.Unmarshal([]byte(text), &m) == nil { // encoded twice
		return m, nil
	}
	return m, fmt.Errorf("%w: not a notification of S3: %w", ErrNotUnderstood, err)
}

// collection gathers the events of one message.
type collection struct {
	scope  Scope
	events []Event
	seen   map[string]bool
	unused error
}

// otherEvents are the beginnings of the names of events that create nothing.
var otherEvents = []string{
	"ObjectRemoved:", "ObjectRestore:", "ObjectTagging:", "ObjectAcl:", "ObjectAccessed:", "LifecycleExpiration:", "LifecycleTransition",
	"IntelligentTiering", "Replication:", "ReducedRedundancyLostObject",
	"Object Deleted", "Object Restore", "Object Tags", "Object ACL", "Object Storage Class", "Object Access Tier",
}

// add takes an object. An event without a name is taken for a creation.
func (c *collection) add(e entity, name, creation string, at any, encoded bool) {
	bucket, _ := e.Bucket.Name.(string)
	key, _ := e.Object.Key.(string)
	switch {
	case name != "" && !strings.HasPrefix(name, creation):
		c.skip(fmt.Errorf("event %q", name), hasAnyPrefix(name, otherEvents))
		return
	case c.scope.isAnother(bucket):
		c.skip(fmt.Errorf("bucket %q", bucket), true)
		return
	case key == "":
		c.skip(errors.New("no key"), false)
		return
	}
	event := Event{Key: key, Size: number(e.Object.Size), Time: instant(at)}
	if decoded, err := url.QueryUnescape(key); err == nil && decoded != key {
		if event.Other = decoded; encoded {
			event.Key, event.Other = decoded, key
		}
	}
	c.take(event)
}

// take adds an event as far as its keys are in scope.
func (c *collection) take(e Event) {
	if !strings.HasPrefix(e.Other, c.scope.Prefix) {
		e.Other = ""
	}
	if !strings.HasPrefix(e.Key, c.scope.Prefix) {
		e.Key, e.Other = e.Other, ""
	}
	if e.Key != "" && !c.seen[e.Key] {
		c.seen[e.Key] = true
		c.events = append(c.events, e)
	}
}

// skip notes why something is of no use; what is not understood counts more.
func (c *collection) skip(err error, certain bool) {
	if !certain {
		err = fmt.Errorf("%w: %w", ErrNotUnderstood, err)
	}
	if !errors.Is(c.unused, ErrNotUnderstood) {
		c.unused = err
	}
}

// isAnother tells whether the name is certainly that of another bucket. A bucket
// that is named by an access point has a second name, which cannot be known.
func (s Scope) isAnother(name string) bool {
	own := plainName(s.Bucket)
	name = plainName(name)
	return name != "" && own != "" && name != own
}

// plainName is the name of a bucket; "" when it is an access point's.
func plainName(name string) string {
	name = strings.TrimPrefix(name, "arn:aws:s3:::")
	if strings.HasPrefix(name, "arn:") || strings.HasSuffix(name, "-s3alias") || strings.HasSuffix(name, "--ol-s3") {
		return ""
	}
	return name
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// number is 1 for what is no number: an object of unknown size is no folder marker.
func number(v any) int64 {
	if n, ok := v.(float64); ok {
		return int64(n)
	}
	return 1
}

// instant is zero for what is no time.
func instant(v any) time.Time {
	text, _ := v.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
