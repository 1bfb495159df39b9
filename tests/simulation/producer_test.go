package simulation

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// item is one update of an object as its producer knows it. The ledger compares committed
// updates with it, so decode is checked too.
type item struct {
	update  movie.Update // without its stamp
	invalid bool
	text    string
	// open says that its end cannot be found, so only a line feed ends it.
	open bool
}

// refused reports whether the database refuses the update.
func (i item) refused() bool { return i.update.Title == refusedTitle }

// bulkKey is the key of the only object with more updates than a part holds. With two such
// objects, parts that are ready at the same instant would race.
const bulkKey = "bulk"

// written is a text as producers write it, and as decode must read it.
type written struct{ raw, clean string }

var titles = []struct {
	written
	year int
}{
	{written{"The Lion King", "The Lion King"}, 1994},
	{written{"The Lion King", "The Lion King"}, 2019},
	{written{refusedTitle, refusedTitle}, 2000},
	{written{" Ame\u0301lie\u00a0", "Am\u00e9lie"}, 2001},
	{written{"007", "007"}, 1},
	{written{"\u65e5\u672c \"q\" \\", "\u65e5\u672c \"q\" \\"}, 9999},
}

var names = []written{{"Ann", "Ann"}, {" Bob\t", "Bob"}, {"Zoe\u0301", "Zo\u00e9"}, {"Zo\u00e9", "Zo\u00e9"}, {" ", ""}, {"ann", "ann"}}

// invalids are updates that are rejected alone, in lines and in arrays.
var invalids = []string{
	`{"title": "The Lion King"}`, `{"title": "The Lion King", "year": "1994"}`, `{"title": " ", "year": 1994}`,
	`{"title": "The Lion King", "year": 1994, "cast": {}}`, `{"year": 1994, "year": 1995, "title": "The Lion King"}`, `{}`,
}

// unsound updates are no JSON: on a line they are rejected alone, in an array with its rest.
var unsound = []string{`{"title": "The Lion King", "year": 1994`, `{"title": "The Lion King, "year": 1994}`, `{nothing`}

type producer struct {
	*simulation
	number, written int
	random          *rand.Rand
	untold          []announced // not yet in a message
	events          []string    // of untold
}

// produce starts the producers.
func (s *simulation) produce() *sync.WaitGroup {
	var all sync.WaitGroup
	for n := range s.plan.producers {
		p := &producer{simulation: s, number: n, random: s.draw("producer", n)}
		all.Go(p.run)
	}
	return &all
}

func (p *producer) run() {
	for range p.plan.actions {
		p.wait(slot{actor: actorProducers + p.number}, between(p.random, 0, p.plan.maxPause))
		key := pick(p.random, p.plan.keys...)
		body, items := p.object(key)
		for !p.put(key, body, items) {
			p.wait(slot{actor: actorProducers + p.number}, time.Second/4)
		}
	}
}

// put writes an object. It returns false, and writes nothing, if the object would have the time
// of an earlier generation.
func (p *producer) put(key string, body []byte, items []item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = pick(p.random, p.plan.years...)
	last := p.ledger.last[key]
	if !p.plan.ties && p.ledger.has(key, movie.At(p.memory.Now())) {
		return false
	}
	if last != nil && p.plan.twins && p.random.IntN(3) == 0 {
		body, items = last.body, last.items
	}
	o := p.memory.Put(key, body)
	p.changed()
	number := p.ledger.put(o, body, items)
	p.announce(o, number)
	p.noteLocked(fmt.Sprint("p", p.number), fmt.Sprintf("puts %s: generation %d, %d items, %d bytes", key, number, len(items), len(body)))
	return true
}

// prepareBucket writes the objects that no worker may read or delete.
func (s *simulation) prepareBucket() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Put("folder/", nil)
	s.memory.Put("x/"+bucket.ProbePrefix+"left", []byte("probe"))
	s.changed()
}

