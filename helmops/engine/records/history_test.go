package records

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

func TestHistoryIsOfOneReleaseNewestFirst(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	for _, version := range []int{2, 9, 1} {
		must(t, s.ours.Create(keyOf(version), newRelease(version, release.StatusSuperseded)))
	}
	must(t, s.ours.Create("other-namespace", newRelease(3, release.StatusDeployed, func(r *release.Release) { r.Namespace = "elsewhere" })))
	must(t, s.ours.Create("other-name", newRelease(4, release.StatusDeployed, func(r *release.Release) { r.Name = "shop" })))
	stray := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "stray", Labels: map[string]string{"owner": "helm", "name": "web"}}, Type: corev1.SecretTypeOpaque,
	}
	_, err := s.secrets.Create(t.Context(), stray, metav1.CreateOptions{})
	must(t, err)

	history, err := History(t.Context(), s.secrets, "web", "apps")
	must(t, err)
	var versions []int
	for _, revision := range history {
		versions = append(versions, revision.Version)
	}
	if diff := cmp.Diff([]int{9, 2, 1}, versions); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
	none, err := History(t.Context(), s.secrets, "absent", "apps")
	if err != nil || len(none) != 0 {
		t.Errorf("a release that does not exist has %d revisions (error %v)", len(none), err)
	}
}

func TestHistoryTellsTheRecord(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	history, err := History(t.Context(), s.secrets, "web", "apps")
	must(t, err)
	want := plan.Record{
		Version: 1, Status: plan.StatusDeployed, Description: "as told", ChartName: "web", ChartVersion: "1.0.0", AppVersion: "9.9",
		ChartDigest: digest1, ConfigDigest: values.Digest(map[string]any{"replicas": 2}), Digest: digest(s.secret(t, keyOf(1)).Data["release"]),
		Ours: true, Modified: now, FirstDeployed: now.Add(-time.Hour), LastDeployed: now,
	}
	if diff := cmp.Diff(want, history[0].Record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if history[0].Release.Manifest == "" || history[0].Release.Labels["team"] != "shop" {
		t.Errorf("release %+v", history[0].Release)
	}
}

func TestAWriteOfHelmIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	before, err := History(t.Context(), s.secrets, "web", "apps")
	must(t, err)
	must(t, s.helm.Update(keyOf(1), newRelease(1, release.StatusSuperseded)))
	after, err := History(t.Context(), s.secrets, "web", "apps")
	must(t, err)
	if !before[0].Ours || after[0].Ours || after[0].ChartDigest != "" {
		t.Errorf("ours before %v, after %v with chart %q", before[0].Ours, after[0].Ours, after[0].ChartDigest)
	}
	if before[0].Digest == after[0].Digest {
		t.Error("the digest is that of the record before")
	}
}

func TestModifiedIsTheLatestThatIsKnown(t *testing.T) {
	created := metav1.NewTime(now)
	tests := []struct {
		name   string
		labels map[string]string
		want   time.Time
	}{
		{name: "an update counts most", labels: map[string]string{"createdAt": "100", "modifiedAt": "200"}, want: time.Unix(200, 0)},
		{name: "without an update, the creation", labels: map[string]string{"createdAt": "100"}, want: time.Unix(100, 0)},
		{name: "what is no number does not count", labels: map[string]string{"modifiedAt": "soon", "createdAt": "100"}, want: time.Unix(100, 0)},
		{name: "without labels, the time of the Secret", want: now},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := modified(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: tt.labels, CreationTimestamp: created}})
			if !got.Equal(tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestABrokenRecordIsNamedAndNotQuoted(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	secret := s.secret(t, keyOf(1))
	secret.Data["release"] = packed(t, []byte(`{"config":"hunter2"}`))
	_, err := s.secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
	must(t, err)
	_, historyErr := History(t.Context(), s.secrets, "web", "apps")
	_, queryErr := s.ours.Query(map[string]string{"name": "web"})
	for _, err := range []error{historyErr, queryErr} {
		if err == nil || !strings.Contains(err.Error(), keyOf(1)) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %v, want the name of the record and nothing of its content", err)
		}
	}
}

func TestHistoryFailsWithTheList(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	s.refuse("list", context.DeadlineExceeded)
	if _, err := History(t.Context(), s.secrets, "web", "apps"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}
