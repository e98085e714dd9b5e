// Package nearest guesses what was meant by a mistyped name.
package nearest

import "strings"

// To returns that of some names which is likely meant by one that is not among
// them, case aside: one letter off in a short word, two in others. It returns ""
// if there is none.
func To(name string, names []string) string {
	best, distance := "", 2
	if len(name) > 2 {
		distance = 3
	}
	for _, n := range names {
		if d := edits(strings.ToLower(name), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// edits is how many bytes have to be changed, added or taken away to make b of a
// (Levenshtein).
func edits(a, b string) int {
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
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
