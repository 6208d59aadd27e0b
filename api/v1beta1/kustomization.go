package v1beta1

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// GetInterval is how often a Kustomization is audited, with its default.
func (in *Kustomization) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultKustomizationInterval)
}

// GetTimeout bounds applying, and waiting for health, with its default.
func (in *Kustomization) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultKustomizationTimeout)
}

// GetRetryInterval is the pause after a failure, MinInterval at least; zero when it is left to the controller.
func (in *Kustomization) GetRetryInterval() time.Duration {
	if durationOr(in.Spec.RetryInterval, 0) == 0 {
		return 0
	}
	return intervalOr(in.Spec.RetryInterval, 0)
}

// GetServiceAccountName returns the name of the ServiceAccount that the Kustomization acts as, in the namespace of the
// object: that of the spec, else the fallback. Empty means the controller itself.
func (in *Kustomization) GetServiceAccountName(fallback string) string {
	return cmp.Or(in.Spec.ServiceAccountName, fallback)
}

// GetSourceKey returns the name of the source.
func (in *Kustomization) GetSourceKey() types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(in.Spec.SourceRef.Namespace, in.Namespace), Name: in.Spec.SourceRef.Name}
}

// GetDeletionPolicy is what happens to the objects when the Kustomization is deleted: Delete, WaitForTermination or
// Orphan.
func (in *Kustomization) GetDeletionPolicy() string {
	switch policy := in.Spec.DeletionPolicy; policy {
	case "", DeletionPolicyMirrorPrune:
		if in.Spec.Prune {
			return DeletionPolicyDelete
		}
		return DeletionPolicyOrphan
	default:
		return policy
	}
}

// GetConditions implements Conditioned.
func (in *Kustomization) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *Kustomization) SetConditions(conditions []metav1.Condition) {
	in.Status.Conditions = conditions
}

// IsSuspended reports whether spec.suspend is set.
func (in *Kustomization) IsSuspended() bool { return in.Spec.Suspend }

// GetDependsOn names what has to be ready first.
func (in *Kustomization) GetDependsOn() []DependencyReference { return in.Spec.DependsOn }
