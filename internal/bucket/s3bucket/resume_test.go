package s3bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"jpmovies/internal/bucket"
)

// faultyObject is a server with one object, whose next answers are faulty.
type faultyObject struct {
	content []byte
	faults  []func(w http.ResponseWriter, from int)
	asked   int
}

func (o *faultyObject) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.asked++
	from := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil && from >= len(o.content) {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("ETag", `"e"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	if len(o.faults) == 0 {
		o.send(w, from, len(o.content), len(o.content))
		return
	}
	fault := o.faults[0]
	o.faults = o.faults[1:]
	fault(w, from)
}

// send promises the bytes of a range, and sends those before cut.
func (o *faultyObject) send(w http.ResponseWriter, from, to, cut int) {
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(o.content[from:cut])
	if cut < to {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// TestResumeAnyCut: an object is read as it is, wherever its answers are cut, and whatever part
// of it the server sends then.
func TestResumeAnyCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	o := &faultyObject{}
	serve(t, o)
	b := open(t, Options{})
	for range 300 {
		o.content = bytes.Repeat([]byte("0123456789abcdef"), 1+random.IntN(200))
		size := len(o.content)
		o.faults, o.asked = nil, 0
		o.faults = append(o.faults, func(w http.ResponseWriter, from int) { o.send(w, from, size, random.IntN(size)) })
		kinds := ""
		for range random.IntN(6) {
			kind := random.IntN(4)
			kinds += strconv.Itoa(kind)
			o.faults = append(o.faults, func(w http.ResponseWriter, from int) {
				switch kind {
				case 0: // cut again
					o.send(w, from, size, from+random.IntN(size-from))
				case 1: // the server sends no more than a part
					o.send(w, from, from+1+random.IntN(size-from), size)
				case 2: // it ignores the range, and is cut
					o.send(w, 0, size, random.IntN(size))
				case 3:
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
		}
		if random.IntN(2) == 0 {
			o.faults = append(o.faults, func(w http.ResponseWriter, _ int) { o.send(w, 0, size, size) })
		}
		_, reader, err := b.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(reader))
		if err != nil || !bytes.Equal(got, o.content) {
			t.Fatalf("answers %s: %d bytes of %d, %v", kinds, len(got), size, err)
		}
		_ = reader.Close()
	}
}

// TestResumeProgress: answers that bring a megabyte are no failed attempts; others are, and end.
func TestResumeProgress(t *testing.T) {
	for size, want := range map[int]int{resumeProgress: 2*maxAttempts + 1, resumeProgress / 16: maxAttempts} {
		o := &faultyObject{content: make([]byte, 2*maxAttempts*resumeProgress+1)}
		serve(t, o)
		for range 3 * maxAttempts {
			o.faults = append(o.faults, func(w http.ResponseWriter, from int) {
				o.send(w, from, len(o.content), min(from+size, len(o.content)))
			})
		}
		_, reader, err := open(t, Options{}).Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, reader)
		if whole := n == int64(len(o.content)); o.asked != want || whole != (err == nil) || whole != (size == resumeProgress) {
			t.Errorf("%d bytes at a time: %d bytes after %d requests, want %d: %v", size, n, o.asked, want, err)
		}
		_ = reader.Close()
	}
}

// TestResumeAfterData: bytes that come together with an error are kept, and read once.
func TestResumeAfterData(t *testing.T) {
	o := &faultyObject{content: []byte(strings.Repeat("0123456789", 100))}
	serve(t, o)
	for cut := 0; cut <= len(o.content); cut += 20 {
		first := io.MultiReader(bytes.NewReader(o.content[:cut]), iotest.ErrReader(errors.New("reset")))
		body := &resumingBody{
			ctx: t.Context(), bucket: open(t, Options{}), response: io.NopCloser(iotest.DataErrReader(first)),
			object: bucket.Object{Ref: bucket.Ref{Key: "k", ETag: strong(`"e"`)}, Size: int64(len(o.content))},
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, o.content) {
			t.Fatalf("cut after %d: %d bytes, %v", cut, len(got), err)
		}
		_ = body.Close()
	}
}
