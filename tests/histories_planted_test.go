package tests

// planted are mistakes that TestHistories must notice: the text old of a file becomes the text
// new.
var planted = []struct{ name, file, old, new string }{
	{"deleted before the commit", "worker/commit.go",
		"\t\t\t\terr := p.commit(b)\n",
		"\t\t\t\tcommitted <- b.objects\n\t\t\t\terr := p.commit(b)\n"},
	{"deleted though the commit failed", "worker/commit.go", "b.end(p, err == nil)", "b.end(p, err == nil || len(b.objects) > 0)"},
	{"the older of two updates wins", "movie/merge.go", "b.Stamp.Compare(a.Stamp) < 0", "b.Stamp.Compare(a.Stamp) > 0"},
	{"the age of answers forgotten", "api/watcher.go", "now.Sub(w.shows)\n", "0\n"},
	{"the age of a replica that has caught up since", "api/watcher.go", "now.Sub(w.shows)\n", "max(now.Sub(w.seen), w.lag.age())\n"},
	{"the index labelled with the next revision", "index/mirror.go", "b.Commit(mark.Revision)", "b.Commit(mark.Revision + 1)"},
	{"the index misses the last of several changes", "index/mirror.go", "return b.apply(changes...)", "return b.apply(changes[:(len(changes)+1)/2]...)"},
	{"a genre that goes stays in the index", "index/builder.go", "func(genre uint32) { b.genres.remove(genre, n) }", "func(uint32) {}"},
	{"a tombstone leaves the words", "index/builder.go", "b.words.remove(word, n)", "_ = word"},
	{"the feed skips a change between two steps", "api/changes.go",
		"since = all[len(all)-1].Revision\n", "since = all[len(all)-1].Revision + 1\n"},
	{"the index read outside of a snapshot", "database/dialect.go",
		"snapshot:  sql.LevelRepeatableRead", "snapshot:  sql.LevelReadCommitted"},
}
