package kustomization

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/status"
)

// The objects of a Kustomization that is deleted stay while another one that follows the same source may still take
// them over, and no longer than its timeout.
func TestADeletedKustomizationWaitsForThoseThatMayTakeItsObjects(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	fetched := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "fleet"}}
	fetching := fetched.DeepCopy()
	fetched.Status.Artifact = &v1beta1.Artifact{Revision: newRevision}
	gone := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "other"}}
	for name, tt := range map[string]struct {
		from    *v1beta1.GitRepository
		sibling string
		after   time.Duration
		waits   bool
	}{
		"a sibling has not applied it": {from: fetched, sibling: oldRevision, after: time.Minute, waits: true},
		"the sibling has applied it":   {from: fetched, sibling: newRevision, after: time.Minute},
		"its timeout has passed":       {from: fetched, sibling: oldRevision, after: 5 * time.Minute},
		"the source is being fetched":  {from: fetching, sibling: oldRevision, after: time.Minute, waits: true},
		"the source is gone":           {from: gone, sibling: oldRevision, after: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := following("fleet", "left", oldRevision, deleted, func(k *v1beta1.Kustomization) {
				k.Spec.Prune = true
				k.Spec.Timeout = &metav1.Duration{Duration: 5 * time.Minute}
				ref := v1beta1.NewResourceRef("fleet", "settings", "", "ConfigMap", "v1")
				k.Status.Inventory = &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{ref}}
			})
			bySource := func(o client.Object) []string {
				return []string{sourceKey(choiceOf(o.(*v1beta1.Kustomization)))}
			}
			cached := fake.NewClientBuilder().WithScheme(scheme).
				WithObjects(tt.from, following("fleet", "right", tt.sibling)).
				WithIndex(&v1beta1.Kustomization{}, sourceIndex, bySource).Build()
			at := func() time.Time { return now.Add(tt.after) }
			woken := make(chan types.NamespacedName, 1)
			h := &handler{
				gatherer: &gatherer{
					catalog:           catalog.NewCatalog(cached, cached, nil),
					dependencies:      &refs.Dependencies{Objects: cached},
					dependencyWatcher: refs.NewDependencyWatcher(t.Context(), nil, func(types.NamespacedName) {}, at),
				},
				tasks:  loop.NewTasks[actionResult](t.Context(), func(key types.NamespacedName) { woken <- key }, at),
				events: events.NewFakeRecorder(10), now: at, jitter: func(d time.Duration, _ float64) time.Duration {
					return d
				}, audited: map[types.NamespacedName]time.Time{},
			}
			done, after, err := h.Finalize(t.Context(), k)
			if err != nil || done {
				t.Fatalf("done is %t: %v", done, err)
			}
			// Without an engine the deletion itself ends with a fault, so that it is known to have begun.
			begun := !h.audited[client.ObjectKeyFromObject(k)].IsZero()
			if begun == tt.waits {
				t.Errorf("the deletion has begun: %t", begun)
			}
			if begun {
				<-woken
			}
			message := status.Message(k)
			if tt.waits && (after != 4*time.Minute || !strings.Contains(message, "Kustomization fleet/right")) {
				t.Errorf("it waits for %s: %q", after, message)
			}
		})
	}
}
