package v1beta1

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxReleaseName is Helm's limit: names of objects made from it have to stay within 63 characters.
const maxReleaseName = 53

// GetConditions implements Conditioned.
func (in *HelmRelease) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *HelmRelease) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// GetInterval is how often the release is audited.
func (in *HelmRelease) GetInterval() time.Duration {
	return intervalOr(in.Spec.Interval, DefaultReleaseInterval)
}

// GetReleaseName is the name of the Helm release. A name that would be too long is cut to 40 characters and made unique
// again with a hash, the way Flux does, so that a release that moves over keeps its name.
func (in *HelmRelease) GetReleaseName() string {
	if in.Spec.ReleaseName != "" {
		return in.Spec.ReleaseName
	}

	name := in.Name
	if in.Spec.TargetNamespace != "" {
		name = in.Spec.TargetNamespace + "-" + name
	}
	if len(name) <= maxReleaseName {
		return name
	}

	sum := sha256.Sum256([]byte(name))
	return name[:40] + "-" + hex.EncodeToString(sum[:])[:12]
}

// GetReleaseNamespace is the namespace of the Helm release.
func (in *HelmRelease) GetReleaseNamespace() string {
	if in.Spec.TargetNamespace != "" {
		return in.Spec.TargetNamespace
	}
	return in.Namespace
}

// GetStorageNamespace is where the Helm release records are kept.
func (in *HelmRelease) GetStorageNamespace() string {
	if in.Spec.StorageNamespace != "" {
		return in.Spec.StorageNamespace
	}
	return in.Namespace
}

// GetMaxHistory is how many revisions Helm keeps; 0 means all.
func (in *HelmRelease) GetMaxHistory() int {
	if in.Spec.MaxHistory == nil {
		return DefaultMaxHistory
	}
	return int(*in.Spec.MaxHistory)
}

// GetTimeout bounds each wait of an action without a timeout of its own.
func (in *HelmRelease) GetTimeout() time.Duration {
	return durationOr(in.Spec.Timeout, DefaultReleaseTimeout)
}

// GetInstall returns the install options, never nil, with the timeout filled in.
func (in *HelmRelease) GetInstall() Install {
	var out Install
	if in.Spec.Install != nil {
		out = *in.Spec.Install
	}
	out.Timeout = &metav1.Duration{Duration: durationOr(out.Timeout, in.GetTimeout())}
	return out
}

// GetUpgrade returns the upgrade options, never nil, with the timeout filled in.
func (in *HelmRelease) GetUpgrade() Upgrade {
	var out Upgrade
	if in.Spec.Upgrade != nil {
		out = *in.Spec.Upgrade
	}
	out.Timeout = &metav1.Duration{Duration: durationOr(out.Timeout, in.GetTimeout())}
	return out
}

// GetUninstall returns the uninstall options, never nil, with the timeout filled in.
func (in *HelmRelease) GetUninstall() Uninstall {
	var out Uninstall
	if in.Spec.Uninstall != nil {
		out = *in.Spec.Uninstall
	}
	out.Timeout = &metav1.Duration{Duration: durationOr(out.Timeout, in.GetTimeout())}
	return out
}

// GetTest returns the test options, never nil, with the timeout filled in.
func (in *HelmRelease) GetTest() Test {
	var out Test
	if in.Spec.Test != nil {
		out = *in.Spec.Test
	}
	out.Timeout = &metav1.Duration{Duration: durationOr(out.Timeout, in.GetTimeout())}
	return out
}

// GetRollback returns the rollback options, never nil, with the timeout filled in.
func (in *HelmRelease) GetRollback() Rollback {
	var out Rollback
	if in.Spec.Rollback != nil {
		out = *in.Spec.Rollback
	}
	out.Timeout = &metav1.Duration{Duration: durationOr(out.Timeout, in.GetTimeout())}
	return out
}

// GetRetryInterval is the pause between two attempts with RetryOnFailure, MinInterval at least.
func (in *FailureStrategy) GetRetryInterval() time.Duration {
	return intervalOr(in.RetryInterval, DefaultRetryInterval)
}

// Latest returns the newest revision of the Helm release, nil when there is none.
func (in *HelmReleaseStatus) Latest() *Snapshot {
	if len(in.History) == 0 {
		return nil
	}
	return &in.History[0]
}

// IsSuspended reports whether spec.suspend is set.
func (in *HelmRelease) IsSuspended() bool { return in.Spec.Suspend }

// GetDependsOn names what has to be ready first.
func (in *HelmRelease) GetDependsOn() []DependencyReference { return in.Spec.DependsOn }

// GetChartInterval returns the interval at which the release asks its source for the chart, zero when it leaves that to
// the source. It is at least MinInterval.
func (in *HelmRelease) GetChartInterval() time.Duration {
	if in.Spec.Suspend || in.Spec.Chart == nil || in.Spec.Chart.Spec.Interval == nil ||
		in.Spec.Chart.Spec.Interval.Duration <= 0 {
		return 0
	}
	return max(in.Spec.Chart.Spec.Interval.Duration, MinInterval())
}
