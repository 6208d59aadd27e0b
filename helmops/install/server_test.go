package install

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// served are the kinds of the cluster, by API group and version: kind, resource, and whether it has a namespace.
var served = map[string][]metav1.APIResource{
	"v1": {
		{Name: "namespaces", Kind: "Namespace"}, {Name: "serviceaccounts", Kind: "ServiceAccount", Namespaced: true},
		{Name: "services", Kind: "Service", Namespaced: true}, {Name: "pods", Kind: "Pod", Namespaced: true},
		{Name: "secrets", Kind: "Secret", Namespaced: true}, {Name: "configmaps", Kind: "ConfigMap", Namespaced: true},
	},
	"fairlead.dev/v1beta1": {
		{Name: "kustomizations", Kind: "Kustomization", Namespaced: true}, {Name: "helmreleases", Kind: "HelmRelease", Namespaced: true},
		{Name: "gitrepositories", Kind: "GitRepository", Namespaced: true},
	},
	"apps/v1": {{Name: "deployments", Kind: "Deployment", Namespaced: true}},
	"rbac.authorization.k8s.io/v1": {
		{Name: "clusterroles", Kind: "ClusterRole"}, {Name: "clusterrolebindings", Kind: "ClusterRoleBinding"},
		{Name: "roles", Kind: "Role", Namespaced: true}, {Name: "rolebindings", Kind: "RoleBinding", Namespaced: true},
	},
	"apiextensions.k8s.io/v1": {{Name: "customresourcedefinitions", Kind: "CustomResourceDefinition"}},
	"networking.k8s.io/v1":    {{Name: "networkpolicies", Kind: "NetworkPolicy", Namespaced: true}},
	"policy/v1":               {{Name: "poddisruptionbudgets", Kind: "PodDisruptionBudget", Namespaced: true}},
	"admissionregistration.k8s.io/v1": {
		{Name: "validatingadmissionpolicies", Kind: "ValidatingAdmissionPolicy"},
		{Name: "validatingadmissionpolicybindings", Kind: "ValidatingAdmissionPolicyBinding"},
	},
}

// apiServer answers what a cluster serves, and leaves the rest to objects, which returns the status code of a request.
type apiServer struct {
	allowed bool
	objects func(method, path string) int
	// live answers requests about objects in place of objects; nil for none.
	live *liveObjects
	mu   sync.Mutex
	// asked are the requests about objects.
	asked []string
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case path == "version":
		_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": "v1.37.0"})
	case path == "api":
		_ = json.NewEncoder(w).Encode(metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case path == "apis":
		_ = json.NewEncoder(w).Encode(groups())
	case strings.HasSuffix(path, "selfsubjectaccessreviews"):
		review := authorizationv1.SelfSubjectAccessReview{TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"}}
		review.Status.Allowed = s.allowed
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(review)
	default:
		version := strings.TrimPrefix(strings.TrimPrefix(path, "apis/"), "api/")
		if resources, is := served[version]; is {
			_ = json.NewEncoder(w).Encode(metav1.APIResourceList{
				TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: version, APIResources: withVerbs(resources),
			})
			return
		}
		if s.live != nil {
			s.live.ServeHTTP(w, r)
			return
		}
		s.answer(w, r.Method, path)
	}
}

func (s *apiServer) answer(w http.ResponseWriter, method, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, method+" "+path)
	code := s.objects(method, path)
	w.WriteHeader(code)
	if code == http.StatusOK {
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "x"}})
		return
	}
	reason := map[int]metav1.StatusReason{http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusNotFound: metav1.StatusReasonNotFound}[code]
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
		Message: "no", Details: &metav1.StatusDetails{},
	})
}

func withVerbs(resources []metav1.APIResource) []metav1.APIResource {
	out := slices.Clone(resources)
	for i := range out {
		out[i].Verbs = metav1.Verbs{"get", "list", "watch", "create", "patch", "delete"}
	}
	return out
}

