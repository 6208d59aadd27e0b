package refs

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/status"
)

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	errSentinel = errors.New("as arranged")
)

// named names an object of the namespace apps.
func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "apps", Name: name} }

// newDependencies judges HelmReleases among the given objects.
func newDependencies(t *testing.T, lookout *DependencyWatcher, objects ...client.Object) *Dependencies {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	own := make([]client.Object, len(objects))
	for i, object := range objects { // tests share them
		own[i] = object.DeepCopyObject().(client.Object)
	}
	expressions, err := NewExpressions()
	if err != nil {
		t.Fatal(err)
	}
	return &Dependencies{
		Kind: v1beta1.HelmReleaseKind, Empty: func() Dependent { return &v1beta1.HelmRelease{} },
		Objects: fake.NewClientBuilder().WithScheme(scheme).WithObjects(own...).Build(), Watcher: lookout,
		Expressions: expressions,
	}
}

func helmRelease(name string, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: named(name)}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func depends(references ...v1beta1.DependencyReference) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.DependsOn = references }
}

func dependingOn(names ...string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		for _, name := range names {
			hr.Spec.DependsOn = append(hr.Spec.DependsOn, v1beta1.DependencyReference{Name: name})
		}
	}
}

func failing(message string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { status.Retrying(hr, v1beta1.UpgradeFailedReason, message, now) }
}

// failedUpgrade is a release whose upgrade failed, and is tried again at the time of next.
func failedUpgrade(message, next string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		hr.Status.Failures++
		hr.Status.LastFailure = &v1beta1.LastFailure{Reason: v1beta1.UpgradeFailedReason, Message: message}
		failing(message + "; the controller retries " + next)(hr)
	}
}

func waiting(hr *v1beta1.HelmRelease) {
	status.Retrying(hr, v1beta1.DependencyNotReadyReason, "waits", now)
}

func circular(hr *v1beta1.HelmRelease) {
	status.Stalled(hr, v1beta1.DependencyCycleReason, "b → c → b", now)
}

func suspended(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true }

func ready(hr *v1beta1.HelmRelease) { status.Ready(hr, "Done", "fine", now) }

