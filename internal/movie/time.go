package movie

import (
	"cmp"
	"time"
)

// Time is a moment from the year 1 to 9999, to the nanosecond. Its zero value is
// 1970-01-01T00:00:00Z, a time like any other. Unlike a [time.Time] it can be
// compared with ==, and unlike Unix nanoseconds in an int64 it does not end in 2262.
type Time struct {
	// Sec counts seconds since 1970, negative before it; Nsec is from 0 to 999,999,999.
	Sec  int64
	Nsec int32
}

// The first and the last moment that a Time holds.
var (
	minTime = Time{Sec: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()}
	maxTime = Time{Sec: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix(), Nsec: 999_999_999}
)

// At converts a time. A time outside the years 1 to 9999, which a file system may hold,
// becomes the nearest moment in them.
func At(t time.Time) Time {
	at := Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())} //nolint:gosec // below 1e9
	switch {
	case at.Compare(minTime) < 0:
		return minTime
	case at.Compare(maxTime) > 0:
		return maxTime
	}
	return at
}

// Compare returns a negative number when t is before other, a positive one when it is
// after it.
func (t Time) Compare(other Time) int {
	return cmp.Or(cmp.Compare(t.Sec, other.Sec), cmp.Compare(t.Nsec, other.Nsec))
}

// Time returns t as the standard library's type, in UTC.
func (t Time) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// timeLayout gives every Time the same length, so that texts sort like times.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// String returns RFC 3339 with nanoseconds, 30 bytes. It sorts like Compare.
func (t Time) String() string { return t.Time().Format(timeLayout) }

// ParseTime parses the output of String.
func ParseTime(text string) (Time, error) {
	t, err := time.Parse(timeLayout, text)
	return At(t), err
}
