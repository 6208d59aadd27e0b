package integration

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A release that runs stays Ready, watched and corrected when its source becomes one that is not supported, or gets an
// address that cannot be reached. What is declared later waits for the source.
func TestAReleaseOutlivesItsSource(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ change, note, reason, restore string }{
		"unsupported": {`{"spec":{"provider":"aws"}}`, "spec.provider aws is not supported",
			v1beta1.SourceNotReadyReason, `{"spec":{"provider":"generic"}}`},
		"unreachable": {`{"spec":{"url":"oci://127.0.0.1:1/gone"}}`, "cannot be reached", v1beta1.FetchFailedReason,
			""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			repository := registrySample(t, ns, "1.0.0")
			url := repository.Spec.URL
			hr := release(ns, "web", "sample", "*", "charts", `{"message":"declared"}`)
			hr.Spec.Bake = &metav1.Duration{Duration: time.Second}
			apply(t, hr)
			awaitReady(t, hr)
			mustRun(t, "kubectl", "patch", "helmrepository", "charts", "-n", ns, "--type", "merge", "-p", tt.change)
			until(t, "the source fails", func() bool {
				return condition(t, repository, v1beta1.ReadyCondition).Status == metav1.ConditionFalse
			})
			mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
			world.cluster.AwaitReadiness(t, hr, "Ready has the note", func(c metav1.Condition) bool {
				return c.Status == metav1.ConditionTrue && strings.Contains(c.Message,
					"it stays at this chart, because") &&
					strings.Contains(c.Message, tt.note)
			})
			byHand(t, ns, "web")
			until(t, "the edit is corrected", func() bool { return configMap(t, ns, "web")["message"] == "declared" })
			awaitDrifted(t, hr, v1beta1.DriftCorrectedReason)
			awaitReady(t, hr)
			wantRevisions(t, hr, "1:deployed")

			mustRun(t, "kubectl", "patch", "hr/web", "-n", ns, "--type", "merge", "-p",
				`{"spec":{"values":{"message":"later"}}}`)
			ready := awaitNotReady(t, hr, tt.reason)
			says(t, ready.Message, tt.note)
			wantRevisions(t, hr, "1:deployed")
			back := tt.restore
			if back == "" {
				back = `{"spec":{"url":"` + url + `"}}`
			}
			mustRun(t, "kubectl", "patch", "helmrepository", "charts", "-n", ns, "--type", "merge", "-p", back)
			awaitReady(t, hr)
			wantRevisions(t, hr, "1:superseded 2:deployed")
		})
	}
}
