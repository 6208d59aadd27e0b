package sources

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestSelect(t *testing.T) {
	all := []string{
		"1.0.0", "1.2.0", "1.2.3+b1", "1.2.3+b2", "1.2.3+b10", "v1.4.0", "1.3.0-rc.1", "2.0.0-rc.2", "2.0.0-rc.10", "0.9.9",
		"latest", "1.2",
	}
	tests := []struct {
		name   string
		tags   []string // all when nil
		choice VersionConstraint
		want   string // the tag, "" for no match
		says   []string
	}{
		{name: "an empty constraint takes the newest release", want: "v1.4.0"},
		{name: "a star takes the newest release", choice: VersionConstraint{Constraint: "*"}, want: "v1.4.0"},
		{
			name: "a range with spaces around it is understood", choice: VersionConstraint{Constraint: " ^1.2.0 "},
			want: "v1.4.0",
		},
		{name: "the newest in range wins", choice: VersionConstraint{Constraint: ">=1.0.0 <1.2.3"}, want: "1.2.0"},
		{
			name:   "a range that names a pre-release takes pre-releases in numeric order",
			choice: VersionConstraint{Constraint: ">=2.0.0-0"}, want: "2.0.0-rc.10",
		},
		{
			name: "pre-releases can be asked for", choice: VersionConstraint{Constraint: "*", IncludePrerelease: true},
			want: "2.0.0-rc.10",
		},
		{
			name: "a pin of a version finds the tag with a leading v", choice: VersionConstraint{Constraint: "1.4.0"},
			want: "v1.4.0",
		},
		{
			name: "a pin with a leading v finds a tag without one", choice: VersionConstraint{Constraint: "v1.2.0"},
			want: "1.2.0",
		},
		{name: "a pin may be a pre-release", choice: VersionConstraint{Constraint: "2.0.0-rc.2"}, want: "2.0.0-rc.2"},
		{name: "a pin with a build takes that build", choice: VersionConstraint{Constraint: "1.2.3+b1"}, want: "1.2.3+b1"},
		{
			name: "a pin without a build takes the newest build", choice: VersionConstraint{Constraint: "1.2.3"},
			tags: []string{"1.2.3+b1", "1.2.3+b10"}, want: "1.2.3+b10",
		},
		{
			name: "a pin with a v takes a build with a v", choice: VersionConstraint{Constraint: "v1.1.0"},
			tags: []string{"v1.1.0+b.2", "v1.2.0"}, want: "v1.1.0+b.2",
		},
		{
			name: "a pin without a build prefers none", choice: VersionConstraint{Constraint: "v1.2.3"},
			tags: []string{"1.2.3+b1", "1.2.3"}, want: "1.2.3",
		},
		{
			name: "a pin prefers its very text", choice: VersionConstraint{Constraint: "v1.2.3"},
			tags: []string{"1.2.3", "v1.2.3"}, want: "v1.2.3",
		},
		{
			name: "a pin with a build takes no other", choice: VersionConstraint{Constraint: "1.2.3+b7"},
			tags: []string{"9.0.0", "8.0.0", "7.0.0", "6.0.0", "5.0.0", "1.2.9", "1.2.3+b1", "1.2.3-rc.1"},
			says: []string{
				`of 8 published, 1.2.3+b1, 1.2.3-rc.1, 1.2.9, 9.0.0, 8.0.0 (each: is not 1.2.3+b7)`,
			},
		},
		{
			name:   "a pin that is filtered out gives way to a build",
			choice: VersionConstraint{Constraint: "1.2.3", Filter: regexp.MustCompile(`\+b`)},
			tags:   []string{"1.2.3+b1", "1.2.3"}, want: "1.2.3+b1",
		},
		{
			name: "builds are ordered by their identifiers", choice: VersionConstraint{Constraint: "~1.2"},
			tags: []string{"1.2.3+9", "1.2.3+10", "1.2.3"}, want: "1.2.3+10",
		},
		{
			name: "no build is older than any", choice: VersionConstraint{Constraint: "~1.2"},
			tags: []string{"1.2.3", "1.2.3+0"}, want: "1.2.3+0",
		},
		{name: "two tags of one version are told apart by their text", tags: []string{"v1.0.0", "1.0.0"}, want: "1.0.0"},
		{name: "an underscore is no plus", tags: []string{"1.9.0_1", "1.8.0"}, want: "1.8.0"},
		{name: "a number is no version", tags: []string{"1234567", "20240101", "0.1.0"}, want: "0.1.0"},
		{
			name: "the filter sees the tag", choice: VersionConstraint{Constraint: "*-0", Filter: regexp.MustCompile(`-rc\.2$`)},
			want: "2.0.0-rc.2",
		},
		{
			name: "without a match the five newest are explained", choice: VersionConstraint{Constraint: ">=3.0.0"},
			says: []string{
				`">=3.0.0"`, "10 published",
				`2.0.0-rc.10, 2.0.0-rc.2, v1.4.0, 1.3.0-rc.1, 1.2.3+b2 (each: is less than "3.0.0")`,
			},
		},
		{
			name: "a pre-release that is in range says so", choice: VersionConstraint{Constraint: "^2"},
			says: []string{"2.1.0-rc.1 (is a pre-release)"}, tags: []string{"2.0.0-rc.2", "2.1.0-rc.1"},
		},
		{
			name: "without versions that is said", tags: []string{"latest"}, choice: VersionConstraint{Constraint: "1.x"},
			says: []string{`"1.x"`, "no version is published at all"},
		},
		{
			name: "a filter without a match is named", choice: VersionConstraint{Filter: regexp.MustCompile("^x")},
			says: []string{`the filter "^x"`, "does not match the filter"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tags := test.tags
			if tags == nil {
				tags = all
			}
			versions, _ := ParseVersions(tags)
			got, err := Select(versions, test.choice)
			if test.want != "" {
				if err != nil || got.Tag != test.want {
					t.Fatalf("got %q, %v; want %q", got.Tag, err, test.want)
				}
				return
			}
			wantFailure(t, err, v1beta1.NoMatchReason, true)
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the message does not say %q: %s", text, err)
				}
			}
		})
	}
}

