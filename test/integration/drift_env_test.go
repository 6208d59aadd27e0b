package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/worker"
	"fairlead.dev/fairlead/test/env"
)

// workbench is one Helm release, made by an engine of the test's own, and hands that disturb its objects.
type workbench struct {
	t       *testing.T
	ns      string
	engine  *engine.Engine
	objects dynamic.Interface
	rules   []v1beta1.DriftIgnoreRule
	// options of installs and upgrades, beside the usual ones.
	options engine.Options
}

func newWorkbench(t *testing.T) *workbench { return workbenchOf(t, world.cluster.Config) }

// workbenchOf is a workbench whose engine reaches the cluster by a configuration.
func workbenchOf(t *testing.T, config *rest.Config) *workbench {
	t.Helper()
	local, err := cluster.New(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	program, err := env.Binary("fairlead")
	if err != nil {
		t.Fatal(err)
	}
	pool := worker.NewPool([]string{program, "worker"})
	t.Cleanup(pool.Close)
	return &workbench{t: t, ns: namespace(t), objects: objects, engine: engine.New(ctx, engine.Config{
		Local: local, Pool: pool, Now: time.Now, OnRecordChanged: func(string, string, string) {},
	})}
}

func (w *workbench) target() plan.Target {
	return plan.Target{Name: "web", Namespace: w.ns, StorageNamespace: w.ns}
}

// rollOut installs or upgrades to a chart of one template.
func (w *workbench) rollOut(step plan.Step, manifest string) engine.Result {
	w.t.Helper()
	result := w.execute(step, manifest)
	if result.Err != nil {
		w.t.Fatalf("%s: %v", step, result.Err)
	}
	w.complete(result)
	return result
}

// execute is rollOut, whatever comes of it.
func (w *workbench) execute(step plan.Step, manifest string) engine.Result {
	return w.engine.Execute(w.t.Context(), w.action(step, manifest))
}

// action is a step with a chart of one template.
func (w *workbench) action(step plan.Step, manifest string) engine.Action {
	options := w.options
	options.Timeout, options.DisableWait = patience, true
	made := &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: "objects", Version: "1.0.0"},
		Templates: []*chart.File{{Name: "templates/all.yaml", Data: []byte(manifest)}},
	}
	return engine.Action{
		Step: step, Target: w.target(), Chart: made, Values: map[string]any{},
		Revision: v1beta1.ChartRevision{
			Name: "objects", Version: "1.0.0", Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest))),
		},
		Options: options,
	}
}

// complete fails when an object of the inventory has no ownership.
func (w *workbench) complete(result engine.Result) {
	w.t.Helper()
	hex := regexp.MustCompile(`^([0-9a-f]{16}|-)$`)
	for _, one := range result.Inventory {
		if !hex.MatchString(one.Ownership) {
			w.t.Errorf("%s has ownership %q", one.ID, one.Ownership)
		}
	}
	if len(result.Inventory) == 0 {
		w.t.Error("the inventory is empty")
	}
}

func (w *workbench) drift(step plan.Step, audit bool) engine.Result {
	w.t.Helper()
	rules, err := drift.Compile(w.rules)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.engine.Execute(w.t.Context(), engine.Action{Step: step, Target: w.target(), DriftIgnore: rules, Audit: audit})
}

// told returns what differs, one line each: Kind name path change manager was>wants.
func told(objects []drift.Object) []string {
	var out []string
	for _, o := range objects {
		if o.Missing {
			out = append(out, fmt.Sprintf("%s %s missing", o.Kind, o.Name))
		}
		for _, f := range o.Fields {
			manager := f.Manager
			if manager != "" && f.Since.IsZero() {
				manager += " at no time"
			}
			out = append(out,
				fmt.Sprintf("%s %s %s %s by %q: %q > %q", o.Kind, o.Name, f.Path, f.Change, manager, f.Was, f.Wants))
		}
		if o.Note != "" {
			out = append(out, fmt.Sprintf("%s %s note: %s", o.Kind, o.Name, o.Note))
		}
	}
	return out
}

func (w *workbench) resource(kind string) dynamic.ResourceInterface {
	return w.objects.Resource(map[string]schema.GroupVersionResource{
		"ConfigMap":  {Version: "v1", Resource: "configmaps"},
		"Secret":     {Version: "v1", Resource: "secrets"},
		"Job":        {Group: "batch", Version: "v1", Resource: "jobs"},
		"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
	}[kind]).Namespace(w.ns)
}

func (w *workbench) get(kind, name string) *unstructured.Unstructured {
	w.t.Helper()
	object, err := w.resource(kind).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return object
}

// edit changes an object the way kubectl edit does.
func (w *workbench) edit(kind, name, patch string) {
	w.t.Helper()
	w.patch("kubectl-edit", kind, name, types.StrategicMergePatchType, patch)
}

func (w *workbench) patch(manager, kind, name string, how types.PatchType, patch string, subresource ...string) {
	w.t.Helper()
	_, err := w.resource(kind).Patch(w.t.Context(), name, how, []byte(patch), metav1.PatchOptions{FieldManager: manager},
		subresource...)
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) remove(kind, name string) {
	w.t.Helper()
	foreground := metav1.DeletePropagationBackground
	if err := w.resource(kind).Delete(w.t.Context(), name,
		metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) create(kind, document string) {
	w.t.Helper()
	w.createAs("kubectl-create", kind, document)
}

func (w *workbench) createAs(manager, kind, document string) {
	w.t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.resource(kind).Create(w.t.Context(), object, metav1.CreateOptions{FieldManager: manager}); err != nil {
		w.t.Fatal(err)
	}
}

func field(object *unstructured.Unstructured, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return value
}
