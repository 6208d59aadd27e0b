package apply

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An object that the API server refuses only because of a field that excludes what is applied passes validation, and
// the field is taken over before the object is applied. One that has something else wrong with it is refused before
// anything is written.
func TestAFieldThatExcludesAnother(t *testing.T) {
	t.Parallel()
	const path = "/apis/apps/v1/namespaces/team/deployments/web"
	deployment := func(strategy string) Object {
		return ofTheTeam(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: team}\n"+
			"spec: {strategy: "+strategy+"}")
	}
	helm := map[string]string{managedByLabel: "Helm"}
	for name, tt := range map[string]struct {
		field, want string
		ofHelm      bool
	}{
		"only the field that excludes": {field: "spec.strategy.rollingUpdate"},
		"something else":               {field: "spec.selector", want: "spec.selector"},
		"it is part of a Helm release": {field: "spec.strategy.rollingUpdate", want: "Helm release", ofHelm: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.groups = []apidiscovery.APIGroupDiscovery{
				discovered("apps", "Deployment", "deployments", apidiscovery.ScopeNamespace),
			}
			live := deployment("{type: RollingUpdate, rollingUpdate: {maxSurge: 1}}")
			if tt.ofHelm {
				live.SetLabels(helm)
				live.SetAnnotations(map[string]string{releaseAnnotation: "web", releaseNamespace: "team"})
				live.SetManagedFields([]metav1.ManagedFieldsEntry{{
					Manager: "helm", Operation: metav1.ManagedFieldsOperationApply,
					APIVersion: "apps/v1", FieldsType: "FieldsV1",
					FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:` + releaseAnnotation + `":{}}}}`),
				}})
			}
			s.put(path, live.Object)
			var writes atomic.Int32
			s.answer = func(_, method, at string, dryRun bool) *metav1.Status {
				switch {
				case at != path || method != http.MethodPatch:
					return nil
				case dryRun:
					return invalidField(tt.field, "may not be specified")
				}
				switch writes.Add(1) {
				case 1:
					return invalidField(tt.field, "may not be specified")
				case 2: // the field is taken over
					return &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK}
				default:
					return nil
				}
			}
			result := s.applied(t, Set{Owner: ofTeam, Objects: []Object{deployment("{type: Recreate}")}})
			switch {
			case tt.want == "" && (result.Err != nil || writes.Load() != 3):
				t.Errorf("after %d writes: %v", writes.Load(), result.Err)
			case tt.want != "" && (result.Err == nil || !strings.Contains(result.Err.Error(), tt.want)):
				t.Errorf("%v, want %q", result.Err, tt.want)
			case tt.want != "" && writes.Load() > 0:
				t.Errorf("it is written %d times", writes.Load())
			}
		})
	}
}
