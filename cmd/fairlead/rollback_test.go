package main

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// steered is a release that can be rolled back.
func steered(changes ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := shop()
	hr.Status.InputDigest = digestA
	hr.Status.History[1].ChartDigest = digestB
	for _, change := range changes {
		change(hr)
	}
	return hr
}

func rollbackWorld(hr *v1beta1.HelmRelease, steps ...func(client.Object)) world {
	return world{objects: []client.Object{hr}, funcs: play(steps...)}
}

// rollsBack is what the controller does for a request.
func rollsBack(o client.Object) {
	answers(o)
	hr := o.(*v1beta1.HelmRelease)
	made := hr.Status.History[1]
	made.Version, made.Status, made.Action, made.LastDeployed = 43, plan.StatusDeployed, "rollback", metav1.NewTime(now)
	hr.Status.History = append([]v1beta1.Snapshot{made}, hr.Status.History...)
	status.Stalled(hr, v1beta1.RolledBackReason, "rolled back: web/shop revision 43 runs shop 1.9.0", now)
}

func refusesToRollBack(o client.Object) {
	answers(o)
	status.Stalled(o.(*v1beta1.HelmRelease), v1beta1.MissingRollbackTargetReason,
		"revision 41 was asked for, and is no longer in storage; take the request back or name another revision", now)
}

func pinned(hr *v1beta1.HelmRelease) {
	rollsBack(hr)
	hr.Annotations = map[string]string{v1beta1.RollbackRequestAnnotation: `{"revision":41,"reason":"slow","inputDigest":"` + digestA + `"}`}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	suspended := func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true }
	unknown := func(hr *v1beta1.HelmRelease) { hr.Status.InputDigest = "" }
	alone := func(hr *v1beta1.HelmRelease) { hr.Status.History = hr.Status.History[:1] }
	runGolden(t, []goldenCase{
		{"rollback", rollbackWorld(steered(), works, rollsBack), "rollback release shop --reason INC-7 --wait"},
		{"rollback-revision", rollbackWorld(steered(), works, rollsBack), "rollback hr shop 41 --reason INC-7 -n web --wait"},
		{"rollback-no-wait", rollbackWorld(steered()), "rollback release shop --reason INC-7 --no-wait"},
		{"rollback-request", rollbackWorld(steered()), "rollback release shop --reason INC-7"},
		{"rollback-refused", rollbackWorld(steered(), works, refusesToRollBack), "rollback release shop --reason INC-7 --wait"},
		{"rollback-ended-by-new-input", rollbackWorld(steered(), works, becomesReady), "rollback release shop --reason INC-7 --wait"},
		{"rollback-unanswered", rollbackWorld(steered()), "rollback release shop --reason INC-7 --timeout 1s --wait"},
		{"rollback-failed-revision", rollbackWorld(steered()), "rollback release shop 40 --reason INC-7"},
		{"rollback-unknown-revision", rollbackWorld(steered()), "rollback release shop 12 --reason INC-7"},
		{"rollback-no-revision", rollbackWorld(steered()), "rollback release shop x --reason INC-7"},
		{"rollback-no-reason", rollbackWorld(steered()), "rollback release shop 41"},
		{"rollback-no-input", rollbackWorld(steered(unknown)), "rollback release shop --reason INC-7"},
		{"rollback-no-history", rollbackWorld(fresh()), "rollback release fresh --reason INC-7"},
		{"rollback-nothing-good", rollbackWorld(steered(alone)), "rollback release shop --reason INC-7"},
		{"rollback-suspended", rollbackWorld(steered(suspended)), "rollback release shop --reason INC-7"},
		{"rollback-not-found", rollbackWorld(steered()), "rollback release shopp --reason INC-7"},
		{"rollback-source", rollbackWorld(steered()), "rollback helmrepo charts --reason INC-7"},
		{"rollback-undo", rollbackWorld(steered(pinned), works, becomesReady), "rollback release shop --undo --wait"},
		{"rollback-undo-no-wait", rollbackWorld(steered(pinned)), "rollback release shop --undo --no-wait"},
		{"rollback-undo-request", rollbackWorld(steered(pinned)), "rollback release shop --undo"},
		{"rollback-undo-suspended", rollbackWorld(steered(pinned, suspended)), "rollback release shop --undo"},
		{"rollback-undo-nothing", rollbackWorld(steered()), "rollback release shop --undo"},
		{"rollback-undo-revision", rollbackWorld(steered()), "rollback release shop 41 --undo"},
		{"rollback-status", rollbackWorld(steered(pinned)), "status release shop"},
	})
}

func TestRollbackWritesTheRequestOfTheAPI(t *testing.T) {
	t.Parallel()
	w := rollbackWorld(steered())
	c := w.client(t)
	if r := w.runWith(t, c, "rollback", "release", "shop", "--reason", "slow\nsince \x1b[31m1.9.1", "--no-wait"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	var hr v1beta1.HelmRelease
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "web", Name: "shop"}, &hr); err != nil {
		t.Fatal(err)
	}
	var got v1beta1.RollbackRequest
	if err := json.Unmarshal([]byte(hr.Annotations[v1beta1.RollbackRequestAnnotation]), &got); err != nil {
		t.Fatal(err)
	}
	if want := (v1beta1.RollbackRequest{Revision: 41, Reason: "slow since 1.9.1", InputDigest: digestA}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if hr.Annotations[v1beta1.ReconcileRequestAnnotation] != now.Format(time.RFC3339Nano) {
		t.Errorf("no token that the controller answers: %v", hr.Annotations)
	}
	if r := w.runWith(t, c, "rollback", "release", "shop", "--undo", "--no-wait"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	hr = v1beta1.HelmRelease{} // an annotation that is gone would stay in the map
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "web", Name: "shop"}, &hr); err != nil {
		t.Fatal(err)
	}
	if _, still := hr.Annotations[v1beta1.RollbackRequestAnnotation]; still {
		t.Errorf("the request is still there: %v", hr.Annotations)
	}
}
