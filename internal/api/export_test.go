package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestExport checks the export of the samples, byte for byte.
func TestExport(t *testing.T) {
	const head = "id,title,year,cast,genres\n"
	const oneCSV = `1,The dawn,2020,"[""Chris Ruf"", ""Mark Zei""]","[""Politics""]"` + "\n"
	const fiveCSV = "5,a\u2028b\x01\té🎬,2020,\"[\"\"Mark Zei\"\"]\",\"[\"\"Drama\"\"]\"\n"
	csvType, ndjson := "text/csv; charset=utf-8", "application/x-ndjson"
	eachCatalogue(t, func(t *testing.T, url string) {
		for _, test := range []struct{ path, accept, contentType, body string }{
			{"/export", "", ndjson, five + "\n" + four + "\n" + two + "\n" + one + "\n"},
			{"/export", "*/*", ndjson, five + "\n" + four + "\n" + two + "\n" + one + "\n"},
			{"/export?genre=Politics&genre=Action", "", ndjson, four + "\n"},
			{"/export?year_from=1999&year_to=2019", "", ndjson, two + "\n"},
			{"/export?q=the+D", "", ndjson, one + "\n"},
			{"/export?title=Gone", "", ndjson, ""},
			{"/export?title=Gone", "text/csv", csvType, head},
			{"/export?year=2020", "text/csv", csvType, head + fiveCSV + oneCSV},
			{"/export?year=2020&format=csv", "application/x-ndjson", csvType, head + fiveCSV + oneCSV},
			{"/export?year=2020&format=spreadsheet", "application/x-ndjson", csvType, "\ufeff" + head + fiveCSV + oneCSV},
			{"/export?title=The+dawn&format=ndjson", "text/csv", ndjson, one + "\n"},
			{"/export?title=The+dawn", "text/csv;q=0.5, application/x-ndjson", ndjson, one + "\n"},
			{"/export?title=The+dawn", "text/csv;q=0.5, */*;q=0.1", csvType, head + oneCSV},
			{"/export?title=The+dawn", "text/csv;q=0", ndjson, one + "\n"},
		} {
			for _, encoding := range []string{"", "gzip"} {
				got := ask(t, http.MethodGet, url+test.path, "Accept", test.accept, "Accept-Encoding", encoding)
				name := test.path + " as " + test.accept + " " + encoding
				if body := string(decode(t, encoding, got.body)); got.status != http.StatusOK || body != test.body {
					t.Errorf("%s: %d\n%s, want\n%s", name, got.status, body, test.body)
				}
				checkHeader(t, name, got, "Content-Type", test.contentType)
				checkHeader(t, name, got, "Content-Encoding", encoding)
				checkHeader(t, name, got, "Cache-Control", "no-store")
				checkHeader(t, name, got, "Catalogue-Revision", "6")
				checkHeader(t, name, got, "Access-Control-Allow-Origin", "*")
				head := ask(t, http.MethodHead, url+test.path, "Accept", test.accept, "Accept-Encoding", encoding)
				got.header.Del("Content-Length") // net/http sets it on short responses
				if diff := cmp.Diff(got.header, head.header); diff != "" || head.status != http.StatusOK {
					t.Errorf("%s: HEAD says %d, GET -, HEAD +: %s", name, head.status, diff)
				}
			}
		}
	})
}

