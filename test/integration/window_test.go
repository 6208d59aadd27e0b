package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// denied is a window that denies an hour ago to two hours from now.
func denied(change ...func(*v1beta1.SyncWindow)) *v1beta1.Sync {
	begin := time.Now().UTC().Add(-time.Hour)
	w := v1beta1.SyncWindow{
		Kind: v1beta1.WindowDeny, Cron: fmt.Sprintf("%d %d * * *", begin.Minute(), begin.Hour()),
		Duration: metav1.Duration{Duration: 3 * time.Hour},
	}
	for _, c := range change {
		c(&w)
	}
	return &v1beta1.Sync{Windows: []v1beta1.SyncWindow{w}}
}

func mayBeOverridden(w *v1beta1.SyncWindow) { w.Manual = true }

// hasEvent reports whether an event about an object has a reason and says something.
func hasEvent(t *testing.T, ns, name, reason, says string) bool {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Regarding.Name == name && e.Reason == reason && strings.Contains(e.Note, says) {
			return true
		}
	}
	return false
}

// A window holds an upgrade, and neither what runs nor the repair of drift. A person overrides it for one attempt, with
// a reason. A first install is held, too, and a window that cannot be understood is refused.
func TestAWindowHoldsAnUpgrade(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0", "1.1.0")
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"message":"one"}`)
	first := release(ns, "first", "sample", "1.0.0", "charts", "")
	first.Spec.Sync = denied()
	apply(t, helmRepository(ns, "charts", charts.URL()), hr, first)
	awaitVersion(t, hr, "1.0.0")
	awaitReady(t, hr)

	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) {
		hr.Spec.Chart.Spec.Version = "1.1.0"
		hr.Spec.Sync = denied(mayBeOverridden)
	})
	until(t, "the upgrade is held", func() bool {
		held := get(t, hr).Status.Held
		return held != nil && held.Reason == v1beta1.HeldByWindow && held.ChartVersion == "1.1.0" && held.Until != nil
	})
	awaitReady(t, hr)
	says(t, condition(t, hr, v1beta1.ReadyCondition).Message, "the upgrade to sample 1.1.0 is held until ", "Deny window")
	says(t, mustRun(t, "fairlead", "explain", "release", "shop", "-n", ns), "the upgrade to sample 1.1.0 is held until ")

	mustRun(t, "kubectl", "-n", ns, "patch", "configmap", "shop", "--type=merge", "-p", `{"data":{"message":"by hand"}}`)
	until(t, "drift is repaired in the window", func() bool { return configMap(t, ns, "shop")["message"] == "one" })
	if revision := revisionOf(t, hr); revision != "1 1.0.0" {
		t.Errorf("in the window it is at revision %s", revision)
	}

	mustRun(t, "kubectl", "-n", ns, "annotate", "helmrelease", "shop", v1beta1.PreviewAnnotation+"="+v1beta1.Enabled)
	until(t, "the plan of what is held is there", func() bool {
		planned := get(t, hr).Status.Plan
		return planned != nil && planned.ChartVersion == "1.1.0"
	})
	mustRun(t, "fairlead", "sync", "release", "shop", "-n", ns, "--override-window", "--reason", "INC-1234")
	awaitVersion(t, hr, "1.1.0")
	until(t, "no plan is left", func() bool { return get(t, hr).Status.Plan == nil })
	mustRun(t, "kubectl", "-n", ns, "annotate", "helmrelease", "shop", v1beta1.PreviewAnnotation+"-")
	until(t, "an event has the reason", func() bool {
		return hasEvent(t, ns, "shop", v1beta1.SyncWindowOverriddenReason, "INC-1234")
	})
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"two"}`) })
	until(t, "the next change is held again", func() bool {
		now := get(t, hr)
		return now.Status.Held != nil && now.Status.ObservedGeneration == now.Generation
	})
	if revision := revisionOf(t, hr); revision != "2 1.1.0" {
		t.Errorf("after the override it is at revision %s", revision)
	}

	until(t, "the first install is held", func() bool {
		ready := condition(t, first, v1beta1.ReadyCondition)
		return ready.Status == metav1.ConditionUnknown && ready.Reason == v1beta1.SyncWindowClosedReason
	})
	change(t, get(t, first), func(hr *v1beta1.HelmRelease) { hr.Spec.Sync.Windows[0].TimeZone = "Mars/Base" })
	until(t, "a window that cannot be understood is refused", func() bool {
		stalled := condition(t, first, v1beta1.StalledCondition)
		return stalled.Reason == v1beta1.InvalidSyncWindowReason && strings.Contains(stalled.Message, "spec.sync.windows[0]")
	})
	change(t, get(t, first), func(hr *v1beta1.HelmRelease) { hr.Spec.Sync = nil })
	awaitVersion(t, first, "1.0.0")
}

// A freeze, and a window, hold a new revision of the source of a Kustomization. Its objects are repaired meanwhile, as
// the former revision has them.
func TestAKustomizationIsHeld(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "")
	k.Labels = map[string]string{"tier": "front"}
	apply(t, k)
	awaitReady(t, k)

	f := freeze(t, ns, func(*v1beta1.ReleaseFreeze) {})
	commit(t, ns, map[string]string{"a.yaml": settings("a", "two")})
	awaitHeldRevision(t, k, v1beta1.HeldByFreeze)
	says(t, condition(t, k, v1beta1.ReadyCondition).Message, "is held: ReleaseFreeze "+ns)
	repairs := func(while string) {
		mustRun(t, "kubectl", "-n", ns, "patch", "configmap", "a", "--type=merge", "-p", `{"data":{"value":"by hand"}}`)
		until(t, "drift is repaired while "+while, func() bool { return holds(t, ns, "a", "one") })
	}
	repairs("it is frozen")

	change(t, get(t, k), func(k *v1beta1.Kustomization) { k.Spec.Sync = denied(mayBeOverridden) })
	remove(t, f)
	awaitHeldRevision(t, k, v1beta1.HeldByWindow)
	awaitReady(t, k)
	repairs("no window is open")
	says(t, mustRun(t, "fairlead", "explain", "kustomization", "apps", "-n", ns), "is held until ", "Deny window")

	mustRun(t, "fairlead", "sync", "kustomization", "apps", "-n", ns, "--override-window", "--reason", "INC-1234")
	until(t, "the override applies it", func() bool { return holds(t, ns, "a", "two") })
	until(t, "nothing is held", func() bool { return get(t, k).Status.Held == nil })
	awaitReady(t, k)
}

// awaitHeldRevision waits until the new revision of a Kustomization is held.
func awaitHeldRevision(t *testing.T, k *v1beta1.Kustomization, reason string) {
	t.Helper()
	until(t, "the new revision is held: "+reason, func() bool {
		held := get(t, k).Status.Held
		return held != nil && held.Reason == reason && held.Revision != get(t, k).Status.LastAppliedRevision
	})
}
