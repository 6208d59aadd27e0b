package sources

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestIsDowngrade(t *testing.T) {
	t.Parallel()
	published := func(version string, day int) Published {
		p := Published{ChartRevision: v1beta1.ChartRevision{Name: "web", Version: version, Digest: "sha256:" + version}}
		if day > 0 {
			p.Created = time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
		}
		return p
	}
	for _, tt := range []struct {
		name          string
		before, found Published
		want          bool
	}{
		{name: "a newer version", before: published("1.0.0", 1), found: published("1.1.0", 2)},
		{name: "an older version", before: published("1.1.0", 1), found: published("1.0.0", 2), want: true},
		{name: "the same version", before: published("1.1.0", 1), found: published("1.1.0", 1)},
		{name: "a build that was created later", before: published("1.0.0+b", 1), found: published("1.0.0+a", 2)},
		{
			name: "a build that was created before", before: published("1.0.0+a", 2), found: published("1.0.0+b", 1), want: true,
		},
		{name: "a text after a version", before: published("1.0.0", 1), found: published("stable", 1)},
		{name: "a version after a text", before: published("stable", 1), found: published("1.0.0", 1)},
		{name: "nothing before", before: Published{}, found: published("1.0.0", 1)},
		{
			name:   "a version without a digest before",
			before: Published{ChartRevision: v1beta1.ChartRevision{Version: "2.0.0"}}, found: published("1.0.0", 1),
		},
	} {
		if got := IsDowngrade(tt.before, tt.found); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestRepublishedWarning(t *testing.T) {
	t.Parallel()
	chart := func(name, version, digest string) v1beta1.ChartRevision {
		return v1beta1.ChartRevision{Name: name, Version: version, Digest: digest}
	}
	for _, tt := range []struct {
		name          string
		before, found v1beta1.ChartRevision
		want          bool
	}{
		{name: "other content", before: chart("web", "1.0.0", "a"), found: chart("web", "1.0.0", "b"), want: true},
		{name: "the same content", before: chart("web", "1.0.0", "a"), found: chart("web", "1.0.0", "a")},
		{name: "another version", before: chart("web", "1.0.0", "a"), found: chart("web", "1.0.1", "b")},
		{name: "another chart", before: chart("web", "1.0.0", "a"), found: chart("api", "1.0.0", "b")},
		{name: "nothing before", before: v1beta1.ChartRevision{}, found: chart("web", "1.0.0", "b")},
		{name: "no answer now", before: chart("web", "1.0.0", "a"), found: chart("web", "1.0.0", "")},
	} {
		got := RepublishedWarning(tt.before, tt.found)
		if (got != "") != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
		if tt.want && (!strings.Contains(got, "web 1.0.0") || !strings.Contains(got, "a before, b now")) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestSatisfiesReference(t *testing.T) {
	t.Parallel()
	chart := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:a"}
	for _, tt := range []struct {
		name string
		ref  *v1beta1.OCIRepositoryRef
		want bool
	}{
		{name: "the latest", want: true},
		{name: "a range that has it", ref: &v1beta1.OCIRepositoryRef{SemVer: "1.x"}, want: true},
		{name: "a range that does not have it", ref: &v1beta1.OCIRepositoryRef{SemVer: "2.x"}},
		{name: "its version", ref: &v1beta1.OCIRepositoryRef{Tag: "1.0.0"}, want: true},
		{name: "another version", ref: &v1beta1.OCIRepositoryRef{Tag: "v1.1.0"}},
		{name: "a tag that moves", ref: &v1beta1.OCIRepositoryRef{Tag: "stable"}, want: true},
		{name: "a digest", ref: &v1beta1.OCIRepositoryRef{SemVer: "*", Digest: "sha256:a"}},
	} {
		if got := SatisfiesReference(tt.ref, chart); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
