package rendering

import (
	"strings"
	"testing"
)

func TestErrorsOfNestedTemplatesAreShort(t *testing.T) {
	endless := chartOf("shop", "a.yaml", `{{- define "r" }}{{ include "r" . }}{{ end }}`+"\n"+`{{ include "r" . }}`)
	_, err := Render(t.Context(), pool(t), "apps", request(endless), endless, nil)
	if err == nil {
		t.Fatal("an endless recursion was rendered")
	}
	const first, last = `template: shop/templates/a.yaml:2:3: executing "shop/templates/a.yaml" at <include "r" .>`,
		`executing "r" at <include "r" .>: error calling include: rendering template has a nested reference name: r: unable to execute template`
	if text := err.Error(); !strings.Contains(text, first) || !strings.HasSuffix(text, last) ||
		strings.Count(text, "executing") != 2 ||
		!strings.Contains(text, "1001 deep") {
		t.Errorf("got %s", text)
	}
	for text, want := range map[string]string{
		"":             "",
		"no templates": "no templates",
		"template: a:1: x: error calling include: template: b:2: y": "template: a:1: x: error calling include: template: b:2: y",
		`template: a:1: x: error calling tpl: error during tpl function execution for "{{ tpl \".\" }}": template: gotpl:1: y: error calling include: template: b:2: z`: "template: a:1: x: error calling further templates, 2 deep: template: b:2: z",
	} {
		if got := withoutMiddle(text); got != want {
			t.Errorf("%q has become %q, want %q", text, got, want)
		}
	}
}
