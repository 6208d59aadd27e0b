package engine

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/plan"
)

// beforeFirstRecord adds what an install or upgrade does before its record is created. Helm makes namespaces for installs
// only; a failed install is continued as an upgrade, and the namespace may be gone by then.
func (r *run) beforeFirstRecord(store driver.Driver, before []plan.Record) driver.Driver {
	if r.Step != plan.Install && r.Step != plan.Upgrade {
		return store
	}

	store = &recordNamespace{Driver: store, target: r.Target}
	if r.Step == plan.Upgrade && r.Options.CreateNamespace {
		store = &namespaceCreator{
			Driver: store, ctx: r.ctx, namespaces: r.as.Kube().CoreV1().Namespaces(), name: r.Target.Namespace,
		}
	}
	if r.Step == plan.Upgrade && r.Options.Preflight && !r.Options.Force { // what is replaced is not applied
		store = &preflight{Driver: store, run: r, before: before}
	}

	// What runs has a namespace, and a record cannot be kept in one that does not exist.
	apart := r.Target.Namespace != r.Target.StorageNamespace
	runs := newestOf(before).Status == plan.StatusDeployed
	if apart && !runs && !r.Options.CreateNamespace {
		store = &namespaceCheck{
			Driver: store, ctx: r.ctx, namespaces: r.as.Kube().CoreV1().Namespaces(), name: r.Target.Namespace,
		}
	}

	return store
}

// NamespaceError is the failure of an install or upgrade whose namespace does not exist. Neither a record nor an object
// of the manifest was written.
type NamespaceError struct {
	// Name of the namespace.
	Name string
	// ForRecords is set when it is spec.storageNamespace alone, which no install creates.
	ForRecords bool
}

// Error implements error.
func (e *NamespaceError) Error() string {
	if e.ForRecords {
		return fmt.Sprintf("namespace %s, which spec.storageNamespace names, does not exist; create it", e.Name)
	}
	return fmt.Sprintf("namespace %s does not exist; set install.createNamespace: true or create it", e.Name)
}

// namespaceCheck creates no record of a release whose namespace does not exist: each attempt would leave a failed
// revision.
type namespaceCheck struct {
	driver.Driver
	ctx        context.Context //nolint:containedctx // Helm's driver interface takes none.
	namespaces corev1client.NamespaceInterface
	name       string
}

// Create implements driver.Driver.
func (c *namespaceCheck) Create(key string, rel *release.Release) error {
	if !declaresNamespace(rel, c.name) {
		_, err := c.namespaces.Get(c.ctx, c.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) { // another failure, such as a right that is missing, says nothing of the namespace
			return &NamespaceError{Name: c.name}
		}
	}
	return c.Driver.Create(key, rel)
}

// recordNamespace names the namespace when a record cannot be created because it does not exist.
type recordNamespace struct {
	driver.Driver
	target plan.Target
}

// Create implements driver.Driver.
func (n *recordNamespace) Create(key string, rel *release.Release) error {
	err := n.Driver.Create(key, rel)
	if apierrors.IsNotFound(err) {
		return &NamespaceError{
			Name:       n.target.StorageNamespace,
			ForRecords: n.target.StorageNamespace != n.target.Namespace,
		}
	}
	return err
}

// declaresNamespace reports whether a release brings a namespace itself.
func declaresNamespace(rel *release.Release, name string) bool {
	for _, hook := range rel.Hooks {
		if hook.Kind == "Namespace" && hook.Name == name {
			return true
		}
	}

	for _, document := range releaseutil.SplitManifests(rel.Manifest) {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &object); err == nil && object.Kind == "Namespace" && object.Name == name {
			return true
		}
	}

	return false
}

// namespaceCreator makes the namespace of a release when everything was rendered, just before the record is created,
// which may be kept in it.
type namespaceCreator struct {
	driver.Driver
	ctx        context.Context //nolint:containedctx // Helm's driver interface takes none.
	namespaces corev1client.NamespaceInterface
	name       string
}

// Create implements driver.Driver.
func (m *namespaceCreator) Create(key string, rel *release.Release) error {
	// as Helm does
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.name, Labels: map[string]string{"name": m.name}}}
	_, err := m.namespaces.Create(m.ctx, namespace, metav1.CreateOptions{FieldManager: kubeclient.FieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", m.name, err)
	}
	return m.Driver.Create(key, rel)
}
