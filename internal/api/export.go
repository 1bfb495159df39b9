package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"jpmovies/internal/movie"
)

// exportTimeout bounds an export: the database keeps what it shows for as long.
const exportTimeout = time.Hour

var errExports = problem{
	Status: http.StatusServiceUnavailable, retryAfter: "30",
	Detail: "as many exports as may run at once are running, try again later",
}

// export streams all movies that match as one snapshot, one a line.
func (a *API) export(w http.ResponseWriter, r *http.Request) error {
	format := ""
	filter, err := movie.ParseFilter(r.URL.RawQuery, movie.Parameter[movie.Query]{
		Name: "format",
		Set: func(_ *movie.Query, v string) string {
			if v != "csv" && v != "ndjson" {
				return strconv.Quote(v) + " is no format, expected csv or ndjson"
			}
			format = v
			return ""
		},
	})
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	e := newExporter(w, r, format == "csv" || format == "" && prefers(r, "text/csv", "application/x-ndjson", "application/json"))
	if !a.exports.TryAcquire(1) {
		return errExports
	}
	defer a.exports.Release(1)
	takeTime(w, r, exportTimeout)
	defer e.out.end()
	ctx, cancel := context.WithTimeout(lasting(r), exportTimeout)
	defer cancel()
	err = a.catalogue.Export(ctx, filter, e.begin, e.write)
	if errors.Is(err, errHead) {
		return nil
	}
	if err == nil {
		err = e.end()
	}
	if err != nil && e.begun {
		a.logger.WarnContext(ctx, "export ended early", "error", err)
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return err
}

// exporter writes movies to a client, compressed if it likes.
type exporter struct {
	out    *paced
	head   bool
	begun  bool
	buffer *bufio.Writer
	zip    *gzip.Writer // nil when not compressed
	csv    *csv.Writer  // nil for NDJSON
}

func newExporter(w http.ResponseWriter, r *http.Request, asCSV bool) *exporter {
	e := &exporter{out: newPaced(w), head: r.Method == http.MethodHead}
	var to io.Writer = e.out
	// A stream is compressed as it goes, and there gzip is enough.
	if encoding, _ := chooseEncoding(r.Header.Values("Accept-Encoding"), "gzip"); encoding != "" {
		e.zip, _ = gzip.NewWriterLevel(e.out, gzip.BestSpeed) // the level is valid
		to = e.zip
	}
	e.buffer = bufio.NewWriterSize(to, 64<<10)
	if asCSV {
		e.csv = csv.NewWriter(e.buffer)
	}
	return e
}

// errHead ends the export of a HEAD request after its headers.
var errHead = errors.New("only the headers were wanted")

func (e *exporter) begin(revision int64) error {
	header := e.out.out.Header()
	header.Set("Catalogue-Revision", strconv.FormatInt(revision, 10))
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/x-ndjson")
	if e.csv != nil {
		header.Set("Content-Type", "text/csv; charset=utf-8")
	}
	if e.zip != nil {
		header.Set("Content-Encoding", "gzip")
	}
	if e.head {
		return errHead
	}
	e.begun = true
	if e.csv != nil {
		return e.csv.Write(movie.CSVHeader())
	}
	return nil
}

// write sends some movies.
func (e *exporter) write(rows []movie.Row) error {
	var line []byte
	for _, row := range rows {
		if e.csv != nil {
			if err := e.writeRecord(row); err != nil {
				return err
			}
			continue
		}
		line = append(row.AppendJSON(line[:0]), '\n')
		if _, err := e.buffer.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) writeRecord(row movie.Row) error {
	record, err := row.CSVRecord()
	if err != nil {
		return err
	}
	return e.csv.Write(record)
}

func (e *exporter) end() error {
	if e.csv != nil {
		e.csv.Flush()
		if err := e.csv.Error(); err != nil {
			return err
		}
	}
	if err := e.buffer.Flush(); err != nil || e.zip == nil {
		return err
	}
	return e.zip.Close()
}
