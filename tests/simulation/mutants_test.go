package simulation

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"jpmovies/tests/mutation"
)

// mutant is a mistake in the source: the text old of a file becomes the text new.
type mutant struct{ name, file, old, new string }

// mutants are mistakes that TestSeeds must notice. Mistakes without harm are not among them: if
// the worker takes ErrChanged for a successful delete, or ignores errors of single deletes, the
// object stays and the next pass reads it; a conditional delete of an object that GET did not
// find deletes nothing.
var mutants = []mutant{
	{"deleted before the commit", "worker/commit.go",
		"\t\t\t\terr := p.commit(b)\n",
		"\t\t\t\tcommitted <- b.objects\n\t\t\t\terr := p.commit(b)\n"},
	{"deleted though the commit failed", "worker/commit.go", "b.end(p, err == nil)", "b.end(p, err == nil || len(b.objects) > 0)"},
	{"the failed flag ignored", "worker/commit.go", "case object.failed.Load():", "case false:"},
	{"batches behind a failed one count as committed", "worker/commit.go",
		"\t\treturn errCatalogueAway\n\t}\n\tctx, span", "\t\treturn nil\n\t}\n\tctx, span"},
	{"deleted with the first of its batches", "worker/batch.go", "from.open.Add(1)", "from.open.CompareAndSwap(1, 2)"},
	{"a body that broke off counts as read", "worker/fetch.go",
		"next.last, next.ok = true, err == nil", "next.last, next.ok = true, true"},
	{"a body that broke off is taken for a whole one", "decode/reader.go",
		"if s.err == nil || s.err == io.EOF {", "if s.err == nil || s.err == io.EOF || s.read > 0 {"},
	{"the stamp of the LIST", "worker/fetch.go",
		"modified: object.LastModified", "modified: listed.LastModified"},
	{"the ETag of the LIST", "worker/fetch.go", "&objectInFlight{Ref: object.Ref,", "&objectInFlight{Ref: listed.Ref,"},
	{"an object that cannot be read is thrown away", "worker/fetch.go",
		"\t\tp.leave(listed.LastModified)\n\t\tp.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)\n",
		"\t\tp.leave(listed.LastModified)\n\t\tp.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)\n\t\t_ = p.worker.options.Store.Delete(p.hard, []bucket.Ref{listed.Ref})\n"},
	{"a delete without condition", "bucket/buckettest/memory.go",
		`if ref.ETag != "" && ref.ETag != s.ETag {`, `if ref.ETag != "" && s.ETag == "" {`},
	{"the delete repeated with the ETag of now", "worker/remove.go",
		"\t\t\tp.leave(object.modified)\n\t\t\tp.count(func(c *counts) { c.Overwritten++ })\n",
		"\t\t\tp.leave(object.modified)\n\t\t\tp.count(func(c *counts) { c.Overwritten++ })\n" +
			"\t\tif o, body, err := p.worker.options.Store.Get(p.hard, object.Key); err == nil {\n\t\t\t_ = body.Close()\n" +
			"\t\t\t_ = p.worker.options.Store.Delete(p.hard, []bucket.Ref{o.Ref})\n\t\t}\n"},
	{"a refused batch loses its rejections", "worker/commit.go",
		"errors.Join(p.apply(ctx, with(nil, b.Rejections), nil, objects), p.apply(ctx, with(b.Updates, nil), origins, objects))",
		"p.apply(ctx, with(b.Updates, nil), origins, objects)"},
	{"a refused batch loses half its updates", "worker/commit.go",
		"errors.Join(p.apply(ctx, with(b.Updates[:n/2], nil), origins[:n/2], objects), p.apply(ctx, with(b.Updates[n/2:], nil), origins[n/2:], objects))",
		"p.apply(ctx, with(b.Updates[n/2:], nil), origins[n/2:], objects)"},
	{"a refused update is dropped", "worker/commit.go",
		"return p.apply(ctx, with(nil, []movie.Rejection{b.Updates[0].Reject(origins[0].ETag, refusal.Error())}), nil, objects)",
		"return nil"},
	{"a message is deleted with the first of its objects", "worker/messages.go", "n.open.Add(-1) == 0", "n.open.Add(-1) >= 0"},
	{"a message is deleted though its object cannot be read", "worker/fetch.go",
		"\t\tp.leave(listed.LastModified)\n\t\tp.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)\n",
		"\t\tp.leave(listed.LastModified)\n\t\tp.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)\n\t\tp.settle(listed.messages)\n"},
	{"a message is deleted though its object cannot be deleted", "worker/remove.go",
		"\t\t\tp.fail(fmt.Errorf(\"delete %q", "\t\t\tp.settle(object.messages)\n\t\t\tp.fail(fmt.Errorf(\"delete %q"},
	{"a hint for an object in flight is dropped", "worker/receive.go", "r.postpone(o)", "r.pass.settle(o.messages)"},
	{"with a queue nobody lists", "worker/hints.go", "!s.down && untilList <= 0:", "!s.down && untilList <= -time.Hour:"},
	{"a shard that nobody has", "worker/shard.go", "== s.Index //nolint", "== s.Index+1 //nolint"},
	{"fresh rejections are pruned", "worker/housekeeping.go", "now.Add(-w.options.KeepRejections)", "now.Add(w.options.KeepRejections)"},

	{"a tombstone clears nothing", "movie/merge.go",
		"survives := func(s Stamp) bool { return s.Compare(later.Deleted) > 0 }", "survives := func(Stamp) bool { return true }"},
	{"a tombstone outdates nothing that comes later", "movie/merge.go",
		"arrives := func(s Stamp) bool { return s.Compare(earlier.Deleted) >= 0 }", "arrives := func(s Stamp) bool { return !s.IsZero() }"},
	{"at a tie the tombstone wins", "movie/merge.go", "s.Compare(earlier.Deleted) >= 0", "s.Compare(earlier.Deleted) > 0"},
	{"at a tie the tombstone loses", "movie/merge.go", "s.Compare(later.Deleted) > 0", "s.Compare(later.Deleted) >= 0"},
	{"at a tie the earlier list wins", "movie/merge.go", "b.Stamp.Compare(a.Stamp) < 0", "b.Stamp.Compare(a.Stamp) <= 0"},
	{"the list that comes last wins", "movie/merge.go", "b.Stamp.Compare(a.Stamp) < 0", "b.Stamp.IsZero()"},
	{"the stamp that comes last wins", "movie/merge.go", "names(Names{Stamp: earlier.Updated}, Names{Stamp: later.Updated}).Stamp", "later.Updated"},
	{"an older tombstone replaces a newer one", "movie/merge.go", "later.Deleted.Compare(merged.Deleted) > 0", "!later.Deleted.IsZero()"},
	{"of a batch only the last update counts", "movie/merge.go", "records[i] = Merge(records[i], u.Record())", "records[i] = u.Record()"},
	{"stamps are compared without the key", "movie/stamp.go", "strings.Compare(s.Key, other.Key)", "strings.Compare(s.Key, s.Key)"},
	{"stamps are compared without the position", "movie/stamp.go", "cmp.Compare(s.Position, other.Position)", "0"},

	{"a newer stamp with equal content is not stored", "catalogue/plan.go",
		"if after.SameStamps(r.record) && after.ShowsSame(r.record) {", "if after.ShowsSame(r.record) {"},
	{"a change event for every movie of a batch", "catalogue/plan.go", "if !s.after.ShowsSame(s.before) {", "if s.id > 0 {"},
	{"no change event for a tombstone", "catalogue/plan.go", "if !s.after.ShowsSame(s.before) {", "if !s.after.ShowsSame(s.before) && s.after.Visible() {"},
	{"the links of a tombstoned movie stay", "catalogue/links.go",
		"if before == after && (", "if !after || before == after && ("},
	{"links are never deleted", "catalogue/links.go", "func(name string) { l.deleted = append(l.deleted, Link{name, s.id}) },", "func(string) {},"},
	{"a revision is taken before it is known to be needed", "catalogue/write.go", "\tchanged := p.changed()\n",
		"\tchanged := p.changed()\n\tif _, err := tx.ExecContext(ctx, \"UPDATE catalogue SET revision = revision + ? WHERE id = 1\", len(p.steps)-len(changed)); err != nil {\n\t\treturn 0, err\n\t}\n"},
	{"rejections outside the transaction", "catalogue/write.go", "\trecords := movie.Collect(batch.Updates)\n",
		"\trecords := movie.Collect(batch.Updates)\n\tfirst := batch.Rejections\n" +
			"\t_ = c.db.Transact(ctx, func(tx *sql.Tx, _ int) error { return c.writeRejections(ctx, tx, first) })\n"},
	{"rejections are not written beside updates", "catalogue/write.go", "\tfor _, r := range rejections {\n",
		"\tfor i, r := range rejections {\n\t\tif i > 0 {\n\t\t\tbreak\n\t\t}\n"},
	{"the movie and its links in two transactions", "catalogue/write.go", "\tif err := c.writeLinks(ctx, tx, p); err != nil {\n",
		"\tfor _, statement := range []string{\"COMMIT\", \"BEGIN\"} {\n\t\tif _, err := tx.ExecContext(ctx, statement); err != nil {\n\t\t\treturn 0, err\n\t\t}\n\t}\n\tif err := c.writeLinks(ctx, tx, p); err != nil {\n"},
}

