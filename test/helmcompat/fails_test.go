package helmcompat

import (
	"cmp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// failure is a scenario that the helm command refuses or fails, at its install or at its upgrade.
type failure struct {
	scenario
	// upgrade is set when the install succeeds and the upgrade fails.
	upgrade bool
	// then are values of an upgrade after the failure, which succeeds; empty for none.
	then string
	// says is what the output of the helm command has to contain, ours what the message of Fairlead has; the same when
	// empty.
	says, ours string
}

// belongs is a ConfigMap of another release.
const belongs = `apiVersion: v1
kind: ConfigMap
metadata:
  name: config
  labels: {app.kubernetes.io/managed-by: Helm}
  annotations: {meta.helm.sh/release-name: elsewhere, meta.helm.sh/release-namespace: far-away}
data: {theirs: "1"}
`

// portFiles can be refused by the server, for a port, after a ConfigMap was made.
var portFiles = map[string]string{
	"templates/a.yaml": configMap("config", "a: {{ .Values.a | default \"first\" }}") +
		"{{ if .Values.extra }}\n---\n" + configMap("extra", "a: b") + "{{ end }}\n",
	"templates/s.yaml": object("v1", "Service", "main", "",
		"spec: {ports: [{port: {{ .Values.port }}}], sessionAffinity: {{ .Values.affinity | default \"None\" }}}\n"),
}

var failures = []failure{
	{says: "already exists", scenario: scenario{name: "object-twice",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"),
			"templates/b.yaml": configMap("config", "a: b")}}},
	{says: "a host is required", scenario: scenario{name: "required",
		files: map[string]string{"templates/a.yaml": configMap("config",
			"host: {{ required \"a host is required\" .Values.host }}")}}},
	{says: "not today", upgrade: true, scenario: scenario{name: "fail-function", changed: `{"fail":true}`,
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b") +
			"{{ if .Values.fail }}{{ fail \"not today\" }}{{ end }}\n"}}},
	{says: "replicas", scenario: scenario{name: "schema-broken", values: `{"replicas":"many"}`, files: map[string]string{
		"values.schema.json": `{"type":"object","properties":{"replicas":{"type":"integer"}}}`,
		"templates/a.yaml":   configMap("config", "a: b")}}},
	{says: "replicas", upgrade: true, scenario: scenario{name: "schema-of-a-part", values: `{"part":{"replicas":1}}`,
		changed: `{"part":{"replicas":-1}}`,
		files: map[string]string{
			"charts/part/Chart.yaml":         "apiVersion: v2\nname: part\nversion: 1.0.0\n",
			"charts/part/values.schema.json": `{"type":"object","properties":{"replicas":{"type":"integer","minimum":0}}}`,
			"templates/a.yaml":               configMap("config", "a: b"),
		}}},
	{says: "library charts are not installable", ours: "library chart", scenario: scenario{name: "library-itself",
		about: "type: library\n",
		files: map[string]string{"templates/_a.tpl": "{{ define \"a\" }}a{{ end }}"}}},
	{says: "kubeVersion", ours: "is for Kubernetes \"<1.20.0\"",
		scenario: scenario{name: "other-kubernetes", about: "kubeVersion: \"<1.20.0\"\n",
			files: map[string]string{"templates/a.yaml": configMap("config", "a: b")}}},
	{says: "missing in charts/ directory: absent", ours: "absent", scenario: scenario{name: "part-missing",
		about: "dependencies: [{name: absent, version: 1.0.0, repository: \"\"}]\n",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b")}}},
	{says: "error converting YAML to JSON", scenario: scenario{name: "no-yaml",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"), "templates/b.yaml": "a: b: c\n"}}},
	{says: "no matches for kind", scenario: scenario{name: "no-such-kind",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"),
			"templates/b.yaml": object("example.com/v1", "Nothing", "nothing", "", "")}}},
	{says: "elsewhere", scenario: scenario{name: "of-another-release", before: belongs,
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"), "templates/b.yaml": configMap("new",
			"a: b")}}},
	{says: "elsewhere", upgrade: true, scenario: scenario{name: "of-another-later", before: belongs,
		files: map[string]string{"templates/b.yaml": configMap("own", "a: b")},
		next:  map[string]string{"templates/a.yaml": configMap("config", "a: b")}}},
	{says: "missing key", ours: "invalid ownership metadata", scenario: scenario{name: "of-nobody",
		spec:   map[string]any{"install": map[string]any{"disableTakeOwnership": true}},
		before: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\n",
		files:  map[string]string{"templates/a.yaml": configMap("config", "a: b")}}},
	{says: "invalid", scenario: scenario{name: "refused-by-the-server", // what came before it stays
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"), "templates/b.yaml": object("v1",
			"Service", "bad", "",
			"spec: {ports: [{port: 99999999}]}\n")}}},
	{says: "field is immutable", ours: "once", upgrade: true, scenario: scenario{name: "immutable",
		random: []string{uuid}, values: `{"label":"first"}`, changed: `{"label":"second"}`,
		files: map[string]string{"templates/a.yaml": configMap("config", "a: {{ .Values.label }}"),
			"templates/j.yaml": object("batch/v1", "Job", "once", "",
				strings.Replace(job(`"true"`), "    spec:", "    metadata: {labels: {turn: {{ .Values.label }}}}\n"+
					"    spec:", 1))}}},
	{says: "pre-install", ours: "once", scenario: scenario{name: "hook-before-fails",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"), "templates/h.yaml": hook("Job",
			"once", "pre-install", "", job(`"exit 3"`))}}},
	{says: "post-install", ours: "once", scenario: scenario{name: "hook-after-fails",
		files: map[string]string{"templates/a.yaml": configMap("config", "a: b"),
			"templates/h.yaml": hook("Job", "once", "post-install", "helm.sh/hook-delete-policy: hook-failed", job(`"exit 3"`)),
			"templates/i.yaml": hook("ConfigMap", "after", "post-install", `helm.sh/hook-weight: "5"`, "")}}},
	{says: "pre-upgrade", ours: "once", upgrade: true, scenario: scenario{name: "hook-of-upgrade-fails",
		changed: `{"a":"second"}`,
		files: map[string]string{"templates/a.yaml": configMap("config", "a: {{ .Values.a | default \"first\" }}"),
			"templates/h.yaml": hook("Job", "once", "pre-upgrade", "", job(`"exit 3"`))}}},
	{says: "invalid", then: `{"port":80}`, scenario: scenario{name: "install-fixed", values: `{"port":99999999}`,
		files: portFiles}},
	{says: "invalid", upgrade: true, then: `{"port":81,"a":"third"}`, scenario: scenario{name: "upgrade-fixed",
		values: `{"port":80}`, changed: `{"port":99999999,"a":"second"}`, files: portFiles}},
	{says: "sessionAffinity", upgrade: true, then: `{"port":80,"a":"third"}`, scenario: scenario{name: "upgrade-leftovers",
		values: `{"port":80}`, changed: `{"port":80,"affinity":"Wrong","a":"second","extra":true}`, files: portFiles}},
	{says: "namespaces \"nowhere\" not found", scenario: scenario{name: "namespace-missing", files: map[string]string{
		"templates/a.yaml": object("v1", "ConfigMap", "there", "namespace: nowhere", "")}}},
}

