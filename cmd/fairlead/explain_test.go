package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// fakeInspector answers from memory.
type fakeInspector struct {
	drifted  []drift.Object
	driftErr error
	// since is what DriftFrom finds.
	since   *engine.RevisionDrift
	stored  map[int]*engine.Content
	records []plan.Record
	// recordsErr is why no records can be listed.
	recordsErr error
	renders    *engine.Content
	// retraces is what Retrace finds.
	retraces *engine.Retracing
	keeps    []v1beta1.KeptObject
}

func (w world) engine(context.Context) (inspector, error) { return w.looks, nil }

func (f fakeInspector) Drift(context.Context, cluster.Access, plan.Target, *drift.Rules, bool) ([]drift.Object, error) {
	return f.drifted, f.driftErr
}

func (f fakeInspector) DriftFrom(context.Context, engine.Action, int) (*engine.RevisionDrift, error) {
	return f.since, f.driftErr
}

func (f fakeInspector) Stored(_ context.Context, _ cluster.Access, _ plan.Target, version int) (*engine.Content, error) {
	if f.stored == nil {
		return nil, errors.New("secrets is forbidden")
	}
	return f.stored[version], nil
}

func (f fakeInspector) History(context.Context, cluster.Access, plan.Target) ([]plan.Record, error) {
	return f.records, f.recordsErr
}

func (f fakeInspector) PreviewKept(
	context.Context, engine.Action, *engine.Content, *engine.Content,
) ([]v1beta1.KeptObject, error) {
	return f.keeps, nil
}

func (f fakeInspector) Data(
	context.Context, cluster.Access, plan.Target, []v1beta1.ResourceRef,
) ([]v1beta1.KeptObject, error) {
	return f.keeps, nil
}

func (f fakeInspector) Foresee(context.Context, engine.Action) (*engine.Foresight, error) {
	return nil, errors.New("nothing can be foreseen here")
}

func (f fakeInspector) Retrace(_ context.Context, _ engine.Action, from, _ int) (*engine.Retracing, error) {
	if f.retraces == nil {
		return nil, &engine.NotRetraceableError{Cause: fmt.Sprintf("revision %d is no longer in storage", from)}
	}
	return f.retraces, nil
}

func (f fakeInspector) Render(context.Context, engine.Action) (*engine.Content, error) {
	if f.renders == nil {
		return nil, errors.New("template: shop/templates/web.yaml: the password hunter2 is too short")
	}
	return f.renders, nil
}

func condition(hr *v1beta1.HelmRelease, kind string, state metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&hr.Status.Conditions, metav1.Condition{Type: kind, Status: state, Reason: reason, Message: message,
		ObservedGeneration: hr.Generation, LastTransitionTime: ago(time.Hour)})
}

func verified(hr *v1beta1.HelmRelease) {
	hr.Status.LastVerified = &v1beta1.Verified{Revision: 42, ChartDigest: digestA, ConfigDigest: digestB, At: ago(70 * time.Hour)}
	condition(hr, v1beta1.HealthyCondition, metav1.ConditionTrue, v1beta1.HealthyReason, "4 objects are healthy")
	condition(hr, v1beta1.VerifiedCondition, metav1.ConditionTrue, v1beta1.VerifiedReason, "revision 42 stayed healthy")
	condition(hr, v1beta1.DriftedCondition, metav1.ConditionFalse, v1beta1.NoDriftReason, "every object is as its manifest says")
}

// failing is the release after an upgrade to revision 43 that failed permanently.
func failing(hr *v1beta1.HelmRelease) {
	verified(hr)
	bad := snapshot("shop", "web", 43, "shop-1.9.2", "failed", "upgrade", 2*time.Minute)
	bad.ChartDigest, bad.ConfigDigest = digestB, digestA
	hr.Status.History = append([]v1beta1.Snapshot{bad}, hr.Status.History...)
	hr.Status.LastAttemptedRevision, hr.Status.LastAttemptedRevisionDigest, hr.Status.LastAttemptedConfigDigest = "1.9.2", digestB, digestA
	hr.Status.LastFailure = &v1beta1.LastFailure{
		Class: v1beta1.FailureHealth, Phase: v1beta1.PhaseRollout, Reason: v1beta1.UpgradeFailedReason, Revision: 43,
		Message: "Deployment web/shop: Available: 1/2", ChartVersion: "1.9.2", ChartDigest: digestB, ConfigDigest: digestA, At: ago(2 * time.Minute),
	}
	hr.Status.KnownBad = []v1beta1.KnownBad{{ChartVersion: "1.9.2", ChartDigest: digestB, ConfigDigest: digestA,
		Reason: v1beta1.UpgradeFailedReason, Since: ago(2 * time.Minute)}}
	hr.Status.Unhealthy = []v1beta1.ObjectHealth{{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", State: "InProgress",
		Message: "Available: 1/2; pod shop-5d4-bbbbb container web: CrashLoopBackOff"}}
	condition(hr, v1beta1.HealthyCondition, metav1.ConditionFalse, v1beta1.UnhealthyReason, "Deployment web/shop: Available: 1/2")
	condition(hr, v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, "what is wanted failed")
	status.Stalled(hr, v1beta1.KnownBadReason, "chart shop 1.9.2 with these values failed and is not tried again", now.Add(-2*time.Minute))
}

