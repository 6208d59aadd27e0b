package view

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/api/v1beta1"
)

func failures(n int64, endedAgo time.Duration) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		hr.Status.Failures = n
		hr.Status.LastAttemptedAt = &metav1.Time{Time: now.Add(-endedAgo)}
	}
}

func every(d time.Duration) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Interval = &metav1.Duration{Duration: d} }
}

func TestNext(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(d)} }
	tests := []struct {
		name   string
		object *v1beta1.HelmRelease
		action string
		at     *metav1.Time
		every  string
	}{
		{"not seen yet", release(observed(-1)), NextReconcile, nil, ""},
		{"at work", release(progressing), NextReconcile, nil, ""},
		{"ready: default interval", release(ready), NextAudit, nil, "1h"},
		{"ready: ten minutes", release(ready, every(10*time.Minute)), NextAudit, nil, "10m"},
		{"ready: half a minute", release(ready, every(30*time.Second)), NextAudit, nil, "30s"},
		{"ready: an hour and a half", release(ready, every(90*time.Minute)), NextAudit, nil, "1h30m"},
		{
			"first failure: half a minute after it", release(retrying(v1beta1.UpgradeFailedReason), failures(1, 10*time.Second)),
			NextRetry, at(20 * time.Second), "",
		},
		{
			"fourth failure: four minutes after it", release(retrying(v1beta1.UpgradeFailedReason), failures(4, 5*time.Minute)),
			NextRetry, at(-time.Minute), "",
		},
		{"failed before any attempt: no time is known", release(retrying(v1beta1.ValuesErrorReason)), NextRetry, nil, ""},
		{"waiting", release(retrying(v1beta1.DependencyNotReadyReason)), NextWait, nil, ""},
		{"before the first upgrade of an adopted release", release(retrying(v1beta1.AdoptionHeldReason),
			func(hr *v1beta1.HelmRelease) {
				hr.Status.Adoption = &v1beta1.Adoption{Until: at(10 * time.Minute)}
			}), NextWait, at(10 * time.Minute), ""},
		{"stalled", release(stalled, failures(1, 0)), NextChange, nil, ""},
		{"suspended", release(ready, suspended), NextResume, nil, ""},
		{"being deleted", release(ready, deleted), NextDelete, nil, ""},
	}
	for _, tt := range tests {
		got := nextOf(tt.object)
		if got.Message == "" {
			t.Errorf("%s: no message", tt.name)
		}
		got.Message = ""
		if diff := cmp.Diff(Next{Action: tt.action, At: tt.at, Every: tt.every}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestDeletionSaysWhatHappensToTheHelmRelease(t *testing.T) {
	t.Parallel()
	if a, b := nextOf(release(deleted)).Message, nextOf(release(deleted, suspended)).Message; a == b {
		t.Errorf("a suspended object keeps its Helm release, but both say %q", a)
	}
}

func TestCountInventory(t *testing.T) {
	t.Parallel()
	entries := func(ids ...string) *v1beta1.ResourceInventory {
		out := &v1beta1.ResourceInventory{}
		for _, id := range ids {
			out.Entries = append(out.Entries, v1beta1.ResourceRef{ID: id})
		}
		return out
	}
	tests := []struct {
		name      string
		inventory *v1beta1.ResourceInventory
		want      Inventory
	}{
		{"none", nil, Inventory{Kinds: []KindCount{}}},
		{"sorted by kind", entries("web_b_apps_Deployment", "web_a__ConfigMap", "web_b__ConfigMap"),
			Inventory{Total: 3, Kinds: []KindCount{{"ConfigMap", 2}, {"Deployment", 1}}}},
		{"no namespace, and underscores in a name", entries("_a__b_rbac.authorization.k8s.io_ClusterRole"),
			Inventory{Total: 1, Kinds: []KindCount{{"ClusterRole", 1}}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, countInventory(tt.inventory)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSourceOf(t *testing.T) {
	t.Parallel()
	chart := func(namespace string) *v1beta1.HelmRelease {
		return release(func(hr *v1beta1.HelmRelease) {
			hr.Spec.Chart = &v1beta1.HelmChartTemplate{}
			hr.Spec.Chart.Spec.SourceRef = v1beta1.SourceReference{
				Kind: v1beta1.HelmRepositoryKind, Name: "charts", Namespace: namespace,
			}
		})
	}
	helmChart := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: "infra"}}
	helmChart.Spec.SourceRef = v1beta1.LocalSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"}
	tests := []struct {
		name   string
		object Object
		want   string
	}{
		{"chart in the own namespace", chart(""), "HelmRepository web/charts"},
		{"chart in another namespace", chart("infra"), "HelmRepository infra/charts"},
		{"chart reference", release(func(hr *v1beta1.HelmRelease) {
			hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "shop"}
		}), "OCIRepository web/shop"},
		{"chart object", helmChart, "GitRepository infra/fleet"},
		{"neither", release(), ""},
		{"a repository is the first of its chain", &v1beta1.GitRepository{}, ""},
	}
	for _, tt := range tests {
		ref, ok := SourceOf(tt.object)
		if got := ref.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s: %q %t, want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestInlineValues(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{"": false, "{}": false, " { }\n": false, "null": false, `{"a":1}`: true} {
		hr := release(func(hr *v1beta1.HelmRelease) { hr.Spec.Values = &runtime.RawExtension{Raw: []byte(raw)} })
		if got := NewReleaseStatus(hr, nil, nil).InlineValues; got != want {
			t.Errorf("%q: %t", raw, got)
		}
	}
}

// Programs iterate over lists, so a list is never null.
func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	hr := release()
	for name, value := range map[string]any{
		"status": NewReleaseStatus(hr, nil, nil), "history": NewHistory(hr),
	} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for field, v := range fields {
			if v == nil && field != "createdAt" {
				t.Errorf("%s: %s is null in %s", name, field, data)
			}
		}
	}
}

// A projection must not share memory with the object, which a cache may own.
func TestProjectionsDoNotAlias(t *testing.T) {
	t.Parallel()
	hr := release(ready, failures(1, time.Minute), func(hr *v1beta1.HelmRelease) {
		hr.Status.LastAttemptedReleaseAction = "upgrade"
		hr.Status.History = []v1beta1.Snapshot{{Version: 1, ChartName: "a", LastDeployed: metav1.NewTime(now)}}
	})
	before := hr.DeepCopy()
	s := NewReleaseStatus(hr, nil, nil)
	s.Chart.Name, *s.DeployedAt, *s.LastAttempt.EndedAt = "b", metav1.Time{}, metav1.Time{}
	if diff := cmp.Diff(before, hr); diff != "" {
		t.Error(diff)
	}
}
