package api

import "testing"

// TestKindOf: kindOf removes the found value and keeps the expectation.
func TestKindOf(t *testing.T) {
	for reason, want := range map[string]string{
		`title: found nothing, expected a string; rename "Title" to "title"`:                            `title: found nothing, expected a string; rename "Title" to "title"`,
		`title: found string "a, expected \"b\""..., expected an integer`:                               `title: found string …, expected an integer`,
		`year: found number 12000, which is out of range, expected an integer from 1 to 9999`:           `year: found number …, which is out of range, expected an integer from 1 to 9999`,
		`year: found number -2.5e3, expected an integer from 1 to 9999`:                                 `year: found number …, expected an integer from 1 to 9999`,
		`year: found string "2015", expected an integer from 1 to 9999: write 2015 without quotes`:      `year: found string …, expected an integer from 1 to 9999`,
		`genres/17: found 513 bytes, expected at most 512`:                                              `genres/…: found … bytes, expected at most 512`,
		`update: found invalid character '}' at byte 96, expected sound JSON`:                           `update: found invalid character '}' at byte …, expected sound JSON`,
		`object: found a 7z file, expected JSON in UTF-8, plain or compressed by gzip or zstd`:          `object: found a 7z file, expected JSON in UTF-8, plain or compressed by gzip or zstd`,
		`object: found UTF-16 inside gzip, expected JSON in UTF-8, plain or compressed by gzip or zstd`: `object: found UTF-16 inside gzip, expected JSON in UTF-8, plain or compressed by gzip or zstd`,
		`refused by the database: Error 1406 (22001): Data too long for column "title" at row 7`:        `refused by the database: Error … (22001): Data too long for column … at row …`,
		``: ``,
	} {
		if got := kindOf(reason); got != want {
			t.Errorf("%s\nis %s\nwant %s", reason, got, want)
		}
	}
}
