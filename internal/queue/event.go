package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrNotUnderstood reports that a message, or a part of it, may name an object but cannot be
// read. A listing must find the object.
var ErrNotUnderstood = errors.New("not understood")

// Event reports that an object was created or overwritten.
type Event struct {
	Key string
	// Other is the key to try if Key does not exist, or "". S3 URL-encodes the keys of its
	// notifications, and some servers do not.
	Other string
	Size  int64
	Time  time.Time // zero if unknown
}

// Scope selects the events of one bucket and of keys with a prefix.
type Scope struct{ Bucket, Prefix string }

// message is the union of all forms of notifications. Only keys are needed, so all other
// values may have any type.
type message struct {
	// S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
	Records []record
	Event   any // s3:TestEvent
	// EventBridge: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
	DetailType any `json:"detail-type"`
	Detail     *entity
	Time       any
	// SNS wraps one of the others: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
	Message any
	// SNS asks the owner of a queue in another account to confirm the subscription by this address.
	SubscribeURL any
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

// testEvent is the event that S3 sends when notifications are configured.
const testEvent = "s3:TestEvent"

// Events returns the events in scope that a message's body contains, each key once. The error
// says why another part of it is not used. It is ErrNotUnderstood if that part may name an
// object in scope.
func (s Scope) Events(body string) ([]Event, error) {
	m, err := parse(body)
	if address, ok := m.SubscribeURL.(string); ok && address != "" {
		return nil, fmt.Errorf("%w: SNS asks to confirm a subscription: open %s", ErrNotUnderstood, address)
	}
	if inner, ok := m.Message.(string); ok && len(m.Records) == 0 && m.Detail == nil {
		if m, err = parse(inner); err != nil {
			err = fmt.Errorf("the SNS envelope contains no notification of S3: %w", err)
		}
	}
	c := collector{scope: s, seen: make(map[string]bool)}
	for _, r := range m.Records {
		name, _ := r.EventName.(string)
		c.add(r.S3, strings.TrimPrefix(name, "s3:"), "ObjectCreated:", r.EventTime, true) // some servers add the prefix s3:
	}
	if m.Detail != nil {
		name, _ := m.DetailType.(string)
		c.add(*m.Detail, name, "Object Created", m.Time, false)
	}
	switch named := len(m.Records) > 0 || m.Detail != nil; {
	case m.Event == testEvent && !named:
		return nil, errors.New("a test event of S3")
	case err == nil && !named:
		err = fmt.Errorf("%w: not a notification of S3: no records", ErrNotUnderstood)
	}
	if c.skipped != nil && !errors.Is(err, ErrNotUnderstood) {
		err = c.skipped
	}
	return c.events, err
}

// parse decodes a body. After an error the message has the parts that could be decoded.
func parse(body string) (m message, err error) {
	err = json.Unmarshal([]byte(body), &m)
	if err == nil {
		return m, nil
	}
	var text string
	if json.Unmarshal([]byte(body), &text) == nil && json.Unmarshal([]byte(text), &m) == nil { // a JSON string that contains the message
		return m, nil
	}
	return m, fmt.Errorf("%w: not a notification of S3: %w", ErrNotUnderstood, err)
}

// collector collects the events of one message.
type collector struct {
	scope   Scope
	events  []Event
	seen    map[string]bool
	skipped error // why a part of the message is not used
}

// otherEvents are prefixes of the names of events that create no object: S3's "Supported event
// types", and EventBridge's detail types.
var otherEvents = []string{
	"ObjectRemoved:", "ObjectRestore:", "ObjectTagging:", "ObjectAcl:", "ObjectAccessed:", "LifecycleExpiration:", "LifecycleTransition",
	"IntelligentTiering", "Replication:", "ReducedRedundancyLostObject",
	"Object Deleted", "Object Restore", "Object Tags", "Object ACL", "Object Storage Class", "Object Access Tier",
}

// add adds the event of one object. An event without a name counts as a creation. encoded
// says that keys should be URL-encoded.
func (c *collector) add(e entity, name, creation string, at any, encoded bool) {
	bucket, _ := e.Bucket.Name.(string)
	key, _ := e.Object.Key.(string)
	switch {
	case name != "" && !strings.HasPrefix(name, creation):
		c.skip(fmt.Errorf("event %q", name), slices.ContainsFunc(otherEvents, func(prefix string) bool { return strings.HasPrefix(name, prefix) }))
		return
	case c.scope.excludes(bucket):
		c.skip(fmt.Errorf("bucket %q", bucket), true)
		return
	case key == "":
		c.skip(errors.New("no key"), false)
		return
	}
	event := Event{Key: key, Size: sizeOf(e.Object.Size), Time: timeOf(at)}
	if decoded, err := url.QueryUnescape(key); err == nil && decoded != key {
		if event.Other = decoded; encoded {
			event.Key, event.Other = decoded, key
		}
	}
	c.addInScope(event)
}

// addInScope adds an event unless both of its keys are out of scope.
func (c *collector) addInScope(e Event) {
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

// skip records why a part is not used. irrelevant says that it certainly names no object in
// scope; a part that is not understood takes precedence.
func (c *collector) skip(err error, irrelevant bool) {
	if !irrelevant {
		err = fmt.Errorf("%w: %w", ErrNotUnderstood, err)
	}
	if !errors.Is(c.skipped, ErrNotUnderstood) {
		c.skipped = err
	}
}

// excludes reports whether the name is certainly that of another bucket. The name of an
// access point does not tell its bucket.
func (s Scope) excludes(name string) bool {
	own := plainName(s.Bucket)
	name = plainName(name)
	return name != "" && own != "" && name != own
}

// plainName returns the name of a bucket; "" for an access point's.
func plainName(name string) string {
	if partition, plain, isBucket := strings.Cut(name, ":s3:::"); isBucket && strings.HasPrefix(partition, "arn:") {
		name = plain
	}
	if strings.HasPrefix(name, "arn:") || strings.HasSuffix(name, "-s3alias") || strings.HasSuffix(name, "--ol-s3") {
		return ""
	}
	return name
}

// sizeOf returns a size; -1 if it is no number.
func sizeOf(v any) int64 {
	if n, ok := v.(float64); ok {
		return int64(n)
	}
	return -1
}

// timeOf parses a time of RFC 3339; zero for any other value.
func timeOf(v any) time.Time {
	text, _ := v.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
