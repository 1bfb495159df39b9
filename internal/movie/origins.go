package movie

// Origins says of a stored movie, visible or deleted, which update set each of its parts.
type Origins struct {
	ID      int64    `json:"id"`
	Title   string   `json:"title"`
	Year    int      `json:"year"`
	Visible bool     `json:"visible"`
	Parts   []Origin `json:"parts"`
}

// Origin is the update that set a part of a movie.
type Origin struct {
	// Part is deleted (the tombstone), updated (the newest update), cast or genres.
	Part string `json:"part"`
	Source
	// Position of the update in its object, from 1.
	Position int64 `json:"position"`
}

// Origins returns the stamps of the parts that are set, the newest update first.
func (r Record) Origins() []Origin {
	all := []Origin{}
	for _, p := range []struct {
		name  string
		stamp Stamp
	}{{"updated", r.Updated}, {"deleted", r.Deleted}, {"cast", r.Cast.Stamp}, {"genres", r.Genres.Stamp}} {
		if !p.stamp.IsZero() {
			all = append(all, Origin{p.name, Source{p.stamp.Key, p.stamp.Time.Time()}, p.stamp.Position})
		}
	}
	return all
}
