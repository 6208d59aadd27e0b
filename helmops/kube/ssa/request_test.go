package ssa

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// fakeServer answers each request with what respond returns, and keeps what was sent.
type fakeServer struct {
	mu      sync.Mutex
	sent    []string
	respond func(request string) any
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	kind := strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Content-Type"), "application/"), "+json")
	text := strings.TrimSpace(strings.Join([]string{r.Method, r.URL.RequestURI(), kind, string(body)}, " "))
	s.mu.Lock()
	s.sent = append(s.sent, text)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := s.respond(text)
	if status, ok := answer.(metav1.Status); ok {
		w.WriteHeader(int(status.Code))
	} else {
		w.Header().Add("Warning", `299 - "old"`)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *fakeServer) requests(t *testing.T) Requests {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client, err := rest.RESTClientFor(&rest.Config{
		Host: server.URL, APIPath: "/api", WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{
			GroupVersion: &schema.GroupVersion{Version: "v1"}, NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Requests{Client: client, Resource: "pods", Namespaced: true, Namespace: "apps", Name: "web", Manager: "us"}
}

const pod = `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: apps, resourceVersion: "7"}, spec: {priority: 3}}`

// Every method is one request. Whole numbers stay whole, and warnings are those of the answer.
func TestRequestsOfAnObject(t *testing.T) {
	server := &fakeServer{respond: func(string) any { return parsed(t, pod).Object }}
	r := server.requests(t)
	live, err := r.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if priority, _, _ := unstructured.NestedFieldNoCopy(live.Object, "spec", "priority"); priority != int64(3) {
		t.Errorf("a whole number became %T", priority)
	}
	if _, err := r.Create(t.Context(), []byte("{}"), true); err != nil {
		t.Fatal(err)
	}
	answer, err := r.Patch(t.Context(), types.ApplyPatchType, []byte("{}"), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Warnings) != 1 || answer.Warnings[0].Text != "old" {
		t.Errorf("warnings = %v", answer.Warnings)
	}
	r.Strict = true
	if _, err := r.Patch(t.Context(), types.MergePatchType, []byte("{}"), true); err != nil {
		t.Fatal(err)
	}
	r.Manager = ""
	r.Strict = false
	if err := r.Claim(t.Context(), []byte("[]")); err != nil {
		t.Fatal(err)
	}
	r.Namespaced = false
	if err := r.Delete(t.Context(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /api/v1/namespaces/apps/pods/web",
		"POST /api/v1/namespaces/apps/pods?dryRun=All&fieldManager=us  {}",
		"PATCH /api/v1/namespaces/apps/pods/web?fieldManager=us&force=true apply-patch+yaml {}",
		"PATCH /api/v1/namespaces/apps/pods/web?dryRun=All&fieldManager=us&fieldValidation=Strict merge-patch {}",
		"PATCH /api/v1/namespaces/apps/pods/web json-patch []",
		`DELETE /api/v1/pods/web json {}`,
	}
	for i := range server.sent {
		if strings.HasPrefix(server.sent[i], "DELETE") {
			server.sent[i], _, _ = strings.Cut(server.sent[i], "{")
			server.sent[i] += "{}"
		}
	}
	if diff := cmp.Diff(want, server.sent); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestWhatTheAPIServerSaysIsKept(t *testing.T) {
	server := &fakeServer{respond: func(string) any {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "web").ErrStatus
	}}
	if live, err := server.requests(t).Get(t.Context()); !apierrors.IsNotFound(err) || live != nil {
		t.Errorf("got %v, %v", live, err)
	}
	server.respond = func(string) any { return []string{"a"} }
	if _, err := server.requests(t).Get(t.Context()); err == nil ||
		err.Error() != "the API server's answer is not an object" {
		t.Errorf("got %v", err)
	}
}

// calls is a Writer that notes what is asked of it. answers are those of Send, one after the other.
func calls(noted *[]string, live *unstructured.Unstructured, answers ...error) Writer {
	return Writer{
		Name: "Pod apps/web", Version: "v1", Manager: "us",
		Send: func(kind types.PatchType, _ []byte, dryRun bool) (*unstructured.Unstructured, error) {
			call := string(kind)
			if dryRun {
				call += " dry run"
			}
			*noted = append(*noted, call)
			err := answers[0]
			answers = answers[1:]
			return live, err
		},
		Live: func() (*unstructured.Unstructured, error) {
			*noted = append(*noted, "read")
			if live == nil {
				return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "web")
			}
			return live, nil
		},
		Claim: func([]byte) error {
			*noted = append(*noted, "claim")
			err := answers[0]
			answers = answers[1:]
			return err
		},
		Reword: func(err error) error { return &reworded{text: "reworded", cause: err} },
	}
}

func TestApplyRestatesOwners(t *testing.T) {
	unconvertible := errors.New("failed to convert merged object to last applied version")
	const apply, merge, restate = "application/apply-patch+yaml", "application/merge-patch+json",
		"application/json-patch+json"
	owned := parsed(t, pod)
	owned.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "else", APIVersion: "v1beta1"}})
	for _, tt := range []struct {
		name    string
		live    *unstructured.Unstructured
		dryRun  bool
		answers []error
		want    []string
		err     string
	}{
		{"taken", owned, false, []error{nil}, []string{apply}, ""},
		{"refused for another reason", owned, false, []error{errors.New("no")}, []string{apply}, "no"},
		{"restated", owned, false, []error{unconvertible, nil, nil}, []string{apply, "read", restate, apply}, ""},
		{"nothing to restate", parsed(t, pod), false, []error{unconvertible, nil}, []string{apply, "read", apply}, ""},
		{"gone meanwhile", nil, false, []error{unconvertible, nil}, []string{apply, "read", apply}, ""},
		{
			"a dry run is that of a merge", owned, true, []error{unconvertible, nil},
			[]string{apply + " dry run", merge + " dry run"}, "",
		},
		{"not restated", owned, false, []error{unconvertible, errors.New("secret")}, []string{apply, "read", restate},
			"bringing the owners of the fields of Pod apps/web to version v1: reworded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var noted []string
			_, err := calls(&noted, tt.live, tt.answers...).Apply(nil, tt.dryRun)
			if diff := cmp.Diff(tt.want, noted); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if text := textOf(err); text != tt.err {
				t.Errorf("got %q, want %q", text, tt.err)
			}
		})
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A field that excludes what is applied, and that others own, is claimed; while the object changes, it is read again.
func TestClaimLeftovers(t *testing.T) {
	live := parsed(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: apps},
		spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}`)
	body := []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"apps"},` +
		`"spec":{"strategy":{"type":"Recreate"}}}`)
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	refused := func(fields ...*field.Error) error { return apierrors.NewInvalid(kind, "web", fields) }
	excluding := field.Forbidden(field.NewPath("spec", "strategy", "rollingUpdate"), "may not be specified")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, "web", nil)
	for _, tt := range []struct {
		name    string
		live    *unstructured.Unstructured
		cause   error
		answers []error
		want    []string
		claimed bool
		err     string
	}{
		{"claimed", live, refused(excluding), []error{nil}, []string{"read", "claim"}, true, ""},
		{
			"changed meanwhile", live, refused(excluding), []error{conflict, nil}, []string{"read", "claim", "read", "claim"},
			true, "",
		},
		{
			"something else is wrong", live, refused(field.Required(field.NewPath("spec", "selector"), "")), nil,
			[]string{"read"}, false, "",
		},
		{"not refused", live, errors.New("no answer"), nil, nil, false, ""},
		{"gone", nil, refused(excluding), nil, []string{"read"}, false, ""},
		{"not allowed", live, refused(excluding), []error{errors.New("secret")}, []string{"read", "claim"}, false,
			"taking over fields of Pod apps/web that exclude what is applied: reworded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var noted []string
			was, err := calls(&noted, tt.live, tt.answers...).ClaimLeftovers(wait.Backoff{Steps: 3}, body, tt.cause)
			if diff := cmp.Diff(tt.want, noted); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if text := textOf(err); text != tt.err {
				t.Errorf("got %q, want %q", text, tt.err)
			}
			if (was != nil) != tt.claimed {
				t.Errorf("the object before is %v", was)
			}
		})
	}
}
