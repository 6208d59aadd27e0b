package receiver

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// filtering is a handler over two GitRepositories, web and shop, that notes which of them are asked to look.
func filtering(t *testing.T) (h *handler, asked *[]string) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	named := func(name string) *v1beta1.GitRepository {
		return &v1beta1.GitRepository{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "apps", Name: name, Labels: map[string]string{"hook": "yes", "branch": name},
			},
		}
	}
	asked = &[]string{}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(named("shop"),
		named("web")).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(_ context.Context, _ client.WithWatch, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
			*asked = append(*asked, o.GetName())
			return nil
		},
	}).Build()
	compiled, err := newFilters()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newClaimRules()
	if err != nil {
		t.Fatal(err)
	}
	return &handler{cached: api, live: api, now: time.Now, filters: compiled, rules: rules}, asked
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, whole, filter, body string
		want                      string
		unfit                     bool
	}{
		{name: "none", body: "no JSON", want: "shop web"},
		{name: "of the receiver", whole: "res.metadata.name == req.repository", body: `{"repository":"web"}`, want: "web"},
		{name: "of the resource", filter: "res.metadata.labels.branch == 'shop'", body: "{}", want: "shop"},
		{
			name: "both", whole: "req.tag.startsWith('v')", filter: "res.kind == 'GitRepository' && res.metadata.name != 'shop'",
			body: `{"tag":"v1"}`, want: "web",
		},
		{name: "one of both says no", whole: "req.tag.startsWith('v')", filter: "true", body: `{"tag":"x"}`},
		{name: "a body that is not JSON", whole: "true", body: "tag=v1", unfit: true},
		{name: "a field that is missing", whole: "req.tag == 'v1'", body: `{"password":"hunter2"}`, unfit: true},
		{name: "an answer that is no bool", whole: "req.tag", body: `{"tag":"hunter2"}`, unfit: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, asked := filtering(t)
			r := receiverOf(v1beta1.ReceiverGeneric)
			r.Spec.ResourceFilter = tt.whole
			r.Spec.Resources = []v1beta1.ReceiverResource{
				{Kind: v1beta1.GitRepositoryKind, Name: "*", MatchLabels: map[string]string{"hook": "yes"}, Filter: tt.filter},
			}
			_, err := h.trigger(t.Context(), r, news{matters: true, body: []byte(tt.body)})
			if unfit := filterError(""); errors.As(err, &unfit) != tt.unfit || err != nil && !tt.unfit {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the call is quoted: %v", err)
			}
			if got := strings.Join(*asked, " "); got != tt.want {
				t.Errorf("asked %q, want %q", got, tt.want)
			}
		})
	}
}

// Filters that take too long end the call. Without filters there is nothing that could.
func TestFiltersAreBoundedInTime(t *testing.T) {
	t.Parallel()
	h, _ := filtering(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	object := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	for filter, want := range map[string]bool{"true": true, "": false} {
		r := receiverOf(v1beta1.ReceiverGeneric)
		r.Spec.ResourceFilter = filter
		selected, err := h.filters.forCall(r, news{body: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = selected.has(ended, v1beta1.ReceiverResource{}, object)
		if late := filterError(""); errors.As(err, &late) != want {
			t.Errorf("filter %q: error %v", filter, err)
		}
	}
}

// A call whose body does not fit the filters is answered with 400.
func TestACallThatDoesNotFitTheFilters(t *testing.T) {
	t.Parallel()
	h, _ := filtering(t)
	r := receiverOf(v1beta1.ReceiverGeneric)
	r.Spec.ResourceFilter = "req.tag == 'v1'"
	r.Spec.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "web"}}
	s := newServer("", &filtered{told: told{receiver: r}, handler: h})
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, pathOf(r, []byte(token)), strings.NewReader("{}")))
	if answer.Code != http.StatusBadRequest || answer.Body.Len() > 0 {
		t.Errorf("status %d, body %q", answer.Code, answer.Body)
	}
}

// filtered finds one receiver and asks what a handler selects.
type filtered struct {
	told
	handler *handler
}

func (f *filtered) trigger(ctx context.Context, r *v1beta1.Receiver, n news) (int, error) {
	return f.handler.trigger(ctx, r, n)
}

// A filter that cannot be compiled stalls the receiver, which then has no address.
func TestAFilterThatCannotBeCompiled(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*v1beta1.ReceiverSpec){
		"spec.resourceFilter": func(s *v1beta1.ReceiverSpec) { s.ResourceFilter = "res.metadata.name ==" },
		"spec.resources[0].filter": func(s *v1beta1.ReceiverSpec) {
			s.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "web", Filter: "other.name == 'x'"}}
		},
	} {
		h, _ := filtering(t)
		r := receiverOf(v1beta1.ReceiverGeneric)
		r.Status.WebhookPath = "/hook/before"
		change(&r.Spec)
		if _, err := h.Reconcile(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if !status.IsStalled(r) || !strings.HasPrefix(status.Message(r), field+": line 1") || r.Status.WebhookPath != "" {
			t.Errorf("%s: stalled %t: %s", field, status.IsStalled(r), status.Message(r))
		}
	}
}
