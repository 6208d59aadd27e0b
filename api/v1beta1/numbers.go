package v1beta1

import "math"

// Number is a count or a revision number as the status keeps it. What does not fit is the nearest number that does.
func Number(n int) int32 {
	return int32(max(math.MinInt32, min(n, math.MaxInt32)))
}