func groups() metav1.APIGroupList {
	out := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}}
	for version := range served {
		group, name, found := strings.Cut(version, "/")
		if !found {
			continue
		}
		v := metav1.GroupVersionForDiscovery{GroupVersion: version, Version: name}
		out.Groups = append(out.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	return out
}

// siteOf connects to a server.
func siteOf(t *testing.T, s *apiServer) *Site {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	site, err := NewSite(t.Context(), &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// lines are checks as a person reads them, without what to do.
func lines(checks []Check) []string {
	var out []string
	for _, c := range checks {
		out = append(out, string(c.Outcome)+" "+c.Name+": "+c.Message)
	}
	return out
}

func TestBeforeWithoutRights(t *testing.T) {
	t.Parallel()
	site := siteOf(t, &apiServer{objects: func(string, string) int { return http.StatusForbidden }})
	checks, err := site.Before(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"passed Kubernetes: v1.37.0",
		"passed admission policies: served: --tenancy=strict can be installed",
		"failed permissions: you may not get, create, patch namespaces",
		"failed permissions: you may not get, create, patch serviceaccounts, services in namespace fairlead-system",
		"failed permissions: you may not get, create, patch validatingadmissionpolicies, " +
			"validatingadmissionpolicybindings (admissionregistration.k8s.io)",
		"failed permissions: you may not get, create, patch customresourcedefinitions (apiextensions.k8s.io)",
		"failed permissions: you may not get, create, patch deployments (apps) in namespace fairlead-system",
		"failed permissions: you may not get, create, patch clusterrolebindings, clusterroles (rbac.authorization.k8s.io)",
		"failed permissions: you may not get, create, patch rolebindings, roles (rbac.authorization.k8s.io) in namespace fairlead-system",
	}
	if diff := cmp.Diff(want, lines(checks)); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

func TestAfterWithoutRights(t *testing.T) {
	t.Parallel()
	site := siteOf(t, &apiServer{objects: func(string, string) int { return http.StatusForbidden }})
	checks, err := site.After(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"failed not checked: you may not get customresourcedefinitions (apiextensions.k8s.io)",
		"failed not checked: you may not get deployments (apps) in namespace fairlead-system",
	}
	if diff := cmp.Diff(want, lines(checks)); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// A controller outside of the cluster has no Deployment; where the namespace exists, a Deployment is missing.
func TestAfterWithoutDeployment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		code func(path string) int
		want string
	}{
		{"outside of the cluster", func(path string) int {
			if strings.Contains(path, "customresourcedefinitions") {
				return http.StatusOK
			}
			return http.StatusNotFound
		}, "warning controller: the kinds are installed, but there is no namespace fairlead-system: a controller that runs outside of " +
			"the cluster, as with make run, cannot be checked"},
		{"deleted", func(path string) int {
			if strings.Contains(path, "deployments") {
				return http.StatusNotFound
			}
			return http.StatusOK
		}, "failed controller: Deployment fairlead-system/fairlead-controller does not exist"},
		{"nothing installed", func(string) int { return http.StatusNotFound },
			"failed controller: Deployment fairlead-system/fairlead-controller does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := siteOf(t, &apiServer{objects: func(_, path string) int { return tt.code(path) }})
			checks, err := site.After(t.Context(), "v1")
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(checks); !slices.Contains(got, tt.want) {
				t.Errorf("got %q, want %q among them", got, tt.want)
			}
		})
	}
}

func TestRemoveWithoutFairlead(t *testing.T) {
	t.Parallel()
	server := &apiServer{objects: func(string, string) int { return http.StatusNotFound }}
	var told []string
	left, err := siteOf(t, server).Remove(t.Context(), Removal{Progress: func(text string) { told = append(told, text) }})
	if !errors.Is(err, ErrNotInstalled) || len(left) != 0 || len(told) != 0 {
		t.Errorf("left %v, error %v, progress %v", left, err, told)
	}
	for _, request := range server.asked {
		if !strings.HasPrefix(request, "GET ") {
			t.Errorf("it wrote: %s", request)
		}
	}
}

func TestRemoveWithoutRights(t *testing.T) {
	t.Parallel()
	site := siteOf(t, &apiServer{objects: func(string, string) int { return http.StatusForbidden }})
	_, err := site.Remove(t.Context(), Removal{Progress: func(string) {}})
	if err == nil || !strings.Contains(err.Error(), "you may not get deployments (apps) in namespace fairlead-system") {
		t.Errorf("error %v", err)
	}
}
