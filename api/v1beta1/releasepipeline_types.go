package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PipelineSubject is the chart that a pipeline promotes.
// +kubebuilder:validation:XValidation:rule="(self.sourceRef.kind == 'OCIRepository' || has(self.charts)) != has(self.chart)",message="a HelmRepository and a GitRepository need one of spec.subject.chart and spec.subject.charts, and an OCIRepository is one chart itself"
// +kubebuilder:validation:XValidation:rule="!has(self.charts) || self.sourceRef.kind != 'OCIRepository'",message="an OCIRepository is one chart; spec.subject.charts goes with a HelmRepository, also of type oci, and a GitRepository"
// +kubebuilder:validation:XValidation:rule="!has(self.charts) || !has(self.charts.include) || self.sourceRef.kind == 'HelmRepository'",message="spec.subject.charts.include goes with a HelmRepository that has an index; name the charts of a GitRepository"
// +kubebuilder:validation:XValidation:rule="!has(self.charts) || !has(self.charts.path) || self.sourceRef.kind == 'GitRepository'",message="spec.subject.charts.path goes with a GitRepository"
// +kubebuilder:validation:XValidation:rule="self.sourceRef.kind == 'HelmRepository' || !has(self.version)",message="spec.subject.version goes with a HelmRepository; the range of an OCIRepository is its own spec.ref.semver, and a directory has one version"
// +kubebuilder:validation:XValidation:rule="self.sourceRef.kind == 'HelmRepository' || !has(self.filter) && !has(self.prereleases) && !has(self.verify)",message="filter, prereleases and verify go with a HelmRepository; those of other sources are their own"
type PipelineSubject struct {
	// SourceRef names where the chart comes from, in the namespace of the pipeline.
	// +required
	SourceRef PipelineSourceReference `json:"sourceRef"`
	// Chart is the name of the chart in a HelmRepository, or its path in a GitRepository.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Chart string `json:"chart,omitempty"`
	// Charts are several charts of the source instead of one. The controller makes a pipeline PIPELINE-CHART for each.
	// +optional
	Charts *PipelineCharts `json:"charts,omitempty"`
	// Version is the range of versions of a chart in a HelmRepository, any release when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Version string `json:"version,omitempty"`
	// Filter bounds the versions of a chart in a HelmRepository by their text.
	// +optional
	Filter *VersionFilter `json:"filter,omitempty"`
	// Prereleases lets the range of a chart in a HelmRepository take pre-releases.
	// +optional
	Prereleases bool `json:"prereleases,omitempty"`
	// Verify has the signatures of a chart in a HelmRepository checked before it becomes a candidate, and again in each
	// stage.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Values names a file of values that the HelmReleases of all stages share. A candidate is a chart with such values
	// then: the same chart with other values is another candidate.
	// +optional
	Values *PipelineValues `json:"values,omitempty"`
}

