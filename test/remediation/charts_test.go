package remediation

import (
	"fmt"
	"maps"
)

// sources are what most scenarios take their charts from, and a release that nothing may happen to.
const sources = `
apiVersion: v1
kind: Namespace
metadata: {name: sources}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts}
spec: {url: "http://$CHARTS"}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: registry}
spec: {type: oci, url: "oci://$REGISTRY/charts", insecure: true}
---
apiVersion: fairlead.dev/v1beta1
kind: GitRepository
metadata: {name: fleet}
spec: {url: "http://$GIT/fleet.git", ref: {branch: main}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: untouched}
spec:
  suspend: true
  chart: {spec: {chart: kiosk, sourceRef: {kind: HelmRepository, name: charts}}}
`

// published are the charts in the chart repository and in the registry.
func published() []map[string]string {
	return []map[string]string{
		kiosk("kiosk", "1.0.0"), kiosk("kiosk", "1.1.0"), kiosk("kiosk", "2.0.0-rc.1"), kiosk("stand", "1.1.0"),
		plant("1.0.0", map[string]string{"gauges": v1Only, "valves": v1Only, "levers": v1Only}, "gauge"),
		plant("2.0.0", map[string]string{"gauges": v1Only, "valves": v1AndV2, "pumps": v1Only}, "gauge", "pump"),
	}
}

// kiosk is a Deployment with a ConfigMap, a test, and the faults that scenarios ask for.
func kiosk(name, version string) map[string]string {
	files := map[string]string{
		"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\nappVersion: %s\n", name, version, version),
	}
	maps.Copy(files, kioskFiles)
	return files
}

var kioskFiles = map[string]string{
	"values.yaml": `replicas: 1
message: hello
image: example.com/kiosk
annotations: {}
faults: {unready: false, test: false}
jobs: false
autoscaler: false
`,
	"templates/configmap.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-kiosk"}
data:
  message: {{ .Values.message | quote }}
  chart: "{{ .Chart.Name }}-{{ .Chart.Version }}"
`,
	"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: "{{ .Release.Name }}-kiosk"
  labels: {app: kiosk}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {release: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {release: {{ .Release.Name }}}
      {{- with .Values.annotations }}
      annotations: {{ toYaml . | nindent 8 }}
      {{- end }}
    spec:
      containers:
        - name: kiosk
          image: "{{ .Values.image }}:{{ .Chart.AppVersion }}"
          {{- if .Values.faults.unready }}
          args: ["--unready"]
          {{- end }}
`,
	"templates/tests/visit.yaml": `apiVersion: v1
kind: Pod
metadata:
  name: "{{ .Release.Name }}-visit"
  annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  restartPolicy: Never
  containers:
    - name: visit
      image: example.com/visitor:1.0.0
      command: [sh, -c, "exit {{ if .Values.faults.test }}1{{ else }}0{{ end }}"]
`,
	"templates/jobs.yaml": `{{- if .Values.jobs }}
{{- range $name, $hook := dict "migrate" "" "greet" "post-install,post-upgrade" }}
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ $.Release.Name }}-{{ $name }}"
  {{- with $hook }}
  annotations: {helm.sh/hook: "{{ . }}"}
  {{- end }}
spec:
  ttlSecondsAfterFinished: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: {{ $name }}, image: "example.com/{{ $name }}:1.0.0"}]
---
{{- end }}
{{- end }}
`,
	"templates/autoscaler.yaml": `{{- if .Values.autoscaler }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "{{ .Release.Name }}-kiosk"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "{{ .Release.Name }}-kiosk"}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
{{- end }}
`,
}

// Versions of a CRD.
const (
	v1Only  = `[{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]`
	v1AndV2 = `[{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}},
    {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]`
)

// plant is a chart with CRDs, by plural, and one object of each of the given kinds.
func plant(version string, crds map[string]string, objects ...string) map[string]string {
	files := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: plant\nversion: %s\n", version)}
	for plural, versions := range crds {
		singular := plural[:len(plural)-1]
		files["crds/"+plural+".yaml"] = fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.plant.example.com}
spec:
  group: plant.example.com
  scope: Namespaced
  names: {plural: %[1]s, singular: %[2]s, kind: %[3]s}
  versions: %[4]s
`, plural, singular, kindOf(singular), versions)
	}
	for _, singular := range objects {
		files["templates/"+singular+
			".yaml"] = fmt.Sprintf("apiVersion: plant.example.com/v1\nkind: %s\nmetadata: {name: one}\n", kindOf(singular))
	}
	return files
}

func kindOf(singular string) string { return string(singular[0]-'a'+'A') + singular[1:] }