func TestDependencies(t *testing.T) {
	outdated := func(hr *v1beta1.HelmRelease) { hr.Generation++ }
	elsewhere := func(hr *v1beta1.HelmRelease) {
		hr.Spec.DependsOn = []v1beta1.DependencyReference{{Namespace: "infra", Name: "b"}}
	}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		others  []client.Object
		// reason and message of the obstacle, empty when there is none.
		reason  string
		message string
	}{
		{name: "no dependency is no obstacle", release: helmRelease("a")},
		{name: "ready dependencies are no obstacle", release: helmRelease("a", dependingOn("b", "c")),
			others: []client.Object{helmRelease("b", ready), helmRelease("c", ready)}},
		{name: "one that does not exist", release: helmRelease("a", dependingOn("b")),
			reason:  v1beta1.DependencyNotReadyReason,
			message: "1 of 1 dependencies not ready: b (not found)"},
		{name: "one in another namespace", release: helmRelease("a", elsewhere),
			others: []client.Object{helmRelease("b", ready)},
			reason: v1beta1.DependencyNotReadyReason, message: "1 of 1 dependencies not ready: infra/b (not found)"},
		{name: "one that is not ready", release: helmRelease("a", dependingOn("b", "c")),
			others: []client.Object{helmRelease("b", ready), helmRelease("c")},
			reason: v1beta1.DependencyNotReadyReason, message: "1 of 2 dependencies not ready: c (in progress)"},
		{name: "several of which none is ready", release: helmRelease("a", dependingOn("wrong-version", "ghost")),
			others:  []client.Object{helmRelease("wrong-version", failedUpgrade(`no version matches "9.x"`, "14:00"))},
			reason:  v1beta1.DependencyNotReadyReason,
			message: `2 of 2 dependencies not ready: wrong-version (UpgradeFailed: no version matches "9.x"), ghost (not found)`},
		{name: "one that waits itself, and one in a cycle", release: helmRelease("a", dependingOn("b", "c", "d")),
			others: []client.Object{helmRelease("b", dependingOn("x"), waiting), helmRelease("c", dependingOn("d"), circular),
				helmRelease("d", dependingOn("c"), circular)},
			reason: v1beta1.DependencyNotReadyReason,
			message: "3 of 3 dependencies not ready: b (waits for its own dependencies), " +
				"c (in a dependency cycle), d (in a dependency cycle)"},
		{name: "one that is suspended", release: helmRelease("a", dependingOn("b")),
			others: []client.Object{helmRelease("b", suspended)},
			reason: v1beta1.DependencyNotReadyReason, message: "1 of 1 dependencies not ready: b (suspended)"},
		{name: "one in another namespace is not quoted", release: helmRelease("a", elsewhere),
			others: []client.Object{helmRelease("b", failing("the password hunter2 is refused"), func(hr *v1beta1.HelmRelease) {
				hr.Namespace = "infra"
			})},
			reason: v1beta1.DependencyNotReadyReason, message: "1 of 1 dependencies not ready: infra/b (UpgradeFailed)"},
		{name: "many are counted", release: helmRelease("a", dependingOn("b", "c", "d", "e", "f", "g", "h")),
			reason: v1beta1.DependencyNotReadyReason,
			message: "7 of 7 dependencies not ready: b (not found), c (not found), d (not found), " +
				"e (not found), f (not found) and 2 more"},
		{name: "one that was changed since it was ready", release: helmRelease("a", dependingOn("b")),
			others: []client.Object{helmRelease("b", ready, outdated)},
			reason: v1beta1.DependencyNotReadyReason, message: "1 of 1 dependencies not ready: b (in progress)"},
		{name: "itself", release: helmRelease("a", dependingOn("a")), reason: v1beta1.DependencyCycleReason,
			message: "spec.dependsOn leads back to this object: apps/a → apps/a"},
		{name: "a way back over others", release: helmRelease("a", dependingOn("x", "b")),
			reason: v1beta1.DependencyCycleReason,
			others: []client.Object{
				helmRelease("b", ready, dependingOn("c")), helmRelease("c", ready, dependingOn("a")), helmRelease("x", ready),
			},
			message: "spec.dependsOn leads back to this object: apps/a → apps/b → apps/c → apps/a"},
		{name: "a cycle of others is theirs", release: helmRelease("a", dependingOn("b")),
			others: []client.Object{helmRelease("b", ready, dependingOn("c")), helmRelease("c", dependingOn("b"))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := newDependencies(t, nil, tt.others...).Check(t.Context(), tt.release, cluster.Access{})
			if tt.reason == "" {
				if err != nil {
					t.Errorf("error = %v", err)
				}
				return
			}
			var known *ObstacleError
			if !errors.As(err, &known) || known.Reason != tt.reason || known.Message != tt.message ||
				known.Final != (tt.reason == v1beta1.DependencyCycleReason) {
				t.Errorf("error = %v, want %s: %s", err, tt.reason, tt.message)
			}
		})
	}
}

func deploymentWith(ready string) *unstructured.Unstructured {
	object := deployment("db")
	object.Object["status"] = map[string]any{
		"conditions": []any{map[string]any{"type": "Ready", "status": ready, "reason": "R", "message": "2 of 3"}},
	}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Database"})
	return object
}

func TestDependenciesByExpression(t *testing.T) {
	succeeded := func(hr *v1beta1.HelmRelease) { hr.Status.Failures = 0; status.Progressing(hr, "moving", now) }
	reference := func(expression string) func(*v1beta1.HelmRelease) {
		return depends(v1beta1.DependencyReference{Name: "b", ReadyExpr: expression})
	}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		other   *v1beta1.HelmRelease
		message string // empty when it is ready
	}{
		{name: "it is fulfilled although the other is not Ready", other: helmRelease("b", succeeded),
			release: helmRelease("a",
				reference("dep.kind == 'HelmRelease' && dep.metadata.name == 'b' && self.metadata.name == 'a'"))},
		{name: "it is not, although the other is Ready", other: helmRelease("b", ready),
			release: helmRelease("a", reference("dep.metadata.name == 'x'")),
			message: "1 of 1 dependencies not ready: b (does not fulfil spec.dependsOn[0].readyExpr)"},
		{name: "it cannot be told", other: helmRelease("b", ready),
			release: helmRelease("a", reference("dep.status.lastVerified.revision > 1")),
			message: "1 of 1 dependencies not ready: b (spec.dependsOn[0].readyExpr cannot be evaluated: " +
				"line 1, column 24: no such key: lastVerified)"},
		{name: "the other does not exist", other: helmRelease("x"), release: helmRelease("a", reference("true")),
			message: "1 of 1 dependencies not ready: b (not found)"},
		{name: "a circle is one all the same", other: helmRelease("b", ready, dependingOn("a")),
			release: helmRelease("a", reference("true")),
			message: "spec.dependsOn leads back to this object: apps/a → apps/b → apps/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := newDependencies(t, nil, tt.other).Check(t.Context(), tt.release, cluster.Access{})
			if tt.message == "" && err == nil {
				return
			}
			if err == nil || err.Error() != tt.message || !IsObstacle(err) {
				t.Errorf("error = %v, want %q", err, tt.message)
			}
		})
	}
}

