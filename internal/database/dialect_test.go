package database

import (
	"database/sql/driver"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// TestJudge: judge classifies the errors of a server.
func TestJudge(t *testing.T) {
	for _, test := range []struct {
		err  error
		want verdict
	}{
		{&mysql.MySQLError{Number: 1213}, retry},
		{&mysql.MySQLError{Number: 1062}, retry}, // another worker was first, or the copy is damaged
		{&mysql.MySQLError{Number: 1040}, retry},
		{&mysql.MySQLError{Number: 9005}, retry}, // TiDB: a region is unavailable
		{driver.ErrBadConn, retry},
		{&mysql.MySQLError{Number: 1290}, moved},
		{&mysql.MySQLError{Number: 1836}, moved},
		{&mysql.MySQLError{Number: 1406}, rejected},
		{&mysql.MySQLError{Number: 1644}, rejected},
		{&mysql.MySQLError{Number: 1153}, unfit},
		{mysql.ErrPktTooLarge, unfit},
		{&mysql.MySQLError{Number: 1105, Message: "Parameter of prepared statement which is set through mysql_send_long_data() is longer than 'max_allowed_packet' bytes"}, unfit},
		{&mysql.MySQLError{Number: 1105, Message: "pessimistic lock retry limit reached"}, retry},
		{&mysql.MySQLError{Number: 1105, Message: "anything"}, fatal},
		{&mysql.MySQLError{Number: 1364}, fatal}, // a column without a default: our schema is wrong
		{&mysql.MySQLError{Number: 1114}, fatal}, // table full
		{&mysql.MySQLError{Number: 1142}, fatal}, // access denied
	} {
		if got := mysqlDialect.judge(mysqlDialect.advise(fmt.Errorf("INSERT: %w", test.err))); got != test.want {
			t.Errorf("%v is judged %d, want %d", test.err, got, test.want)
		}
	}
}
