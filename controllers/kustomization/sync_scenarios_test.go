package kustomization

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/preview"
)

// foresight is what applying a set would do: it creates a Deployment whose image is the revision, or changes that.
func (t *toy) foresight(set apply.Set) *apply.Foresight {
	out := &apply.Foresight{Unchanged: t.same && t.wrote}
	in := preview.Input{Namespace: "apps"}
	image := set.Revision
	if t.same {
		image = "same"
	}

	out.Inputs = apply.PlanInputs{From: set.From, Build: "sha256:" + image, KubeVersion: t.kube}
	in.To.Manifest = toyDeployment(image)
	if t.wrote {
		in.From.Manifest = toyDeployment("before")
	}

	in.Again = in.To
	if out.Unchanged {
		in.From = in.To
	}

	var err error
	if out.Preview, err = preview.Of(in); err != nil {
		panic(err)
	}

	sum := sha256.Sum256(fmt.Append(nil, out.Inputs))
	out.Digest = "sha256:" + hex.EncodeToString(sum[:])
	return out
}

func toyDeployment(image string) string {
	return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"+
		"spec: {template: {spec: {containers: [{name: web, image: %q}]}}}\n", image)
}

func (t *toy) Foresee(
	_ context.Context, _ cluster.Access, set apply.Set, _ func(string) string,
) (*apply.Foresight, error) {
	set.Begun()
	if t.refusal != nil {
		return nil, t.refusal
	}
	return t.foresight(set), nil
}

func manual(k *v1beta1.Kustomization) { k.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual} }

func heldFrom(risk string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Spec.Sync = &v1beta1.Sync{Approval: &v1beta1.SyncApproval{MinRisk: risk}}
	}
}

// approve commits the digest of the plan that waits.
func (w *world) approve() {
	w.say("the plan is approved")
	w.changes(func(k *v1beta1.Kustomization) { k.Spec.Sync.Approved = k.Status.Plan.Digest })
}

// appliedBefore is a Kustomization with manual sync that has applied a revision.
func (w *world) appliedBefore() {
	w.settle(0)
	w.approve()
	w.settle(0)
	w.say("main@sha1:2 is published")
	w.publish("main@sha1:2")
	w.settle(0)
}

func (w *world) edited() {
	w.say("the Deployment is edited")
	w.toy.sight.Differs = []string{"Deployment apps/web"}
}

// syncScenarios are about plans that wait for an approval.
var syncScenarios = []scenario{
	{name: "manual sync", spec: []func(*v1beta1.Kustomization){manual}, play: func(w *world) {
		w.appliedBefore()
		w.approve()
		w.settle(0)
	}},
	{name: "manual sync, and drift while a plan waits", spec: []func(*v1beta1.Kustomization){manual}, play: func(w *world) {
		w.appliedBefore()
		w.edited()
		w.settle(0)
		w.edited()
		w.settle(10 * time.Second)
		w.edited()
		w.toy.script = fails(1)
		w.settle(5 * time.Second)
		w.say("five minutes later it can be corrected")
		w.settle(5 * time.Minute)
	}},
	{
		name: "manual sync, and another revision comes after the approval",
		spec: []func(*v1beta1.Kustomization){manual},
		play: func(w *world) {
			w.appliedBefore()
			w.approve()
			w.say("main@sha1:3 is published before the controller sees that")
			w.publish("main@sha1:3")
			w.settle(0)
			w.approve()
			w.settle(0)
		},
	},
	{
		name: "manual sync, and the cluster changes between approval and apply",
		spec: []func(*v1beta1.Kustomization){manual},
		play: func(w *world) {
			w.appliedBefore()
			w.approve()
			if p := w.step(); p.Step != plan.Preview {
				w.t.Fatalf("step %s, want %s", p.Step, plan.Preview)
			}
			<-w.woken
			w.say("the API server is upgraded")
			w.toy.kube = "v1.38.0"
			w.settle(10 * time.Second)
		},
	},
	{
		name: "manual sync, and the controller is killed after the approval",
		spec: []func(*v1beta1.Kustomization){manual},
		play: func(w *world) {
			w.appliedBefore()
			w.approve()
			w.step()
			<-w.woken
			w.say("a new controller starts")
			w.restart()
			w.settle(0)
		},
	},
	{
		name: "manual sync, and the plan is computed again after an hour",
		spec: []func(*v1beta1.Kustomization){manual},
		play: func(w *world) { w.settle(90 * time.Minute) },
	},
	{name: "manual sync, and suspended", spec: []func(*v1beta1.Kustomization){manual}, play: func(w *world) {
		w.appliedBefore()
		w.say("it is suspended, and approved")
		w.changes(func(k *v1beta1.Kustomization) { k.Spec.Suspend = true })
		w.approve()
		w.edited()
		w.settle(time.Hour)
		w.say("it is resumed")
		w.changes(func(k *v1beta1.Kustomization) { k.Spec.Suspend = false })
		w.settle(0)
	}},
	{
		name: "manual sync, and a commit that changes no manifest",
		spec: []func(*v1beta1.Kustomization){manual},
		play: func(w *world) {
			w.toy.same = true
			w.settle(0)
			w.approve()
			w.settle(0)
			w.say("main@sha1:2 changes another directory")
			w.publish("main@sha1:2")
			w.settle(0)
		},
	},
	{name: "manual sync, and planning fails", spec: []func(*v1beta1.Kustomization){manual}, play: func(w *world) {
		w.toy.refusal = errors.New("reading Deployment apps/web: the API server does not answer")
		w.settle(time.Minute)
		w.toy.refusal = nil
		w.say("it answers")
		w.settle(time.Minute)
	}},
	{
		name: "plans below the risk run by themselves",
		spec: []func(*v1beta1.Kustomization){heldFrom(v1beta1.RiskDataLoss)},
		play: func(w *world) {
			w.settle(0)
			w.say("main@sha1:2 is published")
			w.publish("main@sha1:2")
			w.settle(0)
			w.say("restarts wait, too, and main@sha1:3 is published")
			w.changes(heldFrom(v1beta1.RiskRestart))
			w.publish("main@sha1:3")
			w.settle(0)
			w.say("a request")
			w.ask("1", v1beta1.ForceRequestAnnotation)
			w.settle(0)
			w.say("nothing waits any more")
			w.changes(func(k *v1beta1.Kustomization) { k.Spec.Sync = nil })
			w.settle(0)
		},
	},
}
