package view

import (
	"cmp"
	"slices"
	"strings"
)

// Similar returns the candidates that a user who wrote name may have meant, the closest first, at most limit.
func Similar(name string, candidates []string, limit int) []string {
	type scored struct {
		name  string
		score int
	}
	allowed := max(1, len(name)/3)
	var near []scored
	for _, candidate := range candidates {
		score := distance(strings.ToLower(name), strings.ToLower(candidate))
		if min(len(name), len(candidate)) > 2 && (strings.Contains(candidate, name) || strings.Contains(name, candidate)) {
			score = min(score, allowed)
		}
		if score <= allowed {
			near = append(near, scored{candidate, score})
		}
	}

	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.name, b.name))
	})
	names := make([]string, 0, limit)
	for _, n := range near[:min(len(near), limit)] {
		names = append(names, n.name)
	}

	return names
}

// distance counts the letters to insert, remove, replace or swap with a neighbour to make a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}

	for j := range rows[0] {
		rows[0][j] = j
	}

	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}

			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}

	return rows[len(a)][len(b)]
}
