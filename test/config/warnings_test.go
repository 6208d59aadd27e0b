package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

// plurals are the resources of the kinds that have warnings.
var plurals = map[string]string{
	"HelmRelease": "helmreleases", "Kustomization": "kustomizations", "GitRepository": "gitrepositories",
	"HelmRepository": "helmrepositories",
	"OCIRepository":  "ocirepositories", "Bucket": "buckets", "HelmChart": "helmcharts", "Receiver": "receivers",
	"ArtifactGenerator": "artifactgenerators", "ExternalArtifact": "externalartifacts",
}

// warning is one validation that only warns: an expression that is true where there is nothing to warn of.
type warning struct{ expression, message string }

// warningsOf are the warnings about fields of a kind that have no effect.
func warningsOf(rows []fluxField, kind string) []warning {
	var found []warning
	for _, row := range rows {
		if row.kind == kind && row.state == noEffect {
			found = append(found, warning{"!(" + isSet(row) + ")", messageOf(row)})
		}
	}
	if kind == "HelmRepository" {
		found = append(found, warning{
			"!(has(object.spec.provider) && object.spec.provider != 'generic' && (!has(object.spec.type) || object.spec.type != 'oci'))",
			"spec.provider has no effect: it counts for the type oci only",
		})
	}
	return found
}

func messageOf(row fluxField) string {
	text := "spec." + row.path
	if len(row.values) > 0 {
		text += " " + strings.Join(row.values, ", ")
	}
	return text + " has no effect: " + strings.ReplaceAll(row.note, "`", "")
}

// isSet is a CEL expression that is true where a field is set, to one of its values when it has such.
func isSet(row fluxField) string {
	if before, after, isList := strings.Cut(row.path, "[]."); isList {
		item := row
		item.path = after
		return has("object.spec", before) + " && object.spec." + before + ".exists(item, " + isSetAt("item", item) + ")"
	}
	return isSetAt("object.spec", row)
}

func isSetAt(base string, row fluxField) string {
	text := has(base, row.path)
	if len(row.values) == 0 {
		return text
	}
	if row.typ == "boolean" {
		return text + " && " + base + "." + row.path + " == " + row.values[0]
	}
	return text + " && " + base + "." + row.path + " in ['" + strings.Join(row.values, "', '") + "']"
}

// has asks for a path and for everything above it.
func has(base, path string) string {
	var parts []string
	for _, part := range strings.Split(path, ".") {
		base += "." + part
		parts = append(parts, "has("+base+")")
	}
	return strings.Join(parts, " && ")
}

// applies is a CEL expression that is true unless the controller writes an object for itself: its finalizer, or the
// annotation of a Receiver.
func applies(controller string) string {
	return "request.userInfo.username != '" + controller + "' || has(request.options) && " +
		"has(request.options.fieldManager) && request.options.fieldManager in ['" + releaseManager + "', '" +
		v1beta1.KustomizationFieldManager + "']"
}

// releaseManager is the field manager of the objects of releases.
const releaseManager = "helm"

const warningsHead = `# The API server warns of fields that have no effect. Generated from test/config/testdata/flux-fields.tsv by
# go test ./test/config -run Warnings -update
`