func TestDependenciesOfOtherKinds(t *testing.T) {
	database := v1beta1.DependencyReference{APIVersion: "example.com/v1", Kind: "Database", Name: "db"}
	judged := database
	judged.ReadyExpr = "dep.status.conditions[0].status == 'False'"
	secret := v1beta1.DependencyReference{
		APIVersion: "v1", Kind: "Secret", Name: "db", ReadyExpr: "dep.data[dep.metadata.name] == ''",
	}
	tests := []struct {
		name      string
		reference v1beta1.DependencyReference
		event     any // what the watch sees
		reason    string
		message   string // empty when it is ready
		after     time.Duration
	}{
		{name: "ready", reference: database, event: deploymentWith("True")},
		{name: "not ready", reference: database, event: deploymentWith("False"), reason: v1beta1.DependencyNotReadyReason,
			message: "1 of 1 dependencies not ready: Database db (InProgress: condition Ready is False, reason R)"},
		{name: "judged by an expression", reference: judged, event: deploymentWith("False")},
		{name: "an expression that is not fulfilled", reference: judged, event: deploymentWith("True"),
			reason:  v1beta1.DependencyNotReadyReason,
			message: "1 of 1 dependencies not ready: Database db (does not fulfil spec.dependsOn[0].readyExpr)"},
		{name: "absent", reference: database, reason: v1beta1.DependencyNotReadyReason,
			message: "1 of 1 dependencies not ready: Database db (not found)"},
		{name: "a Secret is not quoted", reference: secret, event: deploymentWith("True"),
			reason: v1beta1.DependencyNotReadyReason,
			message: "1 of 1 dependencies not ready: Secret db (spec.dependsOn[0].readyExpr cannot be evaluated: " +
				"line 1, column 9: no such key)"},
		{name: "of a kind that does not exist", reference: database, event: &meta.NoKindMatchError{},
			reason: v1beta1.DependencyNotReadyReason, after: firstPause,
			message: "1 of 1 dependencies not ready: Database db (the cluster does not know the kind example.com/v1, Kind=Database; " +
				"the controller tries again after 5s)"},
		{name: "that may not be read", reference: database, reason: v1beta1.AccessDeniedReason, after: firstPause,
			event:   apierrors.NewForbidden(schema.GroupResource{Resource: "databases"}, "db", errSentinel),
			message: "system:serviceaccount:apps:deployer may not get, list and watch Database apps/db of spec.dependsOn; the controller tries again after 5s"},
		{name: "on a cluster that does not answer", reference: database, event: errSentinel,
			reason: v1beta1.DependencyNotReadyReason, after: firstPause,
			message: "1 of 1 dependencies not ready: Database db (cannot be read: as arranged; the controller tries again after 5s)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newObserved(t.Context())
				d := newDependencies(t, w.DependencyWatcher)
				hr, access := helmRelease("a", depends(tt.reference)), cluster.Access{User: "system:serviceaccount:apps:deployer"}
				err := d.Check(t.Context(), hr, access)
				var reading *PendingReadError
				if !errors.As(err, &reading) {
					t.Fatalf("before it was read: %v", err)
				}
				w.happen(t, access.User+" db", tt.event)
				err = d.Check(t.Context(), hr, access)
				if tt.message == "" {
					if err != nil {
						t.Errorf("error = %v", err)
					}
					return
				}
				var known *ObstacleError
				if !errors.As(err, &known) || known.Reason != tt.reason || known.Message != tt.message || known.After != tt.after ||
					known.Final {
					t.Errorf("error = %v, want %s: %s", err, tt.reason, tt.message)
				}
			})
		})
	}
}

// What belongs to Fairlead itself is where the release is declared, everything else where it is installed.
func TestWhereDependenciesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newObserved(t.Context())
		d := newDependencies(t, w.DependencyWatcher)
		for _, reference := range []v1beta1.DependencyReference{
			{Kind: "GitRepository", Name: "fleet"}, {APIVersion: "v1", Kind: "Service", Name: "db"},
		} {
			_ = d.Check(t.Context(), helmRelease("a", depends(reference)),
				cluster.Access{User: "u", Kubeconfig: []byte("@remote")})
		}
		if got := strings.Join(w.watched(), ", "); got != "u fleet, u@remote db" {
			t.Errorf("watched: %s", got)
		}
	})
}
