package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// HelmReleaseSpec declares a Helm release.
// +kubebuilder:validation:XValidation:rule="has(self.chart) != has(self.chartRef)",message="exactly one of spec.chart and spec.chartRef must be set"
type HelmReleaseSpec struct {
	// Chart picks the chart from a HelmRepository, a GitRepository or a Bucket. No object is created for it.
	// +optional
	Chart *HelmChartTemplate `json:"chart,omitempty"`
	// ChartRef names an OCIRepository or HelmChart that stands for the chart.
	// +optional
	ChartRef *ChartSourceReference `json:"chartRef,omitempty"`
	// Interval of the safety audit, with a jitter of up to 10 %. Changes of the chart, the values, the dependencies and
	// the object itself are seen immediately and do not wait for it.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +kubebuilder:default="1h"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Suspend stops everything that changes the Helm release. Deleting a suspended object leaves the Helm release alone.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// ReleaseName of the Helm release. Left out, it is the name of the object, with the target namespace in front when
	// that is set, shortened to 53 characters where it has to be.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=53
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a release name has lower-case letters, digits, '-' and '.', and begins and ends with a letter or a digit"
	// +optional
	ReleaseName string `json:"releaseName,omitempty"`
	// TargetNamespace is the namespace of the Helm release, the namespace of the object when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`
	// StorageNamespace is where the Helm release records are kept, the namespace of the object when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	StorageNamespace string `json:"storageNamespace,omitempty"`
	// DependsOn names objects, HelmReleases unless they say otherwise, that have to be ready before this release is
	// installed or upgraded.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	DependsOn []DependencyReference `json:"dependsOn,omitempty"`
	// Timeout of each wait of a Helm action, 5m when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// MaxHistory is how many revisions Helm keeps, 5 when left out, 0 for all.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	// +optional
	MaxHistory *int32 `json:"maxHistory,omitempty"`
	// ServiceAccountName is the ServiceAccount in the namespace of the object on whose behalf everything of the release is
	// read and written. Left out, it is the controller's default, and without that the controller itself.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// KubeConfig names the cluster of the release when it is not the controller's own.
	// +optional
	KubeConfig *KubeConfigReference `json:"kubeConfig,omitempty"`
	// DeletionPolicy tells what happens to the Helm release when the object is deleted: Delete uninstalls it, Orphan
	// leaves it, and it stays a plain Helm release.
	// +kubebuilder:validation:Enum=Delete;Orphan
	// +kubebuilder:default=Delete
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	// PostRenderers change what the chart renders, one after the other.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	PostRenderers []PostRenderer `json:"postRenderers,omitempty"`
	// PostRenderStrategy tells what the post renderers see of hooks: nothing (nohooks), hooks and templates together
	// (combined, the default), or hooks and templates each by itself (separate).
	// +kubebuilder:validation:Enum=nohooks;combined;separate
	// +optional
	PostRenderStrategy string `json:"postRenderStrategy,omitempty"`
	// CommonMetadata is put on every object of the release, after the post renderers.
	// +optional
	CommonMetadata *CommonMetadata `json:"commonMetadata,omitempty"`
	// Sync says when the controller installs and upgrades, and which plans wait for an approval; at any time when left
	// out.
	// +kubebuilder:validation:XValidation:rule="!has(self.prune)",message="sync.prune is for Kustomizations only"
	// +optional
	Sync *Sync `json:"sync,omitempty"`
	// DriftDetection tells what happens to objects that another client has changed. By default the change is undone.
	// +optional
	DriftDetection *DriftDetection `json:"driftDetection,omitempty"`
	// HealthCheckExprs judge objects whose status the usual rules do not fit.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	HealthCheckExprs []HealthCheckExpr `json:"healthCheckExprs,omitempty"`
	// Bake is how long a revision has to stay healthy after its rollout to count as verified, 2m when left out, 0 for not
	// at all. One that does not is rolled back.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h))+)$"
	// +optional
	Bake *metav1.Duration `json:"bake,omitempty"`
	// Preflight has the API server check what an upgrade changes before anything is changed: enabled, the default, or
	// disabled.
	// +kubebuilder:validation:Enum=enabled;disabled
	// +optional
	Preflight string `json:"preflight,omitempty"`
	// AutoRollback says how the release recovers from a revision that fails or does not stay healthy.
	// +optional
	AutoRollback *AutoRollback `json:"autoRollback,omitempty"`
	// WaitStrategy says by which rules the controller waits for objects, and judges their health afterwards.
	// +optional
	WaitStrategy *WaitStrategy `json:"waitStrategy,omitempty"`
	// PersistentClient has no effect: releases share their clients, which learn new kinds as they appear.
	// +optional
	PersistentClient *bool `json:"persistentClient,omitempty"`
	// Install sets options of the install action.
	// +optional
	Install *Install `json:"install,omitempty"`
	// Upgrade sets options of the upgrade action.
	// +optional
	Upgrade *Upgrade `json:"upgrade,omitempty"`
	// Test sets options of the chart's tests.
	// +optional
	Test *Test `json:"test,omitempty"`
	// Rollback sets options of the rollback action.
	// +optional
	Rollback *Rollback `json:"rollback,omitempty"`
	// Uninstall sets options of the uninstall action.
	// +optional
	Uninstall *Uninstall `json:"uninstall,omitempty"`
	// ValuesFrom names ConfigMaps, Secrets and files of sources with values, merged in this order, before Values.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	ValuesFrom []ValuesReference `json:"valuesFrom,omitempty"`
	// Values for the chart; they win over ValuesFrom.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +optional
	Values *runtime.RawExtension `json:"values,omitempty"`
}

