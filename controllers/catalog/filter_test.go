package catalog

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// Filters and pre-releases decide which version of a chart is chosen, from an index and from a registry.
func TestVersionsOfAPipeline(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	registry, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1", "2.0.0-staging.2"} {
		archive := archiveOf(t, version)
		if err := server.Add(archive); err != nil {
			t.Fatal(err)
		}
		if _, err := registry.PushChart(t.Context(), "charts", archive); err != nil {
			t.Fatal(err)
		}
	}
	index := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	images := repository(func(r *v1beta1.HelmRepository) {
		r.Spec.URL, r.Spec.Type = "oci://"+registry.Host()+"/charts", v1beta1.HelmRepositoryTypeOCI
		r.Spec.Insecure = true
	})
	filtered := func(include, exclude string) v1beta1.PipelineSubject {
		return v1beta1.PipelineSubject{
			Prereleases: include != "", Filter: &v1beta1.VersionFilter{Include: include, Exclude: exclude},
		}
	}
	tests := []struct {
		name    string
		subject v1beta1.PipelineSubject
		want    string
		reason  string
	}{
		{"the newest release", v1beta1.PipelineSubject{}, "1.2.0", ""},
		{"with pre-releases", v1beta1.PipelineSubject{Prereleases: true}, "2.0.0-staging.2", ""},
		{"of one channel", filtered(`-rc\.\d+$`, ""), "2.0.0-rc.1", ""},
		{"without some", filtered("", `^1\.[12]\.`), "1.0.0", ""},
		{"in a range", v1beta1.PipelineSubject{Version: "<1.2.0"}, "1.1.0", ""},
		{"nothing is left", filtered("", "."), "", v1beta1.NoMatchReason},
		{"no regular expression", filtered("(", ""), "", v1beta1.InvalidReferenceReason},
	}
	for _, tt := range tests {
		for _, source := range []*v1beta1.HelmRepository{index, images} {
			t.Run(tt.name+" "+source.Spec.Type, func(t *testing.T) {
				t.Parallel()
				p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps"}}
				p.Spec.Subject = tt.subject
				p.Spec.Subject.Chart = "web"
				p.Spec.Subject.SourceRef.Kind, p.Spec.Subject.SourceRef.Name = v1beta1.HelmRepositoryKind, "charts"
				choice := ChoiceOfPipeline(p)
				c := newCatalog(t, source)
				c.Poll(t.Context(), source, []ChartRef{choice})
				got, err := c.Chart(t.Context(), choice)
				if got.Version != tt.want || sources.Reason(err) != tt.reason {
					t.Errorf("got %s, %v, want %s%s", got.Version, err, tt.want, tt.reason)
				}
			})
		}
	}
}

func TestOutOfRange(t *testing.T) {
	t.Parallel()
	ranged := func(change ...func(*v1beta1.OCIRepositoryRef)) *v1beta1.OCIRepository {
		r := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
		r.Spec.Reference = &v1beta1.OCIRepositoryRef{SemVer: "^1"}
		for _, c := range change {
			c(r.Spec.Reference)
		}
		return r
	}
	oci := ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"}
	web := func(version string, f filter) ChartRef {
		choice := anyWeb
		choice.Version, choice.filter = version, f
		return choice
	}
	tests := []struct {
		name    string
		choice  ChartRef
		source  *v1beta1.OCIRepository
		version string
		want    bool
	}{
		{"in the range", web("^1", filter{}), nil, "1.2.0", false},
		{"out of the range", web("^1", filter{}), nil, "2.0.0", true},
		{"a pre-release", web("*", filter{}), nil, "2.0.0-rc.1", true},
		{"a pre-release that is allowed", web("*", filter{Prereleases: true}), nil, "2.0.0-rc.1", false},
		{"excluded", web("*", filter{Exclude: "^2"}), nil, "2.0.0", true},
		{"in the range of an OCIRepository", oci, ranged(), "1.2.0", false},
		{"out of the range of an OCIRepository", oci, ranged(), "2.0.0", true},
		{"out of the filter of an OCIRepository",
			oci, ranged(func(r *v1beta1.OCIRepositoryRef) { r.SemverFilter = "^1.1" }), "1.2.0", true},
		{"an OCIRepository with a tag",
			oci, ranged(func(r *v1beta1.OCIRepositoryRef) { r.SemVer = "" }), "2.0.0", false},
		{"an OCIRepository that is gone", oci, nil, "2.0.0", false},
		{"a directory",
			ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: "web", Chart: "web"}, nil, "2.0.0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCatalog(t)
			if tt.source != nil {
				c = newCatalog(t, tt.source)
			}
			if err := c.OutOfRange(t.Context(), tt.choice, tt.version); (err != nil) != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An address that may hold credentials is not written into an object.
func TestOriginsWithoutCredentials(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"charts/web-1.0.0.tgz":                                        "charts/web-1.0.0.tgz",
		"https://files.example.com/web-1.0.0.tgz":                     "https://files.example.com/web-1.0.0.tgz",
		"https://files.example.com/web.tgz?token=abc":                 "",
		"https://me:secret@files.example.com/web.tgz":                 "",
		"https://files.example.com/" + strings.Repeat("x", maxOrigin): "",
	} {
		source := repository()
		c := newCatalog(t, source)
		c.shelves[charts] = shelved(resolved{Revision: revision, URL: address})
		if got := c.Origin(t.Context(), anyWeb, revision); got != want {
			t.Errorf("the origin of %s is %s", address, got)
		}
	}
	if commitOf("main@sha1:short") != "" || commitOf("sha1:"+strings.Repeat("a", 40)) == "" {
		t.Error("commits are not read")
	}
}
