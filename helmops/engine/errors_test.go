package engine

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/engine/storage"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/worker"
)

func TestReason(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a",
		errors.New(`User "web" cannot create resource "pods" in API group "" in the namespace "apps"`))
	overQuota := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New("exceeded quota: small"))
	tests := []struct {
		name   string
		step   plan.Step
		err    error
		reason string
		final  bool
	}{
		{name: "values that break the schema never succeed", step: plan.Install, final: true,
			reason: v1beta1.SchemaFailedReason,
			err: errors.New(
				"values don't meet the specifications of the schema(s) in the following chart(s):\nweb: replicas: want integer")},
		{name: "an immutable field is no matter of templates", step: plan.Upgrade, reason: v1beta1.UpgradeFailedReason,
			err: errors.New(
				`cannot patch "migrate" with kind Job: Job.batch "migrate" is invalid: spec.template: Invalid value: {...}: field is immutable`)},
		{name: "a template that fails", step: plan.Upgrade, reason: v1beta1.RenderFailedReason,
			err: errors.New(
				`template: web/templates/a.yaml:3:5: executing "web/templates/a.yaml" at <.Values.x.y>: nil pointer evaluating interface {}.y`)},
		{name: "a template that refuses", step: plan.Upgrade, reason: v1beta1.RenderFailedReason,
			err: errors.New("execution error at (web/templates/a.yaml:1:4): host is required")},
		{name: "a template that cannot be parsed", step: plan.Install, reason: v1beta1.RenderFailedReason,
			err: errors.New("parse error at (web/templates/a.yaml:2): unclosed action")},
		{name: "a template that makes no YAML", step: plan.Install, reason: v1beta1.RenderFailedReason,
			err: errors.New("YAML parse error on web/templates/a.yaml: error converting YAML to JSON")},
		{name: "a chart for another Kubernetes", step: plan.Install, reason: v1beta1.RenderFailedReason,
			err: errors.New("chart requires kubeVersion: >=9 which is incompatible with Kubernetes v1.37.2")},
		{name: "a post renderer that does not fit", step: plan.Upgrade, reason: v1beta1.RenderFailedReason,
			err: fmt.Errorf("rendering: %w", &worker.JobError{Text: "no such object", Code: postrender.CodeStep})},
		{name: "a chart for another Kubernetes, by our own check", step: plan.Install, reason: v1beta1.RenderFailedReason,
			err: &worker.JobError{Text: "not for this version", Code: "chart-unfit"}},
		{name: "a record that somebody else changed", step: plan.Upgrade, reason: v1beta1.StorageErrorReason,
			err: fmt.Errorf("updating release record: %w", storage.ErrModified)},
		{
			name: "what the API server forbids", step: plan.Install, reason: v1beta1.AccessDeniedReason,
			err: fmt.Errorf("creating pods: %w", forbidden),
		},
		{name: "a hook that the API server forbids before an install", step: plan.Install, reason: v1beta1.AccessDeniedReason,
			err: fmt.Errorf("failed pre-install: %s", fmt.Errorf("warning: Hook pre-install failed: %w", forbidden))},
		{name: "a hook that the API server forbids after an upgrade", step: plan.Upgrade, reason: v1beta1.AccessDeniedReason,
			err: fmt.Errorf("post-upgrade hooks failed: %s", forbidden)},
		{name: "a hook that a quota forbids", step: plan.Install, reason: v1beta1.InstallFailedReason,
			err: fmt.Errorf("failed pre-install: %s", overQuota)},
		{name: "a hook whose log says cannot create resource", step: plan.Install, reason: v1beta1.InstallFailedReason,
			err: errors.New(`failed post-install: job failed: cannot create resource "pods"`)},
		{
			name: "what a quota forbids is no matter of rights", step: plan.Upgrade, reason: v1beta1.UpgradeFailedReason,
			err: fmt.Errorf("creating pods: %w", overQuota),
		},
		{name: "a chart that makes a rendering process panic", step: plan.Upgrade, reason: v1beta1.InternalErrorReason,
			err: fmt.Errorf("rendering: %w", worker.Panicked("template: web/templates/a.yaml:1: panics"))},
		{
			name: "a rollback that fails", step: plan.Rollback, reason: v1beta1.RollbackFailedReason, err: errors.New("no luck"),
		},
		{name: "tests that fail", step: plan.Test, reason: v1beta1.TestFailedReason, err: errors.New("no luck")},
		{
			name: "any other failure of an install", step: plan.Install, reason: v1beta1.InstallFailedReason,
			err: errors.New("no luck"),
		},
		{
			name: "any other failure of an upgrade", step: plan.Upgrade, reason: v1beta1.UpgradeFailedReason,
			err: errors.New("no luck"),
		},
		{
			name: "any other failure of an uninstall", step: plan.Uninstall, reason: v1beta1.UninstallFailedReason,
			err: errors.New("no luck"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if reason, final := Reason(tt.step, tt.err); reason != tt.reason || final != tt.final {
				t.Errorf("got %s (final %v), want %s (final %v)", reason, final, tt.reason, tt.final)
			}
		})
	}
}

