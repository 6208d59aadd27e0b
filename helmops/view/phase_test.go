package view

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

var now = time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)

// release makes a release of generation 3 that was changed by the functions.
func release(changes ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop", Generation: 3}}
	hr.Status.ObservedGeneration = 3
	for _, change := range changes {
		change(hr)
	}
	return hr
}

func ready(hr *v1beta1.HelmRelease) { status.Ready(hr, v1beta1.UpgradeSucceededReason, "runs", now) }

func progressing(hr *v1beta1.HelmRelease) { status.Progressing(hr, "upgrades", now) }

func retrying(reason string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { status.Retrying(hr, reason, "because", now) }
}

func stalled(hr *v1beta1.HelmRelease) { status.Stalled(hr, v1beta1.RenderFailedReason, "because", now) }

func heldByUser(hr *v1beta1.HelmRelease) {
	status.Stalled(hr, v1beta1.RolledBackReason, "because", now)
}

func observed(g int64) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Status.ObservedGeneration = g }
}

func newSpec(hr *v1beta1.HelmRelease) { hr.Generation++ }

func suspended(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true }

func deleted(hr *v1beta1.HelmRelease) { hr.DeletionTimestamp = &metav1.Time{Time: now} }

func echoed(token string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Status.LastHandledReconcileAt = token }
}

func set(c metav1.Condition) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Status.Conditions = append(hr.Status.Conditions, c) }
}

func TestPhaseOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		object *v1beta1.HelmRelease
		want   Phase
	}{
		{"never seen by a controller", release(observed(-1)), Pending},
		{"never seen, without the default of the API server", release(observed(0)), Pending},
		{"first work has begun", release(observed(-1), progressing), Progressing},
		{"ready", release(ready), Ready},
		{"ready for an older spec", release(ready, newSpec), Pending},
		{"ready for an older spec although the newest was observed", release(ready, newSpec, observed(4)), Pending},
		{"failed for an older spec", release(retrying(v1beta1.UpgradeFailedReason), newSpec), Pending},
		{"stalled for an older spec", release(stalled, newSpec), Pending},
		{"at work on an older spec", release(progressing, newSpec), Pending},
		{"at work on the newest spec", release(ready, newSpec, progressing), Progressing},
		{"failed, tried again", release(retrying(v1beta1.UpgradeFailedReason)), Failed},
		{"waits for a dependency", release(retrying(v1beta1.DependencyNotReadyReason)), Waiting},
		{"waits for a source", release(retrying(v1beta1.SourceNotReadyReason)), Waiting},
		{"waits for another Helm client", release(retrying(v1beta1.PendingReleaseReason)), Waiting},
		{"waits before the first upgrade of an adopted release", release(retrying(v1beta1.AdoptionHeldReason)),
			Waiting},
		{"waits for a source that does not exist", release(retrying(v1beta1.SourceNotFoundReason)), Waiting},
		{"waits for a registry that its source reports", release(retrying(v1beta1.FetchFailedReason)), Waiting},
		{"stalled", release(stalled), Stalled},
		{"held where a user wants it", release(heldByUser), Held},
		{"held for an older spec", release(heldByUser, newSpec), Pending},
		{"a reason that this version does not know", release(retrying("Invented")), Failed},
		{"suspended while ready", release(ready, suspended), Suspended},
		{"suspended before it was seen", release(observed(-1), suspended), Suspended},
		{"deleted while suspended", release(ready, suspended, deleted), Deleting},
		{"no conditions", release(), Unknown},
		{
			"ready is unknown", release(set(metav1.Condition{Type: v1beta1.ReadyCondition, Status: metav1.ConditionUnknown})),
			Unknown,
		},
		{
			"not ready without more",
			release(set(metav1.Condition{Type: v1beta1.ReadyCondition, Status: metav1.ConditionFalse})), Failed,
		},
	}
	for _, tt := range tests {
		if got := PhaseOf(tt.object); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestPhaseOfASource(t *testing.T) {
	t.Parallel()
	for _, kind := range SourceKinds {
		source := NewObject(kind).(v1beta1.Source)
		source.SetGeneration(2)
		if got := PhaseOf(source); got != Pending {
			t.Errorf("%s: %s before it was seen", kind, got)
		}
		status.SourceReady(source, v1beta1.Artifact{Revision: "1"}, "fetched", now)
		if got := PhaseOf(source); got != Ready {
			t.Errorf("%s: %s, want Ready", kind, got)
		}
		status.SourceFailed(source, status.Failure{Reason: v1beta1.NotFoundReason, Message: "away"}, now)
		if got := PhaseOf(source); got != Failed {
			t.Errorf("%s: %s, want Failed", kind, got)
		}
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	const token, earlier, later = "2026-05-04T03:00:00.5Z", "2026-05-04T02:00:00Z", "2026-05-04T03:00:01Z"
	tests := []struct {
		name          string
		object        *v1beta1.HelmRelease
		token         string
		generation    int64
		started, done bool
	}{
		{"ready, request not answered", release(ready), token, 3, false, false},
		{"ready, earlier request answered", release(ready, echoed(earlier)), token, 3, false, false},
		{"at work, request not answered", release(progressing), token, 3, true, false},
		{"ready, request answered", release(ready, echoed(token)), token, 3, true, true},
		{"ready, later request answered", release(ready, echoed(later)), token, 3, true, true},
		{"ready, somebody's own token answered", release(ready, echoed("now!")), token, 3, false, false},
		{"failed, request answered", release(retrying(v1beta1.UpgradeFailedReason), echoed(token)), token, 3, true, true},
		{"stalled, request answered", release(stalled, echoed(token)), token, 3, true, true},
		{"held, request answered", release(heldByUser, echoed(token)), token, 3, true, true},
		{
			"waits for a dependency, request answered", release(retrying(v1beta1.DependencyNotReadyReason), echoed(token)),
			token, 3, true, false,
		},
		{"answered, but the newest spec is not handled", release(ready, newSpec, echoed(token)), token, 3, false, false},
		{"no request, ready", release(ready), "", 3, true, true},
		{"no request, newest spec not handled", release(ready, newSpec), "", 4, false, false},
		{"stale read of a suspended object", release(ready, suspended), "", 4, false, false},
		{"suspended meanwhile", release(ready, suspended), token, 3, false, true},
		{"deleted meanwhile", release(ready, deleted), token, 3, false, true},
	}
	for _, tt := range tests {
		got := Settle(tt.object, tt.token, tt.generation)
		if got.Done != tt.done || (!got.Done && got.Started != tt.started) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestSettleCountsObjects(t *testing.T) {
	t.Parallel()
	three := &v1beta1.ResourceInventory{Entries: make([]v1beta1.ResourceRef, 3)}
	health := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: v1beta1.HealthyCondition, Status: status}}
	}
	tests := map[string]struct {
		object    v1beta1.Conditioned
		objects   int
		known     bool
		unhealthy int
		more      bool
	}{
		"a release without an inventory": {
			object: &v1beta1.HelmRelease{Status: v1beta1.HelmReleaseStatus{Conditions: health("True")}}},
		"a release whose health is not known": {object: &v1beta1.HelmRelease{Status: v1beta1.HelmReleaseStatus{
			Inventory: three, Conditions: health("Unknown")}}, objects: 3},
		"a release that is upgraded": {object: &v1beta1.HelmRelease{Status: v1beta1.HelmReleaseStatus{
			Inventory: three, Conditions: append(health("True"), metav1.Condition{
				Type: v1beta1.ReconcilingCondition, Status: "True", Reason: v1beta1.ProgressingReason})}}, objects: 3},
		"a healthy release": {
			object:  &v1beta1.HelmRelease{Status: v1beta1.HelmReleaseStatus{Inventory: three, Conditions: health("True")}},
			objects: 3, known: true},
		"a release that is not healthy": {object: &v1beta1.HelmRelease{Status: v1beta1.HelmReleaseStatus{
			Inventory: three, Conditions: health("False"), Unhealthy: make([]v1beta1.ObjectHealth, 2)}}, objects: 3, known: true,
			unhealthy: 2},
		"a Kustomization with a full list": {object: &v1beta1.Kustomization{Status: v1beta1.KustomizationStatus{
			Inventory: three, Conditions: health("False"), Unhealthy: make([]v1beta1.ObjectHealth, 10)}}, objects: 3,
			known: true, unhealthy: 10, more: true},
		"a source": {object: &v1beta1.GitRepository{}},
	}
	for name, tt := range tests {
		got := Settle(tt.object, "", 0)
		if got.Objects != tt.objects || got.HealthKnown != tt.known || got.Unhealthy != tt.unhealthy || got.More != tt.more {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A plan that waits for an approval waits for a person, so that the command does not wait for it.
func TestAwaitingApprovalSettles(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	hr.Generation = 2
	hr.Status.ObservedGeneration = 2
	hr.Status.Plan = &v1beta1.PlanStatus{Digest: "sha256:plan"}
	hr.Status.Conditions = []metav1.Condition{{
		Type: v1beta1.ReadyCondition, Status: metav1.ConditionUnknown, Reason: v1beta1.AwaitingApprovalReason,
		Message: "the upgrade waits", ObservedGeneration: 2,
	}}
	s := Settle(hr, "", 2)
	if s.Phase != Waiting || !s.Done || s.Message != "the upgrade waits" {
		t.Errorf("it is %+v", s)
	}
	if next := nextOf(hr); next.Action != NextChange || !strings.Contains(next.Message, "sha256:plan") {
		t.Errorf("next is %+v", next)
	}
}
