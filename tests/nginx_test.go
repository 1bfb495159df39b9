package tests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"jpmovies/internal/database/databasetest"
)

// nginx runs a real nginx with its defaults: one location, a plain proxy_pass, and the test's
// additions. It skips the test if nginx is not installed. It returns the address and a
// function that reads nginx's error log.
func nginx(t *testing.T, location, target string) (address string, log func() string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no nginx: CI must test behind a real one")
		}
		t.Skip("no nginx, so nothing is tested behind one")
	}
	dir, port := t.TempDir(), freePort(t)
	// The nginx workers may run as another user. They write responses here that do not fit
	// into memory.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log info; worker_processes 1; user root;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server { listen 127.0.0.1:%[2]s; location %[3]s { proxy_pass http://%[4]s/; } }
}
`, dir, port, location, target)
	if os.Geteuid() != 0 {
		config = strings.Replace(config, " user root;", "", 1)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	errorLog := filepath.Join(dir, "error.log")
	log = func() string { text, _ := os.ReadFile(errorLog); return string(text) }
	command := exec.Command(program, "-p", dir, "-c", file, "-e", errorLog)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // SIGTERM was sent
		if t.Failed() {
			t.Logf("nginx says:\n%s", log())
		}
	})
	address = "127.0.0.1:" + port
	waitFor(t, "nginx to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return address, log
}

// largeSite returns a site with that many movies of some 10 KB each, and more settings for its
// API.
func largeSite(t *testing.T, movies int, settings ...string) (s *site, api string) {
	t.Helper()
	s = newSite(t, databasetest.SQLite(t), newFolder(t))
	s.env = append(s.env, settings...)
	s.put(t, "films.ndjson", []byte(largeFilms(movies)))
	s.drain(t)
	return s, s.serve(t)
}

func largeFilms(movies int) string {
	var cast, all strings.Builder
	for i := range 200 {
		fmt.Fprintf(&cast, `"Actor %d %s",`, i, strings.Repeat("x", 30))
	}
	for i := range movies {
		fmt.Fprintf(&all, `{"title": "Film %d", "year": 2000, "cast": [%s"Zoë"], "genres": ["Drama"]}`+"\n", i, cast.String())
	}
	return all.String()
}

// TestNginxBasePath: below a path that nginx strips, every link works.
func TestNginxBasePath(t *testing.T) {
	_, api := largeSite(t, 30, "MOVIES_API_BASE_PATH=/films")
	address, _ := nginx(t, "/films/", strings.TrimPrefix(api, "http://"))
	front := "http://" + address
	var first struct {
		Movies string `json:"movies_url"`
	}
	if err := json.Unmarshal(get(t, front+"/films/"), &first); err != nil {
		t.Fatal(err)
	}
	if all := walk(t, front, first.Movies+"?limit=7"); len(all) != 30 {
		t.Errorf("%d movies by next_url, want 30", len(all))
	}
	response, err := http.Get(front + first.Movies)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	next, _, _ := strings.Cut(strings.TrimPrefix(response.Header.Get("Link"), "<"), ">")
	get(t, front+next)
	for path, member := range map[string]string{"/films/movies/1": "self_url", "/films/changes?limit=1": "next_url", "/films/genres": "movies_url", "/films/years": "movies_url"} {
		_, link, found := strings.Cut(string(get(t, front+path)), `"`+member+`": "`)
		if link, _, _ = strings.Cut(link, `"`); !found || !strings.HasPrefix(link, "/films/") {
			t.Errorf("%s: %s is %q", path, member, link)
			continue
		}
		get(t, front+link)
	}
	var described struct{ Servers []struct{ URL string } }
	if err := json.Unmarshal(get(t, front+"/films/openapi.json"), &described); err != nil || described.Servers[0].URL != "/films" {
		t.Errorf("OpenAPI's servers are %+v, %v", described.Servers, err)
	}
}

// TestNginxCutExport: nginx speaks HTTP/1.0 to the API. If an export breaks off because the
// database goes away, the client must see an error, for NDJSON and for CSV.
func TestNginxCutExport(t *testing.T) {
	const movies = 1500
	s := newSite(t, server(t), newFolder(t))
	s.put(t, "films.ndjson", []byte(largeFilms(movies)))
	s.drain(t)
	front := newProxy(t, net.JoinHostPort(s.database.Host, strconv.Itoa(s.database.Port)))
	host, port, _ := net.SplitHostPort(front.Addr().String())
	s.env = append(s.env, "MOVIES_DB_HOST="+host, "MOVIES_DB_PORT="+port)
	api := strings.TrimPrefix(s.serve(t), "http://")
	behind, log := nginx(t, "/", api)
	for address, version := range map[string]string{api: "1.0", behind: "1.1"} {
		for _, format := range []string{"ndjson", "csv"} {
			for _, cut := range []bool{false, true} {
				front.set(fault{})
				if front.drop(); cut {
					front.set(fault{after: 4 << 20})
				}
				lines, err := countLines(t, address, "/export?format="+format, version)
				if whole := err == nil; whole == cut || whole && lines < movies {
					t.Errorf("HTTP/%s, %s, cut %t: %d of %d movies, %v", version, format, cut, lines, movies, err)
				}
			}
		}
	}
	if !strings.Contains(log(), "while reading upstream") {
		t.Error("nginx has noticed nothing")
	}
}

