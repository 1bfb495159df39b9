package movie

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// TestStamps stores stamps and reads them back.
func TestStamps(t *testing.T) {
	stamp := rapid.Custom(func(t *rapid.T) Stamp {
		if rapid.Bool().Draw(t, "few") {
			return rapid.SampledFrom([]Stamp{{}, {Time: minTime, Key: "k", Position: 1}, {Time: Time{Sec: -1}}, {Time: Time{Nsec: 999_999_999}}, {Key: "\x00"}, {Position: 1}}).Draw(t, "stamp")
		}
		at := Time{rapid.Int64().Draw(t, "time"), rapid.Int32Range(0, 999_999_999).Draw(t, "nanoseconds")}
		return Stamp{at, rapid.String().Draw(t, "key"), rapid.Int64().Draw(t, "position")}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Record{Deleted: stamp.Draw(t, "deleted"), Updated: stamp.Draw(t, "updated")}
		want.Cast.Stamp, want.Genres.Stamp = stamp.Draw(t, "cast"), stamp.Draw(t, "genres")
		stored := want.AppendStamps([]byte("x"))[1:]
		got := Record{Deleted: Stamp{Key: "before"}}
		if err := got.SetStamps(stored); err != nil {
			t.Fatal(err)
		}
		if !got.SameStamps(want) {
			t.Fatalf("%v became %v", want, got)
		}
		for n := range stored {
			if got.SetStamps(stored[:n]) == nil {
				t.Fatalf("%d bytes of %x were taken", n, stored)
			}
		}
		if got.SetStamps(append(stored, 0)) == nil {
			t.Fatalf("%x and more was taken", stored)
		}
	})
}

// FuzzSetStamps reads damaged stamps.
func FuzzSetStamps(f *testing.F) {
	s := Stamp{Time: Time{Sec: 1}, Key: "key", Position: 2}
	for _, r := range []Record{{}, {Updated: s}, {Deleted: s, Updated: Stamp{Time: maxTime}, Cast: Names{Stamp: s}}} {
		f.Add(r.AppendStamps(nil))
	}
	f.Add([]byte("\x02\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		var r, again Record
		if r.SetStamps(stored) != nil {
			return
		}
		if err := again.SetStamps(r.AppendStamps(nil)); err != nil || !again.SameStamps(r) {
			t.Fatalf("%x is %v, then %v, %v", stored, r, again, err)
		}
	})
}

// TestFieldsRoundTrip stores movies as JSON and reads them back.
func TestFieldsRoundTrip(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		`"`, `\`, `\u0041`, "\x00", "\x1f\x7f", "\n\r\t", "</script>", "\u2028\u2029", "\ufeff", "\ufffd", "\U0010ffff", "é", "e\u0301", "[],{}:",
		strings.Repeat("x", 1024),
	}))
	rapid.Check(t, func(t *rapid.T) {
		want := Movie{
			Identity: Identity{text.Draw(t, "title"), rapid.IntRange(1, 9999).Draw(t, "year")},
			Cast:     rapid.SliceOfN(text, 0, 4).Draw(t, "cast"),
			Genres:   rapid.SliceOfN(text, 0, 4).Draw(t, "genres"),
		}
		fields := want.AppendFields(nil)
		got, err := ParseFields(fields)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, want, got)

		// Other programs read the row as JSON, too.
		var row struct {
			ID      int64    `json:"id"`
			Title   string   `json:"title"`
			Cast    []string `json:"cast"`
			SelfURL string   `json:"self_url"`
		}
		if err := json.Unmarshal(Row{ID: 10, Fields: fields}.AppendJSON(nil, ""), &row); err != nil {
			t.Fatal(err)
		}
		if row.ID != 10 || row.SelfURL != "/movies/10" || row.Title != want.Title {
			t.Fatalf("%v became %v", want, row)
		}
		mustEqual(t, want.Cast, row.Cast)
	})
}

// TestNoNames stores lists that were never set as empty ones.
func TestNoNames(t *testing.T) {
	const want = `{"id": 3, "title": "A", "year": 1, "cast": [], "genres": [], "self_url": "/movies/3"}`
	fields := Movie{Identity: Identity{"A", 1}}.AppendFields(nil)
	if got := string(Row{ID: 3, Fields: fields}.AppendJSON(nil, "")); got != want {
		t.Errorf("got %s", got)
	}
	for _, damaged := range []string{`"title"`, `"title": 3`, `"title": "A"}{`, `"title": "A", "title": "B"`} {
		if m, err := ParseFields([]byte(damaged)); err == nil {
			t.Errorf("%s was taken for %v", damaged, m)
		}
	}
}

// TestClean: cleaning clean text changes nothing.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \u2003\t": "", "\u00a0A\u3000": "A", "e\u0301": "é", "A B": "A B", "\u2000A\u2001": "A", "\u212b": "Å",
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	// Letters, spaces and long runs of marks, which normalisation reorders.
	letters := rapid.StringOf(rapid.SampledFrom([]rune("aé\u0301\u0323\u0315\u1100\u1161\u11a8\uac00\u2000\u2003\u0344 \u0f71\u0f72\U0001d165")))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), letters).Draw(t, "text")
		once := Clean(text)
		if Clean(once) != once || !norm.NFC.IsNormalString(once) || strings.TrimSpace(once) != once {
			t.Fatalf("%q is cleaned to %q, then to %q", text, once, Clean(once))
		}
	})
}
