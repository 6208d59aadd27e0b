package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
)

// A list that has a key twice cannot be applied, and a merge by key loses what shares a key. What the manifest
// says is there after every upgrade all the same, and what is lost later is seen and corrected.
func TestItemsThatShareAKey(t *testing.T) {
	t.Parallel()
	twice := "env: [{name: A, value: '1'}, {name: A, value: '2'}%s]"
	tests := []struct {
		name, before, after, edit string
		path                      string
		want                      int
	}{
		{name: "env", before: strings.ReplaceAll(twice, "%s", ""), after: strings.ReplaceAll(twice, "%s",
			", {name: B, value: b}"),
			edit: ofContainer(`"env":[{"name":"A","$patch":"delete"}]`), path: main0 + "env", want: 3},
		{name: "env becomes twice", before: "env: [{name: A, value: '1'}, {name: B, value: b}]",
			after: strings.ReplaceAll(twice, "%s", ""),
			edit:  ofContainer(`"env":[{"name":"A","value":"3"}]`), path: main0 + "env", want: 2},
		{
			name: "ports",
			before: strings.ReplaceAll(twice, "%s", "") +
				"\n        ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
			after: strings.ReplaceAll(twice, "%s", "") + "\n        ports: [{containerPort: 53, protocol: TCP}]",
			edit:  ofContainer(`"ports":[{"containerPort":53,"$patch":"delete"}]`), path: main0 + "ports", want: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t)
			w.options.Preflight = true
			w.rollOut(plan.Install, inContainer(tt.before))
			rolled := w.rollOut(plan.Upgrade, inContainer(tt.after))
			w.complete(rolled)
			check := func(when string) {
				t.Helper()
				list, _ := fieldAt(w.get("Deployment", "web").Object, tt.path)
				if got, _ := list.([]any); len(got) != tt.want {
					t.Errorf("%s: the list is %v", when, list)
				}
				seen, err := w.engine.Drift(t.Context(), cluster.Access{}, w.target(), nil, false)
				if err != nil || len(seen) > 0 {
					t.Errorf("%s: fairlead diff says %v, %v", when, told(seen), err)
				}
			}
			check("after the upgrade")
			w.edit("Deployment", "web", tt.edit)
			for _, step := range []plan.Step{plan.Inspect, plan.Correct} {
				if got := w.drift(step, false); got.Err != nil || len(got.Drift) != 1 || got.Drift[0].Note != "" {
					t.Errorf("%s: %v, %v", step, told(got.Drift), got.Err)
				}
			}
			check("after the correction")
			w.rollOut(plan.Upgrade, inContainer("env: [{name: A, value: '1'}]"))
			if list, _ := fieldAt(w.get("Deployment", "web").Object, main0+"env"); !cmp.Equal(list,
				[]any{map[string]any{"name": "A", "value": "1"}}) {
				t.Errorf("once no key is there twice the list is %v", list)
			}
		})
	}
}

// What the API server does not keep is reported, and is not written again and again.
func TestWhatTheServerDoesNotKeep(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	manifest := inContainer("unknown: 1\n        image2: a")
	rolled := w.execute(plan.Install, manifest)
	if rolled.Err != nil || rolled.Inventory[0].Ownership != "" {
		t.Errorf("it counts as being as the manifest says: %v, %v", rolled.Inventory, rolled.Err)
	}
	note := `Deployment web note: the API server does not keep what the manifest says of ` +
		`spec.template.spec.containers[name="main"].image2, spec.template.spec.containers[name="main"].unknown`
	for range 2 {
		for _, step := range []plan.Step{plan.Inspect, plan.Correct} {
			got := w.drift(step, true)
			if diff := cmp.Diff([]string{note}, told(got.Drift)); got.Err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", step, got.Err, diff)
			}
			if got.Inventory[0].Ownership != "" {
				t.Errorf("%s: it counts as being as the manifest says", step)
			}
		}
	}
	w.patch("kubectl-edit", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":3}}`)
	if got := w.drift(plan.Correct, false); got.Err != nil || len(got.Drift) != 1 ||
		len(got.Drift[0].Fields) != 1 || got.Drift[0].Note == "" {
		t.Errorf("beside an edit: %v, %v", told(got.Drift), got.Err)
	}
	if replicas, _ := fieldAt(w.get("Deployment", "web").Object, "spec.replicas"); replicas != int64(0) {
		t.Errorf("%v replicas", replicas)
	}
}

// A correction outlasts a controller that writes the object again and again for a while.
func TestARepairOutlastsABusyController(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	if rolled := w.execute(plan.Install, inContainer("unknown: 1")); rolled.Err != nil {
		t.Fatal(rolled.Err)
	}
	w.patch("kubectl-edit", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":3}}`)
	var busy sync.WaitGroup
	begun := make(chan struct{})
	busy.Go(func() {
		deployment := &appsv1.Deployment{ObjectMeta: named(w.ns, "web")}
		for n, until := 0, time.Now().Add(300*time.Millisecond); time.Now().Before(until); n++ {
			seen := fmt.Appendf(nil, `{"metadata":{"annotations":{"seen":"%d"}}}`, n)
			patch := client.RawPatch(types.MergePatchType, seen)
			if err := world.cluster.Client.Patch(t.Context(), deployment, patch); err != nil {
				t.Error(err)
			}
			if n == 0 {
				close(begun)
			}
		}
	})
	<-begun
	got := w.drift(plan.Correct, false)
	busy.Wait()
	if replicas, _ := fieldAt(w.get("Deployment", "web").Object, "spec.replicas"); got.Err != nil || replicas != int64(0) {
		t.Errorf("%v replicas, %v, %v", replicas, told(got.Drift), got.Err)
	}
}
