package rendering

import (
	"errors"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// A post renderer does not make more of the objects than a chart may render.
func TestPostRendererThatInflates(t *testing.T) {
	c := chartOf("shop", "many.yaml", `{{ range until 200 }}`+"---\n"+object("a{{ . }}", "x")+`{{ end }}`)
	r := request(c)
	r.PostRender = postrender.OptionsOf([]v1beta1.PostRenderer{{Kustomize: &v1beta1.Kustomize{Patches: []v1beta1.Patch{{
		Patch:  `[{"op": "add", "path": "/data/b", "value": "` + strings.Repeat("x", 100<<10) + `"}]`,
		Target: &v1beta1.Selector{Kind: "ConfigMap"},
	}}}}}, "", nil)
	_, err := Render(t.Context(), pool(t), "apps", r, c, nil)
	var limit *worker.LimitError
	if !errors.As(err, &limit) || limit.Limit != worker.LimitOutput {
		t.Errorf("error = %.300v, want that of the bound %s", err, worker.LimitOutput)
	}
}
