package release

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	helmchart "helm.sh/helm/v3/pkg/chart"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	errSentinel = errors.New("as arranged")
	target      = plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	former      = plan.Target{Name: "old", Namespace: "apps", StorageNamespace: "apps"}
	inputs      = Inputs{
		Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}, Values: map[string]any{"a": "b"},
		Mask: redact.NewMask(map[string]any{"password": "hunter2"}),
	}
)

// engineFake answers from what it was given and notes what it was asked.
type engineFake struct {
	records map[plan.Target][]plan.Record
	err     error // of History
	result  engine.Result
	equal   bool
	asked   []plan.Target
	actions []engine.Action
}

func (e *engineFake) Foresee(context.Context, engine.Action) (*engine.Foresight, error) {
	return nil, errSentinel
}

func (e *engineFake) Equal(ctx context.Context, a engine.Action) (bool, error) {
	if err := load(ctx, &a); err != nil {
		return false, err
	}
	e.actions = append(e.actions, a)
	return e.equal, e.result.Err
}

func (e *engineFake) History(_ context.Context, _ cluster.Access, t plan.Target) ([]plan.Record, error) {
	e.asked = append(e.asked, t)
	return e.records[t], e.err
}

// load does what the engine does once it is the turn of an action.
func load(ctx context.Context, a *engine.Action) (err error) {
	if a.Load != nil {
		a.Chart, err = a.Load(ctx)
	}
	return err
}

func (e *engineFake) Execute(ctx context.Context, a engine.Action) engine.Result {
	if err := load(ctx, &a); err != nil {
		return engine.Result{Err: err, HistoryErr: err}
	}
	e.actions = append(e.actions, a)
	return e.result
}

func runner(e *engineFake, charts Charts) *Runner {
	return &Runner{Engine: e, Charts: charts, Now: func() time.Time { return now }}
}

func helmRelease(change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "1", Generation: 3}}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func deployed(config string) []plan.Record {
	return []plan.Record{{
		Version: 1, Status: plan.StatusDeployed, Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}, ConfigDigest: config, Ours: true,
		Owner: ownerOf(helmRelease()),
	}}
}

func madeAs(t plan.Target) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) {
		hr.Status.StorageNamespace = t.StorageNamespace
		hr.Status.History = []v1beta1.Snapshot{{Name: t.Name, Namespace: t.Namespace, Version: 1}}
	}
}

func deleting(hr *v1beta1.HelmRelease) { hr.DeletionTimestamp = &metav1.Time{Time: now} }

