package simulation

import (
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// history holds all committed updates of a movie.
type history struct{ events []event }

type event struct {
	movie.Update
	order int
}

func (h *history) add(u movie.Update, order int) {
	for i, e := range h.events {
		if e.Stamp == u.Stamp && sameUpdate(e.Update, u) {
			h.events[i].order = order
			return
		}
	}
	h.events = append(h.events, event{u, order})
}

// view is a movie after all of its updates.
type view struct {
	visible                        bool
	cast, genres                   []string
	updated, deleted, casts, genre movie.Stamp
}

// view applies the updates from the oldest to the newest. Equal stamps come from overwriting
// within the resolution of LastModified; the later commit wins.
func (h *history) view() view {
	events := slices.Clone(h.events)
	slices.SortFunc(events, func(a, b event) int {
		if c := compareStamps(a.Stamp, b.Stamp); c != 0 {
			return c
		}
		return a.order - b.order
	})
	var v view
	for _, e := range events {
		if e.Deleted {
			v = view{deleted: e.Stamp}
			continue
		}
		v.visible, v.updated = true, e.Stamp
		if e.Cast != nil {
			v.cast, v.casts = e.Cast, e.Stamp
		}
		if e.Genres != nil {
			v.genres, v.genre = e.Genres, e.Stamp
		}
	}
	return v
}

func compareStamps(a, b movie.Stamp) int {
	switch {
	case a.Time.Time().Before(b.Time.Time()):
		return -1
	case b.Time.Time().Before(a.Time.Time()):
		return 1
	case a.Key != b.Key:
		return strings.Compare(a.Key, b.Key)
	}
	return int(a.Position - b.Position)
}

// equal reports whether readers see the same.
func (v view) equal(other view) bool {
	if !v.visible || !other.visible {
		return v.visible == other.visible
	}
	return slices.Equal(v.cast, other.cast) && slices.Equal(v.genres, other.genres)
}
