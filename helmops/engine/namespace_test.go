package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"fairlead.dev/fairlead/helmops/plan"
)

func TestTheNamespaceIsMadeBeforeTheRecord(t *testing.T) {
	t.Parallel()
	broken := errors.New("no luck")
	tests := []struct {
		name    string
		present []runtime.Object
		fails   error
		stored  bool
	}{
		{name: "it is missing", stored: true},
		{
			name: "it is there", stored: true,
			present: []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}},
		},
		{name: "it cannot be made", fails: broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clients := fake.NewClientset(tt.present...)
			if tt.fails != nil {
				clients.PrependReactor("create", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, tt.fails
				})
			}
			stored := driver.NewMemory()
			made := &namespaceCreator{Driver: stored, ctx: t.Context(), namespaces: clients.CoreV1().Namespaces(), name: "apps"}
			rel := &release.Release{Name: "web", Namespace: "default", Version: 2, Info: &release.Info{}}
			err := made.Create("sh.helm.release.v1.web.v2", rel)
			if !errors.Is(err, tt.fails) || err != nil && !strings.Contains(err.Error(), "creating namespace apps") {
				t.Errorf("error = %v, want %v", err, tt.fails)
			}
			if _, err := stored.Get("sh.helm.release.v1.web.v2"); (err == nil) != tt.stored {
				t.Errorf("looking for the record gives %v, want it there: %v", err, tt.stored)
			}
			if _, err := clients.CoreV1().Namespaces().Get(context.Background(), "apps",
				metav1.GetOptions{}); (err == nil) != tt.stored {
				t.Errorf("looking for the namespace gives %v, want it there: %v", err, tt.stored)
			}
		})
	}
}

func TestNoRecordIsMadeWithoutTheNamespace(t *testing.T) {
	t.Parallel()
	const own = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: apps\n"
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "apps", errors.New("no right"))
	tests := []struct {
		name    string
		present bool
		release release.Release
		get     error
		fails   bool
		asks    bool
	}{
		{name: "it is missing", asks: true, fails: true},
		{name: "it is there", present: true, asks: true},
		{name: "it may not be read", get: forbidden, asks: true},
		{name: "the chart brings it", release: release.Release{Manifest: own}},
		{name: "a hook brings it", release: release.Release{Hooks: []*release.Hook{{Kind: "Namespace", Name: "apps"}}}},
		{
			name: "the chart brings another", release: release.Release{Manifest: strings.Replace(own, "apps", "other", 1)},
			asks: true, fails: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clients := fake.NewClientset()
			if tt.present {
				clients = fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}})
			}
			if tt.get != nil {
				clients.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, tt.get
				})
			}
			stored := driver.NewMemory()
			check := &namespaceCheck{Driver: stored, ctx: t.Context(), namespaces: clients.CoreV1().Namespaces(), name: "apps"}
			rel := tt.release
			rel.Name, rel.Namespace, rel.Version, rel.Info = "web", "default", 1, &release.Info{}
			err := check.Create("sh.helm.release.v1.web.v1", &rel)
			var missing *NamespaceError
			if errors.As(err, &missing) != tt.fails || !tt.fails && err != nil {
				t.Errorf("error = %v, want one: %v", err, tt.fails)
			}
			if _, getErr := stored.Get("sh.helm.release.v1.web.v1"); (getErr == nil) == tt.fails {
				t.Errorf("looking for the record gives %v after %v", getErr, err)
			}
			if asked := len(clients.Actions()) > 0; asked != tt.asks {
				t.Errorf("the API server was asked: %v, want %v", asked, tt.asks)
			}
		})
	}
}

func TestARecordWithoutItsNamespace(t *testing.T) {
	t.Parallel()
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "apps")
	other := errors.New("no luck")
	for name, tt := range map[string]struct {
		storage string
		fails   error
		want    string
	}{
		"the namespace of the release": {"apps", missing,
			"namespace apps does not exist; set install.createNamespace: true or create it"},
		"one of its own": {"fleet", missing,
			"namespace fleet, which spec.storageNamespace names, does not exist; create it"},
		"another failure": {"apps", other, "no luck"},
	} {
		place := &recordNamespace{
			Driver: &refusing{err: tt.fails}, target: plan.Target{Namespace: "apps", StorageNamespace: tt.storage},
		}
		if err := place.Create("x", &release.Release{}); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// refusing creates no record.
type refusing struct {
	driver.Driver
	err error
}

func (r *refusing) Create(string, *release.Release) error { return r.err }
