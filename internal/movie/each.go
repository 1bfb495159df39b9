package movie

import "slices"

// EachChange calls goes for the elements that only before has, and comes for those that only
// after has, each in their order.
func EachChange[T comparable](before, after []T, goes, comes func(T)) {
	eachOnlyIn(before, after, goes)
	eachOnlyIn(after, before, comes)
}

// mostCompared is how many comparisons are faster than to make a map.
const mostCompared = 1024

func eachOnlyIn[T comparable](list, other []T, do func(T)) {
	has := func(v T) bool { return slices.Contains(other, v) }
	if len(list)*len(other) > mostCompared {
		set := make(map[T]struct{}, len(other))
		for _, v := range other {
			set[v] = struct{}{}
		}
		has = func(v T) bool { _, found := set[v]; return found }
	}
	for _, v := range list {
		if !has(v) {
			do(v)
		}
	}
}
