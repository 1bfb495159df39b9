package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// answer is the body of a 200, with what does not change while it is kept.
type answer struct {
	body []byte
	// last is the last revision that a piece of the change feed holds.
	last int64
	// tag is the entity tag, weak: the same for all encodings. Without one,
	// clients are told to keep nothing.
	tag string
	// state is the number of the state that it is of.
	state uint64
	// Header values that all who get the answer share. A link leads to the page
	// that follows, if there is one; total is how many movies or people match.
	link, etag, length, total []string

	zipped, zstandard struct {
		once  sync.Once
		bytes []byte
	}
}

// newAnswer is an answer that clients may keep. next is the URL of the page that
// follows, if there is one.
func newAnswer(body []byte, next string) *answer {
	a := newBriefAnswer(body, next)
	sum := binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(body))
	a.tag = `W/"` + base64.RawURLEncoding.EncodeToString(sum) + `"`
	a.etag = []string{a.tag}
	return a
}

// of adds how many movies or people match.
func (a *answer) of(total int) *answer {
	a.total = []string{strconv.Itoa(total)}
	return a
}

// maxLink is the length in bytes of the longest URL that is also told in the header
// Link: proxies refuse answers whose headers are large (nginx: 4 KiB in all).
const maxLink = 3 << 10

// newBriefAnswer is an answer that clients are not to keep.
func newBriefAnswer(body []byte, next string) *answer {
	a := &answer{body: body, length: []string{strconv.Itoa(len(body))}}
	if next != "" && len(next) <= maxLink && isASCII(next) {
		a.link = []string{"<" + next + `>; rel="next"`}
	}
	return a
}

// weight is what the answer may cost in memory, in bytes, with both encodings: what
// cannot be compressed is no shorter.
func (a *answer) weight(key int) uint32 {
	return uint32(3*len(a.body) + key + 512) //nolint:gosec // a page, far below 4 GiB
}

// minCompressed is the size from which compression saves packets.
const minCompressed = 1024

// encoded is the body in the encoding that the client likes best.
func (a *answer) encoded(r *http.Request) (body []byte, encoding string) {
	encoding, insisted := chooseEncoding(r.Header.Values("Accept-Encoding"), "zstd", "gzip")
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
	_, _ = w.Write(body) // a buffer takes all
	_ = w.Close()
	return out.Bytes()
}

// agedAfter: from this age on, an answer says how old it is.
const agedAfter = 2 * time.Second

func tellAge(header http.Header, age time.Duration) {
	if age >= agedAfter {
		header.Set("Age", strconv.Itoa(int(age/time.Second)))
	}
}

// send writes an answer, or 304 when the client has it.
func send(w http.ResponseWriter, r *http.Request, a *answer, s state) {
	header := w.Header()
	header[contentType] = jsonType
	if header[vary] == nil {
		header[vary] = byEncoding
	} else {
		header.Add(vary, "Accept-Encoding")
	}
	if s.moved != nil {
		header[catalogueRevision] = s.text
	}
	if a.link != nil {
		header[link] = a.link
	}
	if a.total != nil {
		header[totalCount] = a.total
	}
	tellAge(header, s.age)
	if a.etag == nil {
		header[cacheControl] = noStore
	} else {
		header[cacheControl] = noCache
		header[etag] = a.etag
		if matches(r.Header[ifNoneMatch], a.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	body, encoding := a.encoded(r)
	header[contentLength] = a.length
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
		header.Set(contentLength, strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body) //nolint:gosec // JSON, and a client that went away need not be told
}

// matches tells whether one of the entity tags of If-None-Match is the tag; weak
// and strong ones compare alike (RFC 9110, 13.1.2).
func matches(headers []string, tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == opaque {
				return true
			}
		}
	}
	return false
}

// marshal is json.Marshal without escapes for HTML, and with a line's end.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return out.Bytes(), err
}
