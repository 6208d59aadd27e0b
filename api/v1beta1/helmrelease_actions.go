package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CRDsPolicy tells what an action does with the crds directory of a chart.
type CRDsPolicy string

// Policies for the crds directory.
const (
	CRDsSkip          CRDsPolicy = "Skip"
	CRDsCreate        CRDsPolicy = "Create"
	CRDsCreateReplace CRDsPolicy = "CreateReplace"
)

// Names of strategies for a failed install or upgrade.
const (
	// RemediateOnFailure undoes a failed action as spec.install.remediation or spec.upgrade.remediation says.
	RemediateOnFailure = "RemediateOnFailure"
	// RetryOnFailure leaves a failed release and upgrades it again and again.
	RetryOnFailure = "RetryOnFailure"
)

// Strategies of spec.upgrade.remediation, and of spec.upgrade.chartNameChangeStrategy.
const (
	RollbackRemediation  = "rollback"
	UninstallRemediation = "uninstall"

	ChartNameReinstall     = "Reinstall"
	ChartNameInPlaceUpdate = "InPlaceUpdate"
)

// ServerSideApplyAuto is the value of serverSideApply, besides Enabled and Disabled, that keeps the method of a
// revision.
const ServerSideApplyAuto = "auto"

// Policies of spec.deletionPolicy.
const (
	DeletionPolicyDelete = "Delete"
	DeletionPolicyOrphan = "Orphan"
)

// Install holds options of the install action.
type Install struct {
	// Timeout of each wait, spec.timeout when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// CreateNamespace creates spec.targetNamespace when it does not exist. It is never deleted.
	// +optional
	CreateNamespace bool `json:"createNamespace,omitempty"`
	// CRDs tells what happens to the chart's crds directory: Skip, Create what is missing (the default), or CreateReplace,
	// which also brings existing ones up to date. A version that objects are stored in is never dropped.
	// +kubebuilder:validation:Enum=Skip;Create;CreateReplace
	// +optional
	CRDs CRDsPolicy `json:"crds,omitempty"`
	// DisableHooks leaves the chart's hooks out.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`
	// DisableWait does not wait for the objects to become ready.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`
	// DisableWaitForJobs does not wait for Jobs to complete.
	// +optional
	DisableWaitForJobs bool `json:"disableWaitForJobs,omitempty"`
	// DisableSchemaValidation does not check the values against the chart's values.schema.json.
	// +optional
	DisableSchemaValidation bool `json:"disableSchemaValidation,omitempty"`
	// DisableTakeOwnership fails on objects that exist and belong to no release. Left out, they become part of the
	// release. An object of another release is never taken.
	// +optional
	DisableTakeOwnership bool `json:"disableTakeOwnership,omitempty"`
	// ServerSideApply writes objects by server-side apply, which is the default. When it is false the controller
	// creates and patches them client-side, as Helm 3 does. The release record names the method.
	// +optional
	ServerSideApply *bool `json:"serverSideApply,omitempty"`
	// DisableOpenAPIValidation has no effect: the API server validates what it is sent, and there is no check before
	// that.
	// +optional
	DisableOpenAPIValidation bool `json:"disableOpenAPIValidation,omitempty"`
	// Replace lets the release take the name of an uninstalled one whose records were kept. The controller always does,
	// whatever the value.
	// +optional
	Replace bool `json:"replace,omitempty"`
	// SkipCRDs has no effect, as in Flux. Set CRDs to Skip instead.
	// +optional
	SkipCRDs bool `json:"skipCRDs,omitempty"`
	// Remediation tells what happens after a failed install. Left out together with Strategy, the release is left as it is
	// and upgraded again, with a growing pause.
	// +optional
	Remediation *InstallRemediation `json:"remediation,omitempty"`
	// Strategy picks between remediation and plain retries.
	// +optional
	Strategy *FailureStrategy `json:"strategy,omitempty"`
}

