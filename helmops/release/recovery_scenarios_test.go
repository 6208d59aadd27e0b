package release

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

func baking(hr *v1beta1.HelmRelease) { hr.Spec.Bake = &metav1.Duration{Duration: 2 * time.Minute} }

// verified installs 1.0.0 and waits until it is verified.
func verified(w *world) {
	w.well()
	w.settle(time.Hour)
}

// roll has another version wanted, and continues for a while.
func roll(w *world, version string, patience time.Duration) {
	w.say("%s is wanted", version)
	w.wants(version)
	w.settle(patience)
}

// recoveries are scenarios about health after the rollout, and about what is known to be bad.
var recoveries = []scenario{
	{name: "a bake that fails and a fix", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.sick()
		w.settle(time.Minute)
		w.well()
		roll(w, "1.1.1", time.Hour)
	}},
	{name: "bad health for a moment", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.sick()
		w.settle(10 * time.Second)
		w.clock = w.clock.Add(10 * time.Second)
		w.well()
		w.settle(time.Hour)
	}},
	{name: "an install that does not stay healthy and recovers", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		w.well()
		w.settle(time.Second)
		w.sick()
		w.settle(time.Minute)
		w.well()
		w.settle(time.Hour)
	}},
	{name: "a bake over a restart", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.sick()
		w.settle(time.Second)
		w.say("the controller is away for a minute; the next one knows since when the health is bad")
		w.clock = w.clock.Add(time.Minute)
		w.settle(time.Minute)
	}},
	{name: "suspended in a bake", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.say("suspended for an hour")
		w.hr.Spec.Suspend = true
		status.BakeClock(w.hr, w.clock)
		w.clock = w.clock.Add(time.Hour)
		w.hr.Spec.Suspend = false
		status.BakeClock(w.hr, w.clock)
		w.settle(time.Hour)
	}},
	{name: "two failing revisions in a row", spec: []func(*v1beta1.HelmRelease){baking}, script: script{plan.Upgrade: {breaks, breaks}}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		roll(w, "1.2.0", time.Second)
	}},
	{name: "a failing rollback after a bake", spec: []func(*v1beta1.HelmRelease){baking}, script: script{plan.Rollback: {breaks}}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.sick()
		w.settle(2 * time.Minute)
	}},
	{name: "many releases fail at once", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.sick()
		w.in.Live.NotAttributable = plan.Widespread(50, 100)
		w.settle(time.Minute)
		w.say("the others recover, this one does not")
		w.in.Live.NotAttributable = ""
		w.settle(time.Minute)
	}},
	{name: "what is known to be bad is wanted again", spec: []func(*v1beta1.HelmRelease){baking}, script: script{plan.Upgrade: {breaks, breaks, works}}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Second)
		w.say("the interval changes")
		w.hr.Generation++
		w.settle(time.Second)
		w.say("the timeout changes")
		w.hr.Generation++
		w.hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
		w.settle(time.Second)
		w.say("a reset")
		w.ask("1", v1beta1.ResetRequestAnnotation)
		w.settle(time.Hour)
	}},
	{name: "a former revision by request", spec: []func(*v1beta1.HelmRelease){baking}, play: func(w *world) {
		verified(w)
		roll(w, "1.1.0", time.Hour)
		w.say("revision 1 is asked for")
		request, _ := json.Marshal(v1beta1.RollbackRequest{Revision: 1, Reason: "orders are lost", InputDigest: InputDigest(w.hr, w.in)})
		w.hr.Annotations[v1beta1.RollbackRequestAnnotation] = string(request)
		w.settle(time.Second)
		roll(w, "1.2.0", time.Hour)
	}},
}

// showRecovery shows what is about the bake, where there is one.
func (w *world) showRecovery() {
	s := w.hr.Status
	if w.hr.Spec.Bake.Duration == 0 {
		return
	}
	for _, c := range s.Conditions {
		if c.Type == v1beta1.VerifiedCondition {
			fmt.Fprintf(&w.log, "          %-11s  %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	if s.LastFailure != nil {
		fmt.Fprintf(&w.log, "          last failure %s in %s of %s: %s\n", s.LastFailure.Class, s.LastFailure.Phase, s.LastFailure.ChartVersion, s.LastFailure.Message)
	}
	for _, bad := range s.KnownBad {
		fmt.Fprintf(&w.log, "          known bad: %s, %s\n", bad.ChartVersion, bad.Reason)
	}
	for _, back := range s.Rollbacks {
		fmt.Fprintf(&w.log, "          rolled back from %d to %d: %s\n", back.From, back.To, back.Reason)
	}
}