func TestSelectOfAChart(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	index := []Version{}
	for i, text := range []string{"1.9.0+b", "1.9.0+a", "1.8", "01.9.0", "1.8.3", "v1.7.0", "2"} {
		v, ok := ParseEntry(text)
		if !ok {
			t.Fatalf("%q is no version of a chart", text)
		}
		v.Created = day.AddDate(0, 0, i)
		index = append(index, v)
	}
	registry := ParseChartTags([]string{"1.0.0_b1", "1.0.0_b2", "1.8", "latest", "1.8.3"})
	tests := []struct {
		name      string
		published []Version
		choice    VersionConstraint
		want      string // the tag, "" for no match
		says      string
	}{
		{name: "of two builds the one created last is newest", published: index, want: "1.9.0+a"},
		{
			name: "a pin takes the build created last", published: index, choice: VersionConstraint{Constraint: "v1.9.0"},
			want: "1.9.0+a",
		},
		{
			name: "a text that is published is no range", published: index, choice: VersionConstraint{Constraint: "1.8"},
			want: "1.8",
		},
		{name: "leading zeros are a text", published: index, choice: VersionConstraint{Constraint: "01.9.0"}, want: "01.9.0"},
		{
			name: "a text that is not published is a range", published: index, choice: VersionConstraint{Constraint: "1.7"},
			want: "v1.7.0",
		},
		{
			name: "a range takes no text", published: index, choice: VersionConstraint{Constraint: ">=1.9.1"},
			says: `1.9.0+a, 1.9.0+b, 1.8.3, v1.7.0 (each: is less than "1.9.1")`,
		},
		{
			name: "a text near a pin is shown", published: index, choice: VersionConstraint{Constraint: "1.8.0"},
			says: "of 5 published, 1.8 (is no strict semver); 1.8.3, 1.9.0+a, 1.9.0+b, v1.7.0 (each: is not 1.8.0)",
		},
		{
			name: "an underscore in a tag is a plus", published: registry, choice: VersionConstraint{Constraint: "1.0.0+b1"},
			want: "1.0.0_b1",
		},
		{
			name: "a pin takes a tag with a build", published: registry, choice: VersionConstraint{Constraint: "1.0.0"},
			want: "1.0.0_b2",
		},
		{
			name: "a tag that is a text is found", published: registry, choice: VersionConstraint{Constraint: "latest"},
			want: "latest",
		},
		{
			name: "no tag but texts", published: ParseChartTags([]string{"main", "dev"}),
			choice: VersionConstraint{Constraint: "1.x"}, says: "of 2 published, none is strict semver",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Select(test.published, test.choice)
			if test.want != "" {
				if err != nil || got.Tag != test.want {
					t.Fatalf("got %q, %v; want %q", got.Tag, err, test.want)
				}
				return
			}
			wantFailure(t, err, v1beta1.NoMatchReason, true)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the message does not say %q: %s", test.says, err)
			}
		})
	}
}

func wantFailure(t *testing.T, err error, reason string, retryable bool) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an Error", err)
	}
	if e.Reason() != reason || e.Retryable() != retryable {
		t.Fatalf("got reason %s, retryable %v: %v; want %s, %v", e.Reason(), e.Retryable(), err, reason, retryable)
	}
}