// Upgrade holds options of the upgrade action.
type Upgrade struct {
	// Timeout of each wait, spec.timeout when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// CRDs tells what happens to the chart's crds directory: Skip, Create what is missing (the default), or CreateReplace,
	// which also brings existing ones up to date. A version that objects are stored in is never dropped.
	// +kubebuilder:validation:Enum=Skip;Create;CreateReplace
	// +optional
	CRDs CRDsPolicy `json:"crds,omitempty"`
	// DisableHooks leaves the chart's hooks out.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`
	// DisableWait does not wait for the objects to become ready.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`
	// DisableWaitForJobs does not wait for Jobs to complete.
	// +optional
	DisableWaitForJobs bool `json:"disableWaitForJobs,omitempty"`
	// DisableSchemaValidation does not check the values against the chart's values.schema.json.
	// +optional
	DisableSchemaValidation bool `json:"disableSchemaValidation,omitempty"`
	// DisableTakeOwnership fails on objects that exist and belong to no release. Left out, they become part of the
	// release. An object of another release is never taken.
	// +optional
	DisableTakeOwnership bool `json:"disableTakeOwnership,omitempty"`
	// Force replaces objects instead of changing them where they differ.
	// +optional
	Force bool `json:"force,omitempty"`
	// CleanupOnFail deletes the objects that a failed upgrade made newly.
	// +optional
	CleanupOnFail bool `json:"cleanupOnFail,omitempty"`
	// Prune lists kinds whose objects are deleted when the chart no longer has them, whatever would be lost with
	// them: CustomResourceDefinitions with their custom resources, Namespaces with objects of others,
	// PersistentVolumeClaims. Left out, such objects are kept. A rollback keeps them in any case.
	// +kubebuilder:validation:items:Enum=CustomResourceDefinition;Namespace;PersistentVolumeClaim
	// +kubebuilder:validation:MaxItems=3
	// +listType=set
	// +optional
	Prune []string `json:"prune,omitempty"`
	// PreserveValues merges the values over those of the revision that is deployed, instead of over those of the chart
	// alone.
	// +optional
	PreserveValues bool `json:"preserveValues,omitempty"`
	// ChartNameChangeStrategy tells what a chart of another name does: Reinstall (the default) uninstalls the release
	// first, InPlaceUpdate upgrades it.
	// +kubebuilder:validation:Enum=InPlaceUpdate;Reinstall
	// +optional
	ChartNameChangeStrategy string `json:"chartNameChangeStrategy,omitempty"`
	// ServerSideApply is enabled for server-side apply, disabled for client-side patches as in Helm 3, or auto for the
	// method of the newest revision. It is as auto when left out, but a release of Helm 3, which records no method, is
	// then applied server-side.
	// +kubebuilder:validation:Enum=enabled;disabled;auto
	// +optional
	ServerSideApply string `json:"serverSideApply,omitempty"`
	// DisableOpenAPIValidation has no effect: the API server validates what it is sent, and there is no check before
	// that.
	// +optional
	DisableOpenAPIValidation bool `json:"disableOpenAPIValidation,omitempty"`
	// Remediation tells what happens after a failed upgrade. Left out together with Strategy, the release is rolled back
	// once and waits for other input.
	// +optional
	Remediation *UpgradeRemediation `json:"remediation,omitempty"`
	// Strategy picks between remediation and plain retries.
	// +optional
	Strategy *FailureStrategy `json:"strategy,omitempty"`
}

// FailureStrategy picks what happens after a failed install or upgrade.
// +kubebuilder:validation:XValidation:rule="!has(self.retryInterval) || self.name == 'RetryOnFailure'",message="retryInterval goes with RetryOnFailure only"
type FailureStrategy struct {
	// Name of the strategy: RemediateOnFailure, or RetryOnFailure, which never undoes anything.
	// +kubebuilder:validation:Enum=RemediateOnFailure;RetryOnFailure
	// +required
	Name string `json:"name"`
	// RetryInterval is the pause between two attempts with RetryOnFailure, 5m when left out. One below the least
	// interval of the controller, 10s by default, counts as that.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
}

// InstallRemediation tells what happens after a failed install.
type InstallRemediation struct {
	// Retries is how many more attempts follow a failed one, each after the remediation. Negative is without end.
	// +kubebuilder:validation:Minimum=-2147483648
	// +kubebuilder:validation:Maximum=2147483647
	// +optional
	Retries int32 `json:"retries,omitempty"`
	// IgnoreTestFailures does not take failed tests for a failed release; spec.test.ignoreFailures when left out.
	// +optional
	IgnoreTestFailures *bool `json:"ignoreTestFailures,omitempty"`
	// RemediateLastFailure remediates also when no retries are left, so that a failed release is uninstalled.
	// +optional
	RemediateLastFailure *bool `json:"remediateLastFailure,omitempty"`
}

