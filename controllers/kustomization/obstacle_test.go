package kustomization

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// scripted shows the states of an object one after the other.
type scripted chan *unstructured.Unstructured

func (s scripted) Follow(
	ctx context.Context, _ cluster.Access, _ schema.GroupVersionKind, _ types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error),
) error {
	for {
		select {
		case object := <-s:
			if done, err := see(object); done || err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestWhatIsInTheWayIsWatched(t *testing.T) {
	t.Parallel()
	states, woken := make(scripted), make(chan struct{}, 8)
	wake := func(types.NamespacedName) { woken <- struct{}{} }
	h := &handler{gatherer: &gatherer{dependencyWatcher: refs.NewDependencyWatcher(t.Context(), states, wake, time.Now)}}
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "all"}}
	key := client.ObjectKeyFromObject(k)
	if h.freed(k, cluster.Access{}) {
		t.Error("nothing is in the way, and it is said to be gone")
	}
	kind := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	foreign := &apply.ForeignError{First: &tracker.Ref{GVK: kind, Namespace: "app", Name: "foreign"}}
	h.obstructed(key, blockerOf(errors.Join(errors.New("another"), foreign)))
	if h.freed(k, cluster.Access{}) {
		t.Error("an object that was not read yet is reported as gone")
	}
	states <- &unstructured.Unstructured{}
	<-woken
	if h.freed(k, cluster.Access{}) {
		t.Error("what is there is said to be gone")
	}
	states <- nil
	<-woken
	if !h.freed(k, cluster.Access{}) {
		t.Error("what is gone is said to be in the way")
	}
	h.obstructed(key, nil)
	if h.freed(k, cluster.Access{}) {
		t.Error("an attempt that nothing was in the way of is repeated")
	}
}

// A process that starts does not know what was in the way of the last attempt: it tries once.
func TestARefusedPruneIsTriedOnceAfterARestart(t *testing.T) {
	t.Parallel()
	h := &handler{audited: map[types.NamespacedName]time.Time{}}
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "all"}}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{
		Type: v1beta1.ReadyCondition, Status: metav1.ConditionFalse, Reason: v1beta1.PruneRefusedReason,
	})
	if !h.freed(k, cluster.Access{}) {
		t.Error("it waits for what an earlier process has seen")
	}
	h.audited[client.ObjectKeyFromObject(k)] = time.Now()
	if h.freed(k, cluster.Access{}) {
		t.Error("it is tried again and again")
	}
}