// TestSpreadsheet: the format for spreadsheets escapes a title that a spreadsheet would run as a
// formula. CSV keeps it unchanged.
func TestSpreadsheet(t *testing.T) {
	s := &shelf{t: t}
	dangerous := []string{"=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"}
	harmless := []string{"Se7en", "'71", "(500) Days", "Ocean's = 11", "é", "\u00a0=1"}
	for i, title := range append(dangerous, harmless...) {
		s.put(int64(i+1), &movie.Movie{Identity: movie.Identity{Title: title, Year: 2000}, Cast: []string{"=1"}})
	}
	a := start(t, s, logless)
	for format, apostrophe := range map[string]string{"csv": "", "spreadsheet": "'"} {
		got := record(t, a, http.MethodGet, "/export?format="+format)
		checkHeader(t, format, got, "Content-Disposition", `attachment; filename="movies-17.csv"`)
		text, marked := strings.CutPrefix(string(got.body), "\ufeff")
		if marked != (format == "spreadsheet") {
			t.Errorf("%s begins with %q", format, got.body[:10])
		}
		// A CSV reader turns \r\n into \n; no title here contains it.
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var want, titles []string
		for _, title := range dangerous {
			want = append(want, apostrophe+title)
		}
		want = append(want, harmless...)
		for _, r := range slices.Backward(records[1:]) {
			titles = append(titles, r[1])
			if r[3] != `["=1"]` {
				t.Errorf("%s: cast is %s", format, r[3])
			}
		}
		if diff := cmp.Diff(want, titles); diff != "" {
			t.Errorf("%s: want -, got +: %s", format, diff)
		}
	}
	if got := record(t, a, http.MethodGet, "/export"); got.header.Get("Content-Disposition") != "" {
		t.Errorf("NDJSON: %v", got.header)
	}
}

// meddled is a catalogue that calls meddle before the second part of an export.
type meddled struct {
	*catalogue.Catalogue
	meddle func() error
}

func (m meddled) Export(ctx context.Context, f movie.Filter, begin func(int64) error, each func([]movie.Row) error) error {
	n := 0
	return m.Catalogue.Export(ctx, f, begin, func(rows []movie.Row) error {
		if n++; n == 2 {
			if err := m.meddle(); err != nil {
				return err
			}
		}
		return each(rows)
	})
}

// many returns updates for n movies; generation distinguishes their contents.
func many(n, generation int) []movie.Update {
	var updates []movie.Update
	for i := range n {
		updates = append(updates, movie.Update{
			Identity: movie.Identity{Title: fmt.Sprint("Movie ", i), Year: 2000}, Cast: []string{fmt.Sprint("generation ", generation)},
			Deleted: generation > 1 && i%10 == 0, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(generation)}},
		})
	}
	return updates
}

// TestExportSnapshot: an export contains nothing that a worker commits while it runs.
func TestExportSnapshot(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		apply(t, db, many(2500, 1)...)
		generation := 1
		url := serve(t, meddled{db, func() error {
			generation++
			_, err := db.Apply(t.Context(), movie.Batch{Updates: many(2600, generation)})
			return err
		}}, logless)
		for range 2 {
			want := shownMovies(t, db)
			revision, err := db.Revision(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := ask(t, http.MethodGet, url+"/export")
			checkHeader(t, "/export", got, "Catalogue-Revision", strconv.FormatInt(revision, 10))
			if diff := cmp.Diff(want, exported(t, got.body)); diff != "" {
				t.Fatalf("catalogue before -, export +: %.2000s", diff)
			}
		}
		if generation != 3 {
			t.Errorf("nothing was committed meanwhile: generation %d", generation)
		}
	})
}

