package v1beta1

import (
	"cmp"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Defaults that apply when a field is left out. The intervals are also written into the CRDs.
const (
	// DefaultSourceInterval is how often a source asks upstream for news.
	DefaultSourceInterval = 5 * time.Minute
	// DefaultArtifactInterval is how often an ArtifactGenerator and its artifacts are audited; everything else reaches
	// them as an event.
	DefaultArtifactInterval = time.Hour
	// DefaultReleaseInterval is how often a release is audited; everything else reaches it as an event.
	DefaultReleaseInterval = time.Hour
	// DefaultSourceTimeout bounds one exchange with upstream.
	DefaultSourceTimeout = time.Minute
	// DefaultReleaseTimeout bounds each wait of a Helm action.
	DefaultReleaseTimeout = 5 * time.Minute
	// DefaultKustomizationInterval is how often a Kustomization is audited; everything else reaches it as an event.
	DefaultKustomizationInterval = time.Hour
	// DefaultKustomizationTimeout bounds applying, and waiting for health.
	DefaultKustomizationTimeout = 5 * time.Minute
	// DefaultMinInterval is the least interval of sources, releases and Kustomizations, and the least retryInterval,
	// unless SetMinInterval sets another: each costs requests to upstream or to the API server. A shorter one is
	// accepted and counts as this.
	DefaultMinInterval = 10 * time.Second
	// DefaultRetryInterval is the pause between two attempts with the strategy RetryOnFailure.
	DefaultRetryInterval = 5 * time.Minute
	// DefaultMaxHistory is how many revisions of a Helm release are kept.
	DefaultMaxHistory = 5
	// DefaultBake is how long a revision has to stay healthy to be verified.
	DefaultBake = 2 * time.Minute
	// DefaultRollbackCount and DefaultRollbackPer are the budget of rollbacks.
	DefaultRollbackCount = 3
	DefaultRollbackPer   = 24 * time.Hour
)

// minInterval is the least interval in this process, in nanoseconds; zero is the default.
var minInterval atomic.Int64

// SetMinInterval sets the least interval for this process. It is called before the first object is looked at.
func SetMinInterval(d time.Duration) { minInterval.Store(int64(d)) }

// MinInterval is the least interval and retryInterval of sources, releases and Kustomizations. A shorter one counts as
// this.
func MinInterval() time.Duration {
	return cmp.Or(time.Duration(minInterval.Load()), DefaultMinInterval)
}

// intervalOr is an interval with its default and MinInterval.
func intervalOr(d *metav1.Duration, fallback time.Duration) time.Duration {
	return max(durationOr(d, fallback), MinInterval())
}

// IsRaised reports whether an interval is shorter than MinInterval. The controller then uses MinInterval.
func IsRaised(d *metav1.Duration) bool {
	return d != nil && d.Duration > 0 && d.Duration < MinInterval()
}

func durationOr(d *metav1.Duration, fallback time.Duration) time.Duration {
	if d == nil || d.Duration <= 0 {
		return fallback
	}
	return d.Duration
}
