package api

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"

	"jpmovies/internal/movie"
)

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
	header := w.Header()
	header.Add("Vary", "Accept, Accept-Encoding")
	header.Set("Cache-Control", "no-store")
	asCSV := format == "csv" || format == "" && wants(r, "text/csv")
	if asCSV {
		header.Set("Content-Type", "text/csv; charset=utf-8")
	} else {
		header.Set("Content-Type", "application/x-ndjson")
	}
	e := newExporter(w, r, asCSV)
	takeTime(w, queryTimeout)
	err = a.catalogue.Export(r.Context(), filter, e.begin, e.write)
	if err == nil {
		err = e.end()
	}
	if err != nil && e.begun {
		a.logger.Warn("export ended early", "error", err)
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return err
}

// exporter writes movies to a client, compressed if it likes.
type exporter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	head    bool
	begun   bool
	out     *bufio.Writer
	zip     *gzip.Writer // nil when not compressed
	csv     *csv.Writer  // nil for NDJSON
}

func newExporter(w http.ResponseWriter, r *http.Request, asCSV bool) *exporter {
	e := &exporter{w: w, control: http.NewResponseController(w), head: r.Method == http.MethodHead}
	var to io.Writer = w
	if chooseEncoding(r.Header.Values("Accept-Encoding")) != "" && chooseGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		e.zip, _ = gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
		to = e.zip
	}
	e.out = bufio.NewWriterSize(to, 64<<10)
	if asCSV {
		e.csv = csv.NewWriter(e.out)
	}
	return e
}

// chooseGzip tells whether the client takes gzip: a stream is compressed as it
// goes, and there that is enough.
func chooseGzip(r *http.Request) bool {
	return chooseEncoding(append(r.Header.Values("Accept-Encoding"), "zstd;q=0")) == "gzip"
}

// errHead ends the export of a HEAD request after its headers.
var errHead = errors.New("only the headers were wanted")

func (e *exporter) begin(revision int64) error {
	e.w.Header().Set("Catalogue-Revision", strconv.FormatInt(revision, 10))
	if e.head {
		return errHead
	}
	e.begun = true
	if e.csv != nil {
		return e.csv.Write([]string{"id", "title", "year", "cast", "genres"})
	}
	return nil
}

// write sends some movies. A client that stalls is cut off, since the database
// keeps its snapshot for it.
func (e *exporter) write(rows []movie.Row) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	var line []byte
	for _, row := range rows {
		if e.csv != nil {
			if err := e.writeRecord(row); err != nil {
				return err
			}
			continue
		}
		line = append(row.AppendJSON(line[:0]), '\n')
		if _, err := e.out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// writeRecord writes a row of CSV; the lists are JSON, since names may hold any
// character.
func (e *exporter) writeRecord(row movie.Row) error {
	m, err := movie.ParseFields(row.Fields)
	if err != nil {
		return err
	}
	return e.csv.Write([]string{
		strconv.FormatInt(row.ID, 10), m.Title, strconv.Itoa(m.Year),
		string(movie.AppendNames(nil, m.Cast)), string(movie.AppendNames(nil, m.Genres)),
	})
}

func (e *exporter) end() error {
	if e.csv != nil {
		e.csv.Flush()
		if err := e.csv.Error(); err != nil {
			return err
		}
	}
	if err := e.out.Flush(); err != nil || e.zip == nil {
		return err
	}
	return e.zip.Close()
}
