package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
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
		{name: "it is there", stored: true, present: []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}}},
		{name: "it cannot be made", fails: broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clients := fake.NewClientset(tt.present...)
			if tt.fails != nil {
				clients.PrependReactor("create", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tt.fails })
			}
			stored := driver.NewMemory()
			made := &namespaceMaker{Driver: stored, ctx: t.Context(), namespaces: clients.CoreV1().Namespaces(), name: "apps"}
			rel := &release.Release{Name: "web", Namespace: "default", Version: 2, Info: &release.Info{}}
			err := made.Create("sh.helm.release.v1.web.v2", rel)
			if !errors.Is(err, tt.fails) || err != nil && !strings.Contains(err.Error(), "creating namespace apps") {
				t.Errorf("error = %v, want %v", err, tt.fails)
			}
			if _, err := stored.Get("sh.helm.release.v1.web.v2"); (err == nil) != tt.stored {
				t.Errorf("looking for the record gives %v, want it there: %v", err, tt.stored)
			}
			if _, err := clients.CoreV1().Namespaces().Get(context.Background(), "apps", metav1.GetOptions{}); (err == nil) != tt.stored {
				t.Errorf("looking for the namespace gives %v, want it there: %v", err, tt.stored)
			}
		})
	}
}
