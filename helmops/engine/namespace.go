package engine

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"fairlead.dev/fairlead/helmops/engine/apply"
	"fairlead.dev/fairlead/helmops/plan"
)

// beforehand adds what an upgrade does before its record is created. Helm makes namespaces for installs only; a failed install
// is gone on with as an upgrade, and the namespace may be gone by then.
func (r *run) beforehand(store driver.Driver) driver.Driver {
	if r.Step != plan.Upgrade {
		return store
	}
	if r.Options.CreateNamespace {
		store = &namespaceMaker{Driver: store, ctx: r.ctx, namespaces: r.as.Kube().CoreV1().Namespaces(), name: r.Target.Namespace}
	}
	if r.Options.Preflight && !r.Options.Force { // what is replaced is not applied
		store = &preflight{Driver: store, run: r}
	}
	return store
}

// namespaceMaker makes the namespace of a release when everything was rendered, just before the record is created, which may be
// kept in it.
type namespaceMaker struct {
	driver.Driver
	ctx        context.Context //nolint:containedctx // Helm's driver interface takes none.
	namespaces corev1client.NamespaceInterface
	name       string
}

// Create implements driver.Driver.
func (m *namespaceMaker) Create(key string, rel *release.Release) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.name, Labels: map[string]string{"name": m.name}}} // as Helm does
	_, err := m.namespaces.Create(m.ctx, namespace, metav1.CreateOptions{FieldManager: apply.FieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", m.name, err)
	}
	return m.Driver.Create(key, rel)
}
