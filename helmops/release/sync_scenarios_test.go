package release

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

// foresight is what the chart would make: a ConfigMap with its version and what its templates look up, and a
// Deployment with pods of that version.
func (h *toy) foresight(a engine.Action) *engine.Foresight {
	out := &engine.Foresight{
		From:  &engine.Content{},
		To:    h.content(a.Revision.Version, h.seen),
		Again: h.content(a.Revision.Version, h.seen),
		Inputs: preview.Inputs{
			Chart:       a.Revision.Digest,
			Config:      values.Digest(a.Values),
			Render:      a.RenderDigest,
			KubeVersion: "v1.37.0",
		},
	}
	if runs := plan.Current(h.records); runs != nil {
		if !a.Afresh {
			out.Inputs.From = runs.Version
		}
		out.From = h.content(runs.Chart.Version, "")
	}
	return out
}

func (h *toy) content(version, seen string) *engine.Content {
	return &engine.Content{
		Manifest: fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {version: %q, seen: %q}\n"+
			"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"+
			"spec: {template: {spec: {containers: [{name: web, image: \"web:%s\"}]}}}\n", version, seen, version),
	}
}

func (h *toy) digestOf(a engine.Action) string {
	f := h.foresight(a)
	digest, err := preview.Digest(
		preview.Input{To: f.To.Rendering(), Again: f.Again.Rendering(), Namespace: a.Target.Namespace},
		f.Inputs,
	)
	if err != nil {
		panic(err)
	}
	return digest
}

func manual(hr *v1beta1.HelmRelease) { hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual} }

func heldFrom(risk string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		hr.Spec.Sync = &v1beta1.Sync{Approval: &v1beta1.SyncApproval{MinRisk: risk}}
	}
}

// approve commits the digest of the plan that waits.
func (w *world) approve() {
	w.say("the plan is approved")
	w.hr.Generation++
	w.hr.Spec.Sync.Approved = w.hr.Status.Plan.Digest
}

// syncScenarios are about plans that wait for an approval.
var syncScenarios = []scenario{
	{name: "manual sync", spec: []func(*v1beta1.HelmRelease){manual}, play: func(w *world) {
		w.settle(0)
		w.approve()
		w.settle(0)
		w.say("1.1.0 is wanted")
		w.wants("1.1.0")
		w.settle(0)
		w.approve()
		w.settle(0)
	}},
	{
		name: "manual sync, and the plan is computed again after an hour",
		spec: []func(*v1beta1.HelmRelease){manual},
		play: func(w *world) {
			w.settle(90 * time.Minute)
		},
	},
	{
		name: "manual sync, and another version comes after the approval",
		spec: []func(*v1beta1.HelmRelease){manual},
		play: func(w *world) {
			w.settle(0)
			w.approve()
			w.wants("1.1.0")
			w.settle(0)
			w.say("1.0.0 is wanted again")
			w.wants("1.0.0")
			w.in.Chart = inputs.Chart
			w.settle(0)
		},
	},
	{
		name: "manual sync, and the cluster changes between approval and upgrade",
		spec: []func(*v1beta1.HelmRelease){manual},
		play: func(w *world) {
			w.settle(0)
			w.approve()
			decision, err := decide(w.t.Context(), w.runner, w.hr, w.in)
			if err != nil || decision.Step != plan.Preview {
				w.t.Fatalf("step %s, error %v", decision.Step, err)
			}
			w.act(decision.Plan)
			w.say("what the templates look up changes")
			w.helm.seen = "other"
			w.settle(0)
			w.approve()
			w.settle(0)
		},
	},
	{name: "manual sync, and the controller is killed after the approval", spec: []func(*v1beta1.HelmRelease){manual},
		script: script{plan.Install: {dies}}, play: func(w *world) {
			w.settle(0)
			w.approve()
			w.settle(0)
			w.say("the controller starts")
			w.settle(0)
		}},
	{
		name: "manual sync, and a chart of another name replaces the release",
		spec: []func(*v1beta1.HelmRelease){manual},
		play: func(w *world) {
			w.settle(0)
			w.approve()
			w.settle(0)
			w.say("another chart is wanted")
			w.wants("2.0.0")
			w.in.Chart.Name = "shop"
			w.settle(0)
			w.approve()
			w.settle(0)
		},
	},
	{
		name: "plans of a low risk need no approval",
		spec: []func(*v1beta1.HelmRelease){heldFrom(v1beta1.RiskDataLoss)},
		play: upgrade,
	},
	{
		name: "plans of a high risk wait",
		spec: []func(*v1beta1.HelmRelease){heldFrom(v1beta1.RiskRestart)},
		play: upgrade,
	},
	{
		name:   "an upgrade that was approved fails",
		spec:   []func(*v1beta1.HelmRelease){manual},
		script: script{plan.Upgrade: {breaks}},
		play: func(w *world) {
			w.settle(0)
			w.approve()
			w.settle(0)
			w.wants("1.1.0")
			w.settle(0)
			w.approve()
			w.settle(time.Hour)
		},
	},
	{
		name: "drift is found, and a revision bakes, while a plan waits",
		spec: []func(*v1beta1.HelmRelease){manual, func(hr *v1beta1.HelmRelease) {
			hr.Spec.Bake = &metav1.Duration{Duration: time.Minute}
		}},
		play: func(w *world) {
			w.settle(0)
			w.approve()
			w.well()
			w.settle(0)
			w.say("1.1.0 is wanted, and objects are edited")
			w.wants("1.1.0")
			w.settle(0)
			w.in.Live.Drifted = []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap", Version: "v1"}}
			w.in.Live.Probation = true
			w.helm.edited = []drift.Object{}
			decision, err := decide(w.t.Context(), w.runner, w.hr, w.in)
			if err != nil || decision.Step != plan.Correct {
				w.t.Fatalf("with drift comes %s, error %v", decision.Step, err)
			}
			w.in.Live.Drifted = nil
			w.settle(2 * time.Minute)
			if v := w.hr.Status.LastVerified; v == nil || v.Revision != 1 {
				w.t.Errorf("the revision that runs has baked, and verified is %+v", v)
			}
		},
	},
	{
		name: "a revision that bakes is rolled back while a plan waits",
		spec: []func(*v1beta1.HelmRelease){heldFrom(v1beta1.RiskEscalation), func(hr *v1beta1.HelmRelease) {
			hr.Spec.Bake = &metav1.Duration{Duration: time.Minute}
		}},
		play: func(w *world) {
			w.well()
			w.settle(2 * time.Minute)
			w.wants("1.1.0")
			w.settle(0)
			w.say("every plan waits, and 1.2.0 is wanted")
			w.wants("1.2.0", manual)
			w.settle(0)
			w.sick()
			w.settle(2 * time.Minute)
		},
	},
}
