package helmcompat

// widgets is a CRD of the side's own.
const widgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.HERE.example.com
spec:
  group: HERE.example.com
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: {type: integer, default: 1}
                parts: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

// widget is an object of that kind.
const widget = `apiVersion: HERE.example.com/v1
kind: Widget
metadata:
  name: widget
spec:
  size: {{ .Values.size }}
  parts:
    {{- range $i := until (int .Values.size) }}
    - {name: part-{{ $i }}, weight: {{ $i }}}
    {{- end }}
  free:
    {{- range $i := until (int .Values.size) }}
    key-{{ $i }}: {nested: [{{ $i }}]}
    {{- end }}
  pruned: by the server
`

// objectCharts have objects that are easily got wrong.
var objectCharts = []scenario{
	{
		name: "crds",
		files: map[string]string{
			"crds/widgets.yaml": widgets,
			"templates/w.yaml":  widget,
			// During the install the helm command sometimes reads the APIs before the API server serves the new kind.
			"templates/c.yaml": configMap("config",
				`known: {{ or .Release.IsInstall (.Capabilities.APIVersions.Has "HERE.example.com/v1/Widget") | quote }}`),
		},
		values: `{"size":3}`, changed: `{"size":2}`,
	},
	{
		name: "keep",
		files: map[string]string{
			"templates/kept.yaml": object("v1", "ConfigMap", "kept",
				"annotations: {helm.sh/resource-policy: keep}", "data:\n  a: {{ .Values.a | quote }}\n"),
			"templates/dropped.yaml": object("v1", "ConfigMap", "dropped",
				"annotations: {helm.sh/resource-policy: keep}", ""),
			"templates/odd.yaml":   object("v1", "ConfigMap", "odd", "annotations: {helm.sh/resource-policy: Keep}", ""),
			"templates/plain.yaml": configMap("plain", "a: b"),
		},
		next: map[string]string{"templates/dropped.yaml": "", "templates/plain.yaml": ""}, values: `{"a":"first"}`,
		changed: `{"a":"second"}`,
	},
	{
		name: "namespaces", more: []string{"-more"},
		files: map[string]string{
			"templates/a.yaml": configMap("twin", "where: release\nmessage: {{ .Values.message | quote }}"),
			"templates/b.yaml": object("v1", "ConfigMap", "twin", "namespace: {{ .Release.Namespace }}-more", "data:\n"+
				"  where: more\n"),
			"templates/c.yaml": object("v1", "Secret", "there", "namespace: HERE-more", ""),
			"templates/h.yaml": hook("ConfigMap", "hook", "post-install", "", "") + "---\n" +
				object("v1", "ConfigMap", "hook", "namespace: HERE-more\nannotations: {helm.sh/hook: post-install}", ""),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "lists",
		files: map[string]string{
			"templates/list.yaml": `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: one}
    data: {message: {{ .Values.message | quote }}}
  - apiVersion: v1
    kind: Service
    metadata: {name: two}
    spec: {ports: [{port: 80}]}
  {{- if eq .Values.message "second" }}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: three}
  {{- end }}
`,
			"templates/typed.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems:\n  - apiVersion: v1\n" +
				"    kind: ConfigMap\n    metadata: {name: four}\n",
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "twice-in-a-list", // server-side apply refuses what the server accepts otherwise
		files: map[string]string{
			"templates/d.yaml": deployment("main", `env:
  - {name: TWICE, value: one}
  - {name: OTHER, value: "{{ .Values.other }}"}
  - {name: TWICE, value: two}
ports:
  - {containerPort: 80, name: a}
  - {containerPort: 80, name: b}
`),
			"templates/s.yaml": object("v1", "Service", "main", "", "spec:\n  selector: {app: main}\n  ports:\n"+
				"    - {name: dns, port: 53, protocol: UDP}\n"+
				"    - {name: dns-tcp, port: 53, protocol: TCP}\n"),
		},
		values: `{"other":"first"}`, changed: `{"other":"second"}`,
	},
	{
		name: "unknown-fields", // the server drops them, with a warning
		files: map[string]string{
			"templates/d.yaml": deployment("main", "livenessprobe: {wrong: case}\nargs: [\"{{ .Values.arg }}\"]\n"),
			"templates/c.yaml": configMap("config", "a: b") + "spec: {none: of this}\n",
			"templates/s.yaml": object("v1", "Service", "main", "unknown: meta", "spec:\n"+
				"  ports: [{port: 80, nonsense: 1}]\n"),
		},
		values: `{"arg":"first"}`, changed: `{"arg":"second"}`,
	},
	{
		name: "string-data",
		files: map[string]string{
			"templates/s.yaml": object("v1", "Secret", "plain", "", "stringData:\n"+
				"  password: {{ .Values.password | quote }}\n  same: stays\n"),
			"templates/m.yaml": object("v1", "Secret", "mixed", "",
				"data: {both: {{ b64enc \"data\" }}, only: {{ b64enc \"data\" }}}\n"+
					"stringData: {both: {{ .Values.password | quote }}}\n"),
			"templates/i.yaml": object("v1", "Secret", "fixed", "", "immutable: true\nstringData: {a: b}\n"),
		},
		values: `{"password":"first"}`, changed: `{"password":"second"}`,
	},
	{
		name: "nothing-in-it", // empty maps have a meaning, nulls and empty lists have none
		files: map[string]string{
			"templates/c.yaml": object("v1", "ConfigMap", "none", "annotations: {}\nlabels: null", "data: null\n") +
				"---\n" + object("v1", "ConfigMap", "half", "annotations: {a: \"\"}",
				"data: {empty: \"\", turn: {{ .Values.turn | quote }}}\nbinaryData: {}\n"),
			"templates/d.yaml": deployment("main", `resources: {}
command: null
args: []
env:
  - {name: EMPTY, value: ""}
  - {name: NOTHING, value: null}
  - name: BARE
volumeMounts: [{name: scratch, mountPath: /scratch}]
securityContext: {}
`) + "      volumes: [{name: scratch, emptyDir: {}}]\n      nodeSelector: {}\n      tolerations: []\n      affinity: null\n",
			"templates/n.yaml": object("networking.k8s.io/v1", "NetworkPolicy", "all", "", "spec:\n  podSelector: {}\n"+
				"  ingress: [{}]\n"),
			"templates/r.yaml": object("rbac.authorization.k8s.io/v1", "Role", "empty", "", "rules: []\n"),
		},
		values: `{"turn":"first"}`, changed: `{"turn":"second"}`,
	},
	{
		name: "cluster-scoped",
		files: map[string]string{
			"templates/r.yaml": object("rbac.authorization.k8s.io/v1", "ClusterRole", "{{ .Release.Namespace }}-reader", "",
				"rules:\n  - {apiGroups: [\"\"], resources: [{{ .Values.resource }}], verbs: [get, list]}\n"),
			"templates/b.yaml": object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
				"{{ .Release.Namespace }}-reader", "",
				"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: \"{{ .Release.Namespace }}-reader\"}\n"+
					"subjects: [{kind: ServiceAccount, name: default, namespace: {{ .Release.Namespace }}}]\n"),
			"templates/p.yaml": object("scheduling.k8s.io/v1", "PriorityClass", "{{ .Release.Namespace }}",
				"namespace: ignored", "value: 10\n"),
			"templates/n.yaml": object("v1", "Namespace", "{{ .Release.Namespace }}-made",
				"annotations: {helm.sh/resource-policy: keep}", ""),
			"templates/c.yaml": object("v1", "ConfigMap", "inside", "namespace: {{ .Release.Namespace }}-made", ""),
		},
		values: `{"resource":"pods"}`, changed: `{"resource":"services"}`,
	},
	{
		name: "texts",
		files: map[string]string{
			"templates/c.yaml": object("v1", "ConfigMap", "texts.with-dots.and-1-number", `labels:
  number: "1234"
  octal: "0123"
  exponent: "1e3"
  truth: "true"
  word: "on"
  empty: ""
annotations:
  null-word: "null"
  date: "2024-01-01"
  json: '{"a": [1, "two"]}'
  long: "`+"{{ repeat 500 \"x\" }}"+`"
`, `data:
  folded: >-
    one
    two
  block: |
    line with trailing spaces   
      indented

    {{ .Values.message }}
  crlf: "a\r\nb\tc"
  unicode: "größe ✓ 日本"
  template: "{{ "{{" }} not rendered {{ "}}" }}"
  number: "1.10"
  html: "<a href=\"x\">&amp;</a>"
binaryData:
  raw: //79AAE=
`),
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "empty-documents",
		files: map[string]string{
			"templates/a.yaml": "---\n---\n# only a comment\n---\n" + configMap("first",
				"message: {{ .Values.message | quote }}") + "---\n\n\n---\n",
			"templates/b.yaml":       "{{- if .Values.never }}\n" + configMap("never", "a: b") + "{{- end }}\n",
			"templates/c.yaml":       "# a comment before\n" + configMap("second", "a: b") + "...\n",
			"templates/sub/d.yaml":   "   \n\t\n",
			"templates/notyaml.json": `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}, "data": {"a": "b"}}`,
			"templates/e.txt":        "",
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "many-kinds",
		files: map[string]string{
			"templates/all.yaml": object("v1", "ServiceAccount", "main", "",
				"automountServiceAccountToken: false\n") + "---\n" +
				object("rbac.authorization.k8s.io/v1", "RoleBinding", "main", "",
					"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: main}\n"+
						"subjects: [{kind: ServiceAccount, name: main}]\n") + "---\n" +
				object("rbac.authorization.k8s.io/v1", "Role", "main", "",
					"rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n") + "---\n" +
				object("networking.k8s.io/v1", "Ingress", "main", "",
					"spec:\n  rules: [{host: example.com, http: {paths: [{path: /, pathType: Prefix, "+
						"backend: {service: {name: main, port: {number: 80}}}}]}}]\n") + "---\n" +
				object("autoscaling/v1", "HorizontalPodAutoscaler", "old", "",
					"spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, "+
						"minReplicas: 1, maxReplicas: {{ .Values.most }}}\n") + "---\n" +
				object("policy/v1", "PodDisruptionBudget", "main", "",
					"spec: {maxUnavailable: 1, selector: {matchLabels: {app: none}}}\n") + "---\n" +
				object("v1", "LimitRange", "main", "",
					"spec: {limits: [{type: Container, default: {cpu: 100m, memory: 0.5Gi}}]}\n") + "---\n" +
				object("v1", "ResourceQuota", "main", "", "spec: {hard: {pods: \"50\", requests.cpu: 10}}\n") + "---\n" +
				object("v1", "PersistentVolumeClaim", "data", "",
					"spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"),
			"templates/work.yaml": object("apps/v1", "StatefulSet", "main", "", "spec:\n  serviceName: main\n"+
				"  replicas: 1\n  selector: {matchLabels: {app: set}}\n"+
				"  template:\n    metadata: {labels: {app: set}}\n"+
				"    spec: {containers: [{name: main, image: \"example.com/set:{{ .Values.most }}\"}]}\n"+
				"  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], "+
				"resources: {requests: {storage: 1Gi}}}}]\n") + "---\n" +
				object("batch/v1", "CronJob", "main", "", "spec:\n  schedule: \"0 0 1 1 *\"\n"+
					"  jobTemplate:\n"+indent(job(`"true"`), 4)) + "---\n" +
				object("batch/v1", "Job", "once-{{ .Values.most }}", "", job(`"true"`)) + "---\n" +
				object("v1", "Service", "main", "", "spec:\n  type: NodePort\n  selector: {app: set}\n"+
					"  ports: [{port: 80, targetPort: http}]\n") + "---\n" +
				object("v1", "Pod", "alone", "",
					"spec: {containers: [{name: main, image: \"example.com/pod:{{ .Values.most }}\"}]}\n"),
		},
		values: `{"most":3}`, changed: `{"most":4}`,
	},
}
