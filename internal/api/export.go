package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"jpmovies/internal/movie"
	"jpmovies/internal/negotiation"
)

// exportTimeout bounds an export: the database keeps old rows for its snapshot meanwhile.
const exportTimeout = time.Hour

// exportWindow bounds the memory of zstd, here and at the client.
const exportWindow = 1 << 20

var errExports = problem{
	Status: http.StatusServiceUnavailable, retryAfter: "30",
	Detail: "the limit of concurrent exports is reached, try again later",
}

// export streams all matching movies of one snapshot.
func (a *API) export(w http.ResponseWriter, r *http.Request) error {
	format := ""
	q, err := parseQuery(r.URL.RawQuery, append(slices.Clone(filterParameters), parameter[query]{
		name: "format",
		set: func(_ *query, v string) string {
			if v != "csv" && v != "ndjson" && v != "spreadsheet" {
				return strconv.Quote(v) + " is no format, expected csv, ndjson or spreadsheet"
			}
			format = v
			return ""
		},
	}))
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	if format == "" && negotiation.Prefers(r.Header.Values("Accept"), "text/csv", "application/x-ndjson", "application/json") {
		format = "csv"
	}
	e := a.newExporter(w, r, cmp.Or(format, "ndjson"))
	if !a.exports.TryAcquire(1) {
		return errExports
	}
	defer a.exports.Release(1)
	extendDeadlines(w, r, exportTimeout)
	defer e.out.end()
	ctx, cancel := context.WithTimeout(lasting(r), exportTimeout)
	defer cancel()
	defer e.out.endIfGone(r.Context(), cancel)()
	err = a.catalogue.Export(ctx, q.Filter, e.begin, e.write)
	if errors.Is(err, errHead) {
		return nil
	}
	if err == nil {
		err = e.end()
	}
	if err != nil && e.begun {
		a.logger.WarnContext(ctx, "export ended early", "error", err)
		panic(http.ErrAbortHandler) // so that the client does not take a part for the whole
	}
	return err
}

// exporter writes an export to a client.
type exporter struct {
	out    *paced
	format string
	base   string // path in front of links
	head   bool
	begun  bool
	zip    compressor // nil when the export is not compressed
	named  string     // the compression
	rows   *RowWriter
	sent   time.Time // when rows were last sent on
}

type compressor interface {
	io.WriteCloser
	Flush() error
}

// exportPause is how long rows may stay in buffers while others are looked for.
const exportPause = 5 * time.Second

func (a *API) newExporter(w http.ResponseWriter, r *http.Request, format string) *exporter {
	e := &exporter{out: newPaced(w), format: format, base: a.base, head: r.Method == http.MethodHead}
	// The fastest levels suffice for a stream that is compressed as it goes.
	switch e.named, _ = negotiation.Encoding(r.Header.Values("Accept-Encoding"), "zstd", "gzip"); e.named {
	case "zstd": // the options are valid
		e.zip, _ = zstd.NewWriter(e.out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(exportWindow))
	case "gzip":
		e.zip, _ = gzip.NewWriterLevel(e.out, gzip.BestSpeed)
	}
	return e
}

// errHead ends the export of a HEAD request after its headers.
var errHead = errors.New("only the headers were wanted")

func (e *exporter) begin(revision int64) (err error) {
	header := e.out.out.Header()
	header.Set("Catalogue-Revision", strconv.FormatInt(revision, 10))
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/x-ndjson")
	if e.format != "ndjson" {
		header.Set("Content-Type", "text/csv; charset=utf-8")
		header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="movies-%d.csv"`, revision))
	}
	var to io.Writer = e.out
	if e.zip != nil {
		header.Set("Content-Encoding", e.named)
		to = e.zip
	}
	if e.head {
		return errHead
	}
	e.begun, e.sent = true, time.Now()
	if err := e.out.Flush(); err != nil { // the first match may be long in coming
		return err
	}
	e.rows, err = NewRowWriter(to, e.format, e.base)
	return err
}

func (e *exporter) write(rows []movie.Row) error {
	if err := e.rows.Write(rows); err != nil || time.Since(e.sent) < exportPause {
		return err
	}
	e.sent = time.Now()
	if err := e.rows.Flush(); err != nil {
		return err
	}
	if e.zip != nil {
		if err := e.zip.Flush(); err != nil {
			return err
		}
	}
	return e.out.Flush()
}

func (e *exporter) end() error {
	if err := e.rows.Flush(); err != nil || e.zip == nil {
		return err
	}
	return e.zip.Close()
}
