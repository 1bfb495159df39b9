package bucket_test

import (
	"errors"
	"strings"
	"testing"

	"jpmovies/internal/bucket"
)

func TestOtherSpelling(t *testing.T) {
	for _, test := range []struct{ prefix, key, want string }{
		{"/inbox/", "inbox/a", "inbox/"},
		{"/inbox", "inbox/a", "inbox/"},
		{"inbox/", "/inbox/a", "/inbox/"},
		{"./inbox/", "inbox/a", "inbox/"},
		{"inbox//", "inbox/a", "inbox/"},
		{"inbox/*", "inbox/a", "inbox/"},
		{" inbox/ ", "inbox/a", "inbox/"},
		{"in\\box", "in/box/a", "in/box/"},
		{"a//b/", "a/b/c", "a/b/"},
		{"inbox/", "inbox-2026", "inbox"},
		{"Inbox/", "inbox/a", "inbox/"},
		{"inbox/", "Inbox/a", "Inbox/"},
		{"inbox/", "inbox/a", ""},
		{"inbox", "inbox/a", ""},
		{"", "a", ""},
		{"/", "a", ""},
		{"inbox/", "outbox/a", ""},
	} {
		got, err := bucket.OtherSpelling(test.prefix, func(p string) (bool, error) { return strings.HasPrefix(test.key, p), nil })
		if err != nil || got != test.want {
			t.Errorf("%q with %q: %q, %v, want %q", test.prefix, test.key, got, err, test.want)
		}
	}
	fault := errors.New("fault")
	if _, err := bucket.OtherSpelling("a/", func(string) (bool, error) { return false, fault }); !errors.Is(err, fault) {
		t.Errorf("error %v", err)
	}
}