// left leaves a failed upgrade as it is, as the helm command does without --atomic, and has nothing tried before it,
// which the helm command does not either.
var left = map[string]any{
	"preflight": "disabled",
	"upgrade":   map[string]any{"remediation": map[string]any{"retries": int64(0), "remediateLastFailure": false}},
}

// What the helm command cannot do Fairlead does not do either, for the same reason, and both leave the same behind.
func TestFailsAlike(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if f.next == nil {
				f.changed = cmp.Or(f.changed, `{"never":"reached"}`)
			}
			if f.spec == nil {
				f.spec = left
			}
			f.fails = true
			p := begin(t, f.scenario)
			turn := 0
			if f.upgrade {
				p.turn(t, 0)
				turn = 1
			}
			p.declare(t, turn)
			ready := p.settled(t)
			if want := cmp.Or(f.ours, f.says); ready.Status != metav1.ConditionFalse || !strings.Contains(ready.Message, want) {
				t.Errorf("the HelmRelease is Ready %s, and says nothing of %q: %s", ready.Status, want, ready.Message)
			}
			p.suspend(t) // before it is tried again
			output, code := p.helm(t, p.cli, turn)
			if code == 0 || !strings.Contains(output, f.says) {
				t.Errorf("helm ended with %d and says nothing of %q:\n%s", code, f.says, output)
			}
			p.same(t, "after the failure")
			if f.then != "" {
				p.changed = f.then
				p.turn(t, 1)
				p.same(t, "after the upgrade that follows the failure")
			}
		})
	}
}
