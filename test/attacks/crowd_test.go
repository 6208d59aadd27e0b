package attacks

import (
	"fmt"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
)

// Two hundred releases that cannot be installed, of every kind of garbage, while the neighbor works.
func TestGarbage(t *testing.T) {
	broken := hostile.Chart("broken", "templates/a.yaml", "{{ fail \"always\" }}\n")
	refused := hostile.Chart("refused", "templates/a.yaml",
		"apiVersion: v1\nkind: Service\nmetadata: {name: Not_A_Name}\nspec: {ports: [{port: 1}]}\n")
	unknown := hostile.Chart("unknown", "templates/a.yaml",
		"apiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: a}\n")
	manifests := ""
	for i := range 200 {
		name := []string{"broken", "refused", "unknown", "missing"}[i%4]
		manifests += "\n---\n" + helmRelease(fmt.Sprintf("garbage-%d", i), name, "  interval: 1s\n")
	}
	play(t, attack{
		name: "two hundred releases of garbage", charts: charts(broken, refused, unknown),
		objects: strings.TrimPrefix(manifests, "\n---\n"), heavy: true,
		refused: "HelmRelease/garbage-0", reasons: []string{v1beta1.RenderFailedReason}, says: []string{"always"},
		absent: noneReady,
	})
}

// Values of Secrets in places that do not take them: the error is shown, the value is not, in whatever form.
func TestSecretsInErrors(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {%s}\n---\n"
	values := fmt.Sprintf(secret, "values.yaml: 'secret: \""+canaryOwn+"\"'")
	variables := fmt.Sprintf(secret, "VALUE: '"+canaryOwn+"'")
	install, render := []string{v1beta1.InstallFailedReason}, []string{v1beta1.RenderFailedReason}
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: b}\n"
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: %s}]}\n"
	labeled := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: %s}}\n"
	for _, test := range []struct {
		name     string
		reasons  []string
		template string
	}{
		{"as a number", install, fmt.Sprintf(service, "{{ .Values.secret | quote }}")},
		{"as a name", install, fmt.Sprintf(configMap, "{{ .Values.secret | quote }}")},
		{"as a label in base64", install, fmt.Sprintf(labeled, "{{ .Values.secret | b64enc | printf \"%s/+\" | quote }}")},
		{"as a label in URL form", install, fmt.Sprintf(labeled, "{{ .Values.secret | urlquery | quote }}")},
		{"as a name in upper case", install, fmt.Sprintf(configMap, "{{ .Values.secret | upper | quote }}")},
		{"in an error of a template", render, "{{ fail .Values.secret }}"},
		{"in an error of a template in base64", render, "{{ fail (.Values.secret | b64enc) }}"},
		{"in an error of a template in hexadecimal", render, "{{ fail (printf \"%x\" .Values.secret) }}"},
		{"as a template", render, "{{ tpl (printf \"{{ %s }}\" .Values.secret) . }}"},
		{"as a kind", install, "apiVersion: v1\nkind: {{ .Values.secret | quote }}\nmetadata: {name: a}\n"},
		{"as data that is no base64", install,
			"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: {{ .Values.secret | quote }}}\n"},
	} {
		play(t, attack{name: "a Secret is used " + test.name, charts: charts(hostile.Chart("own", "templates/a.yaml",
			test.template)), reasons: test.reasons,
			objects: values + helmRelease("web", "own", "  valuesFrom: [{kind: Secret, name: own}]\n"),
			refused: "HelmRelease/web"})
	}
	schema := hostile.Chart("own", "templates/a.yaml", hostile.Config("a"), "values.schema.json",
		`{"properties": {"secret": {"type": "integer"}}}`)
	play(t, attack{name: "a Secret breaks the schema", charts: charts(schema),
		reasons: []string{v1beta1.SchemaFailedReason},
		objects: values + helmRelease("web", "own", "  valuesFrom: [{kind: Secret, name: own}]\n"),
		refused: "HelmRelease/web"})
	pattern := hostile.Chart("own", "templates/a.yaml", hostile.Config("a"), "values.schema.json",
		`{"properties": {"secret": {"enum": ["x"], "pattern": "^x$"}}}`)
	play(t, attack{name: "a Secret does not match the schema", charts: charts(pattern),
		reasons: []string{v1beta1.SchemaFailedReason},
		objects: values + helmRelease("web", "own", "  valuesFrom: [{kind: Secret, name: own}]\n"),
		refused: "HelmRelease/web"})
	for _, test := range []struct{ name, manifest, reason string }{
		{"as a number", fmt.Sprintf(service, "\"${VALUE}\""), v1beta1.ValidationFailedReason},
		{"as a name", fmt.Sprintf(configMap, "\"${VALUE}\""), v1beta1.ApplyFailedReason},
		{"as a label", fmt.Sprintf(labeled, "\"${VALUE}\""), v1beta1.ValidationFailedReason},
	} {
		play(t, attack{name: "a variable is used " + test.name, tree: map[string]string{"a.yaml": test.manifest},
			reasons: []string{test.reason}, refused: "Kustomization/apps",
			objects: variables + kustomization("apps", "  postBuild: {substituteFrom: [{kind: Secret, name: own}]}\n")})
	}
}
