package records

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	k8stesting "k8s.io/client-go/testing"
)

const (
	namespace = "store"
	digest1   = "sha256:1"
)

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sameRelease = []cmp.Option{cmpopts.IgnoreUnexported(chart.Chart{}), cmpopts.EquateEmpty()}
)

func clock() time.Time { return now }

func keyOf(version int) string { return "sh.helm.release.v1.web.v" + string(rune('0'+version)) }

func newRelease(version int, status release.Status, change ...func(*release.Release)) *release.Release {
	rel := &release.Release{
		Name: "web", Namespace: "apps", Version: version, Manifest: "kind: ConfigMap\n", Labels: map[string]string{"team": "shop"},
		Config: map[string]any{"replicas": float64(2)},
		Info: &release.Info{
			Status: status, Description: "as told", FirstDeployed: helmtime.Time{Time: now.Add(-time.Hour)}, LastDeployed: helmtime.Time{Time: now},
		},
		Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "web", Version: "1.0.0", AppVersion: "9.9", APIVersion: "v2"}},
	}
	for _, c := range change {
		c(rel)
	}
	return rel
}

// storage is a fake cluster with our driver and Helm's on the same Secrets.
type storage struct {
	kube    *fake.Clientset
	secrets typedcorev1.SecretInterface
	ours    *Driver
	helm    *driver.Secrets
}

func newStorage(t *testing.T) *storage {
	t.Helper()
	kube := fake.NewClientset()
	secrets := kube.CoreV1().Secrets(namespace)
	return &storage{kube: kube, secrets: secrets, ours: NewDriver(t.Context(), secrets, digest1, clock), helm: driver.NewSecrets(secrets)}
}

func (s *storage) secret(t *testing.T, key string) *corev1.Secret {
	t.Helper()
	secret, err := s.secrets.Get(t.Context(), key, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// writes counts the updates that reached the API.
func (s *storage) writes() int {
	count := 0
	for _, action := range s.kube.Actions() {
		if action.GetVerb() == "update" {
			count++
		}
	}
	return count
}

func (s *storage) refuse(verb string, err error) {
	s.kube.PrependReactor(verb, "secrets", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHelmAndWeReadEachOther(t *testing.T) {
	tests := []struct {
		name string
		pick func(*storage) (writer, reader driver.Driver)
	}{
		{name: "Helm reads what we write", pick: func(s *storage) (driver.Driver, driver.Driver) { return s.ours, s.helm }},
		{name: "we read what Helm writes", pick: func(s *storage) (driver.Driver, driver.Driver) { return s.helm, s.ours }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			writer, reader := tt.pick(s)
			want := newRelease(1, release.StatusPendingInstall)
			must(t, writer.Create(keyOf(1), want))
			want.Info.Status = release.StatusDeployed
			must(t, writer.Update(keyOf(1), want))

			got, err := reader.Get(keyOf(1))
			must(t, err)
			if diff := cmp.Diff(want, got, sameRelease...); diff != "" {
				t.Errorf("read by key (-want +got):\n%s", diff)
			}
			found, err := reader.Query(map[string]string{"name": "web", "owner": "helm", "status": "deployed", "version": "1"})
			must(t, err)
			if len(found) != 1 || found[0].Manifest != want.Manifest {
				t.Errorf("found by labels: %+v", found)
			}
			deployed, err := reader.List(func(rel *release.Release) bool { return rel.Info.Status == release.StatusDeployed })
			must(t, err)
			if len(deployed) != 1 {
				t.Errorf("%d releases are listed as deployed", len(deployed))
			}
			none, err := reader.List(func(*release.Release) bool { return false })
			if err != nil || len(none) != 0 {
				t.Errorf("the filter let %d through (error %v)", len(none), err)
			}
			_, err = reader.Delete(keyOf(1))
			must(t, err)
			if _, err := writer.Get(keyOf(1)); !errors.Is(err, driver.ErrReleaseNotFound) {
				t.Errorf("after the deletion: %v", err)
			}
		})
	}
}

func TestRecordsLookLikeHelms(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusPendingInstall)))
	must(t, s.helm.Create(keyOf(2), newRelease(2, release.StatusPendingUpgrade)))
	ours, helms := s.secret(t, keyOf(1)), s.secret(t, keyOf(2))
	ignore := cmpopts.IgnoreMapEntries(func(name, _ string) bool { return name == "createdAt" || name == "version" || name == "status" })
	if diff := cmp.Diff(helms.Labels, ours.Labels, ignore); diff != "" || ours.Type != helms.Type || ours.Labels["createdAt"] != "1772366400" {
		t.Errorf("type %s, created at %s, labels (-helm +ours):\n%s", ours.Type, ours.Labels["createdAt"], diff)
	}
	want := map[string]string{WriterAnnotation: "fairlead", ChartDigestAnnotation: digest1}
	if diff := cmp.Diff(want, ours.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestUpdateKeepsWhatIsKnownOfTheChart(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusPendingInstall)))
	later := NewDriver(t.Context(), s.secrets, "sha256:2", func() time.Time { return now.Add(time.Minute) })
	must(t, later.Update(keyOf(1), newRelease(1, release.StatusSuperseded)))
	secret := s.secret(t, keyOf(1))
	want := map[string]string{
		"name": "web", "owner": "helm", "status": "superseded", "version": "1", "team": "shop", "createdAt": "1772366400", "modifiedAt": "1772366460",
	}
	if diff := cmp.Diff(want, secret.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := secret.Annotations[ChartDigestAnnotation]; got != digest1 {
		t.Errorf("the record of an earlier chart now says %s", got)
	}
}

