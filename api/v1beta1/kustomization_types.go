package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KustomizationSpec declares that the cluster follows a directory of a source.
type KustomizationSpec struct {
	// SourceRef names the source of the manifests.
	// +required
	SourceRef ManifestSourceReference `json:"sourceRef"`
	// Path of the directory in the source, its root when left out. It holds a kustomization.yaml, or plain manifests,
	// which are then taken from all directories below it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Path string `json:"path,omitempty"`
	// Prune deletes objects from the cluster that the source no longer has.
	// +required
	Prune bool `json:"prune"`
	// PruneKinds lists kinds whose objects Prune deletes whatever would be lost with them: CustomResourceDefinitions
	// with their custom resources, Namespaces with objects of others, PersistentVolumeClaims. Left out, such objects
	// are kept.
	// +kubebuilder:validation:items:Enum=CustomResourceDefinition;Namespace;PersistentVolumeClaim
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	PruneKinds []string `json:"pruneKinds,omitempty"`
	// AllowEmpty lets a directory without any object prune everything. It is refused otherwise, because it is nearly
	// always a mistake.
	// +optional
	AllowEmpty bool `json:"allowEmpty,omitempty"`
	// DeletionPolicy tells what happens to the objects when the Kustomization is deleted: MirrorPrune, the default,
	// deletes them where spec.prune is set, Delete deletes them, WaitForTermination deletes them and waits until they are
	// gone, Orphan leaves them.
	// +kubebuilder:validation:Enum=MirrorPrune;Delete;WaitForTermination;Orphan
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	// Interval of the safety audit, with a jitter of up to 10 %. Changes of the source, of what spec refers to, and of the
	// objects are seen immediately and do not wait for it.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +kubebuilder:default="1h"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// RetryInterval is the pause after a failure. Left out, it begins with 5s and doubles up to 5m. One below the least
	// interval of the controller, 10s by default, counts as that.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
	// Timeout of applying, and of waiting for health, 5m when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend stops everything that changes objects. Deleting a suspended Kustomization leaves its objects alone.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// Wait makes the Kustomization ready only when all of its objects are healthy.
	// +optional
	Wait bool `json:"wait,omitempty"`
	// HealthChecks names objects that have to be healthy for the Kustomization to be ready. With Wait they add to its own
	// objects.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	HealthChecks []ObjectReference `json:"healthChecks,omitempty"`
	// HealthCheckExprs judge objects whose status the usual rules do not fit.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	HealthCheckExprs []HealthCheckExpr `json:"healthCheckExprs,omitempty"`
	// DependsOn names objects, Kustomizations unless they say otherwise, that have to be ready before anything is applied.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	DependsOn []DependencyReference `json:"dependsOn,omitempty"`
	// Sync says when the controller applies new revisions, and which plans wait for an approval; at any time when left
	// out.
	// +optional
	Sync *Sync `json:"sync,omitempty"`
	// ServiceAccountName is the ServiceAccount in the namespace of the object on whose behalf the objects are read and
	// written. Left out, it is the controller's default, and without that the controller itself.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// KubeConfig names the cluster of the objects when it is not the controller's own.
	// +optional
	KubeConfig *KubeConfigReference `json:"kubeConfig,omitempty"`
	// Force deletes and recreates an object when a field that cannot be changed is to change.
	// +optional
	Force bool `json:"force,omitempty"`
	// Ignore lists what may differ from the manifests.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Ignore []DriftIgnoreRule `json:"ignore,omitempty"`
	// Decryption says how encrypted files are decrypted. Without it they are refused.
	// +optional
	Decryption *Decryption `json:"decryption,omitempty"`

	Overlay `json:",inline"`
}