func TestSelectRefusesWhatIsNoRange(t *testing.T) {
	for _, constraint := range []string{"latest", ">=", "1.2.3.4.5", strings.Repeat(">1 ", 400), "sha256:abc"} {
		_, err := Select(nil, VersionConstraint{Constraint: constraint})
		wantFailure(t, err, v1beta1.InvalidReferenceReason, false)
		if !strings.HasSuffix(err.Error(), `is neither a version nor a range; "*" selects the newest`) {
			t.Errorf("the message does not say what to do: %s", err)
		}
	}
}

func TestSelectLooksAtTheCluster(t *testing.T) {
	versions, _ := ParseVersions([]string{"3.0.0", "2.0.0", "1.0.0"})
	versions[0].KubeVersion = ">=1.40.0-0"
	versions[1].KubeVersion = "nonsense"
	versions[2].KubeVersion = ">=1.20.0-0"

	got, err := Select(versions, VersionConstraint{KubeVersion: "v1.33.4-eks-1-33"})
	if err != nil || got.Tag != "1.0.0" {
		t.Fatalf("got %q, %v", got.Tag, err)
	}
	got, err = Select(versions, VersionConstraint{})
	if err != nil || got.Tag != "3.0.0" {
		t.Fatalf("without a cluster version got %q, %v", got.Tag, err)
	}
	_, err = Select(versions, VersionConstraint{KubeVersion: "v1.19.0"})
	wantFailure(t, err, v1beta1.NoMatchReason, true)
	if !strings.Contains(err.Error(), `is for Kubernetes ">=1.40.0-0", the cluster has v1.19.0`) {
		t.Errorf("the message does not explain the cluster: %s", err)
	}
}

func TestSelectAsksSkipLastAndTellsWhy(t *testing.T) {
	versions, _ := ParseVersions([]string{"9.0.0", "8.0.0", "7.0.0", "6.0.0", "5.0.0", "1.1.0", "1.0.0"})
	var asked []string
	_, err := Select(versions, VersionConstraint{Constraint: "1.x", Skip: func(v Version) (string, bool) {
		asked = append(asked, v.Tag)
		return "it is known to be bad", true
	}})
	wantFailure(t, err, v1beta1.NoMatchReason, true)
	if diff := cmp.Diff([]string{"1.1.0", "1.0.0"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if !strings.Contains(err.Error(), "1.1.0, 1.0.0 (each: it is known to be bad)") {
		t.Errorf("the newest version in range is not explained: %s", err)
	}
}

func TestSelectDoesNotDependOnTheOrder(t *testing.T) {
	tags := []string{"1.0.0", "1.0.0+a", "1.0.0+b", "v1.0.0+b", "1.0.0+10", "1.0.0+9", "0.1.0", "2.0.0-x"}
	for range 50 {
		rand.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		versions := make([]Version, 0, len(tags))
		for _, tag := range tags {
			v, _ := ParseVersion(tag)
			versions = append(versions, v)
		}
		got, err := Select(append(versions, Version{Tag: "empty"}), VersionConstraint{})
		if err != nil || got.Tag != "1.0.0+b" {
			t.Fatalf("got %q, %v from %v", got.Tag, err, tags)
		}
	}
}

func TestParseVersionsCountsWhatItSkips(t *testing.T) {
	versions, skipped := ParseTags([]string{"1.0.0", "latest", "v2.0.0", "01.0.0", "", "vv1.0.0", "1.0.0_b.1"})
	var got []string
	for _, v := range versions {
		got = append(got, v.String())
	}
	if diff := cmp.Diff([]string{"2.0.0", "1.0.0+b.1", "1.0.0"}, got); diff != "" || skipped != 4 {
		t.Errorf("skipped %d (-want +got):\n%s", skipped, diff)
	}
}

func FuzzSelect(f *testing.F) {
	for _, seed := range []string{
		"", "*", "^1", "1.2.3", "v1.2.3+b1", ">=1.0.0-0 <2.0.0-0", "|| ||", "1.x - 2", "~>1.0.0.0",
	} {
		f.Add("1.0.0 v1.2.3+b1 2.0.0-rc.1 1.0.0_9 "+seed, seed, "v1.30.1")
	}
	f.Fuzz(func(t *testing.T, tags, constraint, kube string) {
		versions, skipped := ParseVersions(strings.Fields(tags))
		if len(versions)+skipped != len(strings.Fields(tags)) {
			t.Fatalf("%d versions and %d skipped of %q", len(versions), skipped, tags)
		}
		for i := range versions {
			versions[i].KubeVersion = constraint
		}
		got, err := Select(versions, VersionConstraint{Constraint: constraint, KubeVersion: kube})
		if (err == nil) == (got.Version == nil) {
			t.Fatalf("got %+v and %v", got, err)
		}
		if err != nil && Reason(err) == "" {
			t.Fatalf("an error without a reason: %v", err)
		}
	})
}
