package api

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// answer is the body of a 200, with what does not change while it is kept.
type answer struct {
	body []byte
	// next is the URL of the page that follows, if there is one.
	next string
	// last is the last revision that a piece of the change feed holds.
	last int64
	tag  string // entity tag, weak: the same for all encodings

	zipped, zstandard struct {
		once  sync.Once
		bytes []byte
	}
}

func newAnswer(body []byte, next string) *answer {
	sum := xxhash.Sum64(body)
	text := base64.RawURLEncoding.EncodeToString([]byte{
		byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24), byte(sum >> 32), byte(sum >> 40), byte(sum >> 48), byte(sum >> 56),
	})
	return &answer{body: body, next: next, tag: `W/"` + text + `"`}
}

// weight is what the answer may cost in memory, in bytes, its encodings included.
func (a *answer) weight(key int) uint32 {
	return uint32(2*len(a.body) + key + 512) //nolint:gosec // a page, far below 4 GiB
}

// minCompressed is the size from which compression saves packets.
const minCompressed = 1024

// encoded is the body in an encoding; "" is as it is.
func (a *answer) encoded(encoding string) []byte {
	switch encoding {
	case "gzip":
		a.zipped.once.Do(func() { a.zipped.bytes = zip(a.body) })
		return a.zipped.bytes
	case "zstd":
		a.zstandard.once.Do(func() { a.zstandard.bytes = zstdEncoder.EncodeAll(a.body, nil) })
		return a.zstandard.bytes
	}
	return a.body
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

// send writes an answer, or 304 when the client has it.
func send(w http.ResponseWriter, r *http.Request, a *answer, s state) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", a.tag)
	header.Add("Vary", "Accept-Encoding")
	header.Set("Catalogue-Revision", strconv.FormatInt(s.revision, 10))
	if a.next != "" {
		header.Set("Link", "<"+a.next+`>; rel="next"`)
	}
	if s.age >= agedAfter {
		header.Set("Age", strconv.Itoa(int(s.age/time.Second)))
	}
	if matches(r.Header.Values("If-None-Match"), a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	encoding := ""
	if len(a.body) >= minCompressed {
		encoding = chooseEncoding(r.Header.Values("Accept-Encoding"))
	}
	body := a.encoded(encoding)
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // JSON, and a client that went away need not be told
}

// agedAfter: from this age on, an answer says how old it is.
const agedAfter = 2 * time.Second

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

// chooseEncoding is the encoding that the client likes best: zstd, gzip, or ""
// for none (RFC 9110, 12.5.3).
func chooseEncoding(headers []string) string {
	quality := map[string]float64{"zstd": -1, "gzip": -1}
	others := 0.0
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			name, parameters, _ := strings.Cut(one, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			q := 1.0
			if text, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q="); found {
				var err error
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					q = 0
				}
			}
			if name == "*" {
				others = q
			}
			if name == "x-gzip" {
				name = "gzip"
			}
			if _, ours := quality[name]; ours {
				quality[name] = q
			}
		}
	}
	best, most := "", 0.0
	for _, name := range []string{"zstd", "gzip"} {
		q := quality[name]
		if q < 0 {
			q = others
		}
		if q > most {
			best, most = name, q
		}
	}
	return best
}

// marshal is json.Marshal without escapes for HTML, and with a line's end.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return out.Bytes(), err
}