// object draws a body and its items.
func (p *producer) object(key string) ([]byte, []item) {
	var text string
	var items []item
	switch p.random.IntN(12) {
	case 0:
		text = pick(p.random, "", " \n", "\ufeff")
		items = []item{{invalid: true}}
		if text == "" && strings.HasSuffix(key, "/") {
			items = nil // a folder marker
		}
	case 1:
		text = "[]"
	case 2, 3, 4:
		text, items = p.array(p.items(key, false))
	case 5:
		return []byte("\x1f\x8b no gzip"), []item{{invalid: true}}
	default:
		text, items = p.lines(p.items(key, true))
	}
	if p.random.IntN(8) == 0 && text != "" {
		return squeeze(text), items
	}
	return []byte(text), items
}

func squeeze(text string) []byte {
	var to bytes.Buffer
	w := gzip.NewWriter(&to)
	_, _ = w.Write([]byte(text)) // cannot fail: writes into memory
	_ = w.Close()
	return to.Bytes()
}

func (p *producer) items(key string, open bool) []item {
	n := 1 + p.random.IntN(1+p.random.IntN(8))
	if p.plan.ties {
		n = min(n, 2)
	}
	if key == bulkKey && p.random.IntN(3) > 0 {
		n = 50 + p.random.IntN(150)
	}
	bad := pick(p.random, 0, 0, 10, 30)
	items := make([]item, n)
	for i := range items {
		switch {
		case p.random.IntN(100) >= bad:
			items[i] = p.valid()
		case open && p.random.IntN(2) == 0:
			items[i] = item{invalid: true, open: true, text: pick(p.random, unsound...)}
		default:
			items[i] = item{invalid: true, text: pick(p.random, invalids...)}
		}
	}
	return items
}

// lines joins updates as a sequence.
func (p *producer) lines(items []item) (string, []item) {
	var text strings.Builder
	for i, item := range items {
		text.WriteString(item.text)
		if item.open || i == len(items)-1 || p.random.IntN(4) > 0 {
			text.WriteByte('\n')
		} else {
			text.WriteByte(' ')
		}
	}
	return text.String(), items
}

// array joins updates as an array, which may be broken.
func (p *producer) array(items []item) (string, []item) {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.text
	}
	if p.random.IntN(4) > 0 {
		return "[" + strings.Join(texts, ",\n") + "]", items
	}
	at := p.random.IntN(len(items))
	texts[at] = pick(p.random, "7 7", "{nothing", "]]")
	kept := append(slices.Clone(items[:at]), item{invalid: true})
	if texts[at] == "7 7" {
		kept = append(kept, item{invalid: true}) // the first seven, and the rest
	}
	return "[" + strings.Join(texts, ",\n") + "]", kept
}

// valid draws a valid update.
func (p *producer) valid() item {
	title := titles[p.random.IntN(p.plan.titles)]
	p.written++
	u := movie.Update{Identity: movie.Identity{Title: title.clean, Year: title.year}}
	// The number makes the bytes differ where the updates do not.
	fields := []string{fmt.Sprintf(`"title": %s, "year": %d, "n": "%d-%d"`, quoted(title.raw), title.year, p.number, p.written)}
	for _, list := range []struct {
		name string
		to   *[]string
	}{{"cast", &u.Cast}, {"genres", &u.Genres}} {
		raw := ""
		raw, *list.to = p.names()
		if raw != "" {
			fields = append(fields, fmt.Sprintf("%q: %s", list.name, raw))
		}
	}
	switch n := p.random.IntN(8); {
	case n == 0, p.plan.ties && n < 3:
		u.Deleted = true
		fields = append(fields, `"deleted": true`)
	case n == 7:
		fields = append(fields, `"deleted": null`)
	}
	return item{update: u, text: "{" + strings.Join(fields, ", ") + "}"}
}

// names draws a list as JSON, and as decode must read it.
func (p *producer) names() (string, []string) {
	switch p.random.IntN(5) {
	case 0:
		return "", nil
	case 1:
		return "null", nil
	}
	raws, cleans := []string{}, []string{}
	for range p.random.IntN(4) {
		name := names[p.random.IntN(len(names))]
		raws = append(raws, quoted(name.raw))
		if name.clean != "" && !slices.Contains(cleans, name.clean) {
			cleans = append(cleans, name.clean)
		}
	}
	return "[" + strings.Join(raws, ", ") + "]", cleans
}

func quoted(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}