// Overlay is what is changed in the manifests of a directory before they are applied, in the order of a kustomization.
type Overlay struct {
	// TargetNamespace is put into all objects that have a namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`
	// NamePrefix is put in front of the names of all objects.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	NamePrefix string `json:"namePrefix,omitempty"`
	// NameSuffix is put after the names of all objects.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	NameSuffix string `json:"nameSuffix,omitempty"`
	// CommonMetadata is put on every object.
	// +optional
	CommonMetadata *CommonMetadata `json:"commonMetadata,omitempty"`
	// Patches to objects, strategic merge or JSON 6902, applied in this order.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	// +optional
	Patches []Patch `json:"patches,omitempty"`
	// Images changes names, tags and digests of container images.
	// +kubebuilder:validation:MaxItems=256
	// +listType=atomic
	// +optional
	Images []Image `json:"images,omitempty"`
	// Components are directories with kustomize components, relative to Path.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Components []string `json:"components,omitempty"`
	// IgnoreMissingComponents leaves out Components that do not exist.
	// +optional
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`
	// BuildMetadata has kustomize annotate objects with where they come from.
	// +kubebuilder:validation:items:Enum=originAnnotations;transformerAnnotations;managedByLabel
	// +kubebuilder:validation:MaxItems=3
	// +listType=atomic
	// +optional
	BuildMetadata []string `json:"buildMetadata,omitempty"`
	// PostBuild substitutes variables in what was built.
	// +optional
	PostBuild *PostBuild `json:"postBuild,omitempty"`
}

// Values of spec.deletionPolicy of a Kustomization.
const (
	DeletionPolicyMirrorPrune        = "MirrorPrune"
	DeletionPolicyWaitForTermination = "WaitForTermination"
)

// PruneAnnotation on an object, as annotation or label, with the value "disabled", keeps the object from being deleted
// when the source no longer has it. With the value "confirm" that waits until a user confirms it.
const PruneAnnotation = "fairlead.dev/prune"

// ConfirmPrune is the value of PruneAnnotation that has the deletion of an object wait for a user.
const ConfirmPrune = "confirm"

// Labels of the objects of a Kustomization, which name it.
const (
	KustomizationNameLabel      = "kustomization.fairlead.dev/name"
	KustomizationNamespaceLabel = "kustomization.fairlead.dev/namespace"
)

// KustomizationFieldManager is the name under which the objects of Kustomizations are applied.
const KustomizationFieldManager = "fairlead-kustomization"

// ManifestSourceReference names a source of manifests.
type ManifestSourceReference struct {
	// APIVersion of the referent, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=317
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:Enum=GitRepository;OCIRepository;Bucket;ExternalArtifact
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, the namespace of the object when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ObjectReference names an object of any kind.
type ObjectReference struct {
	// APIVersion of the referent, apps/v1 when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=apps/v1
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// Name of the referent.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the referent, the namespace of the object when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// KustomizationStatus is what the controller knows about the Kustomization.
type KustomizationStatus struct {
	ReconcileRequest `json:",inline"`
	// LastHandledForceAt is the value of the annotation fairlead.dev/forceAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledForceAt string `json:"lastHandledForceAt,omitempty"`
	// LastHandledOverrideAt is the value of the annotation fairlead.dev/overrideWindowAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledOverrideAt string `json:"lastHandledOverrideAt,omitempty"`
	// LastHandledCancelAt is the value of the annotation fairlead.dev/cancelAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledCancelAt string `json:"lastHandledCancelAt,omitempty"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling, Stalled, Healthy, Drifted, Pruned.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastAttemptedRevision is the revision of the source that was tried last.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`
	// LastAppliedRevision is the revision of the source that was applied last.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	LastAppliedRevision string `json:"lastAppliedRevision,omitempty"`
	// LastAppliedDigest tells one set of manifests and settings from another; it is that of the set that was applied last.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAppliedDigest string `json:"lastAppliedDigest,omitempty"`
	// LastAppliedArtifact is the digest of the archive of the source that LastAppliedRevision was read from.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAppliedArtifact string `json:"lastAppliedArtifact,omitempty"`
	// LastAttemptedDigest is that of the set that was tried last, and LastAttemptedAt when that ended.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAttemptedDigest string `json:"lastAttemptedDigest,omitempty"`
	// +optional
	LastAttemptedAt *metav1.Time `json:"lastAttemptedAt,omitempty"`
	// Failures of the set that was tried last, in a row.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// LimitExceeded is the set that was tried last when building it exceeded a bound.
	// +optional
	LimitExceeded *LimitExceeded `json:"limitExceeded,omitempty"`
	// Cancelled is the attempt, or the wait for health, that a user cancelled and that no other attempt followed; absent
	// when there is none.
	// +optional
	Cancelled *CancelledAttempt `json:"cancelled,omitempty"`
	// Held is the revision that the controller does not apply for now, because of a window or a ReleaseFreeze; absent when
	// there is none.
	// +optional
	Held *HeldRevision `json:"held,omitempty"`
	// Inventory of the objects that were applied.
	// +optional
	Inventory *ResourceInventory `json:"inventory,omitempty"`
	// Kept are objects that the source no longer has and that were not deleted, because data would be lost with
	// them; the oldest are left out where there are more than 32. One that has an owner again, or is gone, leaves
	// the list.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Kept []KeptObject `json:"kept,omitempty"`
	// UnconfirmedPrune are the objects that the source no longer has, and that are not deleted before a user confirms
	// it; absent when there are none.
	// +optional
	UnconfirmedPrune *UnconfirmedPrune `json:"unconfirmedPrune,omitempty"`
	// Unhealthy are the worst of the objects that are not healthy.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Unhealthy []ObjectHealth `json:"unhealthy,omitempty"`
	// Released are objects that are no longer in the source and wait for another Kustomization to take them over.
	// +optional
	Released *ReleasedObjects `json:"released,omitempty"`
	// Plan is what applying the newest revision would do, where spec.sync has it wait for an approval; absent when
	// nothing is pending.
	// +optional
	Plan *KustomizationPlanStatus `json:"plan,omitempty"`
}

// LimitExceeded is a set of manifests and settings that exceeds a bound of memory, time or size. The controller does
// not build it again unless it is asked to.
type LimitExceeded struct {
	// Digest of the set.
	// +kubebuilder:validation:MaxLength=256
	Digest string `json:"digest"`
	// Message says which bound was exceeded, and by which file.
	// +kubebuilder:validation:MaxLength=32768
	Message string `json:"message"`
}

// Kustomization keeps the cluster equal to a directory of a source.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flks;ks,categories=fairlead
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name may have 63 characters at most, because objects carry it as a label"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Path",type="string",JSONPath=".spec.path",priority=1
// +kubebuilder:printcolumn:name="Revision",type="string",JSONPath=".status.lastAppliedRevision",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type Kustomization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec KustomizationSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status KustomizationStatus `json:"status,omitempty"`
}

// KustomizationList is a list of Kustomization.
// +kubebuilder:object:root=true
type KustomizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Kustomization `json:"items"`
}
