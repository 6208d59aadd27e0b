package helmcompat

// hookCharts have hooks of every kind.
var hookCharts = []scenario{
	{
		name: "hooks",
		files: map[string]string{
			"templates/main.yaml": configMap("main", "message: {{ .Values.message }}"),
			"templates/hooks.yaml": `{{- range $event := list "pre-install" "post-install" "pre-upgrade" "post-upgrade" "pre-rollback" ` +
				`"post-rollback" "pre-delete" "post-delete" }}
{{- range $weight := list "5" "-3" "0" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $event }}-{{ trimPrefix "-" $weight }}
  labels: {chart: hooks}
  annotations:
    helm.sh/hook: {{ $event }}
    helm.sh/hook-weight: {{ $weight | quote }}
data:
  message: {{ $.Values.message }}
  revision: {{ $.Release.Revision | quote }}
{{- end }}
{{- end }}
`,
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "hook-policies",
		files: map[string]string{
			"templates/main.yaml":    configMap("main", "message: {{ .Values.message }}"),
			"templates/default.yaml": hook("Job", "default-policy", "pre-install,pre-upgrade", "", job(`"true"`)),
			"templates/before.yaml": hook("Job", "before-creation", "post-install,post-upgrade",
				"helm.sh/hook-delete-policy: before-hook-creation", job(`"true"`)),
			"templates/succeeded.yaml": hook("Job", "succeeded", "post-install,pre-upgrade,pre-delete",
				"helm.sh/hook-delete-policy: hook-succeeded\nhelm.sh/hook-weight: \"-1\"", job(`"true"`)),
			"templates/failed.yaml": hook("Job", "failed", "pre-install,pre-rollback",
				"helm.sh/hook-delete-policy: hook-failed,before-hook-creation", job(`"true"`)),
			"templates/all.yaml": hook("Job", "all-policies", "pre-install,post-upgrade,post-rollback,post-delete",
				"helm.sh/hook-delete-policy: before-hook-creation, hook-succeeded,hook-failed", job(`"true"`)),
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "hook-order",
		files: map[string]string{
			"templates/b.yaml": hook("ConfigMap", "b", "pre-install,pre-upgrade", `helm.sh/hook-weight: "1"`, ""),
			"templates/a.yaml": hook("ConfigMap", "a", "pre-install,pre-upgrade", `helm.sh/hook-weight: "1"`, ""),
			"templates/first.yaml": hook("ServiceAccount", "first", "pre-install,pre-upgrade",
				`helm.sh/hook-weight: "-10"`, ""),
			"templates/secret.yaml": hook("Secret", "c", "pre-install,pre-upgrade", `helm.sh/hook-weight: "1"`, ""),
			"templates/none.yaml":   hook("ConfigMap", "none", "pre-install,pre-upgrade", "", ""),
			"templates/odd.yaml":    hook("ConfigMap", "odd", "pre-install,pre-upgrade", `helm.sh/hook-weight: "heavy"`, ""),
			"templates/two.yaml": hook("ConfigMap", "two", "post-install", "", "") + "---\n" + configMap("no-hook",
				"a: b"),
			"templates/pod.yaml": hook("Pod", "pod", "post-upgrade", "",
				"spec:\n  restartPolicy: Never\n  containers:\n"+
					"    - {name: main, image: example.com/pod:1, command: [\"true\"]}\n"),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "hook-unknown", // an event that Helm does not know makes a manifest that is neither applied nor refused
		files: map[string]string{
			"templates/main.yaml": configMap("main", "message: {{ .Values.message | default \"none\" }}"),
			"templates/odd.yaml":  hook("ConfigMap", "odd", "pre-breakfast", "", ""),
			"templates/crd.yaml":  hook("ConfigMap", "legacy", "crd-install", "", ""),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "hooks-only",
		files: map[string]string{
			"templates/hook.yaml": hook("ConfigMap", "hook", "pre-install,post-upgrade", "", "data:\n"+
				"  message: {{ .Values.message | quote }}\n"),
		},
		changed: `{"message":"second"}`,
	},
	{
		name: "test-hooks",
		files: map[string]string{
			"templates/main.yaml": configMap("main", "message: {{ .Values.message }}"),
			"templates/tests/pod.yaml": hook("Pod", "check", "test", `helm.sh/hook-weight: "2"`,
				"spec:\n  restartPolicy: Never\n  containers:\n"+
					"    - {name: main, image: example.com/pod:1, command: [\"true\"]}\n"),
			"templates/tests/job.yaml": hook("Job", "check-job", "test-success",
				"helm.sh/hook-delete-policy: hook-succeeded", job(`"true"`)),
		},
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
}
