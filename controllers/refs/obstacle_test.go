package refs

import "testing"

func TestListedIsBrief(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"it has none":                     nil,
		"it has a":                        {"a"},
		"it has a, b, c, d, e":            {"a", "b", "c", "d", "e"},
		"it has a, b, c, d, e and 2 more": {"a", "b", "c", "d", "e", "f", "g"},
	}
	for want, keys := range tests {
		data := map[string][]byte{}
		for _, key := range keys {
			data[key] = nil
		}
		if got := Listed(data); got != want {
			t.Errorf("%v: %q, want %q", keys, got, want)
		}
	}
}
