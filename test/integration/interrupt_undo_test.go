package integration

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// A rollback that was begun is finished, to the revision that it was begun for, and the upgrade that failed is not
// tried again.
func TestKilledInARollback(t *testing.T) {
	ns, v := interruption(t)
	for _, point := range []point{
		{"before-record", func(name string) match { return writesRecord(name, "pending-rollback") }},
		{"first-object", func(name string) match {
			return following(writesRecord(name, "pending-rollback"), writesObject(name, false))
		}},
		{"before-final-record", func(name string) match {
			return following(writesRecord(name, "pending-rollback"), writesRecord(name, "deployed"))
		}},
		{"before-status", func(name string) match {
			final := following(writesRecord(name, "pending-rollback"), writesRecord(name, "deployed"))
			return following(final, writesStatus(name))
		}},
	} {
		t.Run(point.name, func(t *testing.T) {
			name := point.name
			hr := fragileRelease(ns, name, `{"message":"one"}`)
			yes := true
			hr.Spec.Upgrade = &v1beta1.Upgrade{
				Timeout:     &metav1.Duration{Duration: 3 * time.Second},
				Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: &yes, Strategy: v1beta1.RollbackRemediation},
			}
			v.install(t, hr)
			value := randomValue(t, ns, name)
			v.killAt(t, point.at(name), func() { apply(t, withValues(hr, `{"message":"two","gated":true}`)) })
			v.start(t)
			until(t, "the release is rolled back", func() bool {
				remediated := condition(t, hr, v1beta1.RemediatedCondition)
				return remediated.Status == metav1.ConditionTrue && remediated.ObservedGeneration == hr.Generation
			})
			check(t, ns, name, rolledBack)
			if got := randomValue(t, ns, name); got != value {
				t.Error("the random value is not the one of the revision that was rolled back to")
			}
			if ready := condition(t, hr, v1beta1.ReadyCondition); ready.Status != metav1.ConditionFalse {
				t.Errorf("the release is Ready: %s; its newest input failed", ready.Message)
			}
		})
	}
}

// An uninstall that was begun is finished, and nothing is left.
func TestKilledInAnUninstall(t *testing.T) {
	ns, v := interruption(t)
	for _, point := range []point{
		{"first-object", func(name string) match { return nth(1, writesObject(name, true)) }},
		{"second-object", func(name string) match { return nth(2, writesObject(name, true)) }},
		{"before-record-goes", func(name string) match {
			is := isRecord(name)
			return func(r env.Request) bool { return is(r) && r.Verb == env.Delete }
		}},
		{"before-finalizer-goes", func(name string) match {
			return func(r env.Request) bool {
				return r.Resource == "helmreleases" && r.Subresource == "" && r.Name == name && r.Writes()
			}
		}},
	} {
		t.Run(point.name, func(t *testing.T) {
			name := point.name
			hr := fragileRelease(ns, name, `{"message":"one"}`)
			v.install(t, hr)
			v.killAt(t, point.at(name), func() { remove(t, hr) })
			v.start(t)
			until(t, "the object is gone", func() bool { return !exists(t, hr) })
			if got := revisions(t, ns, name); got != "" {
				t.Errorf("the records %s are left", got)
			}
			meta := metav1.ObjectMeta{Namespace: ns, Name: name}
			for _, object := range []client.Object{
				&corev1.ConfigMap{ObjectMeta: meta}, &appsv1.Deployment{ObjectMeta: meta},
				&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name + "-random"}},
			} {
				if exists(t, object) {
					t.Errorf("the %T is left", object)
				}
			}
		})
	}
}
