package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
			if v != "csv" && v != "ndjson" && v != "spreadsheet" {
				return strconv.Quote(v) + " is no format, expected csv, ndjson or spreadsheet"
			}
			format = v
			return ""
		},
	})
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept, Accept-Encoding")
	if format == "" && prefers(r, "text/csv", "application/x-ndjson", "application/json") {
		format = "csv"
	}
	e := a.newExporter(w, r, cmp.Or(format, "ndjson"))
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
	base   string // in front of links
	head   bool
	begun  bool
	buffer *bufio.Writer
	zip    *gzip.Writer // nil when not compressed
	csv    *csv.Writer  // nil for NDJSON
	// spreadsheet: the table is for people, who open it in one.
	spreadsheet bool
}

func (a *API) newExporter(w http.ResponseWriter, r *http.Request, format string) *exporter {
	e := &exporter{out: newPaced(w), base: a.base, head: r.Method == http.MethodHead}
	var to io.Writer = e.out
	// A stream is compressed as it goes, and there gzip is enough.
	if encoding, _ := chooseEncoding(r.Header.Values("Accept-Encoding"), "gzip"); encoding != "" {
		e.zip, _ = gzip.NewWriterLevel(e.out, gzip.BestSpeed) // the level is valid
		to = e.zip
	}
	e.buffer = bufio.NewWriterSize(to, 64<<10)
	if format != "ndjson" {
		e.csv, e.spreadsheet = csv.NewWriter(e.buffer), format == "spreadsheet"
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
		header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="movies-%d.csv"`, revision))
	}
	if e.zip != nil {
		header.Set("Content-Encoding", "gzip")
	}
	if e.head {
		return errHead
	}
	e.begun = true
	if e.spreadsheet {
		if _, err := e.buffer.WriteString(byteOrderMark); err != nil {
			return err
		}
	}
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
		line = append(row.AppendLinked(line[:0], e.base), '\n')
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
	if e.spreadsheet {
		for i, cell := range record {
			record[i] = harmless(cell)
		}
	}
	return e.csv.Write(record)
}

// byteOrderMark makes spreadsheets read UTF-8.
const byteOrderMark = "\uFEFF"

// harmless makes a cell that a spreadsheet would take for a formula a text, by an
// apostrophe in front, as OWASP advises (CSV injection). It is not done where programs
// read: they would take the apostrophe for a part of the title.
func harmless(cell string) string {
	if strings.ContainsRune("=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20", firstRune(cell)) {
		return "'" + cell
	}
	return cell
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
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
