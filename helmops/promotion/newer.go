package promotion

// Newest is the newest of candidates; nil when there are none.
func Newest(candidates []Candidate) *Candidate {
	if len(candidates) == 0 {
		return nil
	}
	return &newestFirst(candidates)[0]
}

// Newer counts the candidates that are newer than one.
func Newer(candidates []Candidate, than Candidate) int {
	count := 0
	for _, c := range candidates {
		if c.ID != than.ID && c.compare(than) > 0 {
			count++
		}
	}
	return count
}
