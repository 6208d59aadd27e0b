package helmcompat

// changeCharts are about what an upgrade does to objects that are there.
var changeCharts = []scenario{
	{
		name: "fields-removed",
		files: map[string]string{
			"templates/c.yaml": object("v1", "ConfigMap", "config", "labels: {gone: \"yes\", stays: \"yes\"}\n"+
				"annotations: {example.com/gone: \"yes\"}",
				"data: {gone: \"1\", stays: \"1\", changes: \"1\"}\n"),
			"templates/d.yaml": deployment("main", "args: [\"--old\"]\n"+
				"env: [{name: GONE, value: a}, {name: STAYS, value: a}]\n"+
				"resources: {limits: {cpu: 1}}\nports: [{containerPort: 80}, {containerPort: 81}]\n"),
			"templates/s.yaml": object("v1", "Service", "main", "", "spec:\n  sessionAffinity: ClientIP\n"+
				"  selector: {app: main, gone: \"yes\"}\n"+
				"  ports: [{name: a, port: 80}, {name: b, port: 81}]\n"),
			"templates/x.yaml": configMap("removed", "a: b"),
		},
		next: map[string]string{
			"templates/c.yaml": object("v1", "ConfigMap", "config", "labels: {stays: \"yes\"}",
				"data: {stays: \"1\", changes: \"2\", new: \"1\"}\n"),
			"templates/d.yaml": deployment("main", "env: [{name: STAYS, value: a}]\nports: [{containerPort: 81}]\n"),
			"templates/s.yaml": object("v1", "Service", "main", "", "spec:\n  selector: {app: main}\n"+
				"  ports: [{name: b, port: 81}]\n"),
			"templates/x.yaml": "", "templates/y.yaml": configMap("added", "a: b"),
		},
	},
	{
		name: "lists-reordered",
		files: map[string]string{
			"templates/d.yaml": deployment("main",
				"env: [{name: A, value: a}, {name: B, value: b}, {name: C, value: c}]\nargs: [one, two, three]\n"+
					"ports: [{name: a, containerPort: 80}, {name: b, containerPort: 81}]\n") +
				"        - {name: side, image: example.com/side:1}\n",
			"templates/s.yaml": object("v1", "Service", "main", "", "spec:\n"+
				"  ports: [{name: a, port: 80, targetPort: 1}, {name: b, port: 81}]\n"),
			"templates/r.yaml": object("rbac.authorization.k8s.io/v1", "Role", "main", "",
				"rules: [{apiGroups: [\"\"], resources: [pods, services], verbs: [get]}, "+
					"{apiGroups: [apps], resources: [deployments], verbs: [get]}]\n"),
		},
		next: map[string]string{
			"templates/d.yaml": deployment("main",
				"env: [{name: C, value: c}, {name: D, value: d}, {name: A, value: changed}]\nargs: [three, one]\n"+
					"ports: [{name: renamed, containerPort: 80}, {name: c, containerPort: 82}]\n") +
				"        - {name: other, image: example.com/other:1}\n",
			"templates/s.yaml": object("v1", "Service", "main", "", "spec:\n"+
				"  ports: [{name: b, port: 81}, {name: a, port: 90, targetPort: 2}]\n"),
			"templates/r.yaml": object("rbac.authorization.k8s.io/v1", "Role", "main", "",
				"rules: [{apiGroups: [apps], resources: [deployments], verbs: [list]}]\n"),
		},
	},
	{
		name: "volumes-changed",
		files: map[string]string{
			"templates/d.yaml": deployment("main",
				"volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]\n"+
					"livenessProbe: {httpGet: {path: /, port: 80}}\n"+
					"envFrom: [{configMapRef: {name: x, optional: true}}]\n") +
				"      volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: x, optional: true}}]\n",
		},
		next: map[string]string{
			"templates/d.yaml": deployment("main", "volumeMounts: [{name: a, mountPath: /a}]\n"+
				"livenessProbe: {exec: {command: [\"true\"]}}\n"+
				"envFrom: [{secretRef: {name: x, optional: true}}]\n") +
				"      volumes: [{name: a, secret: {secretName: x, optional: true}}]\n",
		},
	},
	{
		name: "foreign-fields", // what another client added stays
		files: map[string]string{
			"templates/c.yaml": configMap("config", "message: {{ .Values.message | quote }}"),
		},
		between: `{"metadata":{"annotations":{"example.com/note":"mine"},"labels":{"somebody":"mine"}},` +
			`"data":{"added":"by somebody"}}`,
		betweenKind: "configmap", betweenName: "config", values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "foreign-changes", // what another client changed is put right
		files: map[string]string{
			"templates/c.yaml": configMap("config", "message: {{ .Values.message | quote }}\nsame: stays"),
		},
		between: `{"data":{"same":"changed by somebody"}}`, betweenKind: "configmap", betweenName: "config",
		values: `{"message":"first"}`, changed: `{"message":"second"}`,
	},
	{
		name: "api-version-changed",
		files: map[string]string{"templates/h.yaml": object("autoscaling/v1", "HorizontalPodAutoscaler", "main", "",
			"spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, minReplicas: 1, "+
				"maxReplicas: 3, targetCPUUtilizationPercentage: 50}\n")},
		next: map[string]string{"templates/h.yaml": object("autoscaling/v2", "HorizontalPodAutoscaler", "main", "",
			"spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, minReplicas: 1, maxReplicas: 4}\n")},
	},
	{
		name: "hook-to-object", // a hook that becomes an object of the manifest, and the other way round
		files: map[string]string{
			"templates/a.yaml": hook("ConfigMap", "was-hook", "pre-install",
				"helm.sh/hook-delete-policy: hook-succeeded", ""),
			"templates/b.yaml": configMap("was-object", "a: b"),
		},
		next: map[string]string{
			"templates/a.yaml": configMap("was-hook", "a: b"),
			"templates/b.yaml": hook("ConfigMap", "was-object", "post-upgrade", "", ""),
		},
	},
	{
		name:  "crds-changed", // Helm installs what is in crds/ once, and never changes it
		files: map[string]string{"crds/widgets.yaml": widgets, "templates/c.yaml": configMap("config", "a: b")},
		next:  map[string]string{"crds/widgets.yaml": widgets + "            extra: {type: string}\n"},
	},
	{
		name: "keys-of-string-data", // a removed key of stringData
		files: map[string]string{"templates/s.yaml": object("v1", "Secret", "plain", "",
			"stringData: {gone: a, stays: b}\n")},
		next: map[string]string{"templates/s.yaml": object("v1", "Secret", "plain", "", "stringData: {stays: b}\n")},
	},
}
