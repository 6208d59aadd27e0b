package apply

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

const config = "/api/v1/namespaces/team/configmaps/web"

// hands is a Handover that holds everything, or lets everything be taken.
type hands struct{ hold, take bool }

func (h hands) Hold(gone []string, _, _ []types.NamespacedName) []string {
	if h.hold {
		return gone
	}
	return nil
}

func (h hands) MayTake(types.NamespacedName, string) bool { return h.take }

// An object that another Kustomization takes over after it was looked at is not deleted.
func TestWhatIsTakenMeanwhileIsNotDeleted(t *testing.T) {
	t.Parallel()
	former := types.NamespacedName{Namespace: "team", Name: "former"}
	next := types.NamespacedName{Namespace: "team", Name: "next"}
	s := newAPIServer(t)
	seen := ownedBy(t, former)
	seen.SetResourceVersion("1")
	seen.SetUID("u")
	s.put(config, seen.Object)
	s.answer = func(_, method, path string, _ bool) *metav1.Status {
		if method != http.MethodDelete || path != config {
			return nil
		}
		taken := ownedBy(t, next)
		taken.SetResourceVersion("2")
		taken.SetUID("u")
		s.put(config, taken.Object)
		return refusalOf(http.StatusConflict, metav1.StatusReasonConflict, "the resource version has changed")
	}
	refs := []v1beta1.ResourceRef{v1beta1.NewResourceRef("team", "web", "", "ConfigMap", "v1")}
	result := s.engine(t).Delete(t.Context(), cluster.Access{User: good}, Departure{Owner: former, Objects: refs})
	if result.Err != nil || len(result.Deleted) > 0 || len(result.Inventory) > 0 || len(result.Spared) != 1 {
		t.Errorf("result = %+v", result)
	}
	deletes := 0
	for _, request := range s.asked(good) {
		if strings.HasPrefix(request, http.MethodDelete) {
			deletes++
		}
	}
	if deletes != 1 {
		t.Errorf("%d attempts to delete it", deletes)
	}
}

// What is held stays in the inventory and is not deleted; what its owner has released may be taken.
func TestObjectsChangeHands(t *testing.T) {
	t.Parallel()
	former := types.NamespacedName{Namespace: "team", Name: "former"}
	next := types.NamespacedName{Namespace: "team", Name: "next"}
	ref := v1beta1.NewResourceRef("team", "web", "", "ConfigMap", "v1")
	for _, hold := range []bool{true, false} {
		s := newAPIServer(t)
		s.put(config, ownedBy(t, former).Object)
		set := Set{
			Owner: former, Before: []v1beta1.ResourceRef{ref}, Prune: true, AllowEmpty: true, Handover: hands{hold: hold},
		}
		result := s.engine(t).Apply(t.Context(), cluster.Access{User: good}, set)
		deleted := slices.Contains(s.asked(good), http.MethodDelete+" "+config)
		listed := len(result.Inventory) == 1
		if result.Err != nil || deleted == hold || slices.Contains(result.Held, ref.ID) != hold || listed != hold {
			t.Errorf("hold %v: deleted %v, %+v", hold, deleted, result)
		}
	}
	for _, take := range []bool{true, false} {
		s := newAPIServer(t)
		s.put(config, ownedBy(t, former).Object)
		set := Set{Owner: next, Objects: []Object{ownedBy(t, next)}, Handover: hands{take: take}}
		result := s.engine(t).Apply(t.Context(), cluster.Access{User: good}, set)
		reason, _ := Reason(result.Err)
		if take != (result.Err == nil) || !take && reason != v1beta1.OwnershipConflictReason {
			t.Errorf("take %v: %v", take, result.Err)
		}
	}
}
