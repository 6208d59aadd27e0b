package promotion

import "testing"

// chart is the identity of a chart without shared values.
func chart(digest string) Identity { return Identity{Chart: digest} }

// String names an identity in the logs of tests, and as a key.
func (id Identity) String() string {
	if id.Values == "" {
		return id.Chart
	}
	return id.Chart + "+" + id.Values
}

// What a release has counts for a candidate by its chart and its shared values, and for one without values by its
// chart.
func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want, has Identity
		covers    bool
	}{
		{Identity{"a", "v"}, Identity{"a", "v"}, true},
		{Identity{"a", "v"}, Identity{"a", "w"}, false},
		{Identity{"a", "v"}, Identity{"b", "v"}, false},
		{Identity{"a", "v"}, Identity{"a", ""}, false},
		{Identity{"a", ""}, Identity{"a", "v"}, true},
		{Identity{"a", ""}, Identity{"b", "v"}, false},
	} {
		if got := tt.want.covers(tt.has); got != tt.covers {
			t.Errorf("%s covers %s: %t", tt.want, tt.has, got)
		}
		r := Release{Bad: map[Identity]string{tt.has: "bad"}}
		if _, bad := r.failed(tt.want); bad != tt.covers {
			t.Errorf("%s failed as %s: %t", tt.want, tt.has, bad)
		}
	}
}
