package movie

// Beginnings tells which words a title may have: two bits for each word's first one,
// two and three bytes, which other beginnings share. A title has no word with a
// prefix if a bit of the prefix is missing (a Bloom filter: of real titles without a
// prefix of two letters one in a hundred passes). The bits are stored with the
// titles' links, so they must stay what they are.
type Beginnings int64

// AnyBeginnings are those of a title that is not known.
const AnyBeginnings Beginnings = 1<<63 - 1

// BeginningsOf are the bits of these words, as Words gives them.
func BeginningsOf(words []string) Beginnings {
	const prime = 16777619 // FNV-1a's
	var all Beginnings
	for _, word := range words {
		hash := uint32(2166136261)
		for i := range min(len(word), 3) {
			hash = (hash ^ uint32(word[i])) * prime
			all |= 1<<(hash%63) | 1<<(hash>>16%63)
		}
	}
	return all
}

// Contain tells whether a title with b may have the words of wanted.
func (b Beginnings) Contain(wanted Beginnings) bool { return b&wanted == wanted }