// shownMovies returns all movies of a database, by id.
func shownMovies(t *testing.T, db *catalogue.Catalogue) map[int64]shown {
	t.Helper()
	var rows []movie.Row
	err := db.Export(t.Context(), movie.Filter{}, func(int64) error { return nil }, func(some []movie.Row) error {
		rows = append(rows, slices.Clone(some)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[int64]shown{}
	for _, r := range rows {
		var m shown
		if err := json.Unmarshal(r.AppendJSON(nil, ""), &m); err != nil {
			t.Fatal(err)
		}
		all[m.ID] = m
	}
	return all
}

// exported parses an NDJSON export.
func exported(t *testing.T, body []byte) map[int64]shown {
	t.Helper()
	all := map[int64]shown{}
	for line := range bytes.Lines(body) {
		var m shown
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all[m.ID] = m
	}
	return all
}

// exportedCSV parses a CSV export.
func exportedCSV(t *testing.T, body []byte) map[int64]shown {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[int64]shown{}
	for _, r := range records[1:] {
		m := shown{Title: r[1], SelfURL: "/movies/" + r[0]}
		id, err1 := strconv.ParseInt(r[0], 10, 64)
		year, err2 := strconv.Atoi(r[2])
		m.ID, m.Year = id, year
		err := errors.Join(err1, err2, json.Unmarshal([]byte(r[3]), &m.Cast), json.Unmarshal([]byte(r[4]), &m.Genres))
		if err != nil {
			t.Fatalf("%v in %q", err, r)
		}
		all[id] = m
	}
	return all
}

var errBroken = errors.New("the database went away: 10.0.0.7")

// TestExportBreaksOff: a client can tell an aborted export from a complete one.
func TestExportBreaksOff(t *testing.T) {
	engine := databasetest.Open(t, databasetest.SQLite(t))
	db := catalogue.New(engine)
	apply(t, db, many(2500, 1)...)
	log := &logbook{}
	url := serve(t, meddled{db, func() error { return errBroken }}, log.handler())
	for _, path := range []string{"/export", "/export?format=csv"} {
		for _, encoding := range []string{"", "gzip"} {
			before := len(log.String())
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", encoding)
			var body []byte
			response, err := client.Do(r)
			if err == nil {
				body, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if err == nil {
				t.Errorf("%s %s: %d bytes look like the whole", path, encoding, len(body))
			}
			if bytes.Contains(body, []byte("10.0.0.7")) {
				t.Errorf("%s: the body tells strangers why", path)
			}
			if line := log.String()[before:]; !strings.Contains(line, errBroken.Error()) {
				t.Errorf("%s: log is %q", path, line)
			}
		}
	}
	// A failure before the first byte returns an uncompressed problem document.
	_ = engine.Close()
	got := ask(t, http.MethodGet, url+"/export", "Accept-Encoding", "gzip")
	checkAway(t, "/export", got)
	checkHeader(t, "/export", got, "Content-Encoding", "")
}

// TestStalledExport: a client that reads nothing, or almost nothing, does not hold a snapshot for
// long.
func TestStalledExport(t *testing.T) {
	for _, every := range []time.Duration{0, 5 * time.Second} {
		inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
			ended := make(chan time.Time, 1)
			for id := range int64(50_000) {
				s.put(id+1, &samples[0])
			}
			s.set(func() { s.exported = func() { ended <- time.Now() } })
			conn, err := network.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := io.WriteString(conn, "GET /export HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			reading := make(chan struct{})
			go func() {
				defer close(reading)
				for one := make([]byte, 1); every > 0; time.Sleep(every) {
					if _, err := conn.Read(one); err != nil {
						return
					}
				}
			}()
			if took := (<-ended).Sub(began); took > 25*time.Second {
				t.Errorf("with a byte each %s, it took %s to give up", every, took)
			}
			_ = conn.Close()
			<-reading
		})
	}
}

// TestSlowExport: the API cuts off a client that reads less than 16 KiB a second on average, even
// if it never pauses. A faster client gets the whole export, however long it takes.
func TestSlowExport(t *testing.T) {
	for rate, whole := range map[int]bool{1 << 10: false, 8 << 10: false, 20 << 10: true} {
		inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
			for id := range int64(40_000) { // about 4 MB
				s.put(id+1, &samples[0])
			}
			conn, err := network.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, "GET /export HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(slowly{conn, rate}), nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			n, err := io.Copy(io.Discard, response.Body)
			if (err == nil) != whole {
				t.Errorf("at %d bytes a second: %d bytes, %v", rate, n, err)
			}
			if took := time.Since(began); !whole && took > time.Minute {
				t.Errorf("at %d bytes a second it is cut off after %s", rate, took)
			}
		})
	}
}

// slowly limits reads to rate bytes a second.
type slowly struct {
	io.Reader
	rate int
}

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Second / 10)
	return s.Reader.Read(b[:min(len(b), s.rate/10)])
}

// TestExportsAtOnce: exports above the limit get 503 with Retry-After, and the API answers other
// requests meanwhile.
func TestExportsAtOnce(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
		for id := range int64(50_000) {
			s.put(id+1, &samples[0])
		}
		open := func() (status int, retry string, end func()) {
			conn, err := network.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "GET /export HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, response.Header.Get("Retry-After"), func() { _ = conn.Close() }
		}
		var ends []func()
		for i := range 40 {
			status, retry, end := open()
			ends = append(ends, end)
			if want := map[bool]int{true: 200, false: 503}[i < exports]; status != want || (status == 503) != (retry == "30") {
				t.Errorf("export %d: %d, Retry-After %q, want %d", i, status, retry, want)
			}
		}
		transport := &http.Transport{DialContext: network.dial}
		for _, path := range []string{"/movies", "/movies/1", "/genres", "/status"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			asked := time.Now()
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if took := time.Since(asked); response.StatusCode != http.StatusOK || took > time.Second {
				t.Errorf("%s beside them: %d after %s", path, response.StatusCode, took)
			}
		}
		transport.CloseIdleConnections()
		for _, end := range ends {
			end()
		}
		synctest.Wait()
		status, _, end := open()
		end()
		if status != http.StatusOK {
			t.Errorf("%d when the others have ended", status)
		}
	})
}

