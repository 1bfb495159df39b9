// Package buckettest contains a fake bucket in memory with faults, a fake S3 server with the
// documented responses, and the conformance suite of bucket.Store.
package buckettest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // S3 makes ETags from MD5
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"jpmovies/internal/bucket"
)

// Memory is a fake bucket.Store in memory. Like AWS it has quoted MD5 sums as ETags, times in
// whole seconds, and deletes that honour their condition. The zero value is an empty bucket.
// Set the fields before the first use.
type Memory struct {
	// PageSize is the number of objects in a listing page; 0 means 1,000.
	PageSize int
	// Now is the clock from which LastModified comes; nil means time.Now.
	Now func() time.Time
	// Fault, if set, may fail each step before and after it; see Op. It is called without a
	// lock, so it may change the bucket to provoke a race.
	Fault func(Op) error

	mu      sync.Mutex
	objects map[string]stored
	// sorted contains all keys, and possibly deleted ones; nil after a new key.
	sorted []string
	counts Counts
}

// stored is an object with its content.
type stored struct {
	bucket.Object
	body []byte
}

// Counts holds the numbers of operations.
type Counts struct {
	Lists       int // listing pages
	Gets        int
	Deletes     int // delete requests, each for any number of objects
	DeletedKeys int // deleted objects
	OpenReaders int // bodies of Get that are not closed
}

// Put creates or overwrites an object.
func (m *Memory) Put(key string, body []byte) bucket.Object {
	sum := md5.Sum(body) //nolint:gosec // S3 makes ETags from MD5
	o := bucket.Object{
		Ref:          bucket.Ref{Key: key, ETag: `"` + hex.EncodeToString(sum[:]) + `"`},
		Size:         int64(len(body)),
		LastModified: m.now().UTC().Truncate(time.Second),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects = map[string]stored{}
	}
	if _, known := m.objects[key]; !known {
		m.sorted = nil
	}
	m.objects[key] = stored{Object: o, body: bytes.Clone(body)}
	return o
}

// Settle sets whether the object, if it exists, may still be being written. The next Put resets
// it.
func (m *Memory) Settle(key string, settling bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.objects[key]; ok {
		s.Settling = settling
		m.objects[key] = s
	}
}

// Keys returns the keys of all objects, sorted.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.keys()), func(key string) bool {
		_, ok := m.objects[key]
		return !ok
	})
}

// Counts returns the numbers of operations until now.
func (m *Memory) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

// remove deletes the object if it has the ETag; "" means any.
func (m *Memory) remove(ref bucket.Ref) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.objects[ref.Key]
	if !ok {
		return fmt.Errorf("delete %q: %w", ref.Key, bucket.ErrNotFound)
	}
	if ref.ETag != "" && ref.ETag != s.ETag {
		return fmt.Errorf("delete %q: %w", ref.Key, bucket.ErrChanged)
	}
	delete(m.objects, ref.Key)
	m.counts.DeletedKeys++
	return nil
}

// page returns up to limit objects behind the key after, and whether more follow.
func (m *Memory) page(prefix, after string, limit int) (page []bucket.Object, more bool) {
	if limit <= 0 {
		limit = 1000
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := m.keys()
	start, found := slices.BinarySearch(keys, after)
	if found {
		start++
	}
	for _, key := range keys[start:] {
		s, ok := m.objects[key]
		if !ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, s.Object)
	}
	return page, false
}

func (m *Memory) keys() []string {
	if m.sorted == nil {
		for key := range m.objects {
			m.sorted = append(m.sorted, key)
		}
		slices.Sort(m.sorted)
	}
	return m.sorted
}

func (m *Memory) load(key string) (stored, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.objects[key]
	return s, ok
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Memory) count(add func(*Counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add(&m.counts)
}

func (m *Memory) fault(op Op) error {
	if m.Fault == nil {
		return nil
	}
	return m.Fault(op)
}
