package tracker

import "k8s.io/apimachinery/pkg/runtime/schema"

// Kind is one API kind as it is watched.
type Kind struct {
	GVK schema.GroupVersionKind
	// Resource is the plural under which the API server serves it.
	Resource   string
	Namespaced bool
}

// Ref names one object. Namespace is empty for kinds that have none.
type Ref struct {
	GVK             schema.GroupVersionKind
	Namespace, Name string
}

func (k Kind) gvr() schema.GroupVersionResource { return k.GVK.GroupVersion().WithResource(k.Resource) }

func (k Kind) String() string { return k.gvr().GroupResource().String() }

// stateless kinds are healthy as soon as they exist, so that their metadata tells everything.
var stateless = map[schema.GroupKind]bool{
	{Kind: "ConfigMap"}:                                                               true,
	{Kind: "Secret"}:                                                                  true,
	{Kind: "ServiceAccount"}:                                                          true,
	{Kind: "LimitRange"}:                                                              true,
	{Kind: "Endpoints"}:                                                               true,
	{Kind: "PodTemplate"}:                                                             true,
	{Group: "apps", Kind: "ControllerRevision"}:                                       true,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                                true,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                         true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                         true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                  true,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                               true,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                                true,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:                                true,
	{Group: "coordination.k8s.io", Kind: "Lease"}:                                     true,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                               true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                   true,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                      true,
	{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"}:                          true,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                      true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   true,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     true,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: true,
}