// countLines counts the lines of a response.
func countLines(t *testing.T, address, path, version string) (lines int, err error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: x\r\n\r\n", path, version); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("no answer: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	return strings.Count(string(body), "\n"), err
}

// TestNginxStream: events pass nginx's buffers at once.
func TestNginxStream(t *testing.T) {
	s, api := largeSite(t, 1)
	s.start(t, "worker")
	address, _ := nginx(t, "/", strings.TrimPrefix(api, "http://"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/changes?since=0&lastEventId=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	next := func() string {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	if line := next(); line != ": 1\n" {
		t.Errorf("the stream begins with %q", line)
	}
	s.put(t, "new.json", []byte(`{"title": "New", "year": 2026}`))
	began := time.Now()
	for next() != "id: 2\n" {
	}
	if took := time.Since(began); took > 14*time.Second { // a heartbeat would flush it by then
		t.Errorf("it took %s", took)
	}
}

// TestNginxHeaders: the API's response headers fit into nginx's buffers for every request, and
// nginx accepts the links in them.
func TestNginxHeaders(t *testing.T) {
	const maxLink = 3 << 10 // bytes of the longest next URL, escaped, that the header Link repeats
	// The next URL of a page with the nine ASCII names and fits is as long as maxLink. With
	// beyond it is longer by a byte.
	var ascii, accents []string
	for i := range 9 {
		ascii = append(ascii, fmt.Sprint(i)+strings.Repeat("x", 284))
	}
	for i := range 5 {
		accents = append(accents, fmt.Sprint(i)+strings.Repeat("ë", 124))
	}
	const rest = len("/movies?" + "&limit=10&start=21")
	fits := strings.Repeat("y", maxLink-rest-len("cast=&")*9-len("cast=")-9*285)
	beyond := fits + "y"
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	var films strings.Builder
	for i := range 30 {
		cast, err := json.Marshal(slices.Concat(ascii, accents, []string{fits, beyond}))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&films, `{"title": "Film %d", "year": 2000, "cast": %s}`+"\n", i, cast)
	}
	s.put(t, "films.ndjson", []byte(films.String()))
	s.drain(t)
	api := s.serve(t)
	address, _ := nginx(t, "/", strings.TrimPrefix(api, "http://"))
	queries := map[string]string{
		"the longest link":          casts(append(slices.Clone(ascii), fits), url.QueryEscape),
		"a link too long by a byte": casts(append(slices.Clone(ascii), beyond), url.QueryEscape),
		"64 words":                  "q=" + strings.Repeat("film+", 63) + "film&",
	}
	for n := range 11 {
		repeated := slices.Repeat(accents, 2)[:n]
		queries[fmt.Sprintf("%d ASCII names", n)] = casts(ascii[:min(n, 9)], url.QueryEscape)
		queries[fmt.Sprintf("%d escaped names", n)] = casts(repeated, url.QueryEscape)
		queries[fmt.Sprintf("%d plain names", n)] = casts(repeated, asItIs)
	}
	longest, omitted := 0, 0
	for name, query := range queries {
		path := "/movies?" + query + "limit=10"
		if len(path) > 7<<10 {
			continue // nginx itself accepts no more
		}
		for _, byHeader := range []bool{true, false} {
			seen := 0
			for next := path; next != "" && seen <= 30; {
				movies, following, header := listed(t, "http://"+address+next)
				seen += movies
				if next = following; next == "" {
					break
				}
				link, _, _ := strings.Cut(strings.TrimPrefix(header, "<"), ">")
				switch escaped := escapedLength(next); {
				case escaped > maxLink && header == "":
					omitted++
				case len(link) != escaped || escaped > maxLink:
					t.Errorf("%s: a header Link to %d bytes for a next URL of %d", name, len(link), escaped)
				default:
					longest = max(longest, len(link))
					if byHeader {
						next = link
					}
				}
			}
			if seen != 30 {
				t.Errorf("%s, by header %t: %d movies on all pages, want 30", name, byHeader, seen)
			}
		}
	}
	if longest != maxLink || omitted == 0 {
		t.Errorf("the longest header Link is to %d bytes, and %d were omitted; want %d, and at least one", longest, omitted, maxLink)
	}
	cookies := make(http.Header)
	for i := range 15 {
		cookies.Add("Cookie", strconv.Itoa(i)+"="+strings.Repeat("x", 4000))
	}
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: strings.TrimPrefix(api, "http://"), Path: "/movies"}, Header: cookies}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("60 KB of cookies: %s", response.Status)
	}
}

// casts returns a query string that asks for names in the cast, with an ampersand at its end.
func casts(names []string, write func(string) string) string {
	var query strings.Builder
	for _, name := range names {
		query.WriteString("cast=" + write(name) + "&")
	}
	return query.String()
}

func asItIs(text string) string { return text }

// listed returns the number of movies on a page, its next_url, and its header Link.
func listed(t *testing.T, address string) (movies int, next, link string) {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var page struct {
		Movies []json.RawMessage `json:"movies"`
		Next   string            `json:"next_url"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%.100s of %d bytes: %s %v", address, len(address), response.Status, err)
	}
	return len(page.Movies), page.Next, response.Header.Get("Link")
}

// escapedLength returns the length of a URL after its bytes beyond ASCII are percent-encoded.
func escapedLength(link string) (n int) {
	for i := range len(link) {
		if n++; link[i] >= 0x80 {
			n += 2
		}
	}
	return n
}
