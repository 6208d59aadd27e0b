package v1beta1

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// GetServiceAccountName returns the name of the ServiceAccount that the release acts as, in the namespace of the
// object: that of the spec, else the fallback. Empty means the controller itself.
func (in *HelmRelease) GetServiceAccountName(fallback string) string {
	return cmp.Or(in.Spec.ServiceAccountName, fallback)
}

// GetKeys returns the keys under which the content may be, the first one that exists counts.
func (r SecretKeyReference) GetKeys() []string {
	if r.Key != "" {
		return []string{r.Key}
	}
	return []string{"value", "value.yaml"}
}

// GetGroupVersionKind returns the kind of the referent with its defaults: the group and version of this API, and the
// kind of the object that depends on it. It fails when APIVersion is malformed.
func (r DependencyReference) GetGroupVersionKind(own string) (schema.GroupVersionKind, error) {
	version := GroupVersion
	if r.APIVersion != "" {
		parsed, err := schema.ParseGroupVersion(r.APIVersion)
		if err != nil || parsed.Version == "" {
			return schema.GroupVersionKind{}, fmt.Errorf("apiVersion %q is not of the form group/version", r.APIVersion)
		}
		version = parsed
	}
	return version.WithKind(cmp.Or(r.Kind, own)), nil
}

// IsOwn reports whether the referent is of the kind, of this API and of whatever version, of the object that depends on
// it.
func (r DependencyReference) IsOwn(own string) bool {
	kind, err := r.GetGroupVersionKind(own)
	return err == nil && kind.Group == GroupVersion.Group && kind.Kind == own
}

// GetKey returns the name of the referent, in the given namespace unless the reference says otherwise.
func (r DependencyReference) GetKey(namespace string) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(r.Namespace, namespace), Name: r.Name}
}
