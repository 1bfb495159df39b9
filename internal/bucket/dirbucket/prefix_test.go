package dirbucket

import (
	"log/slog"
	"strings"
	"testing"
)

func TestCheckPrefix(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "inbox/a.json", "{}")
	for prefix, want := range map[string]string{"/inbox/": "other=inbox/", "Inbox/": "other=inbox/", "inbox/": "", "outbox/": "", "": ""} {
		var log strings.Builder
		b := open(t, dir, Options{Prefix: prefix, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err := b.CheckPrefix(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), want) || (log.Len() > 0) != (want != "") {
			t.Errorf("%q: %s", prefix, log.String())
		}
	}
}
