package v1beta1

import "testing"

func TestSameVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"1.1.0", "1.1.0", true},
		{"v1.1.0", "1.1.0", true},
		{"1.1.0", "v1.1.0", true},
		{"1.1.0+b1", "v1.1.0+b1", true},
		{"1.1.0", "1.1.0+b1", false},
		{"1.1.0", "1.1.1", false},
		{"1.8", "1.8.0", false},
	} {
		if got := SameVersion(tt.a, tt.b); got != tt.want {
			t.Errorf("SameVersion(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}
