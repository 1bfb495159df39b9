package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"jpmovies/internal/negotiation"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// answer is the body of a 200, with the headers that stay the same while it is cached.
type answer struct {
	body []byte
	// last is the last revision in a page of the change feed.
	last int64
	// tag is the entity tag, weak because it is the same for all encodings. An answer
	// without one must not be stored by clients.
	tag string
	// state is the number of the state that the answer shows.
	state uint64
	// Header values, shared by all responses with this answer. link is the URL of the next
	// page, total the number of movies or people that match.
	link, etag, length, total []string

	zipped, zstandard struct {
		once  sync.Once
		bytes []byte
	}
}

// newAnswer returns an answer that clients may store. next is the URL of the next page,
// empty for none.
func newAnswer(body []byte, next string) *answer {
	a := newBriefAnswer(body, next)
	sum := binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(body))
	a.tag = `W/"` + base64.RawURLEncoding.EncodeToString(sum) + `"`
	a.etag = []string{a.tag}
	return a
}

// withTotal adds the number of movies or people that match.
func (a *answer) withTotal(total int) *answer {
	a.total = []string{strconv.Itoa(total)}
	return a
}

// maxLink is the length in bytes of the longest URL that is repeated in the header Link.
// Proxies refuse responses with large headers (nginx: 4 KiB in all).
const maxLink = 3 << 10

// newBriefAnswer returns an answer that clients must not store.
func newBriefAnswer(body []byte, next string) *answer {
	a := &answer{body: body, length: []string{strconv.Itoa(len(body))}}
	if link := escaped(next); link != "" && len(link) <= maxLink {
		a.link = []string{"<" + link + `>; rel="next"`}
	}
	return a
}

// weight is the memory, in bytes, that the answer may take with both encodings.
// Incompressible bodies do not get shorter.
func (a *answer) weight(key int) uint32 {
	return uint32(3*len(a.body) + key + 512) //nolint:gosec // a page, far below 4 GiB
}

// minCompressed is the size in bytes from which compression saves packets.
const minCompressed = 1024

// encoded returns the body in the encoding that the client prefers.
func (a *answer) encoded(r *http.Request) (body []byte, encoding string) {
	encoding, insisted := negotiation.Encoding(r.Header.Values("Accept-Encoding"), "zstd", "gzip")
	switch {
	case len(a.body) < minCompressed && !insisted:
	case encoding == "gzip":
		a.zipped.once.Do(func() { a.zipped.bytes = zip(a.body) })
		return a.zipped.bytes, encoding
	case encoding == "zstd":
		a.zstandard.once.Do(func() { a.zstandard.bytes = zstdEncoder.EncodeAll(a.body, nil) })
		return a.zstandard.bytes, encoding
	}
	return a.body, ""
}

var zstdEncoder = func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // only for wrong options
	}
	return e
}()

func zip(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // a buffer accepts every write
	_ = w.Close()
	return out.Bytes()
}

// marshal is json.Marshal without HTML escapes, and with a newline at the end.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return out.Bytes(), err
}