func TestUpdateSkipsWhatDidNotChange(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	must(t, s.ours.Update(keyOf(1), newRelease(1, release.StatusDeployed)))
	if s.writes() != 0 {
		t.Errorf("%d writes of an unchanged record", s.writes())
	}
	must(t, s.ours.Update(keyOf(1), newRelease(1, release.StatusFailed)))
	if s.writes() != 1 {
		t.Errorf("%d writes of a changed record", s.writes())
	}
}

// A record of Helm becomes ours with our first write, even of the same content.
func TestUpdateClaimsARecordOfHelm(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.helm.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	must(t, s.ours.Update(keyOf(1), newRelease(1, release.StatusDeployed)))
	want := map[string]string{WriterAnnotation: "fairlead"}
	if diff := cmp.Diff(want, s.secret(t, keyOf(1)).Annotations); diff != "" {
		t.Errorf("annotations (-want +got), the chart of a foreign record is not known:\n%s", diff)
	}
}

func TestDriverErrors(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	create := func(s *storage) error { return s.ours.Create(keyOf(2), newRelease(2, release.StatusPendingUpgrade)) }
	update := func(s *storage) error { return s.ours.Update(keyOf(1), newRelease(1, release.StatusFailed)) }
	tests := []struct {
		name   string
		verb   string
		cause  error
		do     func(*storage) error
		is     error
		quoted string
	}{
		{name: "a record that exists already is somebody else's lock", do: func(s *storage) error {
			return s.ours.Create(keyOf(1), newRelease(1, release.StatusPendingInstall))
		}, is: driver.ErrReleaseExists},
		{name: "a conflict is a write of another client", verb: "update", cause: apierrors.NewConflict(resource, "web", errors.New("changed")),
			do: update, is: ErrModified, quoted: keyOf(1)},
		{name: "a record that vanished is not found", verb: "update", cause: apierrors.NewNotFound(resource, "web"), do: update, is: driver.ErrReleaseNotFound},
		{name: "a record that never was is not found", do: func(s *storage) error {
			return s.ours.Update(keyOf(9), newRelease(9, release.StatusFailed))
		}, is: driver.ErrReleaseNotFound},
		{name: "deleting what is not there finds nothing", do: func(s *storage) error {
			_, err := s.ours.Delete(keyOf(9))
			return err
		}, is: driver.ErrReleaseNotFound},
		{name: "a query without an answer finds nothing", do: func(s *storage) error {
			_, err := s.ours.Query(map[string]string{"name": "shop"})
			return err
		}, is: driver.ErrReleaseNotFound},
		{name: "a create that fails says what and why", verb: "create", cause: context.DeadlineExceeded, do: create, is: context.DeadlineExceeded, quoted: keyOf(2)},
		{name: "an update that fails says what and why", verb: "update", cause: context.DeadlineExceeded, do: update, is: context.DeadlineExceeded, quoted: keyOf(1)},
		{name: "a list that fails says why", verb: "list", cause: context.DeadlineExceeded, do: func(s *storage) error {
			_, err := s.ours.Query(nil)
			return err
		}, is: context.DeadlineExceeded, quoted: "listing release records"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
			if tt.cause != nil {
				s.refuse(tt.verb, tt.cause)
			}
			err := tt.do(s)
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.quoted) {
				t.Errorf("error = %v, want %v with %q", err, tt.is, tt.quoted)
			}
		})
	}
}

// The driver sends the resource version that it read, which is what lets the API server notice a write in between.
func TestUpdateIsConditional(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	must(t, s.ours.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	secret := s.secret(t, keyOf(1))
	secret.ResourceVersion, secret.UID = "41", "u"
	_, err := s.secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
	must(t, err)
	fresh := NewDriver(t.Context(), s.secrets, "", clock)
	_, err = fresh.Get(keyOf(1))
	must(t, err)
	read := s.secret(t, keyOf(1))
	var sent *corev1.Secret
	s.kube.PrependReactor("update", "secrets", func(action k8stesting.Action) (bool, runtime.Object, error) {
		sent = action.(k8stesting.UpdateAction).GetObject().(*corev1.Secret)
		return true, sent, nil
	})
	must(t, fresh.Update(keyOf(1), newRelease(1, release.StatusFailed)))
	if sent == nil || sent.ResourceVersion != read.ResourceVersion || sent.ResourceVersion == "" || sent.UID != "u" {
		t.Errorf("sent %+v, want resource version %q", sent.ObjectMeta, read.ResourceVersion)
	}
}
