package kubeclient

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/test/build"
)

// restOnly is an identity whose API server is a handler.
type restOnly struct {
	Identity
	url string
}

func (r restOnly) REST(version schema.GroupVersion) (rest.Interface, error) {
	content := resource.UnstructuredPlusDefaultContentConfig()
	content.GroupVersion = &version
	return rest.RESTClientFor(&rest.Config{Host: r.url, APIPath: "/apis", ContentConfig: content})
}

// statusOf is an error as the API server sends it.
func statusOf(err *apierrors.StatusError) metav1.Status {
	out := err.ErrStatus
	out.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return out
}

// An object that the API server refuses only because of a field that excludes what is applied passes preflight: the
// upgrade removes that field. One that has something else wrong with it does not.
func TestPreflightOfAFieldThatExcludesAnother(t *testing.T) {
	t.Parallel()
	const rolling = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: apps},
		spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}`
	const recreate = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: apps},
		spec: {strategy: {type: Recreate}}}`
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	excluding := field.Forbidden(field.NewPath("spec", "strategy", "rollingUpdate"), "may not be specified")
	other := field.Required(field.NewPath("spec", "selector"), "")
	for name, tt := range map[string]struct {
		live    string
		causes  field.ErrorList
		refused bool
	}{
		"nothing is wrong":                {live: rolling},
		"only the field that excludes":    {live: rolling, causes: field.ErrorList{excluding}},
		"something else":                  {live: rolling, causes: field.ErrorList{other}, refused: true},
		"both":                            {live: rolling, causes: field.ErrorList{excluding, other}, refused: true},
		"the object has no such field":    {live: recreate, causes: field.ErrorList{excluding}, refused: true},
		"the object is gone by this time": {causes: field.ErrorList{excluding}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				code, answer := http.StatusOK, any(build.Object(t, recreate).Object)
				gone := apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web")
				switch {
				case r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "":
					t.Error("preflight writes")
				case r.Method == http.MethodPatch && len(tt.causes) > 0:
					code = http.StatusUnprocessableEntity
					answer = statusOf(apierrors.NewInvalid(kind, "web", tt.causes))
				case r.Method == http.MethodGet && tt.live == "":
					code, answer = http.StatusNotFound, statusOf(gone)
				case r.Method == http.MethodGet:
					answer = build.Object(t, tt.live).Object
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				_ = json.NewEncoder(w).Encode(answer)
			}))
			defer server.Close()
			info := infoOf(t, recreate)
			info.Mapping.Resource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
			info.Mapping.Scope = meta.RESTScopeNamespace
			client := &Client{ctx: t.Context(), identity: restOnly{url: server.URL}, options: Options{Now: time.Now}}
			body, err := ssa.ApplyBody(build.Object(t, recreate))
			if err != nil {
				t.Fatal(err)
			}
			err = (&preflight{Client: client}).overwrite(info, body)
			if refused := err != nil; refused != tt.refused {
				t.Errorf("preflight says %v", err)
			}
		})
	}
}
