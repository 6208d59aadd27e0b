package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	helmchart "helm.sh/helm/v3/pkg/chart"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// end is how the toy ends an action.
type end string

const (
	works    end = ""
	breaks   end = "breaks"   // in the cluster
	refuses  end = "refuses"  // before anything is written
	testFail end = "testFail" // the revision's tests will fail
	dies     end = "dies"     // the controller, in the middle
	forgets  end = "forgets"  // the controller, after the action worked and before status was written
	loses    end = "loses"    // the controller, after the action broke and before status was written
	late     end = "late"     // something else is wanted before it is ready
)

// toy is a Helm in memory that behaves as its script says.
type toy struct {
	now     func() time.Time
	records []plan.Record
	script  map[plan.Step][]end // how the next actions of a kind end; then they work
	tests   bool                // the chart has a test
	equal   bool
	// edited is what differs in the cluster.
	edited  []drift.Object
	digests int
	// seen is what the templates look up in the cluster.
	seen string
	// owner is whom the action is for that is carried out.
	owner plan.Owner
}

func (h *toy) History(context.Context, cluster.Access, plan.Target) ([]plan.Record, error) {
	return append([]plan.Record(nil), h.records...), nil
}

func (h *toy) Foresee(ctx context.Context, a engine.Action) (*engine.Foresight, error) {
	if _, err := a.Load(ctx); err != nil {
		return nil, err
	}
	return h.foresight(a), nil
}

func (h *toy) Equal(context.Context, engine.Action) (bool, error) { return h.equal, nil }

func (h *toy) next(step plan.Step) end {
	queue := h.script[step]
	if len(queue) == 0 {
		return works
	}
	h.script[step] = queue[1:]
	return queue[0]
}

// touch writes the record again.
func (h *toy) touch(r *plan.Record) {
	h.digests++
	if !h.owner.IsZero() {
		r.Owner = h.owner
	}
	r.Digest, r.Modified, r.LastDeployed = fmt.Sprintf("sha256:record%d", h.digests), h.now(), h.now()
}

func (h *toy) add(r plan.Record) *plan.Record {
	r.Version, r.Ours = 1, true
	if len(h.records) > 0 {
		r.Version = h.records[0].Version + 1
	}
	if h.tests {
		r.Tests = []plan.TestRun{{Name: "smoke", Phase: "Unknown"}}
	}
	h.touch(&r)
	h.records = append([]plan.Record{r}, h.records...)
	return &h.records[0]
}

func (h *toy) Execute(_ context.Context, a engine.Action) engine.Result {
	how := h.next(a.Step)
	h.owner = a.Owner
	var err error
	if how == refuses {
		return h.result(errors.New("templates are broken"), false)
	}
	if now := h.digestOf(a); a.Approved != "" && a.Approved != now {
		return h.result(&engine.PlanChangedError{Approved: a.Approved, Now: now}, false)
	}
	switch a.Step {
	case plan.Install, plan.Upgrade:
		r := h.add(plan.Record{Chart: a.Revision,
			ConfigDigest: values.Digest(a.Values), RenderDigest: a.RenderDigest})
		err = h.finish(r, a.Step, map[plan.Step]string{plan.Install: "Install complete", plan.Upgrade: "Upgrade complete"}[a.Step], how)
	case plan.Rollback:
		var to plan.Record
		for _, r := range h.records {
			if r.Version == a.To {
				to = r
			}
		}
		err = h.finish(h.add(to), a.Step, fmt.Sprintf("Rollback to %d", a.To), how)
	case plan.Resume:
		err = h.resume(how)
	case plan.Uninstall:
		err = h.uninstall(a, how)
	case plan.Unlock:
		h.records[0].Status, h.records[0].Description = plan.StatusFailed, a.Why
		h.records[0].Outcome = plan.OutcomeInterrupted
		h.touch(&h.records[0])
	case plan.Test:
		err = h.test(how)
	case plan.Inspect:
		result := h.result(nil, false)
		result.Drift, result.Inventory = h.edited, []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap", Version: "v1"}}
		return result
	case plan.Claim:
		h.records[0].Owner = a.Owner
	default:
		panic("the toy knows no " + string(a.Step))
	}
	return h.result(err, true)
}

func (h *toy) result(err error, reached bool) engine.Result {
	records, _ := h.History(context.Background(), cluster.Access{}, plan.Target{})
	return engine.Result{Err: err, Reached: reached, History: records}
}

