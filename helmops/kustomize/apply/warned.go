package apply

import (
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/helmops/kube/warning"
)

// warned returns the objects to report that the API server took with warnings. It costs no request.
func (r *run) warned() []warning.Object {
	written := make([]warning.Written, len(r.items))
	for n, i := range r.items {
		written[n] = warning.Written{ID: i.id, Sum: i.sum, Sent: i.sent != nil}
		written[n].Object = warning.Object{Ref: i.reference(), Texts: i.warnings}
	}
	return r.site.warnings.Due(r.Owner, r.Revision, written)
}

// reference names the object as it was written.
func (i *item) reference() corev1.ObjectReference {
	ref := corev1.ObjectReference{
		APIVersion: i.GetAPIVersion(), Kind: i.GetKind(), Namespace: i.GetNamespace(), Name: i.GetName(),
	}
	if i.sent != nil {
		ref.UID = i.sent.GetUID()
		ref.ResourceVersion = i.sent.GetResourceVersion()
	}
	return ref
}