// variableMutants selects the mutants: all, or those whose name contains its value.
const variableMutants = "MUTANTS"

// TestMutants plays the seeds on each mutant in a process of its own. The first run has no
// mutant and must pass.
func TestMutants(t *testing.T) {
	wanted := os.Getenv(variableMutants)
	if wanted == "" {
		t.Skip("takes minutes: scripts/mutants")
	}
	if out, failed := runMutant(t, mutant{}); failed {
		t.Fatalf("without a mutant:\n%s", out)
	}
	for _, m := range mutants {
		if wanted != "all" && !strings.Contains(m.name, wanted) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			start := time.Now()
			out, failed := runMutant(t, m)
			caught := regexp.MustCompile(`seed (\d+):`).FindStringSubmatch(out)
			switch {
			case !failed:
				t.Errorf("the simulation does not notice: %s", m.name)
			case caught == nil:
				t.Errorf("no seed fails, but the test does:\n%.2000s", out)
			default:
				t.Logf("CAUGHT by seed %s in %s: %s", caught[1], time.Since(start).Round(time.Second), firstFailure(out))
			}
		})
	}
}

// TestMutantsFit fails if the source no longer contains the text of a mutant.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) { mutation.Overlay(t, m.file, m.old, m.new) })
	}
}

func firstFailure(out string) string {
	_, rest, _ := strings.Cut(out, "failures\n")
	line, _, _ := strings.Cut(rest, "\n")
	line = strings.TrimSpace(line)
	return line[:min(len(line), 140)]
}

// runMutant plays the seeds with one file replaced.
func runMutant(t *testing.T, m mutant) (out string, failed bool) {
	t.Helper()
	args := []string{"test", "-count=1", "-timeout=10m", "-run=^TestSeeds$"}
	if m.file != "" {
		args = append(args, "-overlay="+mutation.Overlay(t, m.file, m.old, m.new))
	}
	command := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	command.Env = append(os.Environ(), variableMutants+"=")
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), err != nil
}
