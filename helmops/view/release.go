package view

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// ReleaseRow is one HelmRelease in a list.
type ReleaseRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Ready is true exactly when Phase is Ready.
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Suspended repeats spec.suspend, because an object that is being deleted can be suspended too.
	Suspended bool `json:"suspended"`
	// SuspendReason is what was said when it was suspended.
	SuspendReason string `json:"suspendReason,omitempty"`
	// Chart of the newest revision, absent before the first one.
	Chart      *v1beta1.ChartRevision `json:"chart,omitempty"`
	AppVersion string                 `json:"appVersion,omitempty"`
	// Revision of the Helm release and its status in Helm's words, absent before the first one.
	Revision       int    `json:"revision,omitempty"`
	RevisionStatus string `json:"revisionStatus,omitempty"`
	// DeployedAt is when the newest revision was made.
	DeployedAt *metav1.Time `json:"deployedAt,omitempty"`
	Source     *Reference   `json:"source,omitempty"`
	// Healthy, Verified and Drifted repeat these conditions: True, False or Unknown, absent while there is no such
	// condition.
	Healthy   string      `json:"healthy,omitempty"`
	Verified  string      `json:"verified,omitempty"`
	Drifted   string      `json:"drifted,omitempty"`
	CreatedAt metav1.Time `json:"createdAt"`
}

// Condition is one of the conditions Ready, Reconciling, Stalled, TestSuccess, Remediated, Healthy, Verified and
// Drifted.
type Condition struct {
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Reason  string      `json:"reason"`
	Message string      `json:"message,omitempty"`
	Since   metav1.Time `json:"since"`
}

// Related is the state of another object that a release needs.
type Related struct {
	Reference
	Phase Phase `json:"phase"`
	// Ready is the controller's own question: is the condition Ready True for the newest spec? So a suspended object can
	// be Ready for others.
	Ready bool `json:"ready"`
	// Revision of the artifact of a source.
	Revision string `json:"revision,omitempty"`
	// Message of the object, or why it could not be read.
	Message string `json:"message,omitempty"`
}

