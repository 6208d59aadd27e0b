package release

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/status"
)

func deploymentWith(ready string) *unstructured.Unstructured {
	object := deployment("db")
	object.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": ready, "reason": "R", "message": "2 of 3"}}}
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
			release: helmRelease("a", reference("dep.kind == 'HelmRelease' && dep.metadata.name == 'b' && self.metadata.name == 'a'"))},
		{name: "it is not, although the other is Ready", other: helmRelease("b", ready), release: helmRelease("a", reference("dep.metadata.name == 'x'")),
			message: "HelmRelease apps/b does not fulfil spec.dependsOn[0].readyExpr; work goes on when it does"},
		{name: "it cannot be told", other: helmRelease("b", ready), release: helmRelease("a", reference("dep.status.lastVerified.revision > 1")),
			message: "spec.dependsOn[0].readyExpr cannot be evaluated with HelmRelease apps/b: no such key: lastVerified; it is looked at again when that changes"},
		{name: "the other does not exist", other: helmRelease("x"), release: helmRelease("a", reference("true")),
			message: "HelmRelease apps/b of spec.dependsOn does not exist; work goes on when it is Ready"},
		{name: "a circle is one all the same", other: helmRelease("b", ready, dependingOn("a")), release: helmRelease("a", reference("true")),
			message: "spec.dependsOn leads back to this object: apps/a → apps/b → apps/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := newHandler(t, nil, tt.other).dependencies(t.Context(), tt.release, cluster.Access{})
			if tt.message == "" && err == nil {
				return
			}
			if err == nil || err.Error() != tt.message || !isObstacle(err) {
				t.Errorf("error = %v, want %q", err, tt.message)
			}
		})
	}
}

func TestDependenciesOfOtherKinds(t *testing.T) {
	database := v1beta1.DependencyReference{APIVersion: "example.com/v1", Kind: "Database", Name: "db"}
	judged := database
	judged.ReadyExpr = "dep.status.conditions[0].status == 'False'"
	secret := v1beta1.DependencyReference{APIVersion: "v1", Kind: "Secret", Name: "db", ReadyExpr: "dep.data[dep.metadata.name] == ''"}
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
			message: "Database apps/db of spec.dependsOn is not ready, InProgress: 2 of 3; work goes on when it is"},
		{name: "judged by an expression", reference: judged, event: deploymentWith("False")},
		{name: "an expression that is not fulfilled", reference: judged, event: deploymentWith("True"), reason: v1beta1.DependencyNotReadyReason,
			message: "Database apps/db does not fulfil spec.dependsOn[0].readyExpr; work goes on when it does"},
		{name: "absent", reference: database, reason: v1beta1.DependencyNotReadyReason,
			message: "Database apps/db of spec.dependsOn does not exist; work goes on when it is ready"},
		{name: "a Secret is not quoted", reference: secret, event: deploymentWith("True"), reason: v1beta1.DependencyNotReadyReason,
			message: "spec.dependsOn[0].readyExpr cannot be evaluated with Secret apps/db; it is looked at again when that changes"},
		{name: "of a kind that does not exist", reference: database, event: &meta.NoKindMatchError{}, reason: v1beta1.DependencyNotReadyReason, after: firstPause,
			message: "the cluster does not know the kind example.com/v1, Kind=Database of Database apps/db of spec.dependsOn; it is looked for again 5s later"},
		{name: "that may not be read", reference: database, reason: v1beta1.AccessDeniedReason, after: firstPause,
			event:   apierrors.NewForbidden(schema.GroupResource{Resource: "databases"}, "db", errSentinel),
			message: "system:serviceaccount:apps:deployer may not get, list and watch Database apps/db of spec.dependsOn; it is tried again 5s later"},
		{name: "on a cluster that does not answer", reference: database, event: errSentinel, reason: v1beta1.DependencyNotReadyReason, after: firstPause,
			message: "Database apps/db of spec.dependsOn cannot be read: as arranged; it is tried again 5s later"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, w := newHandler(t, nil), newObserved(t.Context())
				h.lookout = w.lookout
				hr, access := helmRelease("a", depends(tt.reference)), cluster.Access{User: "system:serviceaccount:apps:deployer"}
				err := h.dependencies(t.Context(), hr, access)
				var reading *looking
				if !errors.As(err, &reading) {
					t.Fatalf("before it was read: %v", err)
				}
				w.happen(t, access.User+" db", tt.event)
				err = h.dependencies(t.Context(), hr, access)
				if tt.message == "" {
					if err != nil {
						t.Errorf("error = %v", err)
					}
					return
				}
				var known *obstacle
				if !errors.As(err, &known) || known.Reason != tt.reason || known.Message != tt.message || known.after != tt.after || known.Final {
					t.Errorf("error = %v, want %s: %s", err, tt.reason, tt.message)
				}
			})
		})
	}
}

// What belongs to Fairlead itself is where the release is declared, everything else where it is installed.
func TestWhereDependenciesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHandler(t, nil), newObserved(t.Context())
		h.lookout = w.lookout
		for _, reference := range []v1beta1.DependencyReference{{Kind: "GitRepository", Name: "fleet"}, {APIVersion: "v1", Kind: "Service", Name: "db"}} {
			_ = h.dependencies(t.Context(), helmRelease("a", depends(reference)), cluster.Access{User: "u", Kubeconfig: []byte("@remote")})
		}
		if got := strings.Join(w.watched(), ", "); got != "u fleet, u@remote db" {
			t.Errorf("watched: %s", got)
		}
	})
}
