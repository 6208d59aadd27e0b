package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func fairlead(t *testing.T, values string) map[string]client.Object {
	t.Helper()
	return byName(t, objects(t, scheme(t), render(t, "fairlead", "fairlead", "fairlead-system", values).all()))
}

func bindings(index map[string]client.Object) []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(index)) {
		if strings.Contains(key, "RoleBinding/") && !strings.HasSuffix(key, "leader-election") {
			names = append(names, key)
		}
	}
	return names
}

func TestRightsOfTheChart(t *testing.T) {
	tests := []struct {
		name, values string
		want         []string
	}{
		{"by default everything", "",
			[]string{"ClusterRoleBinding//fairlead-controller", "ClusterRoleBinding//fairlead-release-admin"}},
		{"cluster-admin can be left out", "clusterAdmin: false",
			[]string{"ClusterRoleBinding//fairlead-controller"}},
		{"with namespaces the own role is bound in these only", "{clusterAdmin: false, namespaces: [apps, infra]}",
			[]string{"RoleBinding/apps/fairlead-controller", "RoleBinding/infra/fairlead-controller"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, bindings(fairlead(t, tt.values))); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValuesOfTheChart(t *testing.T) {
	const values = `
image: {repository: registry.example.com/fairlead, tag: v1, pullPolicy: Always}
imagePullSecrets: [{name: pull}]
replicas: 2
concurrency: 8
namespaces: [apps, infra]
logLevel: debug
resources: {limits: {memory: 512Mi}}
cache: {sizeLimit: 1Gi}
metrics: {service: {enabled: false}}
podLabels: {team: platform, app.kubernetes.io/name: other}
podAnnotations: {note: x}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: important
`
	all := fairlead(t, values)
	if all["Service/fairlead-system/fairlead-metrics"] != nil {
		t.Error("the Service is there although it is disabled")
	}
	deployment := get[*appsv1.Deployment](t, all, "Deployment/fairlead-system/fairlead-controller")
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	checkFlags(t, container.Args)
	checkMemoryLimit(t, container)
	got := fmt.Sprintln(*deployment.Spec.Replicas, container.Image, container.ImagePullPolicy, container.Args[2:],
		pod.Spec.ImagePullSecrets,
		pod.Spec.NodeSelector, len(pod.Spec.Tolerations), pod.Spec.Affinity != nil, pod.Annotations, pod.Labels["team"],
		pod.Labels["app.kubernetes.io/name"], pod.Spec.Volumes[0].EmptyDir.SizeLimit, pod.Spec.PriorityClassName)
	want := "2 registry.example.com/fairlead:v1 Always [--cache-dir=/data --concurrency=8 --namespaces=apps,infra --log-level=debug] [{pull}] " +
		"map[kubernetes.io/os:linux] 1 true map[note:x] platform fairlead 1Gi important"
	if strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Two installs in one cluster have no object in common.
func TestNamesOfTheChart(t *testing.T) {
	s := scheme(t)
	one := byName(t, objects(t, s, render(t, "fairlead", "fairlead", "one", "").all()))
	two := byName(t, objects(t, s, render(t, "fairlead", "other", "two", "").all()))
	for key := range one {
		if two[key] != nil {
			t.Errorf("%s is in both", key)
		}
	}
}

func TestMemoryLimitOfTheChart(t *testing.T) {
	for values, want := range map[string]string{
		"resources: {limits: {memory: 2Gi}}":          "1740MiB",
		"resources: {limits: {memory: 1000M}}":        "",
		"resources: {limits: {memory: null}}":         "",
		"{goMemLimit: 300MiB}":                        "300MiB",
		"{resources: {limits: null, requests: null}}": "",
	} {
		deployment := get[*appsv1.Deployment](t, fairlead(t, values), "Deployment/fairlead-system/fairlead-controller")
		got := ""
		for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
			got = variable.Value
		}
		if got != want {
			t.Errorf("%s: GOMEMLIMIT %q, want %q", values, got, want)
		}
	}
}

func TestTheChartRefusesBadValues(t *testing.T) {
	refuses(t, "fairlead", map[string]string{
		"concurency: 4":             "concurency",
		"concurrency: 0":            "concurrency",
		"logLevel: verbose":         "logLevel",
		"namespaces: [Not_A_Name]":  "namespaces",
		`clusterAdmin: "no"`:        "clusterAdmin",
		"image: {repo: x}":          "repo",
		"goMemLimit: 1Gi":           "goMemLimit",
		"metrics: {enabled: false}": "enabled",

		"metrics: {serviceMonitor: {every: 30s}}":                               "every",
		"metrics: {serviceMonitor: {interval: often}}":                          "interval",
		"metrics: {prometheusRule: {enabled: 1}}":                               "enabled",
		"metrics: {service: {enabled: false}, serviceMonitor: {enabled: true}}": "needs metrics.service.enabled",
		"resources: {memory: 1Gi}":                                              "memory",
		"imagePullSecrets: [registry]":                                          "imagePullSecrets",
	})
}

func TestNotesOfTheChart(t *testing.T) {
	for values, want := range map[string]string{
		"":                    "ClusterRoleBinding fairlead-release-admin",
		"clusterAdmin: false": "not bound to cluster-admin",
		"namespaces: [apps]":  "looks at objects in apps only",
	} {
		if notes := render(t, "fairlead", "fairlead", "fairlead-system", values).file(t,
			"NOTES.txt"); !strings.Contains(notes, want) {
			t.Errorf("%q: the notes lack %q:\n%s", values, want, notes)
		}
	}
}

func beacon(t *testing.T, values string) map[string]client.Object {
	t.Helper()
	return byName(t, objects(t, scheme(t), render(t, "beacon", "light", "apps", values).all()))
}

func TestTheSampleChart(t *testing.T) {
	all := beacon(t, `{replicaCount: 3, message: "a: b", podAnnotations: {note: here}}`)
	want := []string{
		"ConfigMap//light", "Deployment//light", "Pod//light-answers", "Service//light", "ServiceAccount//light",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	deployment := get[*appsv1.Deployment](t, all, "Deployment//light")
	pod := deployment.Spec.Template
	service, config := get[*corev1.Service](t, all, "Service//light"), get[*corev1.ConfigMap](t, all, "ConfigMap//light")
	if !cmp.Equal(service.Spec.Selector, pod.Labels) || !cmp.Equal(deployment.Spec.Selector.MatchLabels, pod.Labels) {
		t.Errorf("selectors %v and %v, labels %v", service.Spec.Selector, deployment.Spec.Selector.MatchLabels, pod.Labels)
	}
	if *deployment.Spec.Replicas != 3 || config.Data["message"] != "a: b" || pod.Annotations["note"] != "here" ||
		len(pod.Spec.Containers[0].Args) != 0 {
		t.Errorf("the values did not arrive: %v, %v, %v", *deployment.Spec.Replicas, config.Data, pod.Annotations)
	}
	checkRestricted(t, pod.Spec)
	test := get[*corev1.Pod](t, all, "Pod//light-answers")
	checkRestricted(t, test.Spec)
	if test.Annotations["helm.sh/hook"] != "test" || test.Labels["app.kubernetes.io/component"] == "server" {
		t.Errorf("the test pod has annotations %v and labels %v", test.Annotations, test.Labels)
	}
}

func TestOptionsOfTheSampleChart(t *testing.T) {
	all := beacon(t, "{unready: true, hooks: {enabled: true}, image: {repository: r.example.com/b, tag: t}}")
	container := get[*appsv1.Deployment](t, all, "Deployment//light").Spec.Template.Spec.Containers[0]
	if !cmp.Equal(container.Args, []string{"--unready"}) || container.Image != "r.example.com/b:t" {
		t.Errorf("arguments %v, image %s", container.Args, container.Image)
	}
	job := get[*batchv1.Job](t, all, "Job//light-announce")
	checkRestricted(t, job.Spec.Template.Spec)
	if job.Annotations["helm.sh/hook"] != "post-install,post-upgrade" {
		t.Errorf("the Job is the hook %q", job.Annotations["helm.sh/hook"])
	}
	if before, after := beacon(t, "message: a"), beacon(t, "message: b"); cmp.Equal(
		get[*appsv1.Deployment](t, before, "Deployment//light").Spec.Template,
		get[*appsv1.Deployment](t, after, "Deployment//light").Spec.Template) {
		t.Error("another message does not replace the pods")
	}
	if notes := render(t, "beacon", "light", "apps", "replicaCount: 1").file(t, "NOTES.txt"); !strings.Contains(notes,
		"from 1 pod.") {
		t.Errorf("notes: %s", notes)
	}
}

func TestTheSampleChartRefusesBadValues(t *testing.T) {
	refuses(t, "beacon", map[string]string{
		"replicaCount: three": "replicaCount",
		"replicaCount: -1":    "replicaCount",
		"replicaCount: 1.5":   "replicaCount",
		"message: 3":          "message",
		`unready: "yes"`:      "unready",
	})
}