func TestDecide(t *testing.T) {
	wanted := values.Digest(inputs.Values)
	uninstalled := []plan.Record{{Version: 1, Status: plan.StatusUninstalled}}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		records map[plan.Target][]plan.Record
		// step on target; asked are the histories that were read, in order, and seen is how many records came back.
		step   plan.Step
		target plan.Target
		asked  []plan.Target
		seen   int
	}{
		{name: "the history is asked for once", release: helmRelease(), step: plan.Install, target: target, asked: []plan.Target{target}},
		{name: "the history that was looked at is returned", release: helmRelease(), records: map[plan.Target][]plan.Record{target: deployed(wanted)},
			step: plan.None, target: target, asked: []plan.Target{target}, seen: 1},
		{name: "other values are an upgrade", release: helmRelease(), records: map[plan.Target][]plan.Record{target: deployed("sha256:other")},
			step: plan.Upgrade, target: target, asked: []plan.Target{target}, seen: 1},
		{name: "a suspended release is not looked at", release: helmRelease(func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true }),
			step: plan.None, target: target},
		{name: "a release that moved is uninstalled where it was", release: helmRelease(madeAs(former)),
			records: map[plan.Target][]plan.Record{former: deployed(wanted)}, step: plan.Uninstall, target: former, asked: []plan.Target{former}, seen: 1},
		{name: "when the former release is gone, the wanted one is looked at", release: helmRelease(madeAs(former)),
			records: map[plan.Target][]plan.Record{target: deployed(wanted)}, step: plan.None, target: target, asked: []plan.Target{former, target}, seen: 1},
		{name: "a former release whose records were kept is gone too", release: helmRelease(madeAs(former)),
			records: map[plan.Target][]plan.Record{former: uninstalled}, step: plan.Install, target: target, asked: []plan.Target{former, target}},
		{name: "a release that did not move is asked for where it is", release: helmRelease(madeAs(target)),
			records: map[plan.Target][]plan.Record{target: deployed(wanted)}, step: plan.None, target: target, asked: []plan.Target{target}, seen: 1},
		{name: "a deleted object's former release is uninstalled", release: helmRelease(madeAs(former), deleting),
			records: map[plan.Target][]plan.Record{former: deployed(wanted)}, step: plan.Uninstall, target: former, asked: []plan.Target{former}, seen: 1},
		{name: "a deleted object whose former release is gone may go", release: helmRelease(madeAs(former), deleting),
			step: plan.None, target: former, asked: []plan.Target{former}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &engineFake{records: tt.records}
			p, err := decide(t.Context(), runner(e, nil), tt.release, inputs)
			records := p.History
			if err != nil || p.Step != tt.step || p.Target != tt.target || len(records) != tt.seen {
				t.Errorf("%s of %v after %d records (error %v), want %s of %v after %d", p.Step, p.Target, len(records), err, tt.step, tt.target, tt.seen)
			}
			if diff := cmp.Diff(tt.asked, e.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideSaysWhichHistoryCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := decide(t.Context(), runner(&engineFake{err: errSentinel}, nil), helmRelease(), inputs)
	if want := "reading the history of release apps/web: as arranged"; !errors.Is(err, errSentinel) || err.Error() != want {
		t.Errorf("error = %v, want %q", err, want)
	}
}

func TestRequested(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		token, handled string
		want           bool
	}{{"", "", false}, {"", "1", false}, {"1", "", true}, {"2", "1", true}, {"1", "1", false}} {
		hr := helmRelease()
		hr.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: tt.token}
		hr.Status.LastHandledReconcileAt = tt.handled
		if got := Requested(hr); got != tt.want {
			t.Errorf("token %q after %q: %v", tt.token, tt.handled, got)
		}
	}
}

func TestDo(t *testing.T) {
	history := deployed("sha256:c")
	inventory := []v1beta1.ResourceRef{{ID: "apps_web_apps_Deployment", Version: "v1"}}
	base := func(step plan.Step, change func(*status.Outcome)) status.Outcome {
		o := status.Outcome{
			Step: step, Target: target, Generation: 3, Chart: inputs.Chart, ConfigDigest: values.Digest(inputs.Values), Settings: SettingsDigest(helmRelease()),
		}
		change(&o)
		return o
	}
	tests := []struct {
		name   string
		step   plan.Step
		result engine.Result
		want   status.Outcome
	}{
		{name: "a success tells what is in storage", step: plan.Upgrade, result: engine.Result{Reached: true, History: history, Inventory: inventory},
			want: base(plan.Upgrade, func(o *status.Outcome) { o.Reached, o.History, o.Inventory = true, history, inventory })},
		{name: "a failure is masked", step: plan.Install, result: engine.Result{Reached: true, Err: errors.New("bad password hunter2"), History: history},
			want: base(plan.Install, func(o *status.Outcome) {
				o.Reached, o.History = true, history
				o.Failure = &status.Failure{Reason: v1beta1.InstallFailedReason, Message: "bad password ***", Class: v1beta1.FailureApply}
			})},
		{name: "a failure for good is final", step: plan.Upgrade,
			result: engine.Result{Err: errors.New("values don't meet the specifications of the schema(s) in the following chart(s)")},
			want: base(plan.Upgrade, func(o *status.Outcome) {
				o.Failure = &status.Failure{Reason: v1beta1.SchemaFailedReason, Final: true, Class: v1beta1.FailureRejected,
					Message: "values don't meet the specifications of the schema(s) in the following chart(s)"}
			})},
		{name: "storage that cannot be read is told", step: plan.Uninstall, result: engine.Result{Err: errSentinel, HistoryErr: errSentinel},
			want: base(plan.Uninstall, func(o *status.Outcome) {
				o.HistoryUnknown, o.Failure = true, &status.Failure{Reason: v1beta1.UninstallFailedReason, Message: "as arranged", Class: v1beta1.FailureApply}
			})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &engineFake{result: tt.result}
			charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
				return &helmchart.Chart{}, nil
			}
			got := runner(e, charts).Do(t.Context(), workOf(helmRelease(), plan.Plan{Step: tt.step, Target: target}, inputs, nil))
			got.Next = nil // the transcripts show it
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// reasonedError knows its reason, as the errors of the catalog do.
type reasonedError struct{}

func (reasonedError) Error() string  { return "no such chart" }
func (reasonedError) Reason() string { return v1beta1.NotFoundReason }

func TestWithoutItsChartNothingIsDone(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		reason  string
		message string
	}{
		{name: "what a source says is told, as the outcome of an action", err: fmt.Errorf("fetching: %w", reasonedError{}), reason: v1beta1.ArtifactFailedReason, message: "fetching: no such chart"},
		{name: "any other is about the artifact", err: errSentinel, reason: v1beta1.ArtifactFailedReason, message: "as arranged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &engineFake{}
			charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
				return nil, tt.err
			}
			got := runner(e, charts).Do(t.Context(), workOf(helmRelease(), plan.Plan{Step: plan.Upgrade, Target: target}, inputs, nil))
			if got.Failure == nil || got.Failure.Reason != tt.reason || got.Failure.Message != tt.message || !got.HistoryUnknown || got.Reached {
				t.Errorf("outcome %+v with %+v, want %s: %s", got, got.Failure, tt.reason, tt.message)
			}
			if len(e.actions) != 0 {
				t.Errorf("the engine was called: %+v", e.actions)
			}
		})
	}
}