func drifted(hr *v1beta1.HelmRelease) {
	verified(hr)
	since := ago(30 * time.Minute)
	hr.Status.Drift = []v1beta1.ObjectDrift{
		{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", More: 2,
			Fields: []v1beta1.FieldDrift{{Path: ".spec.replicas", Change: v1beta1.DriftChanged, Manager: "kubectl-edit", Since: &since}}},
		{Kind: "ConfigMap", Namespace: "web", Name: "shop-a", Missing: true},
	}
	condition(hr, v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason, "2 objects differ")
}

func baking(hr *v1beta1.HelmRelease) {
	verified(hr)
	hr.Status.Bake = &v1beta1.Bake{Revision: 42, Until: metav1.NewTime(now.Add(4 * time.Minute))}
	condition(hr, v1beta1.VerifiedCondition, metav1.ConditionUnknown, v1beta1.BakingReason, "revision 42 is baking")
}

// stalledWhileWatched runs the revision that it was rolled back to, and every text of it is the same long sentence.
func stalledWhileWatched(hr *v1beta1.HelmRelease) {
	failing(hr)
	baking(hr)
	const sentence = "upgrade of web/shop to shop 1.9.2 failed: 1 of 4 objects not ready after 5m0s: Deployment web/shop: Available: 1/2"
	hr.Status.Unhealthy = nil
	hr.Status.LastFailure.Message = sentence
	condition(hr, v1beta1.HealthyCondition, metav1.ConditionTrue, v1beta1.HealthyReason, "all 4 objects are healthy")
	condition(hr, v1beta1.VerifiedCondition, metav1.ConditionFalse, v1beta1.NotVerifiedReason, sentence)
	status.Stalled(hr, v1beta1.KnownBadReason, sentence+"; it is not tried again", now.Add(-2*time.Minute))
}

func TestToldSaysNothingTwice(t *testing.T) {
	t.Parallel()
	said := told{"Stalled: the chart failed", "the chart failed"}
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"the chart failed", ""},
		{"chart", ""},
		{"the chart failed; it is tried again", "… it is tried again"},
		{"the chart failed; it is tried again", ""},
		{"another text", "another text"},
	} {
		if got := said.rest(tt.text); got != tt.want {
			t.Errorf("%q: %q is left, want %q", tt.text, got, tt.want)
		}
	}
}

func excused(hr *v1beta1.HelmRelease) {
	failing(hr)
	hr.Status.KnownBad, hr.Status.LastFailure.Inconclusive = nil, "12 of 20 releases are failing at once"
	hr.Status.Failures, hr.Status.LastAttemptedAt = 2, &metav1.Time{Time: now.Add(-20 * time.Second)}
	meta.RemoveStatusCondition(&hr.Status.Conditions, v1beta1.StalledCondition)
	status.Retrying(hr, v1beta1.UpgradeFailedReason, "upgrade of web/shop failed", now.Add(-20*time.Second))
}

// records of the revisions that failing compares.
func records() fakeInspector {
	return fakeInspector{stored: map[int]*engine.Content{
		42: {Values: map[string]any{"image": map[string]any{"tag": "1.9.1"}, "password": "s3cret", "same": 1}},
		43: {Values: map[string]any{"image": map[string]any{"tag": "1.9.2"}, "password": "hunter2", "same": 1, "debug": true}},
	}}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	of := func(change func(*v1beta1.HelmRelease), live []client.Object) world {
		hr := shop()
		change(hr)
		return world{objects: []client.Object{hr, charts()}, live: live, looks: records(),
			logs: map[string][]string{"web": {"panic: out of \x1b[31mmemory", "goroutine 1 [running]:"}}}
	}
	unreadable := of(failing, crashedShop())
	unreadable.logs, unreadable.looks, unreadable.reads = nil, fakeInspector{}, forbids("Deployment")
	noLogs := of(failing, crashedShop())
	noLogs.logs = nil
	runGolden(t, []goldenCase{
		{"explain-healthy", of(verified, healthyShop()), "explain release shop"},
		{"explain-failing", of(failing, crashedShop()), "explain release shop"},
		{"explain-failing-json", of(failing, crashedShop()), "explain hr shop -o json"},
		{"explain-no-logs", of(failing, crashedShop()), "explain release shop --no-logs"},
		{"explain-logs-forbidden", noLogs, "explain release shop"},
		{"explain-unreadable", unreadable, "explain release shop"},
		{"explain-excused", of(excused, crashedShop()), "explain release shop"},
		{"explain-drifted", of(drifted, healthyShop()), "explain release shop"},
		{"explain-baking", of(baking, healthyShop()), "explain release shop"},
		{"explain-stalled-while-watched", of(stalledWhileWatched, healthyShop()), "explain release shop"},
		{"explain-fresh", world{objects: everything()}, "explain release fresh"},
		{"explain-not-found", world{objects: everything()}, "explain release shopp"},
	})
}

func TestExplainNeverShowsValues(t *testing.T) {
	t.Parallel()
	hr := shop()
	failing(hr)
	w := world{objects: []client.Object{hr}, live: crashedShop(), looks: records(), logs: map[string][]string{}}
	for _, line := range []string{"explain release shop", "explain release shop -o json", "explain release shop -o yaml"} {
		r := w.run(t, strings.Fields(line)...)
		if r.code != exitNotReady || !strings.Contains(r.stdout, ".password") {
			t.Fatalf("%q: %+v", line, r)
		}
		for _, secret := range []string{"s3cret", "hunter2"} {
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("%q shows a value: %s", line, r.stdout)
			}
		}
	}
}
