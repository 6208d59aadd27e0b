package integration

import (
	"fmt"
	"maps"
	"testing"

	"fairlead.dev/fairlead/test/servers"
)

// sample is the chart that most tests install: a ConfigMap and a Deployment.
var sample = map[string]string{
	"values.yaml": "replicas: 1\nmessage: hello\nunready: false\nfail: \"\"\n",
	"values.schema.json": `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
		"properties": {"replicas": {"type": "integer", "minimum": 0}, "message": {"type": "string"}}}`,
	"templates/configmap.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  message: {{ .Values.message | quote }}
  version: {{ .Chart.Version | quote }}
{{- if .Values.fail }}
{{ fail .Values.fail }}
{{- end }}
`,
	"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
        - name: main
          image: example.com/sample:{{ .Chart.Version }}
          {{- if .Values.unready }}
          args: ["--unready"]
          {{- end }}
`,
}

// podsTemplate is a Deployment whose pods are replaced with the message, and do what the values ask of them: they
// become ready when the test annotates them (gated), wait (waiting), or find no node (nodeSelector).
const podsTemplate = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
      annotations:
        message: {{ .Values.message | quote }}
        {{- if .Values.gated }}
        sim.fairlead.dev/ready: "false"
        {{- end }}
        {{- with .Values.waiting }}
        sim.fairlead.dev/waiting: {{ . }}
        {{- end }}
    spec:
      nodeSelector: {{ toJson (.Values.nodeSelector | default dict) }}
      containers:
        - name: main
          image: example.com/sample:{{ .Chart.Version }}
          env: [{name: TOKEN, value: {{ .Values.token | quote }}}]
`

// chartFiles is the sample chart with a name and version, and with further files.
func chartFiles(name, version string, more map[string]string) map[string]string {
	files := maps.Clone(sample)
	files["Chart.yaml"] = fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\nappVersion: %s\n", name, version, version)
	maps.Copy(files, more)
	return files
}

func chartArchive(t *testing.T, name, version string, more map[string]string) []byte {
	t.Helper()
	archive, err := servers.BuildChart(chartFiles(name, version, more))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// push publishes the sample chart to the open registry, in a repository of the test's own.
func push(t *testing.T, registry *servers.RegistryServer, path, name, version string) string {
	t.Helper()
	digest, err := registry.PushChart(t.Context(), path, chartArchive(t, name, version, nil))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// chartRepository starts a chart repository with the sample chart in the given versions.
func chartRepository(t *testing.T, o servers.ChartOptions, name string, versions ...string) *servers.Charts {
	t.Helper()
	charts, err := servers.ChartRepository(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = charts.Close() })
	for _, version := range versions {
		if err := charts.Add(chartArchive(t, name, version, nil)); err != nil {
			t.Fatal(err)
		}
	}
	return charts
}

// gitTree puts the sample chart below charts/NAME.
func gitTree(name, version string, more map[string]string) map[string]string {
	tree := map[string]string{}
	for path, content := range chartFiles(name, version, more) {
		tree["charts/"+name+"/"+path] = content
	}
	return tree
}

func chartOptions() servers.ChartOptions { return servers.ChartOptions{} }
