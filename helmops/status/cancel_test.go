package status

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	release "fairlead.dev/fairlead/helmops/plan"
)

// askedToCancel has the annotations of a request.
func askedToCancel(reason string) map[string]string {
	return map[string]string{
		v1beta1.ReconcileRequestAnnotation: "7", v1beta1.CancelRequestAnnotation: "7",
		v1beta1.CancelReasonAnnotation: reason,
	}
}

func TestReleaseDoneAfterACancel(t *testing.T) {
	t.Parallel()
	ended := failing(Failure{
		Reason: v1beta1.CancelledReason, Message: "a user cancelled it while Job apps/migrate had not ended", Cancelled: true,
	})
	for _, tt := range []struct {
		name    string
		outcome Outcome
		reason  string
		message string
		want    v1beta1.CancelledStep
	}{
		{
			name: "an upgrade", outcome: outcome(release.Upgrade, ended), reason: "INC-1",
			message: "upgrade of apps/web to web 1.0.0 was cancelled (INC-1): a user cancelled it while Job apps/migrate " +
				"had not ended; the controller leaves the release as it is",
			want: v1beta1.CancelledStep{Action: "upgrade"},
		},
		{
			name: "a rollback that the controller decided on", outcome: outcome(release.Rollback, ended, func(o *Outcome) {
				o.To = 1
				o.Reason = release.ReasonRemediation
			}),
			message: "rollback of apps/web to revision 1 was cancelled: a user",
			want:    v1beta1.CancelledStep{Action: "rollback"},
		},
		{
			name: "a rollback that a user asked for", outcome: outcome(release.Rollback, ended, func(o *Outcome) {
				o.To = 1
				o.Reason = v1beta1.RolledBackReason
			}),
			message: "rollback of apps/web to revision 1 was cancelled: a user",
			want:    v1beta1.CancelledStep{Action: "rollback", Revision: 1},
		},
		{
			name: "a test", outcome: outcome(release.Test, ended), message: "test of apps/web was cancelled: a user",
			want: v1beta1.CancelledStep{Action: "test"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := helmRelease(tried)
			hr.Annotations = askedToCancel(tt.reason)
			tt.outcome.Settings = "sha256:s"
			event := ReleaseDone(hr, tt.outcome, now)
			if !strings.Contains(Message(hr), tt.message) || !IsStalled(hr) || hr.Status.LastFailure != nil {
				t.Errorf("message %q, conditions %v, last failure %v", Message(hr), conditions(hr), hr.Status.LastFailure)
			}
			if event.Warning || event.Reason != v1beta1.CancelledReason || !strings.HasPrefix(Message(hr), event.Message) {
				t.Errorf("event %+v", event)
			}
			if got := countersOf(hr); got != (counters{2, 1, 1}) {
				t.Errorf("counters %v: a cancelled step was counted as a failure", got)
			}
			tt.want.RequestedAt, tt.want.Reason, tt.want.At = "7", tt.reason, hr.Status.Cancelled.At
			tt.want.ChartVersion, tt.want.ChartDigest = chart1.Version, chart1.Digest
			tt.want.ConfigDigest, tt.want.SettingsDigest = "sha256:c", "sha256:s"
			if diff := cmp.Diff(&tt.want, hr.Status.Cancelled); diff != "" {
				t.Errorf("cancelled (-want +got):\n%s", diff)
			}
			CancelAnswered(hr)
			if hr.Status.LastHandledCancelAt != "7" {
				t.Error("the request is not answered")
			}
			ReleaseDone(hr, outcome(release.Upgrade), now)
			if hr.Status.Cancelled != nil {
				t.Error("the release is Ready, and says that it was cancelled")
			}
		})
	}
}

func TestAReasonIsBounded(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	hr.Annotations = askedToCancel(strings.Repeat("x", 100_000))
	if _, reason := v1beta1.CancelRequest(hr, ""); len(reason) != 256 {
		t.Errorf("a reason of %d bytes is repeated in the status", len(reason))
	}
}

func TestKustomizationCancelled(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	k.Annotations = askedToCancel("INC-1")
	k.Status.LastAppliedRevision = "main@1"
	ended := Applied{Revision: "main@2", Digest: "d2", Changed: []string{"ConfigMap a/b"}, Failure: &Failure{
		Reason: v1beta1.CancelledReason, Cancelled: true, Final: true,
	}}
	event := KustomizationApplied(k, ended, now)
	const want = "applying main@2 was cancelled (INC-1); by then: changed ConfigMap a/b; the rest of main@1 stays applied"
	if event.Message != want || event.Warning || !strings.HasPrefix(Message(k), want) || !IsStalled(k) {
		t.Errorf("event %+v, message %q", event, Message(k))
	}
	if k.Status.Cancelled.Action != v1beta1.CancelledApply || k.Status.Cancelled.Digest != "d2" ||
		k.Status.LastHandledCancelAt != "7" || k.Status.LastHandledReconcileAt != "7" || k.Status.Failures != 0 {
		t.Errorf("status %+v", k.Status)
	}

	KustomizationApplied(k, Applied{Revision: "main@2", Digest: "d2"}, now)
	if k.Status.Cancelled != nil {
		t.Error("it is applied, and says that it was cancelled")
	}
}

func TestKustomizationWaitCancelled(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	k.Annotations = askedToCancel("")
	k.Status.LastAppliedRevision = "main@2"
	k.Status.LastAppliedDigest = "d2"
	event := KustomizationWaitCancelled(k, now)
	if event.Message != "the wait for the health of main@2 was cancelled" {
		t.Errorf("event %+v", event)
	}

	sick := &plan.Objects{Known: true, Of: 1, Awaited: []v1beta1.ObjectHealth{{Kind: "Deployment", Name: "web"}}}
	settled := plan.Plan{Step: plan.None, Settled: true}
	KustomizationPlanned(k, settled, sick, now)
	if got := conditions(k)["Ready"]; got != "False Cancelled" || !strings.Contains(Message(k), "ready once they are") {
		t.Errorf("Ready is %s: %s", got, Message(k))
	}

	KustomizationPlanned(k, settled, &plan.Objects{Known: true, Of: 1}, now)
	if !IsReady(k) {
		t.Errorf("it is healthy, and Ready is %s", conditions(k)["Ready"])
	}
}
