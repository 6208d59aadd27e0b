package catalog

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestFollows(t *testing.T) {
	t.Parallel()
	registry := ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"}
	helmChart := ChartRef{Kind: v1beta1.HelmChartKind, Namespace: "apps", Name: "web"}
	oci := func(ref *v1beta1.OCIRepositoryRef) client.Object {
		r := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
		r.Spec.Reference = ref
		return r
	}
	fromGit := func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind }
	newer := v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: digest2}
	git := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts"}}
	chartFromGit := chartObject("web", "web", "")
	chartFromGit.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	for _, tt := range []struct {
		name   string
		source client.Object
		choice ChartRef
		want   bool
	}{
		{"a range that it is in", repository(), ChoiceOfRelease(release("a", "web", "1.x")), true},
		{"any version", repository(), ChoiceOfRelease(release("a", "web", "")), true},
		{"a range that it is not in any more", repository(), ChoiceOfRelease(release("a", "web", ">=1.1.0")), false},
		{"its exact version, whose content changed", repository(), ChoiceOfRelease(release("a", "web", "1.0.0")), true},
		{"another exact version", repository(), ChoiceOfRelease(release("a", "web", "1.1.0")), false},
		{"a directory in Git", git, ChoiceOfRelease(release("a", "web", "", fromGit)), false},
		{"a HelmChart with a range", chartObject("web", "web", "1.x"), helmChart, true},
		{"a HelmChart of another version", chartObject("web", "web", "1.1.0"), helmChart, false},
		{"a HelmChart of a directory in Git", chartFromGit, helmChart, false},
		{"an OCIRepository with a range", oci(&v1beta1.OCIRepositoryRef{SemVer: "*"}), registry, true},
		{"an OCIRepository with another range", oci(&v1beta1.OCIRepositoryRef{SemVer: "2.x"}),
			registry, false},
		{"the tag of its version", oci(&v1beta1.OCIRepositoryRef{Tag: "1.0.0"}), registry, true},
		{"the tag of another version", oci(&v1beta1.OCIRepositoryRef{Tag: "v1.1.0"}),
			registry, false},
		{"a tag that moves", oci(&v1beta1.OCIRepositoryRef{Tag: "stable"}), registry, true},
		{"the latest", oci(nil), registry, true},
		{"a digest", oci(&v1beta1.OCIRepositoryRef{SemVer: "*", Digest: digest2}), registry, false},
		{"a source that is gone", git, ChoiceOfRelease(release("a", "web", "1.x")), false},
	} {
		sources := []client.Object{tt.source}
		if tt.choice == helmChart {
			sources = append(sources, repository())
		}
		if got := newCatalog(t, sources...).Follows(t.Context(), tt.choice, revision, newer); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	valued := ChoiceOfRelease(release("a", "web", "1.x", func(hr *v1beta1.HelmRelease) {
		hr.Spec.Chart.Spec.ValuesFiles = []string{"values-prod.yaml"}
	}))
	same := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest2}
	c := newCatalog(t, repository())
	if c.Follows(t.Context(), valued, revision, same) || !c.Follows(t.Context(), valued, revision, newer) {
		t.Error("other content of a version with values files can be a change of these; another version is none")
	}
}