func TestDoHandsTheOptionsOn(t *testing.T) {
	hr := helmRelease(func(hr *v1beta1.HelmRelease) {
		history, off := int32(7), false
		hr.Spec.MaxHistory, hr.Spec.Timeout = &history, &metav1.Duration{Duration: time.Minute}
		hr.Spec.Install = &v1beta1.Install{
			CreateNamespace: true, DisableWaitForJobs: true, Timeout: &metav1.Duration{Duration: time.Hour},
			ServerSideApply: &off,
		}
		hr.Spec.Upgrade = &v1beta1.Upgrade{
			DisableHooks: true, DisableSchemaValidation: true, ServerSideApply: v1beta1.ServerSideApplyAuto,
		}
		hr.Spec.Uninstall = &v1beta1.Uninstall{KeepHistory: true, DisableWait: true, DeletionPropagation: "orphan"}
		hr.Spec.Rollback = &v1beta1.Rollback{Force: true, CleanupOnFail: true, ServerSideApply: v1beta1.Enabled}
		hr.Spec.Test = &v1beta1.Test{Filters: []v1beta1.TestFilter{{Name: "smoke"}}}
		hr.Spec.AutoRollback = &v1beta1.AutoRollback{Protect: []string{"Service"}}
		hr.Status.LastVerified = &v1beta1.Verified{Revision: 3}
	})
	want := map[plan.Step]engine.Options{
		plan.Install: {
			Timeout: time.Hour, MaxHistory: 7, Protect: 3, CreateNamespace: true, DisableWaitForJobs: true,
			ServerSideApply: v1beta1.Disabled,
		},
		plan.Upgrade: {
			Timeout: time.Minute, MaxHistory: 7, Protect: 3, DisableHooks: true, DisableSchemaValidation: true,
			Preflight: true, ServerSideApply: v1beta1.ServerSideApplyAuto,
		},
		plan.Uninstall: {Timeout: time.Minute, MaxHistory: 7, Protect: 3, KeepHistory: true, DisableWait: true, Propagation: "orphan"},
		plan.Rollback: {
			Timeout: time.Minute, MaxHistory: 7, Protect: 3, Force: true, CleanupOnFail: true,
			ProtectKinds: []string{"Service"}, ServerSideApply: v1beta1.Enabled,
		},
		plan.Test: {
			Timeout: time.Minute, MaxHistory: 7, Protect: 3, TestFilters: []v1beta1.TestFilter{{Name: "smoke"}},
		},
		plan.Unlock: {MaxHistory: 7, Protect: 3},
	}
	for step, options := range want {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			e, superseded, loaded := &engineFake{}, make(chan struct{}), &helmchart.Chart{}
			charts := func(_ context.Context, _ *v1beta1.HelmRelease, r v1beta1.ChartRevision) (*helmchart.Chart, error) {
				if r != inputs.Chart {
					t.Errorf("chart %v is loaded", r)
				}
				return loaded, nil
			}
			runner(e, charts).Do(t.Context(), workOf(hr, plan.Plan{Step: step, Target: target, Message: "because"}, inputs, superseded))
			got := e.actions[0]
			if diff := cmp.Diff(options, got.Options); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			renders := step == plan.Install || step == plan.Upgrade
			if got.Step != step || got.Target != target || got.Why != "because" || got.Superseded != superseded || (got.Chart == loaded) != renders {
				t.Errorf("action %+v", got)
			}
		})
	}
}

