package release

import (
	"context"
	"errors"
	"strings"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// memoryEngine keeps the records of one release in memory.
type memoryEngine struct {
	records []plan.Record
	err     error
	read    int
	began   chan engine.Action
	ends    chan struct{}
}

func (e *memoryEngine) History(context.Context, cluster.Access, plan.Target) ([]plan.Record, error) {
	e.read++
	return e.records, e.err
}

func (e *memoryEngine) Execute(_ context.Context, action engine.Action) engine.Result {
	e.began <- action
	<-e.ends
	e.records = []plan.Record{{
		Version: 1, Namespace: action.Target.Namespace, Status: plan.StatusDeployed, Chart: action.Revision, Ours: true,
		Owner: action.Owner, Digest: "sha256:record", ConfigDigest: values.Digest(action.Values),
	}}
	return engine.Result{Reached: true, History: e.records}
}

func (e *memoryEngine) Foresee(context.Context, engine.Action) (*engine.Foresight, error) {
	return nil, errors.New("this engine foresees nothing")
}
func (e *memoryEngine) Equal(context.Context, engine.Action) (bool, error) { return false, nil }

// harness is a handler with an engine in memory.
type harness struct {
	*handler
	engine *memoryEngine
	woken  chan types.NamespacedName
	events *events.FakeRecorder
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{
		handler: newHandler(t, nil), woken: make(chan types.NamespacedName, 8), events: events.NewFakeRecorder(8),
		engine: &memoryEngine{began: make(chan engine.Action, 1), ends: make(chan struct{}, 1)},
	}
	wake := func(key types.NamespacedName) { h.woken <- key }
	noChart := func(context.Context, *v1beta1.HelmRelease, v1beta1.ChartRevision) (*helmchart.Chart, error) {
		return &helmchart.Chart{}, nil
	}
	h.handler.events = h.events
	h.runner = &release.Runner{Engine: h.engine, Charts: noChart, Now: h.now}
	h.tasks = loop.NewTasks[actionResult](t.Context(), wake, h.now)
	h.readings = newReadings(t.Context(), h.engine, wake, h.now)
	h.steps = map[types.NamespacedName]*step{}
	h.compared = map[types.NamespacedName]release.Comparison{}
	h.watcher = newScene(t).watcher
	h.jitter = half
	return h
}

// end lets the step that is running end.
func (h *harness) end() {
	h.engine.ends <- struct{}{}
	<-h.woken
}

func installing() *v1beta1.HelmRelease {
	hr := helmRelease("web")
	hr.Generation = 1
	hr.Spec.Bake = nil
	return hr
}

func TestAPassStartsAStepAndTheNextOneRecordsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	if again := onePass(t, h.handler, hr); again != loop.Slow {
		t.Errorf("looks again after %s", again)
	}

	action := <-h.engine.began
	if action.Step != plan.Install || action.Revision.Digest != revision.Digest {
		t.Errorf("began %s of %+v", action.Step, action.Revision)
	}

	if again := onePass(t, h.handler, hr); again != loop.Slow || h.engine.read != 1 {
		t.Errorf("while the step is running: again after %s, records read %d times", again, h.engine.read)
	}

	h.end()
	again := onePass(t, h.handler, hr)
	if !status.IsReady(hr) || again == 0 || hr.Status.InputDigest == "" {
		t.Errorf("again after %s, digest %q, conditions %+v", again, hr.Status.InputDigest, hr.Status.Conditions)
	}
	if event := <-h.events.Events; !strings.Contains(event, v1beta1.InstallSucceededReason) {
		t.Errorf("event %q", event)
	}
}

func TestAnotherGenerationSupersedesTheStep(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	onePass(t, h.handler, hr)
	action := <-h.engine.began
	hr.Generation = 2
	onePass(t, h.handler, hr)
	onePass(t, h.handler, hr) // the second time it is superseded already
	select {
	case <-action.Superseded:
	default:
		t.Error("the step was not superseded")
	}
	h.end()
}

func TestAPassWaitsForDependencies(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	hr.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "database"}}
	onePass(t, h.handler, hr)
	if message := status.Message(hr); !strings.Contains(message, "database") || len(h.engine.began) > 0 {
		t.Errorf("says %q, %d steps", message, len(h.engine.began))
	}
}

func TestRecordsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.engine.err = errors.New("no answer")
	hr := installing()
	if _, err := h.Reconcile(t.Context(), hr); !errors.Is(err, h.engine.err) || len(hr.Status.Conditions) > 0 {
		t.Errorf("error %v, conditions %+v", err, hr.Status.Conditions)
	}
}

func TestASuspendedReleaseReadsNoRecords(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	hr.Spec.Suspend = true
	if again := onePass(t, h.handler, hr); again != 0 || h.engine.read > 0 || len(hr.Status.Conditions) > 0 {
		t.Errorf("again after %s, records read %d times, conditions %+v", again, h.engine.read, hr.Status.Conditions)
	}
}

// A controller that no longer knows which step is running waits for its end.
func TestAnUnknownStepIsWaitedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	onePass(t, h.handler, hr)
	<-h.engine.began
	h.drop(types.NamespacedName{Namespace: hr.Namespace, Name: hr.Name})
	hr.Generation = 2
	if again := onePass(t, h.handler, hr); again != loop.Slow {
		t.Errorf("again after %s", again)
	}
	h.end()
}

func TestADeletedObjectIsUninstalled(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	hr.Status.History = []v1beta1.Snapshot{{Name: "web", Namespace: "apps", Version: 1, Status: plan.StatusDeployed}}
	h.engine.records = []plan.Record{{Version: 1, Namespace: "apps", Status: plan.StatusDeployed, Ours: true}}
	hr.SetDeletionTimestamp(&metav1.Time{Time: now})
	done, again, err := h.Finalize(t.Context(), hr)
	if done || again != loop.Slow || err != nil {
		t.Fatalf("done %v, again after %s, error %v", done, again, err)
	}
	if action := <-h.engine.began; action.Step != plan.Uninstall {
		t.Errorf("began %s", action.Step)
	}
	if done, again, err = h.Finalize(t.Context(), hr); done || again == 0 || err != nil {
		t.Errorf("while it runs: done %v, again after %s, error %v", done, again, err)
	}
	h.engine.ends <- struct{}{}
	<-h.woken
	h.engine.records = nil
	h.owners = ownersOf(t)
	if done, _, err = h.Finalize(t.Context(), hr); !done || err != nil {
		t.Errorf("in the end: done %v, error %v", done, err)
	}
}

func TestADeletedObjectLeavesItsReleaseBehind(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hr := installing()
	hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	hr.SetDeletionTimestamp(&metav1.Time{Time: now})
	done, _, err := h.Finalize(t.Context(), hr)
	if !done || err != nil || h.engine.read > 0 {
		t.Errorf("done %v, error %v, records read %d times", done, err, h.engine.read)
	}
	if event := <-h.events.Events; !strings.Contains(event, v1beta1.OrphanedReason) {
		t.Errorf("event %q", event)
	}
}
