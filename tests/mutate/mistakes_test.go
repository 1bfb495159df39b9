package main

import (
	"strings"
	"testing"
)

// TestPlantFile: each mistake stands behind its number, and the lines stay where they are.
func TestPlantFile(t *testing.T) {
	const source = `package p

func f(a, b int, ok bool) (n int) {
	if ok && a < b+1 || g() != nil {
		n = 2 * a
		log.note(n)
	}
	switch {
	case !ok:
		return "a" + x
	}
	const c = 1 + 2
	return n
}
`
	const planted = `package p

func f(a, b int, ok bool) (n int) {
	if (mutationOn(1) != (ok)) && mutationLess(2, a , mutationAdd(4, b,1)) || (mutationOn(5) != (g() != nil)) {
		if !mutationOn(6) { n = mutationMul(7, 2 , a) }
		log.note(n)
	}
	switch {
	case (mutationOn(8) != (!ok)):
		return "a" + x
	}
	const c = 1 + 2
	return n
}
`
	got, mistakes, err := plantFile("p.go", []byte(source), 1, func(int, bool) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != planted {
		t.Errorf("planted:\n%s\nwant:\n%s", got, planted)
	}
	var said []string
	for i, m := range mistakes {
		if m.id != i+1 {
			t.Errorf("mistake %d has number %d", i+1, m.id)
		}
		said = append(said, m.String())
	}
	want := strings.Join([]string{
		"p.go:4: ok: turned round", "p.go:4: a < b+1: < moved by one", "p.go:4: a < b+1: < turned round", "p.go:4: b+1: + becomes -",
		"p.go:4: g() != nil: turned round", "p.go:5: n = 2 * a: left out", "p.go:5: 2 * a: * becomes /", "p.go:9: !ok: turned round",
	}, "\n")
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("mistakes:\n%s\nwant:\n%s", got, want)
	}
}