func TestAnInstallIsServerSideUnlessItSaysOtherwise(t *testing.T) {
	t.Parallel()
	on, off := true, false
	for _, tt := range []struct {
		field *bool
		want  string
	}{{nil, ""}, {&on, v1beta1.Enabled}, {&off, v1beta1.Disabled}} {
		hr := helmRelease(func(hr *v1beta1.HelmRelease) {
			hr.Spec.Install = &v1beta1.Install{ServerSideApply: tt.field}
		})
		if got := optionsOf(hr, plan.Install).ServerSideApply; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// A failed install is gone on with as an upgrade, which then has to make the namespace.
func TestANamespaceIsMadeUntilTheReleaseHasBeenGood(t *testing.T) {
	t.Parallel()
	hr := helmRelease(func(hr *v1beta1.HelmRelease) { hr.Spec.Install = &v1beta1.Install{CreateNamespace: true} })
	if !optionsOf(hr, plan.Upgrade).CreateNamespace {
		t.Error("an upgrade of what was never good makes no namespace")
	}
	hr.Status.LastVerified = &v1beta1.Verified{Revision: 1}
	if optionsOf(hr, plan.Upgrade).CreateNamespace {
		t.Error("an upgrade of what was good makes a namespace")
	}
}

func TestRenderDigest(t *testing.T) {
	t.Parallel()
	labels := func(value string) v1beta1.HelmReleaseSpec {
		return v1beta1.HelmReleaseSpec{CommonMetadata: &v1beta1.CommonMetadata{Labels: map[string]string{"team": value, "a": "b"}}}
	}
	if got := RenderDigest(v1beta1.HelmReleaseSpec{PostRenderStrategy: v1beta1.PostRenderSeparate}); got != "" {
		t.Errorf("nothing to render with has digest %s", got)
	}
	web := RenderDigest(labels("web"))
	if again := RenderDigest(labels("web")); again != web || web == RenderDigest(labels("db")) {
		t.Error("the digest does not follow the content")
	}
}

func TestForceAndResetCountTogetherWithTheRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ special, request, handled, want string }{
		{"", "", "", ""}, {"1", "", "", ""}, {"1", "2", "", ""}, {"1", "1", "", "1"}, {"1", "1", "1", ""}, {"2", "2", "1", "2"},
	} {
		hr := helmRelease()
		hr.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: tt.request,
			v1beta1.ForceRequestAnnotation: tt.special, v1beta1.ResetRequestAnnotation: tt.special}
		hr.Status.LastHandledForceAt, hr.Status.LastHandledResetAt = tt.handled, tt.handled
		if force, reset := ForceRequested(hr), ResetRequested(hr); force != tt.want || reset != tt.want {
			t.Errorf("%+v: force %q, reset %q", tt, force, reset)
		}
	}
}

func TestAComparisonCountsForWhatWasCompared(t *testing.T) {
	t.Parallel()
	theirs := deployed(values.Digest(inputs.Values))
	theirs[0].Ours, theirs[0].Chart.Digest, theirs[0].Digest = false, "", "sha256:theirs"
	in, hr := inputs, helmRelease()
	theirs[0].Owner = ownerOf(hr)
	e := &engineFake{records: map[plan.Target][]plan.Record{target: theirs}}
	in.Compared = comparisonOf(hr, in, theirs[0], false)
	for digest, want := range map[string]plan.Step{"sha256:theirs": plan.Inspect, "sha256:touched": plan.Compare} {
		theirs[0].Digest = digest
		if p, err := decide(t.Context(), runner(e, nil), hr, in); err != nil || p.Step != want {
			t.Errorf("record %s: %s, want %s (error %v)", digest, p.Step, want, err)
		}
	}
}
