package integration

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// The tests of the interrupt files kill the controller at exact points, found by its requests. They stop the shared
// controller, so none of them is parallel.

// A controller that is killed at any point of an install or upgrade leaves work that the next one finishes, as one
// revision and one rollout, with the random values of the revision that was begun.
func TestKilledAtAPoint(t *testing.T) {
	ns, v := interruption(t)
	for _, point := range []point{
		{"before-record", func(name string) match { return writesRecord(name, "pending-") }},
		{"first-object", func(name string) match { return nth(1, writesObject(name, false)) }},
		{"second-object", func(name string) match { return nth(2, writesObject(name, false)) }},
		{"before-final-record", func(name string) match { return writesRecord(name, "deployed") }},
		{"before-status", func(name string) match {
			return following(writesRecord(name, "deployed"), writesStatus(name))
		}},
	} {
		t.Run("install-"+point.name, func(t *testing.T) {
			name := "i-" + point.name
			v.start(t)
			hr := fragileRelease(ns, name, `{"message":"one"}`)
			v.killAt(t, point.at(name), func() { apply(t, hr) })
			finishes(t, v, hr, installed)
		})
		t.Run("upgrade-"+point.name, func(t *testing.T) {
			name := "u-" + point.name
			hr := fragileRelease(ns, name, `{"message":"one"}`)
			v.install(t, hr)
			v.killAt(t, point.at(name), func() { apply(t, withValues(hr, `{"message":"two"}`)) })
			finishes(t, v, hr, upgraded)
		})
	}
}

// finishes starts the controller again and checks how it ends the release.
func finishes(t *testing.T, v *victim, hr *v1beta1.HelmRelease, want outcome) {
	t.Helper()
	before, begun := revisions(t, hr.Namespace, hr.Name), manifest(t, hr.Namespace, hr.Name)
	v.start(t)
	awaitReady(t, hr)
	check(t, hr.Namespace, hr.Name, want)
	if value := randomValue(t, hr.Namespace, hr.Name); strings.Count(before, ":") == strings.Count(want.revisions, ":") &&
		!strings.Contains(begun, value) {
		t.Errorf("the random value is not the one of the revision that was begun; the records were %s", before)
	}
}

// A Job that runs as a hook is watched to its end by the next controller, not started again.
func TestKilledInAHook(t *testing.T) {
	ns, v := interruption(t)
	for _, test := range []struct {
		hook   string
		before string // values of a revision that is there already
		values string
		want   outcome
	}{
		{"post-install", "", `{"message":"one","hook":"post-install"}`, installed},
		{"pre-upgrade", `{"message":"one"}`, `{"message":"two","hook":"pre-upgrade"}`, upgraded},
	} {
		t.Run(test.hook, func(t *testing.T) {
			name := test.hook
			hr := fragileRelease(ns, name, test.before)
			v.start(t)
			if test.before != "" {
				v.install(t, hr)
			}
			starts := v.proxy.Record(func(r env.Request) bool {
				return r.Resource == "jobs" && (r.Verb == env.Create || r.Verb == env.Apply) && r.Writes()
			})
			defer starts.Stop()
			apply(t, withValues(hr, test.values))
			awaitPod(t, ns, client.MatchingLabels{"hook-of": name})
			job := get(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name + "-hook"}})
			v.kill()
			resumed := v.proxy.Record(func(r env.Request) bool {
				return r.Resource == "jobs" || r.Writes() && isRecord(name)(r)
			})
			defer resumed.Stop()
			begun := manifest(t, ns, name)
			v.start(t)
			until(t, "the next controller continues with the release", func() bool { return len(resumed.Requests()) > 0 })
			endHook(t, hr)
			check(t, ns, name, test.want)
			if now := get(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: job.Name}}); now.UID != job.UID {
				t.Error("the Job was replaced by another")
			}
			if n := len(starts.Requests()); n != 1 {
				t.Errorf("the Job was started %d times", n)
			}
			if !strings.Contains(begun, randomValue(t, ns, name)) {
				t.Error("the random value is not the one of the revision that was begun")
			}
		})
	}
}

// The wait for readiness continues where it was.
func TestKilledWhilePodsStart(t *testing.T) {
	ns, v := interruption(t)
	const one, two = `{"message":"one"}`, `{"message":"two","gated":true}`
	const upgrading = "1:deployed 2:pending-upgrade"
	for _, test := range []struct {
		name    string
		before  string // values of a revision that is there already
		values  string
		waiting string
		want    outcome
		// how "helm" owns the fields of the Deployment afterwards.
		owned string
	}{
		{"install", "", `{"message":"one","gated":true}`, "1:pending-install", installed, "Apply"},
		{"upgrade", one, two, upgrading, upgraded, "Apply"},
		{"client", one, two, upgrading, upgraded, "Update"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hr := fragileRelease(ns, test.name, test.before)
			hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
			if test.owned == "Update" {
				hr.Spec.Upgrade = &v1beta1.Upgrade{ServerSideApply: v1beta1.Disabled}
			}
			v.start(t)
			if test.before != "" {
				v.install(t, hr)
			}
			apply(t, withValues(hr, test.values))
			until(t, "the release waits for its pods", func() bool { return isWaiting(t, ns, test.name, test.want.rollouts) })
			begun := manifest(t, ns, test.name)
			v.kill()
			resumed := v.proxy.Record(func(r env.Request) bool { return r.Resource == "deployments" })
			defer resumed.Stop()
			v.start(t)
			until(t, "the next controller looks at the Deployment", func() bool { return len(resumed.Requests()) > 0 })
			if got := revisions(t, ns, test.name); got != test.waiting {
				t.Errorf("the next controller continues with the records %s, want %s", got, test.waiting)
			}
			openGate(t, hr)
			check(t, ns, test.name, test.want)
			deployment := &unstructured.Unstructured{}
			deployment.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
			deployment.SetNamespace(ns)
			deployment.SetName(test.name)
			if got := appliedBy(get(t, deployment)); got != test.owned {
				t.Errorf("the Deployment is owned by %s, want %s", got, test.owned)
			}
			if !strings.Contains(begun, randomValue(t, ns, test.name)) {
				t.Error("the random value is not the one of the revision that was begun")
			}
		})
	}
}
