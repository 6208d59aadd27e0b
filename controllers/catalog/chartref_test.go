package catalog

import (
	"errors"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// release asks for a chart of the HelmRepository charts.
func release(name, chart, version string, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
	hr.Spec.Chart = &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
		Chart: chart, Version: version, SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
	}}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func chartObject(name, chart, version string) *v1beta1.HelmChart {
	hc := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
	hc.Spec.Chart, hc.Spec.Version = chart, version
	hc.Spec.SourceRef = v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}
	return hc
}

func TestChoice(t *testing.T) {
	fromGit := func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind }
	elsewhere := func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.SourceRef.Namespace = "infra" }
	byRef := func(namespace string) func(*v1beta1.HelmRelease) {
		return func(hr *v1beta1.HelmRelease) {
			hr.Spec.Chart = nil
			hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web", Namespace: namespace}
		}
	}
	signed := func(v v1beta1.Verification) func(*v1beta1.HelmRelease) {
		return func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Verify = &v }
	}
	tests := []struct {
		name string
		got  ChartRef
		want string
	}{
		{name: "a signed chart", want: `chart web "1" of HelmRepository apps/charts signed (helm) as Secret apps/team says`,
			got: ChoiceOfRelease(
				release("a", "web", "1",
					signed(v1beta1.Verification{
						Provider: v1beta1.VerifyHelm, SecretRef: &v1beta1.LocalObjectReference{Name: "team"},
					})))},
		{name: "a chart signed by identities",
			want: `chart web "1" of HelmRepository apps/charts signed (cosign) as Secret apps/root says, by "me" of "us" or "you" of "us"`,
			got: ChoiceOfRelease(
				release("a", "web", "1",
					signed(v1beta1.Verification{TrustedRootSecretRef: &v1beta1.LocalObjectReference{Name: "root"},
						MatchOIDCIdentity: []v1beta1.OIDCIdentityMatch{{Issuer: "us", Subject: "me"}, {Issuer: "us", Subject: "you"}}})))},
		{name: "a chart signed by nobody knows whom", want: `chart web "1" of HelmRepository apps/charts signed (cosign)`,
			got: ChoiceOfRelease(release("a", "web", "1", signed(v1beta1.Verification{})))},
		{
			name: "a chart of a repository", got: ChoiceOfRelease(release("a", "web", "1.x")),
			want: `chart web "1.x" of HelmRepository apps/charts`,
		},
		{
			name: "no version is any version", got: ChoiceOfRelease(release("a", "web", "")),
			want: `chart web "*" of HelmRepository apps/charts`,
		},
		{
			name: "a source in another namespace", got: ChoiceOfRelease(release("a", "web", "1", elsewhere)),
			want: `chart web "1" of HelmRepository infra/charts`,
		},
		{
			name: "a version means nothing in Git", got: ChoiceOfRelease(release("a", "charts/web", "1", fromGit)),
			want: "chart charts/web of GitRepository apps/charts",
		},
		{name: "a reference", got: ChoiceOfRelease(release("a", "", "", byRef(""))), want: "OCIRepository apps/web"},
		{
			name: "a reference to another namespace", got: ChoiceOfRelease(release("a", "", "", byRef("infra"))),
			want: "OCIRepository infra/web",
		},
		{
			name: "a HelmChart asks as a release does", got: ChoiceOfChart(chartObject("a", "web", "")),
			want: `chart web "*" of HelmRepository apps/charts`,
		},
		{name: "the source of a choice", got: anyWeb.Source(), want: "HelmRepository apps/charts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.got.String(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if got := ChoiceOfRelease(&v1beta1.HelmRelease{}); got != (ChartRef{}) {
		t.Errorf("a release without a chart chooses %v", got)
	}
}

func TestKeepPrefersAnAnswerToAFailure(t *testing.T) {
	news, old := errors.New("no route"), errors.New("old")
	had, found := resolved{Revision: revision, URL: "had"}, resolved{Revision: v1beta1.ChartRevision{Digest: digest2}}
	tests := []struct {
		name        string
		now, before resolved
		want        resolved
	}{
		{name: "a new answer replaces the old", now: found, before: had, want: found},
		{
			name: "a failure leaves the old answer, and is reported", now: resolved{err: news}, before: had,
			want: resolved{Revision: revision, URL: "had", err: news},
		},
		{
			name: "a failure without an old answer is the answer", now: resolved{err: news}, before: resolved{err: old},
			want: resolved{err: news},
		},
		{
			name: "an answer with a failure is an answer", now: resolved{Revision: found.Revision, err: news}, before: had,
			want: resolved{Revision: found.Revision, err: news},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.now.keep(tt.before); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestIsNew(t *testing.T) {
	otherBytes, otherVersion := revision, revision
	otherBytes.Digest, otherVersion.Version = digest2, "1.1.0"
	otherValues := otherBytes
	otherValues.ValuesDigest = digest2
	tests := []struct {
		name           string
		kind, strategy string
		generation     int64
		found          v1beta1.ChartRevision
		want           bool
	}{
		{name: "the same chart is not new", kind: v1beta1.HelmRepositoryKind, found: revision},
		{name: "other bytes are new", kind: v1beta1.HelmRepositoryKind, found: otherBytes, want: true},
		{name: "in Git, other bytes of one version are not new", kind: v1beta1.GitRepositoryKind, found: otherBytes},
		{name: "in Git, another version is new", kind: v1beta1.GitRepositoryKind, found: otherVersion, want: true},
		{
			name: "in Git, other values files of one version are new", kind: v1beta1.GitRepositoryKind, found: otherValues,
			want: true,
		},
		{name: "in Git, other bytes are new when every revision counts", kind: v1beta1.GitRepositoryKind,
			strategy: v1beta1.ReconcileStrategyRevision, found: otherBytes, want: true},
		{
			name: "in Git, other bytes are new after the spec changed", kind: v1beta1.GitRepositoryKind, generation: 1,
			found: otherBytes, want: true,
		},
		{
			name: "the same chart is not new after the spec changed", kind: v1beta1.GitRepositoryKind, generation: 1,
			found: revision,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hc := chartObject("a", "web", "")
			hc.Generation = tt.generation
			hc.Spec.SourceRef.Kind, hc.Spec.ReconcileStrategy = tt.kind, tt.strategy
			if got := isNew(hc, revision, tt.found); got != tt.want {
				t.Errorf("new: %v, want %v", got, tt.want)
			}
		})
	}
}