// UpgradeRemediation tells what happens after a failed upgrade.
type UpgradeRemediation struct {
	// Retries is how many more attempts follow a failed one, each after the remediation. Negative is without end.
	// +kubebuilder:validation:Minimum=-2147483648
	// +kubebuilder:validation:Maximum=2147483647
	// +optional
	Retries int32 `json:"retries,omitempty"`
	// IgnoreTestFailures does not take failed tests for a failed release; spec.test.ignoreFailures when left out.
	// +optional
	IgnoreTestFailures *bool `json:"ignoreTestFailures,omitempty"`
	// RemediateLastFailure remediates also when no retries are left. Left out, it does when Retries is above 0.
	// +optional
	RemediateLastFailure *bool `json:"remediateLastFailure,omitempty"`
	// Strategy is what the remediation does: rollback, the default, or uninstall, after which the release is installed
	// again.
	// +kubebuilder:validation:Enum=rollback;uninstall
	// +optional
	Strategy string `json:"strategy,omitempty"`
}

// Test holds options of the chart's tests.
type Test struct {
	// Enable runs the tests of the chart once after each install and upgrade.
	// +optional
	Enable bool `json:"enable,omitempty"`
	// Timeout of each wait, spec.timeout when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// IgnoreFailures keeps the release Ready when tests fail.
	// +optional
	IgnoreFailures bool `json:"ignoreFailures,omitempty"`
	// Filters choose among the tests.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Filters []TestFilter `json:"filters,omitempty"`
}

// TestFilter chooses a test by its name, or leaves it out.
type TestFilter struct {
	// Name of the test.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Exclude leaves the test out instead of choosing it.
	// +optional
	Exclude bool `json:"exclude,omitempty"`
}

// Rollback holds options of the rollback action.
type Rollback struct {
	// Timeout of each wait, spec.timeout when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// DisableHooks leaves the chart's hooks out.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`
	// DisableWait does not wait for the objects to become ready.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`
	// DisableWaitForJobs does not wait for Jobs to complete.
	// +optional
	DisableWaitForJobs bool `json:"disableWaitForJobs,omitempty"`
	// Force replaces objects instead of changing them where they differ.
	// +optional
	Force bool `json:"force,omitempty"`
	// ServerSideApply is enabled for server-side apply, disabled for client-side patches as in Helm 3, or auto for the
	// method of the revision that the rollback goes back to. It is as auto when left out, but a revision of Helm 3,
	// which records no method, is then applied server-side.
	// +kubebuilder:validation:Enum=enabled;disabled;auto
	// +optional
	ServerSideApply string `json:"serverSideApply,omitempty"`
	// Recreate has no effect, as in Flux. The controller does not restart pods for a rollback.
	// +optional
	Recreate bool `json:"recreate,omitempty"`
	// CleanupOnFail deletes the objects that a failed rollback made newly.
	// +optional
	CleanupOnFail bool `json:"cleanupOnFail,omitempty"`
}

// Uninstall holds options of the uninstall action.
type Uninstall struct {
	// Timeout of each wait, spec.timeout when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// DisableHooks leaves the chart's hooks out.
	// +optional
	DisableHooks bool `json:"disableHooks,omitempty"`
	// DisableWait does not wait for the objects to be gone.
	// +optional
	DisableWait bool `json:"disableWait,omitempty"`
	// KeepHistory keeps the Helm release records, with status uninstalled.
	// +optional
	KeepHistory bool `json:"keepHistory,omitempty"`
	// DeletionPropagation says how objects go that depend on others: background, the default, foreground or orphan.
	// +kubebuilder:validation:Enum=background;foreground;orphan
	// +optional
	DeletionPropagation string `json:"deletionPropagation,omitempty"`
}

// WaitStrategyLegacy is the strategy that judges objects by the rules of Helm 3.
const WaitStrategyLegacy = "legacy"

// WaitStrategy says by which rules the controller waits for objects.
type WaitStrategy struct {
	// Name of the strategy: poller, by which the status of every object counts, or legacy, the rules of Helm 3, which
	// know pods, workloads, Jobs, claims, Services and definitions. Every other object is then ready when it exists.
	// HealthCheckExprs judge their kinds with either. The health of a release is judged in the same way.
	// +kubebuilder:validation:Enum=poller;legacy
	// +required
	Name string `json:"name"`
}