func TestARenderingThatPanicsHasChangedNothing(t *testing.T) {
	t.Parallel()
	if class := Class(plan.Upgrade, worker.Panicked("")); class != v1beta1.FailureRejected {
		t.Errorf("the class is %s", class)
	}
}

func TestDifferNoticesEveryWrite(t *testing.T) {
	t.Parallel()
	revisions := func(digests ...string) []plan.Record {
		var all []plan.Record
		for _, d := range digests {
			all = append(all, plan.Record{Digest: d})
		}
		return all
	}
	tests := []struct {
		before, after []plan.Record
		want          bool
	}{
		{nil, nil, false},
		{revisions("a"), revisions("a"), false},
		{nil, revisions("a"), true},
		{revisions("a"), nil, true},
		{revisions("b", "a"), revisions("b", "x"), true},
	}
	for i, tt := range tests {
		if got := differ(tt.before, tt.after); got != tt.want {
			t.Errorf("row %d: %v", i, got)
		}
	}
}

func TestNothingIsReachedThatCannotBeRead(t *testing.T) {
	t.Parallel()
	before := []plan.Record{{Version: 1, Digest: "a"}}
	if reached(before, nil, errors.New("connection refused")) {
		t.Error("an action counts as having reached a cluster that is away")
	}
	if !reached(before, nil, nil) || reached(before, before, nil) {
		t.Error("records that can be read are not compared")
	}
}

func TestGrownNoticesNewRevisionsOnly(t *testing.T) {
	t.Parallel()
	revisions := func(versions ...int) []plan.Record {
		var all []plan.Record
		for _, v := range versions {
			all = append(all, plan.Record{Version: v})
		}
		return all
	}
	tests := []struct {
		before, after []plan.Record
		want          bool
	}{
		{nil, nil, false},
		{nil, revisions(1), true},
		{revisions(1), nil, false},
		{revisions(2, 1), revisions(2, 1), false},
		{revisions(2, 1), revisions(2), false},
		{revisions(2, 1), revisions(3, 2, 1), true},
	}
	for i, tt := range tests {
		if got := grown(tt.before, tt.after); got != tt.want {
			t.Errorf("row %d: %v", i, got)
		}
	}
}

func TestAnActionSaysHowItsRevisionFailed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  *run
		want plan.RevisionOutcome
	}{
		{name: "before there is a client", run: &run{Action: Action{Step: plan.Upgrade}}, want: plan.OutcomeFailed},
		{
			name: "an upgrade", run: &run{Action: Action{Step: plan.Upgrade}, client: &kubeclient.Client{}},
			want: plan.OutcomeFailed,
		},
		{name: "what was left pending", run: &run{Action: Action{Step: plan.Unlock}}, want: plan.OutcomeInterrupted},
	}
	for _, tt := range tests {
		if got := tt.run.failsAs(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
