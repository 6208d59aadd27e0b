package apply

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/test/build"
)

const (
	good = "system:serviceaccount:team:good"
	evil = "system:serviceaccount:evil:evil"
)

var (
	ofTeam = types.NamespacedName{Namespace: "team", Name: "web"}
	ofEvil = types.NamespacedName{Namespace: "evil", Name: "web"}
)

// ownedBy is a ConfigMap of the team's namespace with the labels of an owner.
func ownedBy(t *testing.T, owner types.NamespacedName) Object {
	t.Helper()
	o := build.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: team}\ndata: {a: b}\n")
	o.SetLabels(
		map[string]string{v1beta1.KustomizationNameLabel: owner.Name, v1beta1.KustomizationNamespaceLabel: owner.Namespace})
	return Object{Unstructured: o}
}

// Who may not write an object keeps no other object from writing it, however long the attempt takes.
func TestAnObjectIsClaimedByThoseWhoMayWriteIt(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	tried, end := make(chan struct{}), make(chan struct{})
	s.answer = func(user, method, _ string, _ bool) *metav1.Status {
		if user != evil || method != http.MethodPatch {
			return nil
		}
		close(tried)
		<-end
		return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden,
			`User "evil" cannot patch resource "configmaps" in API group ""`)
	}
	engine := s.engine(t)
	var others Result
	var group sync.WaitGroup
	group.Go(func() {
		others = engine.Apply(t.Context(), cluster.Access{User: evil},
			Set{Owner: ofEvil, Objects: []Object{ownedBy(t, ofEvil)}})
	})
	<-tried
	result := engine.Apply(t.Context(), cluster.Access{User: good},
		Set{Owner: ofTeam, Objects: []Object{ownedBy(t, ofTeam)}})
	close(end)
	group.Wait()
	if result.Err != nil || len(result.Inventory) != 1 {
		t.Errorf("the one who may: %+v", result)
	}
	if reason, _ := Reason(others.Err); reason != v1beta1.AccessDeniedReason && reason != v1beta1.ValidationFailedReason {
		t.Errorf("the one who may not: %s, %v", reason, others.Err)
	}
	if strings.Contains(others.Err.Error(), "belongs to") {
		t.Errorf("the one who may not learns of the owner: %s", others.Err)
	}
}

func TestAnOwnerOfAnotherNamespaceIsNotNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		owner types.NamespacedName
		want  string
	}{
		{ofTeam, "belongs to a Kustomization of another namespace;"},
		{types.NamespacedName{Namespace: "evil", Name: "other"}, "belongs to Kustomization evil/other;"},
	} {
		s := newAPIServer(t)
		s.put("/api/v1/namespaces/team/configmaps/web", ownedBy(t, tt.owner).Object)
		result := s.engine(t).Apply(t.Context(), cluster.Access{User: evil},
			Set{Owner: ofEvil, Objects: []Object{ownedBy(t, ofEvil)}})
		var owned *OwnedError
		if !errors.As(result.Err, &owned) || !strings.Contains(result.Err.Error(), tt.want) {
			t.Errorf("owned by %s: %v", tt.owner, result.Err)
		}
	}
}

// Whether a Namespace holds objects of others is asked as the identity that deletes it. It is kept while it does, or
// may; when the Kustomization itself goes, that is refused instead.
func TestANamespaceIsPrunedWithTheRightsOfTheIdentity(t *testing.T) {
	t.Parallel()
	namespace := build.Object(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n")
	namespace.SetLabels(ownedBy(t, ofEvil).GetLabels())
	set := Set{
		Owner: ofEvil, Prune: true, AllowEmpty: true,
		Before: []v1beta1.ResourceRef{v1beta1.NewResourceRef("", "team", "", "Namespace", "v1")},
	}
	for name, tt := range map[string]struct {
		forbidden bool
		holds     bool
		// kept is why a prune keeps it, want why the deletion is refused; empty when it is deleted.
		kept, want string
	}{
		"empty": {},
		"not to be listed": {
			forbidden: true, kept: "may have objects that could not be listed: configmaps, secrets",
			want: "Namespace team is no longer in the source, but " + evil + " may not list configmaps, secrets to see",
		},
		"with one of others": {holds: true, kept: "has 1 object: configmaps web", want: "others have in it: configmaps web"},
		"hidden and held":    {forbidden: true, holds: true, kept: "could not be listed", want: "may not list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.put("/api/v1/namespaces/team", namespace.Object)
			if tt.holds {
				s.put("/api/v1/namespaces/team/configmaps/web", ownedBy(t, ofTeam).Object)
			}
			s.answer = func(user, method, path string, _ bool) *metav1.Status {
				if tt.forbidden && method == http.MethodGet && strings.HasPrefix(path, "/api/v1/namespaces/team/") {
					return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
				}
				return nil
			}
			engine := s.engine(t)
			result := engine.Delete(t.Context(), cluster.Access{User: evil}, Departure{Owner: set.Owner, Objects: set.Before})
			if tt.want == "" != (result.Err == nil) || result.Err != nil && !strings.Contains(result.Err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", result.Err, tt.want)
			}
			if reason, _ := Reason(result.Err); result.Err != nil && reason != v1beta1.PruneRefusedReason {
				t.Errorf("reason %s", reason)
			}
			if tt.forbidden && tt.holds && strings.Contains(result.Err.Error(), "configmaps web") {
				t.Errorf("what may not be listed is named: %s", result.Err)
			}
			if tt.want == "" {
				s.put("/api/v1/namespaces/team", namespace.Object)
			}
			result = engine.Apply(t.Context(), cluster.Access{User: evil}, set)
			kept := ""
			for _, o := range result.Retained {
				kept += o.String() + " " + o.Reason
			}
			if result.Err != nil || tt.kept == "" != (kept == "") || !strings.Contains(kept, tt.kept) {
				t.Errorf("error %v, kept %q, want %q", result.Err, kept, tt.kept)
			}
			if deleted := slices.Equal(result.Deleted, []string{"Namespace team"}); deleted != (tt.kept == "") {
				t.Errorf("deleted are %v", result.Deleted)
			}
			if tt.forbidden && tt.holds && strings.Contains(kept, "configmaps web") {
				t.Errorf("what may not be listed is named: %s", kept)
			}
			inside := func(request string) bool { return strings.HasPrefix(request, "GET /api/v1/namespaces/team/") }
			if slices.ContainsFunc(s.asked(""), inside) || !slices.ContainsFunc(s.asked(evil), inside) {
				t.Errorf("as the controller: %v\nas the identity: %v", s.asked(""), s.asked(evil))
			}
		})
	}
}
