// Package nearest finds the known name that a misspelt one was probably meant to be.
package nearest

// Name returns the known name that is nearest to a misspelt one; "" if none is near: more
// than two typing errors, or errors in more than half of the word, make another word.
func Name(misspelt string, known []string) (name string) {
	least := 3
	for _, k := range known {
		if d := distance(misspelt, k); d < least && 2*d <= len(k) {
			name, least = k, d
		}
	}
	return name
}

// distance is the Levenshtein distance between two words in bytes. It is only exact where a
// is not much longer than b: a client may send a name of any length.
func distance(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
