package catalog

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A choice takes the build that was created last, and never goes back to an older version.
func TestAChoiceIsSteady(t *testing.T) {
	t.Parallel()
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	made := func(version string, created time.Time) resolved {
		return resolved{
			Revision: v1beta1.ChartRevision{Name: "web", Version: version, Digest: "sha256:" + version}, Created: created,
		}
	}
	for name, tt := range map[string]struct {
		before, found resolved
		want          string
	}{
		"a newer version":             {made("1.0.0", at(1)), made("1.1.0", at(2)), "1.1.0"},
		"an older version":            {made("1.1.0", at(1)), made("1.0.0", at(2)), "1.1.0"},
		"a build that is made later":  {made("1.0.0+b", at(1)), made("1.0.0+a", at(2)), "1.0.0+a"},
		"a build that is made before": {made("1.0.0+a", at(2)), made("1.0.0+b", at(1)), "1.0.0+a"},
		"builds of unknown age":       {made("1.0.0+b", time.Time{}), made("1.0.0+a", time.Time{}), "1.0.0+b"},
		"a text after a version":      {made("1.0.0", at(1)), made("1.8", at(1)), "1.8"},
	} {
		if got := tt.found.preventDowngrade(tt.before).Revision.Version; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