// warningPolicies are the policies of all kinds and their bindings. labels goes into the metadata of each.
func warningPolicies(t *testing.T, name, controller, labels string) string {
	t.Helper()
	rows := fluxFields(t)
	var documents []string
	for _, kind := range fluxKinds {
		warnings := warningsOf(rows, kind)
		if len(warnings) == 0 {
			continue
		}
		var validations strings.Builder
		for _, w := range warnings {
			fmt.Fprintf(&validations, "    - expression: %q\n      message: %q\n", w.expression, w.message)
		}
		documents = append(documents, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: %[1]s-warn-%[2]s
%[4]sspec:
  # A warning never keeps an object out.
  failurePolicy: Ignore
  matchConstraints:
    matchPolicy: Equivalent
    namespaceSelector: {}
    objectSelector: {}
    resourceRules:
      - apiGroups: [fairlead.dev]
        apiVersions: ["*"]
        operations: [CREATE, UPDATE]
        resources: [%[2]s]
        scope: "*"
  matchConditions:
    # What the controller applies for a Kustomization or a HelmRelease is warned of; what it writes by itself is not.
    - name: not-by-the-controller-itself
      expression: %[6]q
  validations:
%[5]s---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: %[1]s-warn-%[2]s
%[4]sspec:
  policyName: %[1]s-warn-%[2]s
  validationActions: [Warn]
`, name, plurals[kind], controller, labels, validations.String(), applies(controller)))
	}
	return strings.Join(documents, "---\n")
}

// Both ways of installing have the policies that the table of fields asks for.
func TestWarningsAreGenerated(t *testing.T) {
	generated(t,
		warningsHead+warningPolicies(t, "fairlead", "system:serviceaccount:fairlead-system:fairlead-controller", ""),
		"config", "warnings", "policies.yaml")
	const labels = "  labels:\n    {{- include \"fairlead.labels\" . | nindent 4 }}\n"
	chart := warningPolicies(t, "{{ $name }}", "{{ $controller }}", labels)
	generated(t, `{{- $wanted := ne (toString .Values.policies.enabled) "false" }}
{{- if and $wanted (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- $name := include "fairlead.fullname" . }}
{{- $controller := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "fairlead.serviceAccount" .) -}}
`+warningsHead+chart+"{{- end }}\n", "charts", "fairlead", "templates", "warnings.yaml")
}

// Installed by the chart they are those of config. A cluster that does not serve policies gets none, and one that is to
// have none.
func TestWarningsOfTheChart(t *testing.T) {
	own := byName(t, objects(t, scheme(t), read(t, "config", "warnings", "policies.yaml")))
	charted := fairlead(t, "{}")
	for key, object := range own {
		policy, ok := object.(*admissionv1.ValidatingAdmissionPolicy)
		if !ok {
			continue
		}
		found := get[*admissionv1.ValidatingAdmissionPolicy](t, charted, key)
		if !slices.EqualFunc(found.Spec.Validations, policy.Spec.Validations, func(a, b admissionv1.Validation) bool {
			return a == b
		}) ||
			found.Spec.MatchConditions[0].Expression != policy.Spec.MatchConditions[0].Expression {
			t.Errorf("%s of the chart is another one: %+v", key, found.Spec)
		}
		binding := get[*admissionv1.ValidatingAdmissionPolicyBinding](t, charted,
			"ValidatingAdmissionPolicyBinding//"+policy.Name)
		if binding.Spec.PolicyName != policy.Name ||
			!slices.Equal(binding.Spec.ValidationActions, []admissionv1.ValidationAction{admissionv1.Warn}) {
			t.Errorf("the binding of %s: %+v", key, binding.Spec)
		}
	}
	for version, values := range map[string]string{"v1.29.3": "{}", "v1.37.0": "{policies: {enabled: false}}"} {
		without, err := tryRenderFor(t, version, "fairlead", "fairlead", "fairlead-system", values)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.TrimSpace(without.file(t, "warnings.yaml")); text != "" {
			t.Errorf("a cluster of version %s with the values %s gets:\n%s", version, values, text)
		}
	}
}

// warned evaluates the policies of a kind for a document and returns what they warn of.
func warned(t *testing.T, kind, document string) []string {
	t.Helper()
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	env, err := cel.NewEnv(cel.Variable("object", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, w := range warningsOf(fluxFields(t), kind) {
		ast, issues := env.Compile(w.expression)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", w.expression, issues.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		result, _, err := program.Eval(map[string]any{"object": object})
		if err != nil {
			t.Fatalf("%s: %v", w.expression, err)
		}
		if result.Value() == false {
			found = append(found, strings.SplitN(w.message, " has no effect", 2)[0])
		}
	}
	return found
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name, kind, document string
		want                 []string
	}{
		{"nothing", "HelmRelease", "spec: {chart: {spec: {chart: x}}}", nil},
		{
			"labels of a chart", "HelmRelease", "spec: {chart: {metadata: {labels: {a: b}}, spec: {chart: x}}}",
			[]string{"spec.chart.metadata.labels"},
		},
		{
			"what is the default anyway", "HelmRelease",
			"spec: {persistentClient: true, waitStrategy: {name: poller}, install: {skipCRDs: false}}", nil,
		},
		{"a client of its own", "HelmRelease", "spec: {persistentClient: false}", []string{"spec.persistentClient false"}},
		{
			"two fields", "HelmRelease", "spec: {install: {skipCRDs: true}, rollback: {recreate: true}}",
			[]string{"spec.install.skipCRDs true", "spec.rollback.recreate true"},
		},
		{"a kind that does not exist here", "Receiver",
			"spec: {resources: [{kind: GitRepository, name: a}, {kind: ImagePolicy, name: b}]}",
			[]string{
				"spec.resources[].kind ImageRepository, ImagePolicy, ImageUpdateAutomation",
			}},
		{"kinds that exist", "Receiver", "spec: {resources: [{kind: GitRepository, name: a}]}", nil},
		{"a cloud for an index", "HelmRepository", "spec: {url: https://x, provider: aws}", []string{"spec.provider"}},
		{"a cloud for a registry", "HelmRepository", "spec: {url: oci://x, type: oci, provider: aws}", nil},
		{
			"namespaces", "HelmRepository", "spec: {accessFrom: {namespaceSelectors: [{matchLabels: {a: b}}]}}",
			[]string{"spec.accessFrom.namespaceSelectors[].matchLabels"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := warned(t, tt.kind, tt.document); !slices.Equal(got, tt.want) {
				t.Errorf("warned of %q, want %q", got, tt.want)
			}
		})
	}
}

// The policies apply to every write, but for what the controller writes by itself.
func TestWarningsApply(t *testing.T) {
	env, err := cel.NewEnv(cel.Variable("request", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := env.Compile(applies("system:serviceaccount:fairlead-system:fairlead-controller"))
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, user string
		options    map[string]any
		want       bool
	}{
		{"a user", "jane", map[string]any{"fieldManager": "kubectl"}, true},
		{"a ServiceAccount that a Kustomization names", "system:serviceaccount:apps:deployer",
			map[string]any{"fieldManager": v1beta1.KustomizationFieldManager}, true},
		{"a Kustomization", "", map[string]any{"fieldManager": v1beta1.KustomizationFieldManager}, true},
		{"a HelmRelease", "", map[string]any{"fieldManager": "helm"}, true},
		{"a finalizer", "", map[string]any{"fieldManager": "fairlead"}, false},
		{"a Receiver", "", map[string]any{"fieldManager": "fairlead-receiver"}, false},
		{"no field manager", "", map[string]any{}, false},
		{"no options", "", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := tt.user
			if user == "" {
				user = "system:serviceaccount:fairlead-system:fairlead-controller"
			}
			request := map[string]any{"userInfo": map[string]any{"username": user}}
			if tt.options != nil {
				request["options"] = tt.options
			}
			result, _, err := program.Eval(map[string]any{"request": request})
			if err != nil || result.Value() != tt.want {
				t.Errorf("it applies: %v, %v; want %v", result, err, tt.want)
			}
		})
	}
}