var pending = map[plan.Step]string{
	plan.Install: plan.StatusPendingInstall, plan.Upgrade: plan.StatusPendingUpgrade, plan.Rollback: plan.StatusPendingRollback,
}

func (h *toy) finish(r *plan.Record, step plan.Step, done string, how end) error {
	noun := map[plan.Step]string{plan.Install: "Release", plan.Upgrade: "Upgrade", plan.Rollback: "Rollback"}[step]
	var err error
	outcome := plan.OutcomeFailed
	r.Action, r.Outcome = step, ""
	switch how {
	case dies:
		r.Status, r.Description = pending[step], done
		return nil
	case breaks, loses:
		err = errors.New("1 of 4 objects not ready after 5m0s")
	case late:
		err = kubeclient.ErrSuperseded
		outcome = plan.OutcomeSuperseded
	case testFail:
		h.script[plan.Test] = append(h.script[plan.Test], breaks)
	default:
	}
	if err != nil {
		r.Status, r.Description = plan.StatusFailed, fmt.Sprintf("%s %q failed: %s", noun, "web", err)
		r.Outcome = outcome
		return err
	}
	for i := range h.records {
		if h.records[i].Status == plan.StatusDeployed {
			h.records[i].Status = plan.StatusSuperseded
			h.touch(&h.records[i])
		}
	}
	r.Status, r.Description, r.Outcome = plan.StatusDeployed, done, plan.OutcomeSucceeded
	return nil
}

func (h *toy) resume(how end) error {
	r := &h.records[0]
	for step, word := range pending {
		if r.Status == word {
			defer h.touch(r)
			return h.finish(r, step, r.Description, how)
		}
	}
	h.records = nil
	return nil
}

func (h *toy) uninstall(a engine.Action, how end) error {
	switch {
	case how == breaks:
		return errors.New("finalizers are left")
	case a.Options.KeepHistory:
		h.records[0].Status, h.records[0].Description = plan.StatusUninstalled, "Uninstallation complete"
		h.touch(&h.records[0])
	default:
		h.records = nil
	}
	return nil
}

func (h *toy) test(how end) error {
	run := &h.records[0].Tests[0]
	run.Phase, run.Started, run.Completed = "Succeeded", h.now(), h.now()
	h.touch(&h.records[0])
	if how == breaks || how == loses {
		run.Phase = "Failed"
		return errors.New("pod smoke failed")
	}
	return nil
}

// world is one HelmRelease with its Helm and its clock. It writes down what happens.
type world struct {
	t      *testing.T
	clock  time.Time
	hr     *v1beta1.HelmRelease
	helm   *toy
	runner *Runner
	in     Inputs
	log    strings.Builder
	// compared as the controller remembers it.
	compared Comparison
}

func newWorld(t *testing.T, change ...func(*v1beta1.HelmRelease)) *world {
	t.Helper()
	w := &world{t: t, clock: now, hr: helmRelease(change...), in: inputs}
	w.helm = &toy{now: func() time.Time { return w.clock }, script: map[plan.Step][]end{}}
	charts := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
		return &helmchart.Chart{}, nil
	}
	w.runner = &Runner{Engine: w.helm, Charts: charts, Now: w.helm.now}
	w.hr.Generation, w.hr.Annotations = 1, map[string]string{}
	if w.hr.Spec.Bake == nil {
		w.hr.Spec.Bake = &metav1.Duration{} // those that are about it set it
	}
	return w
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.log, "\n--- "+format+"\n", args...) }

func (w *world) line(text string) {
	fmt.Fprintf(&w.log, "%s  %s\n", w.clock.Format(time.TimeOnly), text)
}

// settle continues as the controller does until nothing is left to do, or until patience has passed.
func (w *world) settle(patience time.Duration) {
	w.t.Helper()
	end := w.clock.Add(patience)
	for range 60 {
		if token := ResetRequested(w.hr); token != "" {
			status.ReleaseReset(w.hr, token, w.clock)
			w.line("failures are forgotten")
		}
		w.in.Compared = w.compared
		decision, err := decide(w.t.Context(), w.runner, w.hr, w.in)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, event := range decision.Events {
			w.line("  found: " + event.Message)
		}
		if decision.Acts() {
			if !w.act(decision.Plan) {
				return
			}
			continue
		}
		w.line(string(decision.Step) + ": " + decision.Message)
		if !w.hr.DeletionTimestamp.IsZero() && decision.Step == plan.None {
			return
		}
		w.rest(decision)
		if decision.After == 0 || w.clock.Add(decision.After).After(end) {
			w.show()
			return
		}
		w.clock = w.clock.Add(decision.After)
	}
	w.t.Fatalf("no end in 60 steps:\n%s", w.log.String())
}