// Snapshot is one revision of the Helm release as it was written to storage.
type Snapshot struct {
	// Name of the Helm release.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Name string `json:"name"`
	// Namespace of the Helm release.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Namespace string `json:"namespace"`
	// Version is the revision of the Helm release.
	// +required
	Version int32 `json:"version"`
	// Status of the revision, in Helm's words: deployed, superseded, failed, uninstalled, pending-….
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Status string `json:"status"`
	// ChartName is the name of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartName string `json:"chartName"`
	// ChartVersion is the version of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	ChartVersion string `json:"chartVersion"`
	// ChartDigest is the exact chart.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ChartDigest string `json:"chartDigest,omitempty"`
	// AppVersion of the chart.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	AppVersion string `json:"appVersion,omitempty"`
	// ConfigDigest is the digest of the values that were given to the chart.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ConfigDigest string `json:"configDigest"`
	// Digest of the release as it is in storage; it changes when another Helm client touches the revision.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// RenderDigest is the digest of the post renderers and the common metadata; empty when there are none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	RenderDigest string `json:"renderDigest,omitempty"`
	// Action that made this revision: install, upgrade or rollback.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Action string `json:"action,omitempty"`
	// Outcome is how the revision ended, which the status does not say of every revision: succeeded, failed, superseded
	// when other inputs were wanted by then, interrupted when it was left pending. It is empty while its action is under
	// way, and where it is not known.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Outcome string `json:"outcome,omitempty"`
	// TestHooks are the chart's tests, by name, as they last ran on this revision.
	// +optional
	TestHooks map[string]TestHook `json:"testHooks,omitempty"`
	// FirstDeployed is when the release was first installed.
	// +required
	FirstDeployed metav1.Time `json:"firstDeployed"`
	// LastDeployed is when this revision was made.
	// +required
	LastDeployed metav1.Time `json:"lastDeployed"`
	// Deleted is when the release was uninstalled.
	// +optional
	Deleted *metav1.Time `json:"deleted,omitempty"`
}