// ValuesSource names a place values come from. The place is not read.
type ValuesSource struct {
	Kind string `json:"kind"`
	// Namespace is absent when it is that of the release.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Key is that of a ConfigMap or Secret, Path names the files of a source.
	Key      string `json:"key,omitempty"`
	Path     string `json:"path,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// KindCount is how many objects of a kind a release has.
type KindCount struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// Inventory counts the objects of a release, without its hooks.
type Inventory struct {
	Total int `json:"total"`
	// Kinds is sorted by kind.
	Kinds []KindCount `json:"kinds"`
}

// Verified is the last revision that rolled out and passed its tests.
type Verified struct {
	Revision int         `json:"revision"`
	At       metav1.Time `json:"at"`
}

// Attempt is the last install or upgrade.
type Attempt struct {
	Action     string       `json:"action"`
	Version    string       `json:"version,omitempty"`
	Digest     string       `json:"digest,omitempty"`
	Generation int64        `json:"generation,omitempty"`
	EndedAt    *metav1.Time `json:"endedAt,omitempty"`
	// Failures in a row with the same input; 0 after a success.
	Failures int64 `json:"failures"`
}

// ReleaseStatus is everything one screen tells about a HelmRelease.
type ReleaseStatus struct {
	ReleaseRow
	Generation         int64       `json:"generation"`
	ObservedGeneration int64       `json:"observedGeneration"`
	Conditions         []Condition `json:"conditions"`
	// ReleaseName, ReleaseNamespace and StorageNamespace are where `helm` finds the release.
	ReleaseName      string `json:"releaseName"`
	ReleaseNamespace string `json:"releaseNamespace"`
	StorageNamespace string `json:"storageNamespace"`
	// SourceStatus is how the source is; absent when the release names none.
	SourceStatus *Related `json:"sourceStatus,omitempty"`
	// Dependencies in the order of spec.dependsOn.
	Dependencies []Related `json:"dependencies"`
	// ValuesFrom in the order in which they are merged.
	ValuesFrom []ValuesSource `json:"valuesFrom"`
	// InlineValues is set when spec.values is not empty; they win over ValuesFrom.
	InlineValues bool      `json:"inlineValues"`
	Inventory    Inventory `json:"inventory"`
	// LastVerified is the last revision that was good, the one that is gone back to; absent before the first.
	LastVerified *Verified `json:"lastVerified,omitempty"`
	// LastFailure is what failed last, until a revision is verified.
	LastFailure *v1beta1.LastFailure `json:"lastFailure,omitempty"`
	// LastAttempt is absent before the first install.
	LastAttempt *Attempt `json:"lastAttempt,omitempty"`
	Next        Next     `json:"next"`
}

// NewReleaseRow projects a release.
func NewReleaseRow(hr *v1beta1.HelmRelease) ReleaseRow {
	phase := PhaseOf(hr)
	row := ReleaseRow{
		Namespace: hr.Namespace, Name: hr.Name, Phase: phase, Ready: phase == Ready,
		Reason: reasonOf(hr), Message: messageOf(hr), Suspended: hr.Spec.Suspend,
		SuspendReason: SuspendReason(hr), CreatedAt: hr.CreationTimestamp,
	}
	if ref, ok := releaseSource(hr); ok {
		row.Source = &ref
	}

	if newest := hr.Status.Latest(); newest != nil {
		row.Chart = chartOf(*newest)
		row.AppVersion = newest.AppVersion
		row.Revision = int(newest.Version)
		row.RevisionStatus = newest.Status
		row.DeployedAt = newest.LastDeployed.DeepCopy()
	}

	row.Healthy, row.Verified, row.Drifted = statusOf(hr, v1beta1.HealthyCondition), statusOf(hr,
		v1beta1.VerifiedCondition),
		statusOf(hr, v1beta1.DriftedCondition)
	return row
}

// statusOf is the status of a condition, empty when there is none.
func statusOf(o v1beta1.Conditioned, kind string) string {
	if c := condition(o, kind); c != nil {
		return string(c.Status)
	}
	return ""
}

// NewReleaseStatus projects a release and what it needs. The source is nil when the release names none.
func NewReleaseStatus(hr *v1beta1.HelmRelease, source *Related, dependencies []Related) ReleaseStatus {
	out := ReleaseStatus{
		ReleaseRow: NewReleaseRow(hr), Generation: hr.Generation, ObservedGeneration: hr.Status.ObservedGeneration,
		Conditions: ofRevision(hr, conditionsOf(hr)), ReleaseName: hr.GetReleaseName(),
		ReleaseNamespace: hr.GetReleaseNamespace(),
		StorageNamespace: hr.GetStorageNamespace(), SourceStatus: source, Dependencies: orEmpty(dependencies),
		ValuesFrom:   make([]ValuesSource, 0, len(hr.Spec.ValuesFrom)),
		InlineValues: hr.Spec.Values != nil && !emptyValues(hr.Spec.Values.Raw),
		Inventory:    countInventory(hr.Status.Inventory), LastAttempt: lastAttempt(hr), Next: nextOf(hr),
	}
	out.LastFailure = hr.Status.LastFailure.DeepCopy()
	if v := hr.Status.LastVerified; v != nil {
		out.LastVerified = &Verified{Revision: int(v.Revision), At: v.At}
	}

	for _, ref := range hr.Spec.ValuesFrom {
		out.ValuesFrom = append(out.ValuesFrom, ValuesSource{
			Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, Key: ref.GetValuesKey(), Path: ref.Path,
			Optional: ref.Optional,
		})
	}

	return out
}

// Condition returns the condition of the type; false when the object does not have it.
func (s ReleaseStatus) Condition(kind string) (Condition, bool) {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return Condition{}, false
}

func chartOf(s v1beta1.Snapshot) *v1beta1.ChartRevision {
	return &v1beta1.ChartRevision{Name: s.ChartName, Version: s.ChartVersion, Digest: s.ChartDigest}
}

func conditionsOf(o v1beta1.Conditioned) []Condition {
	out := []Condition{}
	for _, kind := range []string{v1beta1.ReadyCondition, v1beta1.ReconcilingCondition, v1beta1.StalledCondition,
		v1beta1.TestSuccessCondition, v1beta1.RemediatedCondition, v1beta1.HealthyCondition, v1beta1.VerifiedCondition,
		v1beta1.DriftedCondition, v1beta1.PrunedCondition} {
		if c := condition(o, kind); c != nil {
			out = append(out, Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message,
				Since: c.LastTransitionTime})
		}
	}

	return out
}

// ofRevision lets no condition that speaks of the newest revision be older than that: an upgrade that ends as it began
// does not change the status of a condition, and so not its time either.
func ofRevision(hr *v1beta1.HelmRelease, conditions []Condition) []Condition {
	newest := hr.Status.Latest()
	if newest == nil {
		return conditions
	}

	for i := range conditions {
		c := &conditions[i]
		speaks := c.Type == v1beta1.ReadyCondition || c.Type == v1beta1.VerifiedCondition ||
			c.Type == v1beta1.TestSuccessCondition
		if speaks && c.Status == string(metav1.ConditionTrue) && c.Since.Before(&newest.LastDeployed) {
			c.Since = newest.LastDeployed
		}
	}

	return conditions
}

func emptyValues(raw []byte) bool {
	text := strings.Join(strings.Fields(string(raw)), "")
	return text == "" || text == "{}" || text == "null"
}

// countInventory reads the kind off the end of each ID, namespace_name_group_kind.
func countInventory(inventory *v1beta1.ResourceInventory) Inventory {
	out := Inventory{Kinds: []KindCount{}}
	if inventory == nil {
		return out
	}

	counts := map[string]int{}
	for _, entry := range inventory.Entries {
		counts[entry.ID[strings.LastIndexByte(entry.ID, '_')+1:]]++
	}

	for kind, n := range counts {
		out.Kinds = append(out.Kinds, KindCount{Kind: kind, Count: n})
	}

	slices.SortFunc(out.Kinds, func(a, b KindCount) int { return strings.Compare(a.Kind, b.Kind) })
	out.Total = len(inventory.Entries)
	return out
}

func lastAttempt(hr *v1beta1.HelmRelease) *Attempt {
	s := hr.Status
	if s.LastAttemptedReleaseAction == "" {
		return nil
	}

	out := &Attempt{
		Action: s.LastAttemptedReleaseAction, Version: s.LastAttemptedRevision, Digest: s.LastAttemptedRevisionDigest,
		Generation: s.LastAttemptedGeneration, EndedAt: s.LastAttemptedAt.DeepCopy(), Failures: s.Failures,
	}
	if PhaseOf(hr) == Ready {
		out.Failures = 0 // the status counts until the next attempt, what failed is over
	}

	return out
}

func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
