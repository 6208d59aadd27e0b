package v1beta1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that sync some objects of a HelmRelease.
const (
	// SyncObjectsRequestAnnotation asks to bring the objects of SyncObjectsAnnotation back to what the revision that runs
	// says, whatever spec.driftDetection.mode is. It counts while it equals the request annotation, which then asks for
	// nothing else; it is echoed as status.lastHandledSyncObjectsAt.
	SyncObjectsRequestAnnotation = "fairlead.dev/syncObjectsAt"
	// SyncObjectsAnnotation names the objects by their IDs in status.inventory, separated by commas.
	SyncObjectsAnnotation = "fairlead.dev/syncObjects"
)

// MaxSyncedObjects is how many objects one request can name.
const MaxSyncedObjects = 32

// ObjectSyncRequest returns the token of a request to sync some objects, and their IDs; the token is empty when there is
// none that was not handled yet.
func ObjectSyncRequest(object metav1.Object, handled string) (token string, ids []string) {
	token = SpecialRequest(object, SyncObjectsRequestAnnotation, handled)
	if token == "" {
		return "", nil
	}
	named := strings.SplitN(object.GetAnnotations()[SyncObjectsAnnotation], ",", MaxSyncedObjects+1)
	return token, named[:min(len(named), MaxSyncedObjects)]
}

// OnlySyncsObjects reports whether the newest request of a user is to sync some objects, and not to reconcile all.
func OnlySyncsObjects(object metav1.Object) bool {
	token := object.GetAnnotations()[SyncObjectsRequestAnnotation]
	return token != "" && token == object.GetAnnotations()[ReconcileRequestAnnotation]
}

// ObjectSync is the sync of some objects of a HelmRelease that a user asked for. It is no sync of the release.
type ObjectSync struct {
	// RequestedAt is the value of the annotation fairlead.dev/syncObjectsAt that asked for it.
	// +kubebuilder:validation:MaxLength=262144
	// +required
	RequestedAt string `json:"requestedAt"`
	// Revision that the objects were brought back to.
	// +required
	Revision int32 `json:"revision"`
	// Objects by their IDs, as status.inventory has them.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Objects []string `json:"objects,omitempty"`
	// Failure says why not all of them could be written; empty when they could.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Failure string `json:"failure,omitempty"`
	// At is when it ended.
	// +required
	At metav1.Time `json:"at"`
}
