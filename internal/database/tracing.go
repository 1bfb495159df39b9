package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/XSAM/otelsql"
	"github.com/go-sql-driver/mysql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"modernc.org/sqlite"
)

// TracedPool returns an Options.OpenPool that traces statements below the span in their
// context; statements without one, such as reads of the revision, make no span. Spans hold
// no values: neither arguments, nor error texts, which may quote them.
func TracedPool(tracing trace.TracerProvider) func(driver.Connector) *sql.DB {
	options := []otelsql.Option{
		otelsql.WithTracerProvider(tracing),
		otelsql.WithSpanNameFormatter(spanName),
		otelsql.WithAttributesGetter(statement),
		otelsql.WithSpanErrorAttributesGetter(failure),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableQuery: true, RecordError: func(error) bool { return false },
			OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true,
			SpanFilter: func(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
				return trace.SpanContextFromContext(ctx).IsSampled()
			},
		}),
	}
	return func(c driver.Connector) *sql.DB { return otelsql.OpenDB(c, options...) }
}

// longestQuery is the length in bytes at which a span cuts a statement; the rest of a long
// one repeats itself.
const longestQuery = 500

func shortened(query string) string { return query[:min(len(query), longestQuery)] }

func statement(_ context.Context, _ otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
	if query == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String("db.query.text", shortened(query))}
}

// spanName returns verb and table of a statement, such as "SELECT movie", so that there
// are few names.
func spanName(_ context.Context, method otelsql.Method, query string) string {
	words := strings.Fields(shortened(query))
	if len(words) == 0 {
		return string(method)
	}
	for i, word := range words[:len(words)-1] {
		next := words[i+1]
		if (word == "FROM" || word == "INTO" || word == "UPDATE") && !strings.HasPrefix(next, "(") {
			return words[0] + " " + next
		}
	}
	return words[0]
}

// failure returns the code of an error.
func failure(err error) []attribute.KeyValue {
	var byServer *mysql.MySQLError
	var byFile *sqlite.Error
	kind := fmt.Sprintf("%T", err)
	switch {
	case errors.Is(err, driver.ErrSkip): // the driver asks for a fallback
		return nil
	case errors.As(err, &byServer):
		kind = strconv.Itoa(int(byServer.Number))
	case errors.As(err, &byFile):
		kind = strconv.Itoa(byFile.Code())
	}
	return []attribute.KeyValue{attribute.String("error.type", kind)}
}
