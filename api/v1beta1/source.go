package v1beta1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Source is what ArtifactGenerator, Bucket, ExternalArtifact, GitRepository, HelmRepository, OCIRepository and HelmChart
// have in common.
// +kubebuilder:object:generate=false
type Source interface {
	Conditioned
	// GetInterval is how often upstream is asked, with its default.
	GetInterval() time.Duration
	// GetTimeout bounds one exchange with upstream, with its default.
	GetTimeout() time.Duration
	// IsSuspended reports whether spec.suspend is set.
	IsSuspended() bool
	// GetArtifact is what is in the cache, nil before the first success.
	GetArtifact() *Artifact
	// SetArtifact records what is in the cache.
	SetArtifact(*Artifact)
	// GetObservedGeneration is the last generation that was handled.
	GetObservedGeneration() int64
	// SetObservedGeneration records it.
	SetObservedGeneration(int64)
	// Request is the part of the status that answers the request annotation.
	Request() *ReconcileRequest
	// GetSecretRefs names the Secrets that decide about a poll, all in the namespace of the source; entries may be nil.
	GetSecretRefs() []*LocalObjectReference
}

// GetSecretRefs implements Source.
func (in *GitRepository) GetSecretRefs() []*LocalObjectReference {
	refs := []*LocalObjectReference{in.Spec.SecretRef, in.Spec.ProxySecretRef}
	if in.Spec.Verify != nil {
		refs = append(refs, &in.Spec.Verify.SecretRef)
	}
	return refs
}

// GetSecretRefs implements Source.
func (in *Bucket) GetSecretRefs() []*LocalObjectReference {
	return []*LocalObjectReference{in.Spec.SecretRef, in.Spec.CertSecretRef, in.Spec.ProxySecretRef}
}

// GetSecretRefs implements Source.
func (in *HelmRepository) GetSecretRefs() []*LocalObjectReference {
	return []*LocalObjectReference{in.Spec.SecretRef, in.Spec.CertSecretRef}
}

// GetSecretRefs implements Source.
func (in *OCIRepository) GetSecretRefs() []*LocalObjectReference {
	return []*LocalObjectReference{in.Spec.SecretRef, in.Spec.CertSecretRef, in.Spec.ProxySecretRef, in.Spec.Verify.Keys()}
}

// GetSecretRefs implements Source.
func (in *HelmChart) GetSecretRefs() []*LocalObjectReference {
	return []*LocalObjectReference{in.Spec.Verify.Keys()}
}

// GetInterval implements Source.
func (in *Bucket) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultSourceInterval)
}

// GetTimeout implements Source.
func (in *Bucket) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultSourceTimeout)
}

// IsSuspended implements Source.
func (in *Bucket) IsSuspended() bool { return in.Spec.Suspend }

// GetArtifact implements Source.
func (in *Bucket) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *Bucket) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *Bucket) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *Bucket) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *Bucket) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *Bucket) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *Bucket) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetInterval implements Source.
func (in *GitRepository) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultSourceInterval)
}

// GetTimeout implements Source.
func (in *GitRepository) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultSourceTimeout)
}

// IsSuspended implements Source.
func (in *GitRepository) IsSuspended() bool { return in.Spec.Suspend }

// GetArtifact implements Source.
func (in *GitRepository) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *GitRepository) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *GitRepository) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *GitRepository) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *GitRepository) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *GitRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *GitRepository) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetInterval implements Source.
func (in *HelmRepository) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultSourceInterval)
}

// GetTimeout implements Source.
func (in *HelmRepository) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultSourceTimeout)
}

// IsSuspended implements Source.
func (in *HelmRepository) IsSuspended() bool { return in.Spec.Suspend }

// GetArtifact implements Source.
func (in *HelmRepository) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *HelmRepository) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *HelmRepository) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *HelmRepository) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *HelmRepository) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *HelmRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *HelmRepository) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetInterval implements Source.
func (in *OCIRepository) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultSourceInterval)
}

// GetTimeout implements Source.
func (in *OCIRepository) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultSourceTimeout)
}

// IsSuspended implements Source.
func (in *OCIRepository) IsSuspended() bool { return in.Spec.Suspend }

// GetArtifact implements Source.
func (in *OCIRepository) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *OCIRepository) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *OCIRepository) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *OCIRepository) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *OCIRepository) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *OCIRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *OCIRepository) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetInterval implements Source.
func (in *HelmChart) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultSourceInterval)
}

// GetTimeout implements Source.
func (in *HelmChart) GetTimeout() time.Duration { return DefaultSourceTimeout }

// IsSuspended implements Source.
func (in *HelmChart) IsSuspended() bool { return in.Spec.Suspend }

// GetArtifact implements Source.
func (in *HelmChart) GetArtifact() *Artifact { return in.Status.Artifact }

// SetArtifact implements Source.
func (in *HelmChart) SetArtifact(a *Artifact) { in.Status.Artifact = a }

// GetObservedGeneration implements Source.
func (in *HelmChart) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *HelmChart) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *HelmChart) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// GetConditions implements Conditioned.
func (in *HelmChart) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *HelmChart) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