// rest records that nothing is done; a second look must not find anything new to write.
func (w *world) rest(decision decision) {
	w.t.Helper()
	for range 2 {
		status.ReleaseSettled(w.hr, decision.Plan, decision.History, w.clock)
		w.hr.Status.LastHandledReconcileAt = w.hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	}
	before := w.hr.DeepCopy()
	w.clock = w.clock.Add(time.Millisecond)
	again, err := decide(w.t.Context(), w.runner, w.hr, w.in)
	if err != nil || again.Acts() {
		w.t.Fatalf("after %q comes %q (error %v)", decision.Message, again.Step, err)
	}
	status.ReleaseSettled(w.hr, again.Plan, again.History, w.clock)
	w.clock = w.clock.Add(-time.Millisecond)
	if diff := cmp.Diff(before.Status, w.hr.Status); diff != "" {
		w.t.Errorf("a second look changed the status (-before +after):\n%s", diff)
	}
}

// act carries out a plan; false when the controller did not live to see its end.
func (w *world) act(p plan.Plan) bool {
	w.t.Helper()
	w.line(string(p.Step) + ": " + p.Message)
	dead := false
	if queue := w.helm.script[p.Step]; len(queue) > 0 {
		dead = queue[0] == dies || queue[0] == forgets || queue[0] == loses
	}
	if p.Reason == plan.ReasonForced {
		w.hr.Status.LastHandledForceAt = ForceRequested(w.hr)
	}
	outcome := w.runner.Do(w.t.Context(), workOf(w.hr.DeepCopy(), p, w.in, nil))
	w.clock = w.clock.Add(time.Second)
	if dead {
		w.line("  the controller is killed")
		return false
	}
	event := status.ReleaseDone(w.hr, outcome, w.clock)
	w.hr.Status.LastHandledReconcileAt = w.hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	if p.Step != plan.Claim && p.Step != plan.Inspect {
		w.compared = Comparison{}
	}
	if p.Step == plan.Compare && outcome.Failure == nil {
		w.compared = comparisonOf(w.hr, w.in, outcome.History[0], outcome.Equal)
	}
	if event.Reason != "" {
		w.line("  " + event.Reason + ": " + event.Message)
	}
	return true
}

// show writes down what status and storage say.
func (w *world) show() {
	s := w.hr.Status
	for _, kind := range []string{"Ready", "Reconciling", "Stalled", "Released", "TestSuccess", "Remediated",
		"Drifted"} {
		for _, c := range s.Conditions {
			if c.Type == kind {
				fmt.Fprintf(&w.log, "          %-11s  %s %s: %s\n", kind, c.Status, c.Reason, c.Message)
			}
		}
	}
	fmt.Fprintf(&w.log, "          failures %d, of installs %d, of upgrades %d", s.Failures, s.InstallFailures, s.UpgradeFailures)
	if s.LastVerified != nil {
		fmt.Fprintf(&w.log, "; verified: %d", s.LastVerified.Revision)
	}
	w.log.WriteString("\n")
	w.showRecovery()
	for i, r := range w.helm.records {
		action := "?"
		if i < len(s.History) && int(s.History[i].Version) == r.Version {
			action = s.History[i].Action
		}
		fmt.Fprintf(&w.log, "          %d  %-10s  %s  %-8s  %s\n", r.Version, r.Status, r.Chart.Version, action, r.Description)
	}
}

// well and sick tell how the objects are from now on.
func (w *world) well() {
	w.line("the objects are healthy")
	w.in.Live.Health = plan.Health{Known: true, Healthy: true, Since: w.clock}
}

func (w *world) sick() {
	w.line("the Deployment has no pod that runs")
	w.in.Live.Health = plan.Health{Known: true, Since: w.clock, Message: "Deployment apps/web: Available: 0/1"}
}

// wants changes what is wanted, as a commit does.
func (w *world) wants(version string, change ...func(*v1beta1.HelmRelease)) {
	w.hr.Generation++
	w.in.Chart = v1beta1.ChartRevision{Name: w.in.Chart.Name, Version: version, Digest: "sha256:" + version}
	for _, c := range change {
		c(w.hr)
	}
}

// ask sets the request annotation, and another one with it.
func (w *world) ask(token string, more ...string) {
	for _, annotation := range append(more, v1beta1.ReconcileRequestAnnotation) {
		w.hr.Annotations[annotation] = token
	}
}
