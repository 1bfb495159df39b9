package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

//go:embed static
var embedded embed.FS

// file is a file that is ready to be sent.
type file struct {
	kind  string // its media type
	tag   string // its entity tag, weak: the same for all encodings
	plain []byte
	// encoded forms that are shorter, the one that is preferred among equals last.
	encoded []encoded
}

type encoded struct {
	name string
	body []byte
}

// fileSet holds all files by their names.
type fileSet struct {
	version      string // names the folder: a hash of all files
	pages, files map[string]*file
}

// load reads and compresses the files when the first of them is asked for: a worker
// whose page nobody opens does not pay for them.
var load = sync.OnceValue(func() *fileSet {
	static, err := fs.Sub(embedded, "static")
	if err != nil {
		panic(err) // only for an invalid path
	}
	return read(static)
})

func read(static fs.FS) *fileSet {
	contents := map[string][]byte{}
	hash := sha256.New()
	err := fs.WalkDir(static, ".", func(name string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil || d.IsDir() {
			return err
		}
		contents[name], err = fs.ReadFile(static, name)
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(contents[name]), contents[name]) // a hash takes all
		return err
	})
	if err != nil {
		panic(err) // they are embedded
	}
	const digits = 12
	s := &fileSet{version: hex.EncodeToString(hash.Sum(nil))[:digits], pages: map[string]*file{}, files: map[string]*file{}}
	for name, content := range contents {
		if path.Ext(name) == ".html" {
			s.pages[name] = newFile(name, bytes.ReplaceAll(content, []byte(`="web/`), []byte(`="web/`+s.version+`/`)))
		} else {
			s.files[name] = newFile(name, content)
		}
	}
	return s
}

// kinds are the media types, whatever the machine's own tables say.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func newFile(name string, content []byte) *file {
	sum := sha256.Sum256(content)
	f := &file{kind: kinds[path.Ext(name)], tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, plain: content}
	for _, e := range []encoded{{"gzip", zip(content)}, {"zstd", zstandard(content)}} {
		if len(e.body) < len(content) {
			f.encoded = append(f.encoded, e)
		}
	}
	return f
}

func zip(content []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	_, _ = w.Write(content)                                 // a buffer takes all
	_ = w.Close()
	return out.Bytes()
}

func zstandard(content []byte) []byte {
	const window = 128 << 10 // larger than any file; the encoder's memory depends on it
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // only for wrong options
	}
	return e.EncodeAll(content, nil)
}

// serve sends the file, or 304 when the client has it.
func (f *file) serve(w http.ResponseWriter, r *http.Request, cache string) {
	header := w.Header()
	header.Set("Cache-Control", cache)
	header.Set("Etag", f.tag)
	header.Add("Vary", "Accept-Encoding")
	if f.matches(r.Header.Values("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body, encoding := f.choose(r.Header.Values("Accept-Encoding"))
	header.Set("Content-Type", f.kind)
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client went away: nobody is left to tell
}

// matches compares entity tags weakly (RFC 9110, section 13.1.2).
func (f *file) matches(headers []string) bool {
	for _, header := range headers {
		if strings.TrimSpace(header) == "*" || strings.Contains(header, strings.TrimPrefix(f.tag, "W/")) {
			return true
		}
	}
	return false
}

// choose returns the body in the encoding that the client prefers (RFC 9110, section 12.5.3).
func (f *file) choose(headers []string) (body []byte, encoding string) {
	q := weights(headers)
	body, most := f.plain, q["identity"]
	for _, e := range f.encoded {
		weight, named := q[e.name]
		if !named {
			weight = q["*"]
		}
		if weight > 0 && weight >= most {
			body, encoding, most = e.body, e.name, weight
		}
	}
	return body, encoding
}
