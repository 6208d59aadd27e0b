package helmcompat

// capabilities is a template with what a chart can ask about the cluster and itself.
const capabilities = `
apps: {{ .Capabilities.APIVersions.Has "apps/v1" | quote }}
deployment: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
nothing: {{ .Capabilities.APIVersions.Has "example.com/v1/Nothing" | quote }}
kube: {{ .Capabilities.KubeVersion.Version | quote }}
minor: {{ .Capabilities.KubeVersion.Minor | quote }}
git: {{ .Capabilities.KubeVersion.GitVersion | quote }}
newer: {{ semverCompare ">=1.20-0" .Capabilities.KubeVersion.Version | quote }}
helm: {{ .Capabilities.HelmVersion.Version | quote }}
release: {{ .Release.Name }}.{{ .Release.Namespace }}.{{ .Release.Service }}
revision: {{ .Release.Revision | quote }}
install: {{ .Release.IsInstall | quote }}
upgrade: {{ .Release.IsUpgrade | quote }}
template: {{ .Template.Name }} {{ .Template.BasePath }}
chart: {{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Chart.IsRoot }}
all: {{ .Values | toJson | quote }}
`

// uuid finds identifiers of objects, and what templates make by chance.
const uuid = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`

// chartFeatures use what Helm does before objects come into it.
var chartFeatures = []scenario{
	{
		name: "capabilities", about: "appVersion: \"1.0\"\nkubeVersion: \">=1.20.0-0\"\n",
		files:  map[string]string{"templates/config.yaml": configMap("config", capabilities)},
		values: `{"a":1}`, changed: `{"a":2}`,
	},
	{
		name: "values",
		files: map[string]string{
			"values.yaml": "size: 3\nlimit: 10000000\nratio: 0.10\nbig: 12345678901234567890\nflag: no\n" +
				"keep: {a: 1, b: 2}\n" +
				"list: [1, 2]\ndropped: {deep: {x: 1, y: 2}}\nempty: {}\ntext: \"007\"\n",
			"templates/config.yaml": configMap("config", `{{- range $key, $value := .Values }}
{{ $key }}: {{ $value | toJson | quote }}
{{- end }}
limit-plain: {{ .Values.limit | quote }}
given-plain: {{ .Values.given | quote }}
huge-plain: {{ .Values.huge | quote }}
limit-int: {{ .Values.limit | int64 | quote }}
kind: {{ kindOf .Values.limit }} {{ kindOf .Values.given }} {{ kindOf .Values.ratio }}`),
		},
		values: `{"given":10000000,"huge":98765432109876,"small":0.000001,"list":[],"keep":{"b":null},"dropped":null,"text":"1e3",` +
			`"zero":0,"no":false,"nothing":"","unicode":"größe ✓","nested":{"deep":[{"a":null},{"b":[]}]}}`,
		changed: `{"given":1.5,"huge":1e21,"dropped":{"deep":{"x":null}},"list":[{"a":1}]}`,
	},
	{
		name: "no-values", // an upgrade to no values is an upgrade to the chart's defaults
		files: map[string]string{
			"values.yaml": "message: default\n", "templates/config.yaml": configMap("config",
				"message: {{ .Values.message }}"),
		},
		values: `{"message":"given"}`, changed: `{}`, upgradeFlags: []string{"--reset-values"},
	},
	{
		name: "random", random: []string{`token: "?[A-Za-z0-9]{24}`, uuid, `^[A-Za-z0-9]{24}$`,
			`key: [A-Za-z0-9+/=]+`, `(?s)^-----BEGIN .*-----\n$`},
		files: map[string]string{
			"templates/secret.yaml": `{{- $old := lookup "v1" "ConfigMap" .Release.Namespace "kept" }}
` + configMap("kept", `token: {{ if $old }}{{ $old.data.token }}{{ else }}{{ randAlphaNum 24 }}{{ end }}
turn: {{ .Values.turn | quote }}
found: {{ not (empty $old) | quote }}`),
			"templates/uuid.yaml": configMap("id", "uuid: {{ uuidv4 }}"),
			"templates/key.yaml": object("v1", "Secret", "key", "", "data:\n"+
				"  key: {{ genPrivateKey \"ed25519\" | b64enc }}\n"),
		},
		values: `{"turn":"first"}`, changed: `{"turn":"second"}`,
	},
	{
		name: "lookup",
		before: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: existing, labels: {look: \"yes\"}}\n" +
			"data: {answer: \"42\"}\n---\n" +
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: existing-too}\n",
		files: map[string]string{"templates/config.yaml": configMap("config", `
{{- $one := lookup "v1" "ConfigMap" .Release.Namespace "existing" }}
answer: {{ $one.data.answer | quote }}
missing: {{ lookup "v1" "ConfigMap" .Release.Namespace "missing" | toJson | quote }}
names: {{ range (lookup "v1" "ConfigMap" .Release.Namespace "").items }}{{ .metadata.name }},{{ end }}
namespace: {{ (lookup "v1" "Namespace" "" .Release.Namespace).metadata.name }}
turn: {{ .Values.turn | quote }}`)},
		values: `{"turn":"first"}`, changed: `{"turn":"second"}`,
	},
	{
		name: "subcharts", about: `dependencies:
  - {name: part, version: "*", repository: "", condition: "first.enabled,part.enabled", alias: first}
  - {name: part, version: "*", repository: "", alias: second, tags: [extras]}
  - {name: other, version: "1.x", repository: "https://example.com", tags: [extras], condition: other.enabled,
     import-values: [data, {child: exports.more, parent: imported}]}
  - {name: never, version: "*", repository: "", condition: never.enabled}
`,
		files: map[string]string{
			"values.yaml": "tags: {extras: false}\nnever: {enabled: false}\n" +
				"first: {enabled: true, message: from parent}\nglobal: {region: north}\n",
			"charts/part/Chart.yaml":  "apiVersion: v2\nname: part\nversion: 1.2.3\n",
			"charts/part/values.yaml": "message: own\nglobal: {region: south, zone: a}\n",
			"charts/part/templates/c.yaml": configMap("{{ .Chart.Name }}",
				"message: {{ .Values.message }}\nglobal: {{ .Values.global | toJson | quote }}"),
			"charts/other/Chart.yaml":            "apiVersion: v2\nname: other\nversion: 1.9.0\n",
			"charts/other/values.yaml":           "exports: {data: {shared: 7}, more: {deep: yes}}\n",
			"charts/other/templates/c.yaml":      configMap("other", "root: {{ .Chart.IsRoot | quote }}"),
			"charts/other/templates/NOTES.txt":   "Not shown.\n",
			"charts/never/Chart.yaml":            "apiVersion: v2\nname: never\nversion: 1.0.0\n",
			"charts/never/templates/c.yaml":      configMap("never", "a: b"),
			"charts/part/charts/leaf/Chart.yaml": "apiVersion: v2\nname: leaf\nversion: 0.0.1\n",
			"charts/part/charts/leaf/templates/c.yaml": configMap(
				"leaf-of-{{ .Values.global.region }}-{{ .Template.BasePath | replace \"/\" \"-\" }}", "a: b"),
			"templates/c.yaml": configMap("parent", "values: {{ .Values | toJson | quote }}\n"+
				"subcharts: {{ keys .Subcharts | sortAlpha | join \",\" }}"),
			"templates/NOTES.txt": "Parent in {{ .Values.global.region }}.\n",
		},
		changed: `{"tags":{"extras":true},"first":{"message":"changed"},"global":{"region":"west"}}`,
	},
	{
		name: "library", about: "dependencies:\n  - {name: lib, version: \"*\", repository: \"\"}\n",
		files: map[string]string{
			"charts/lib/Chart.yaml":           "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
			"charts/lib/templates/_names.tpl": "{{- define \"lib.labels\" }}\nfrom: {{ .Chart.Name }}\n{{- end }}\n",
			"charts/lib/templates/c.yaml":     configMap("never-rendered", "a: b"),
			"templates/c.yaml": configMap("config", "{{- include \"lib.labels\" . | nindent 2 }}\n"+
				"message: {{ .Values.message | quote }}"),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "schema",
		files: map[string]string{
			"values.yaml":        "replicas: 1\n",
			"values.schema.json": `{"type":"object","required":["replicas"],"properties":{"replicas":{"type":"integer","minimum":0}}}`,
			"templates/c.yaml":   configMap("config", "replicas: {{ .Values.replicas | quote }}"),
		},
		changed: `{"replicas":2}`,
	},
	{
		name: "notes",
		files: map[string]string{
			"templates/c.yaml": configMap("config", "message: {{ .Values.message | quote }}"),
			"templates/NOTES.txt": "\n\n  {{ .Release.Name }} says {{ .Values.message }} <&> \"'\n\n" +
				"\tRevision {{ .Release.Revision }}.\n\n\n",
		},
		changed: `{"message":"größer"}`,
	},
	{
		name: "files",
		files: map[string]string{
			"data/a.txt": "alpha\nbeta\n", "data/b.txt": "{{ .Values.message }} of {{ .Release.Name }}",
			"data/binary.bin": "\x00\x01\xff\xfe",
			"README.md":       "# Files\n", ".helmignore": "*.bak\n", "data/c.bak": "ignored\n", "crds/README.txt": "no CRD\n",
			"values.yaml":            "message: hello\ntemplate: \"{{ .Values.message | upper }}\"\n",
			"templates/_helpers.tpl": `{{- define "files.name" -}}{{ .Chart.Name }}-config{{- end -}}`,
			"templates/c.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "files.name" . }}
  annotations:
    sum: {{ .Files.Get "data/a.txt" | sha256sum }}
data:
{{ (.Files.Glob "data/*.txt").AsConfig | indent 2 }}
  lines: {{ .Files.Lines "data/a.txt" | toJson | quote }}
  missing: {{ .Files.Get "missing" | quote }}
  rendered: {{ tpl (.Files.Get "data/b.txt") . | quote }}
  value: {{ tpl .Values.template . | quote }}
  required: {{ required "a message is required" .Values.message | quote }}
  yaml: |
{{ .Values | toYaml | indent 4 }}
binaryData:
  binary.bin: {{ .Files.Get "data/binary.bin" | b64enc }}
---
apiVersion: v1
kind: Secret
metadata:
  name: secrets
data:
{{ (.Files.Glob "data/a*").AsSecrets | indent 2 }}
`,
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "metadata", about: `type: application
appVersion: 1.10
description: "A chart: with everything"
home: https://example.com
icon: https://example.com/icon.png
keywords: [one, two]
sources: [https://example.com/source]
maintainers: [{name: Ann, email: ann@example.com, url: https://example.com/ann}, {name: Bob}]
deprecated: true
annotations: {example.com/a: "1", example.com/b: "text: with colon"}
unknownField: ignored
`,
		files: map[string]string{
			"Chart.lock": "dependencies: []\n" +
				"digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n" +
				"generated: \"2024-01-01T00:00:00Z\"\n",
			"LICENSE": "free\n", "templates/c.yaml": configMap("config", "chart: {{ .Chart | toJson | quote }}\n"+
				"message: {{ .Values.message | quote }}"),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "chart-v1", about: "apiVersion: v1\n",
		files: map[string]string{
			"requirements.yaml": "dependencies:\n" +
				"  - {name: part, version: 1.0.0, repository: \"\", condition: part.enabled}\n",
			"charts/part/Chart.yaml":       "apiVersion: v1\nname: part\nversion: 1.0.0\n",
			"charts/part/templates/c.yaml": configMap("part", "a: b"),
			"templates/c.yaml":             configMap("config", "message: {{ .Values.message | quote }}"),
		},
		changed: `{"message":"second","part":{"enabled":false}}`,
	},
	{
		name:    "empty-chart",
		files:   map[string]string{"values.yaml": "a: 1\n", "templates/_only.tpl": "{{ define \"x\" }}x{{ end }}"},
		changed: `{"a":2}`,
	},
	{
		name: "same-manifest", // a new version that renders the same
		files: map[string]string{
			"templates/c.yaml": configMap("config", "a: b"), "templates/d.yaml": deployment("main", ""),
		},
		next: map[string]string{"README.md": "new\n"},
	},
	{
		name: "new-namespace", target: true, spec: map[string]any{"install": map[string]any{"createNamespace": true}},
		files:   map[string]string{"templates/c.yaml": configMap("config", "message: {{ .Values.message | quote }}")},
		changed: `{"message":"second"}`,
	},
}
