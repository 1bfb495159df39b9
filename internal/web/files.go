package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"

	"jpmovies/internal/negotiation"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

//go:embed static
var embedded embed.FS

// file is a static file with its encoded forms.
type file struct {
	kind  string // its media type
	tag   string // its entity tag, weak: the same for all encodings
	plain []byte
	// encoded holds the encoded forms that are shorter.
	encoded map[string][]byte
}

// fileSet holds all files by their names.
type fileSet struct {
	version      string // names the folder: a hash of all files
	pages, files map[string]*file
}

// load reads and compresses the files at the first request, so that a worker whose page
// nobody opens does not pay for it.
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
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(contents[name]), contents[name]) // a hash returns no error
		return err
	})
	if err != nil {
		panic(err) // embedded files are always there
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

// kinds maps extensions to media types, independent of the machine's tables.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func newFile(name string, content []byte) *file {
	sum := sha256.Sum256(content)
	f := &file{kind: kinds[path.Ext(name)], tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, plain: content}
	f.encoded = map[string][]byte{"gzip": zip(content), "zstd": zstandard(content)}
	maps.DeleteFunc(f.encoded, func(_ string, body []byte) bool { return len(body) >= len(content) })
	return f
}

func zip(content []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	_, _ = w.Write(content)                                 // a buffer returns no error
	_ = w.Close()
	return out.Bytes()
}

func zstandard(content []byte) []byte {
	const window = 128 << 10 // larger than any file; it sets the encoder's memory
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // only for invalid options
	}
	return e.EncodeAll(content, nil)
}

// serve sends the file, or 304 when the client has it already.
func (f *file) serve(w http.ResponseWriter, r *http.Request, cache string) {
	header := w.Header()
	header.Set("Cache-Control", cache)
	header.Set("Etag", f.tag)
	header.Add("Vary", "Accept-Encoding")
	if negotiation.Matches(r.Header.Values("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	offered := slices.DeleteFunc([]string{"zstd", "gzip"}, func(name string) bool { return f.encoded[name] == nil })
	if encoding, _ := negotiation.Encoding(r.Header.Values("Accept-Encoding"), offered...); encoding != "" {
		body = f.encoded[encoding]
		header.Set("Content-Encoding", encoding)
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // nobody is left to hear of a write error
}