// PipelineSourceReference names a source of charts in the namespace of the pipeline.
type PipelineSourceReference struct {
	// Kind of the source.
	// +kubebuilder:validation:Enum=OCIRepository;HelmRepository;GitRepository
	// +required
	Kind string `json:"kind"`
	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// PromotionWindow is a time that comes again, in which a stage gets candidates, or in which it gets none.
type PromotionWindow struct {
	// Kind is Allow, the default: candidates are promoted in such windows only; or Deny: none is promoted in the window.
	// +kubebuilder:validation:Enum=Allow;Deny
	// +kubebuilder:default=Allow
	// +optional
	Kind string `json:"kind,omitempty"`
	// Cron says when the window begins: minute, hour, day of the month, month and day of the week.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +required
	Cron string `json:"cron"`
	// Duration of the window, a week at most.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('168h')",message="a window lasts up to a week"
	// +required
	Duration metav1.Duration `json:"duration"`
	// TimeZone is the IANA name of the time zone of Cron, UTC when left out.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
}

// StageGates are conditions that a candidate has to meet.
type StageGates struct {
	// Range is a semver range that the version has to be in. Pre-releases are in it, too.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Range string `json:"range,omitempty"`
	// Prereleases is Allow, the default, or Deny.
	// +kubebuilder:validation:Enum=Allow;Deny
	// +optional
	Prereleases string `json:"prereleases,omitempty"`
	// Bump is the largest step of the version that needs no approval: Patch, Minor, or Major, the default.
	// +kubebuilder:validation:Enum=Patch;Minor;Major
	// +optional
	Bump string `json:"bump,omitempty"`
	// Downgrade lets the stage go to a lower version when its own gates no longer allow the version that it has.
	// +optional
	Downgrade bool `json:"downgrade,omitempty"`
	// Soak is how long the candidate has to stay verified, without a break, in the stages before.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`
	// MinAge is how long ago the pipeline has to have seen the candidate first.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	MinAge *metav1.Duration `json:"minAge,omitempty"`
	// Approval says which candidates need approvals, and which approvals count.
	// +optional
	Approval *StageApproval `json:"approval,omitempty"`
	// Windows are times in which candidates are promoted, or in which they are not.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Windows []PromotionWindow `json:"windows,omitempty"`
	// Verify says who has to have signed a candidate for this stage, beside what the source of the subject wants. The
	// Secrets are in the namespace of the pipeline.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Checks are CEL expressions that have to hold.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Checks []StageCheck `json:"checks,omitempty"`
	// Attestations are signed statements that have to be beside the chart in the registry of the subject, all of them.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Attestations []RequiredAttestation `json:"attestations,omitempty"`
}

// PipelineStage is one environment: the HelmReleases whose chartRef is the source of the stage, which the controller
// writes and which has the name PIPELINE-STAGE: an OCIRepository, or a HelmChart where the chart is in no registry.
// +kubebuilder:validation:XValidation:rule="!has(self.promote) || self.promote != 'Manual' || !has(self.gates) || !has(self.gates.approval) || !has(self.gates.approval.when) || self.gates.approval.when == 'Always'",message="with promote Manual every candidate needs an approval; gates.approval.when goes with promote Auto"
type PipelineStage struct {
	// Name of the stage.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	// +required
	Name string `json:"name"`
	// From are the stages that have to have verified a candidate, earlier ones of the list. Left out, it is the stage
	// before; the first stage gets its candidates from the subject.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=32
	// +listType=set
	// +optional
	From []string `json:"from,omitempty"`
	// FromPolicy is All, the default, or Any: how many of the stages of From have to have verified a candidate.
	// +kubebuilder:validation:Enum=All;Any
	// +optional
	FromPolicy string `json:"fromPolicy,omitempty"`
	// Promote is Auto, the default: a candidate that passes the gates is promoted; or Manual: it needs an approval, too.
	// +kubebuilder:validation:Enum=Auto;Manual
	// +optional
	Promote string `json:"promote,omitempty"`
	// Approved are versions, and semver ranges, that need no other approval.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=512
	// +listType=set
	// +optional
	Approved []string `json:"approved,omitempty"`
	// Rejected are versions, and digests of charts or of shared values, that the stage does not get, and leaves when it
	// has one of them.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Rejected []string `json:"rejected,omitempty"`
	// Pin is the version, or the digest of a chart or of shared values, that the stage has to have, whatever the gates
	// say. Of several candidates it is the newest. A freeze holds it only when the stage never had that candidate.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Pin string `json:"pin,omitempty"`
	// Hold is the reason why the stage gets nothing new; rollbacks are not held.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Hold string `json:"hold,omitempty"`
	// Gates of the stage.
	// +optional
	Gates *StageGates `json:"gates,omitempty"`
	// OnFailure is Reject, the default: a candidate that fails is rejected, and newer ones are promoted; or Hold: the
	// stage is held, too, until the pipeline is resumed.
	// +kubebuilder:validation:Enum=Reject;Hold
	// +optional
	OnFailure string `json:"onFailure,omitempty"`
	// Deliver says how the stage gets its candidates: through an OCIRepository that the controller writes when left out.
	// +optional
	Deliver *StageDeliver `json:"deliver,omitempty"`
	// Deadline is how long the HelmReleases may take to verify a candidate before it is rejected, 2h when left out. A
	// stage that copies has none when left out.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$"
	// +optional
	Deadline *metav1.Duration `json:"deadline,omitempty"`
	// Intake is Newest, the default: the stage takes the newest candidate although later stages still wait for the one
	// that it has; or Serial: it keeps a verified one until each stage after it has taken or rejected it. A stage waits
	// for a candidate while only soak, minAge, windows, freezes and approvals keep it out.
	// +kubebuilder:validation:Enum=Newest;Serial
	// +optional
	Intake string `json:"intake,omitempty"`
	// MinVerified is how many HelmReleases of the stage have to verify a candidate, as a count or as a percentage, which
	// is rounded up; all when left out. The candidate is rejected when so many of them failed that the others are too
	// few.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern="^(100|[1-9][0-9]?)%$"
	// +optional
	MinVerified *intstr.IntOrString `json:"minVerified,omitempty"`
	// Waves in which the HelmReleases of the stage take a candidate, one after the other. HelmReleases that no wave
	// selects are the last. A rollback is not limited by waves, nor is the first install of a HelmRelease.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Waves []StageWave `json:"waves,omitempty"`
}

// ReleasePipelineSpec says which chart goes through which stages.
// +kubebuilder:validation:XValidation:rule="!has(self.subject.values) || self.stages.all(s, !has(s.deliver) || !has(s.deliver.copy))",message="a stage with deliver.copy gets a chart without values; it does not go with spec.subject.values"
type ReleasePipelineSpec struct {
	// Suspend stops everything that the pipeline would change, rollbacks included.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// Subject is the chart.
	// +required
	Subject PipelineSubject `json:"subject"`
	// Stages in their order.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +required
	Stages []PipelineStage `json:"stages"`
}
