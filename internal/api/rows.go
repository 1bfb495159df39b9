package api

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"jpmovies/internal/movie"
)

// RowWriter writes movies in one of the formats of an export: ndjson, csv, or
// spreadsheet, which is CSV for people who open it in one.
type RowWriter struct {
	buffer      *bufio.Writer
	base        string      // path in front of links
	table       *csv.Writer // nil for NDJSON
	spreadsheet bool
}

// NewRowWriter returns a writer that has written the head of the format. base is the
// path in front of links. The error says which formats there are.
func NewRowWriter(out io.Writer, format, base string) (*RowWriter, error) {
	w := &RowWriter{buffer: bufio.NewWriterSize(out, 64<<10), base: base, spreadsheet: format == "spreadsheet"}
	switch format {
	case "ndjson":
		return w, nil
	case "spreadsheet":
		if _, err := w.buffer.WriteString(byteOrderMark); err != nil {
			return nil, err
		}
	case "csv":
	default:
		return nil, fmt.Errorf("%q is no format, expected csv, ndjson or spreadsheet", format)
	}
	w.table = csv.NewWriter(w.buffer)
	return w, w.table.Write([]string{"id", "title", "year", "cast", "genres"})
}

// Write writes rows. They may stay in a buffer until Flush.
func (w *RowWriter) Write(rows []movie.Row) error {
	var line []byte
	for _, row := range rows {
		if w.table != nil {
			if err := w.writeRecord(row); err != nil {
				return err
			}
			continue
		}
		line = append(row.AppendJSON(line[:0], w.base), '\n')
		if _, err := w.buffer.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes what the buffers hold.
func (w *RowWriter) Flush() error {
	if w.table != nil {
		w.table.Flush()
		if err := w.table.Error(); err != nil {
			return err
		}
	}
	return w.buffer.Flush()
}

// writeRecord writes a row of a table. Its lists are JSON, since names may hold any
// character.
func (w *RowWriter) writeRecord(row movie.Row) error {
	m, err := movie.ParseFields(row.Fields)
	if err != nil {
		return err
	}
	record := []string{
		strconv.FormatInt(row.ID, 10), m.Title, strconv.Itoa(m.Year),
		string(movie.AppendNames(nil, m.Cast)), string(movie.AppendNames(nil, m.Genres)),
	}
	if w.spreadsheet {
		for i, cell := range record {
			record[i] = escapeFormula(cell)
		}
	}
	return w.table.Write(record)
}

// byteOrderMark makes spreadsheets read UTF-8.
const byteOrderMark = "\uFEFF"

// escapeFormula puts an apostrophe before a cell that a spreadsheet would run as a
// formula (OWASP, CSV injection). Programs would read the apostrophe as a part of the
// title, so the format csv has none.
func escapeFormula(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); strings.ContainsRune("=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20", first) {
		return "'" + cell
	}
	return cell
}