// TestAbandonedExports: exports that find nothing to send end some time after their clients have.
func TestAbandonedExports(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, end func()) {
		s.set(func() {
			s.read = func(ctx context.Context, method string) error {
				if method == "Export" {
					<-ctx.Done()
				}
				return ctx.Err()
			}
		})
		clients, leave := context.WithCancel(t.Context())
		defer leave()
		var asking sync.WaitGroup
		for range exports {
			asking.Go(func() {
				r := httptest.NewRequestWithContext(clients, http.MethodGet, "/export?q=nothing", nil)
				defer func() { _ = recover() }() // the client is gone
				a.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		synctest.Wait()
		for _, wait := range []time.Duration{10 * time.Minute, 10 * time.Second} {
			time.Sleep(wait)
			if got := record(t, a, http.MethodGet, "/export"); got.status != http.StatusServiceUnavailable {
				t.Errorf("one export more: %d", got.status)
			}
			leave()
		}
		left := time.Now()
		asking.Wait()
		if took := time.Since(left); took > time.Minute {
			t.Errorf("the exports end %s after their clients", took)
		}
		s.set(func() { s.read = nil })
		if got := record(t, a, http.MethodGet, "/export"); got.status != http.StatusOK {
			t.Errorf("%d when the clients are gone", got.status)
		}
		end()
	})
}

// TestExportMemory: an export of many movies needs no more memory than an export of few.
func TestExportMemory(t *testing.T) {
	s := &shelf{t: t}
	a, _ := startWith(t, api.Options{Catalogue: endless{s, 200_000}, Staleness: time.Second, CacheBytes: 1 << 20})
	before := liveMemory()
	var most uint64
	lines := 0
	reader, writer := io.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() {
		a.ServeHTTP(piped{httptest.NewRecorder(), writer}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/export", nil))
		_ = writer.Close()
	})
	for in := bufio.NewScanner(reader); in.Scan(); lines++ {
		if lines%50_000 == 0 {
			most = max(most, liveMemory())
		}
	}
	serving.Wait()
	if lines != 200_000 {
		t.Errorf("%d lines", lines)
	}
	if grown := int64(most) - int64(before); grown > 4<<20 {
		t.Errorf("it took %d bytes", grown)
	} else {
		t.Logf("it took %d bytes", grown)
	}
}

// endless exports n movies without storing them.
type endless struct {
	*shelf
	n int64
}

func (e endless) Export(_ context.Context, _ movie.Filter, begin func(int64) error, each func([]movie.Row) error) error {
	if err := begin(0); err != nil {
		return err
	}
	rows := make([]movie.Row, 1000)
	for id := e.n; id > 0; {
		for i := range rows {
			rows[i] = movie.Row{ID: id, Fields: samples[0].AppendFields(nil)}
			id--
		}
		if err := each(rows); err != nil {
			return err
		}
	}
	return nil
}

// piped is a ResponseRecorder that writes the body to a pipe.
type piped struct {
	*httptest.ResponseRecorder
	to io.Writer
}

func (p piped) Write(b []byte) (int, error) { return p.to.Write(b) }

// TestGzippedExport: a compressed export is complete.
func TestGzippedExport(t *testing.T) {
	s := &shelf{t: t}
	a, _ := startWith(t, api.Options{Catalogue: endless{s, 20_000}, Staleness: time.Second, CacheBytes: 1 << 20})
	got := record(t, a, http.MethodGet, "/export?format=csv", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(bytes.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if n := len(exportedCSV(t, plain)); err != nil || n != 20_000 {
		t.Errorf("%d movies, %v", n, err)
	}
}
