package kustomization

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// deniesFromNow has a window that denies an hour each day, from the minute that it is on.
func (w *world) deniesFromNow() {
	w.say("a window denies an hour from now")
	w.changes(func(k *v1beta1.Kustomization) {
		k.Spec.Sync = &v1beta1.Sync{Windows: []v1beta1.SyncWindow{{
			Kind: v1beta1.WindowDeny, Cron: w.clock.UTC().Format("4 15 * * *"),
			Duration: metav1.Duration{Duration: time.Hour}, Manual: true,
		}}}
	})
}

// heldScenarios are about windows and freezes.
var heldScenarios = []scenario{
	{name: "a window holds a new revision", play: func(w *world) {
		w.settle(0)
		w.deniesFromNow()
		w.say("main@sha1:2 is published")
		w.publish("main@sha1:2")
		w.settle(0)
		w.say("the Deployment is edited")
		w.toy.sight.Differs = []string{"Deployment apps/web"}
		w.settle(0)
		w.say("the window ends")
		w.settle(time.Hour)
	}},
	{name: "a window is overridden", play: func(w *world) {
		w.deniesFromNow()
		w.settle(0)
		w.say("a request to override it")
		w.k.Annotations[v1beta1.OverrideReasonAnnotation] = "INC-1234"
		w.ask("1", v1beta1.OverrideWindowAnnotation)
		w.settle(0)
		w.say("main@sha1:2 is published")
		w.publish("main@sha1:2")
		w.settle(0)
	}},
	{name: "a freeze holds a new revision and no other settings", play: func(w *world) {
		w.settle(0)
		w.say("it is frozen, and main@sha1:2 is published")
		f := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: "sale"}}
		f.Spec.Reason = "the sale"
		w.add(f)
		w.publish("main@sha1:2")
		w.settle(0)
		w.say("the spec changes")
		w.changes(func(k *v1beta1.Kustomization) { k.Spec.TargetNamespace = "other" })
		w.settle(0)
		w.say("the freeze is deleted")
		if err := w.objects.Delete(w.t.Context(), f); err != nil {
			w.t.Fatal(err)
		}
		w.settle(0)
	}},
}