// HelmReleaseStatus is what the release controller knows about the Helm release.
type HelmReleaseStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// LastHandledForceAt is the value of the annotation fairlead.dev/forceAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledForceAt string `json:"lastHandledForceAt,omitempty"`
	// LastHandledResetAt is the value of the annotation fairlead.dev/resetAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledResetAt string `json:"lastHandledResetAt,omitempty"`
	// LastHandledOverrideAt is the value of the annotation fairlead.dev/overrideWindowAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledOverrideAt string `json:"lastHandledOverrideAt,omitempty"`
	// LastHandledSyncObjectsAt is the value of the annotation fairlead.dev/syncObjectsAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledSyncObjectsAt string `json:"lastHandledSyncObjectsAt,omitempty"`
	// LastHandledCancelAt is the value of the annotation fairlead.dev/cancelAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledCancelAt string `json:"lastHandledCancelAt,omitempty"`
	// Conditions of the release: Ready, Reconciling, Stalled, Released, TestSuccess, Remediated, Healthy, Verified,
	// Drifted.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// StorageNamespace is where the Helm release records are.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	StorageNamespace string `json:"storageNamespace,omitempty"`
	// History of the Helm release, newest first.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	History []Snapshot `json:"history,omitempty"`
	// Inventory of the objects of the newest revision.
	// +optional
	Inventory *ResourceInventory `json:"inventory,omitempty"`
	// LastAttemptedGeneration is the generation of the last install or upgrade.
	// +optional
	LastAttemptedGeneration int64 `json:"lastAttemptedGeneration,omitempty"`
	// LastAttemptedRevision is the chart version of the last install or upgrade.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`
	// LastAttemptedRevisionDigest is the chart digest of the last install or upgrade.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAttemptedRevisionDigest string `json:"lastAttemptedRevisionDigest,omitempty"`
	// LastAttemptedConfigDigest is the digest of the values of the last install or upgrade.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAttemptedConfigDigest string `json:"lastAttemptedConfigDigest,omitempty"`
	// LastAttemptedRenderDigest is the digest of the post renderers and the common metadata of the last install or
	// upgrade.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastAttemptedRenderDigest string `json:"lastAttemptedRenderDigest,omitempty"`
	// SharedValues are those of the stage of a pipeline that the values of the last install or upgrade, or of the revision
	// that was found to be as wanted, were made with; left out without them.
	// +optional
	SharedValues *SharedValues `json:"sharedValues,omitempty"`
	// LastVerified is the last revision that was good. A failure never clears it, and its record is never pruned.
	// +optional
	LastVerified *Verified `json:"lastVerified,omitempty"`
	// InputDigest is the digest of the chart, the values and the post renderers that are wanted.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	InputDigest string `json:"inputDigest,omitempty"`
	// Bake is the watch over a revision that is not verified yet.
	// +optional
	Bake *Bake `json:"bake,omitempty"`
	// KnownBad are inputs that failed and are not tried again, newest first, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	KnownBad []KnownBad `json:"knownBad,omitempty"`
	// Skipped are the charts that are passed over when a version is chosen from the range: those of knownBad that
	// failed with the present values, rendering and settings, while the newest in the range is one of them.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Skipped []SkippedChart `json:"skipped,omitempty"`
	// Held is the chart that the release does not take for now, because of a ReleaseFreeze, a wave or a window; absent
	// when there is none.
	// +optional
	Held *HeldChart `json:"held,omitempty"`
	// Plan is what the next install or upgrade would do, where spec.sync has it wait for an approval; absent when nothing
	// is pending.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`
	// LastObjectSync is the last sync of some objects that a user asked for; it is no sync of the release.
	// +optional
	LastObjectSync *ObjectSync `json:"lastObjectSync,omitempty"`
	// Cancelled is the step that a user cancelled, and that was not tried again since; absent when there is none.
	// +optional
	Cancelled *CancelledStep `json:"cancelled,omitempty"`
	// LastFailure is the last failure, kept until a revision is verified.
	// +optional
	LastFailure *LastFailure `json:"lastFailure,omitempty"`
	// Rollbacks are the last automatic rollbacks, newest first, at most 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Rollbacks []AutomaticRollback `json:"rollbacks,omitempty"`
	// Unhealthy are the worst objects of the release, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Unhealthy []ObjectHealth `json:"unhealthy,omitempty"`
	// Drift is how objects differ from the manifest of the release, at most 10 of them.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	Drift []ObjectDrift `json:"drift,omitempty"`
	// Adoption is the comparison of the live objects of an adopted release that precedes its first upgrade; absent for
	// every other release.
	// +optional
	Adoption *Adoption `json:"adoption,omitempty"`
	// Kept are objects that the chart no longer has and that were not deleted, because data would be lost with
	// them; the oldest are left out where there are more than 32. One that has an owner again, or is gone, leaves
	// the list.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Kept []KeptObject `json:"kept,omitempty"`
	// LastAttemptedReleaseAction is the last Helm action: install or upgrade.
	// +kubebuilder:validation:Enum=install;upgrade
	// +optional
	LastAttemptedReleaseAction string `json:"lastAttemptedReleaseAction,omitempty"`
	// LastAttemptedAt is when the last install or upgrade ended; the back-off after a failure counts from here.
	// +optional
	LastAttemptedAt *metav1.Time `json:"lastAttemptedAt,omitempty"`
	// Failures counts attempts of any kind that failed since the last success or new input.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// InstallFailures counts installs that reached the cluster and failed since the last success or new input.
	// +optional
	InstallFailures int64 `json:"installFailures,omitempty"`
	// UpgradeFailures counts upgrades that reached the cluster and failed since the last success or new input.
	// +optional
	UpgradeFailures int64 `json:"upgradeFailures,omitempty"`
}

// HelmRelease declares one Helm release.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hr;flhr,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Version",type="string",JSONPath=".status.history[0].chartVersion"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Chart",type="string",JSONPath=".status.history[0].chartName",priority=1
// +kubebuilder:printcolumn:name="Revision",type="integer",JSONPath=".status.history[0].version",priority=1
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type HelmRelease struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec HelmReleaseSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status HelmReleaseStatus `json:"status,omitempty"`
}

// HelmReleaseList is a list of HelmRelease.
// +kubebuilder:object:root=true
type HelmReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []HelmRelease `json:"items"`
}
