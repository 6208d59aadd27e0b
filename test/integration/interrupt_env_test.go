package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Annotations that control a simulated pod, and the reason why a held hook waits.
const (
	simReady   = "sim.fairlead.dev/ready"
	simWaiting = "sim.fairlead.dev/waiting"
)

// fragile is what the chart of the interruption tests has beyond the sample: a random value, pods that are replaced
// with the message and become ready when the test annotates them (value gated), and a hook that ends when the test
// annotates it (value hook: when it runs).
var fragile = map[string]string{
	"templates/secret.yaml": `apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}-random
data:
  random: {{ randAlphaNum 16 | b64enc }}
`,
	"templates/deployment.yaml": podsTemplate,
	"templates/hook.yaml": `{{- if .Values.hook }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: {{ .Values.hook }}
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {hook-of: {{ .Release.Name }}}
      annotations: {sim.fairlead.dev/waiting: ImagePullBackOff}
    spec:
      restartPolicy: Never
      containers:
        - name: hook
          image: example.com/sample:{{ .Chart.Version }}
{{- end }}
`,
}

// fragileCharts publishes the chart in a repository of the namespace's own.
func fragileCharts(t *testing.T, ns string) {
	t.Helper()
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "fragile", "1.0.0", fragile)); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
}

func fragileRelease(ns, name, values string) *v1beta1.HelmRelease {
	return release(ns, name, "fragile", "1.0.0", "charts", values)
}

// victim is a controller with a proxy of its own, to be interrupted.
type victim struct {
	proxy *env.Proxy

	dir        string
	args       []string
	controller *env.Controller
}

// alone stops the controller that the tests share for the rest of the test.
func alone(t *testing.T) {
	t.Helper()
	if err := world.controller.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := startController(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// newVictim starts a controller for one namespace, behind a proxy. The test has to be alone.
func newVictim(t *testing.T, ns, name string, args ...string) *victim {
	t.Helper()
	v := &victim{
		dir: filepath.Join(world.dir, ns, name), args: append([]string{"--namespaces", ns, "--log-level", "debug"}, args...),
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.proxy, err = env.StartProxy(world.cluster.Config, v.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.kill()
		if err := v.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	v.start(t)
	return v
}

// interruption sets up what the interruption tests begin with: a namespace with the chart, and its only controller.
func interruption(t *testing.T) (ns string, v *victim) {
	t.Helper()
	ns = namespace(t)
	alone(t)
	v = newVictim(t, ns, "controller")
	fragileCharts(t, ns)
	return ns, v
}

// install has the controller install a release.
func (v *victim) install(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	v.start(t)
	apply(t, hr)
	awaitReady(t, hr)
}

// start starts the controller if it does not run.
func (v *victim) start(t *testing.T) {
	t.Helper()
	if v.controller != nil {
		return
	}
	started, err := env.StartController(t.Context(), &env.Cluster{Kubeconfig: v.proxy.Kubeconfig}, v.dir, v.args...)
	if err != nil {
		t.Fatal(err)
	}
	v.controller = started
}

func (v *victim) kill() {
	if v.controller != nil {
		v.controller.Kill()
		v.controller = nil
	}
}

// killAt kills the controller at the first request that matches after a change, and makes sure that the request has no
// effect.
func (v *victim) killAt(t *testing.T, at match, change func()) {
	t.Helper()
	held := v.proxy.Hold(at, false)
	change()
	await(t, held)
	v.kill()
	held.Drop()
}

// await waits until a request is held.
func await(t *testing.T, held *env.Held) {
	t.Helper()
	t.Cleanup(held.Drop)
	select {
	case <-held.Reached():
	case <-time.After(patience):
		t.Fatalf("the controller has not come to the request within %s", patience)
	}
}

// match reports whether a request is meant.
type match = func(env.Request) bool

// point is where a controller is killed that works on a release.
type point struct {
	name string
	at   func(release string) match
}

// isRecord reports whether a request is about a Helm release record of a release.
func isRecord(name string) func(env.Request) bool {
	prefix := "sh.helm.release.v1." + name + ".v"
	return func(r env.Request) bool {
		return r.Resource == "secrets" &&
			(strings.HasPrefix(r.Name, prefix) || r.Name == "" && bytes.Contains(r.Body, []byte(prefix)))
	}
}

// writesRecord reports whether a request writes a record with a status that begins so. The status is a label of the
// record, in JSON or protobuf.
func writesRecord(name, status string) func(env.Request) bool {
	is, label := isRecord(name), regexp.MustCompile(`(?s)status(":"|\x12.)`+regexp.QuoteMeta(status))
	return func(r env.Request) bool { return is(r) && r.Writes() && label.Match(r.Body) }
}

// writesObject reports whether a request creates or changes, or else deletes, an object of a release that is no hook.
func writesObject(name string, deletes bool) func(env.Request) bool {
	return func(r env.Request) bool {
		object := map[string]string{"configmaps": name, "deployments": name, "secrets": name + "-random"}[r.Resource]
		if object == "" || !r.Writes() || r.Subresource != "" || (r.Verb == env.Delete) != deletes {
			return false
		}
		return r.Name == object || r.Name == "" && bytes.Contains(r.Body, []byte(object)) && !isRecord(name)(r)
	}
}

func writesStatus(name string) func(env.Request) bool {
	return func(r env.Request) bool {
		return r.Resource == "helmreleases" && r.Subresource == "status" && r.Name == name && r.Writes()
	}
}

// nth matches the nth request that matches.
func nth(n int, match func(env.Request) bool) func(env.Request) bool {
	return func(r env.Request) bool {
		if match(r) {
			n--
			return n == 0
		}
		return false
	}
}

// following matches the first request that matches after another has passed.
func following(first, match func(env.Request) bool) func(env.Request) bool {
	passed := false
	return func(r env.Request) bool {
		if first(r) {
			passed = true
			return false
		}
		return passed && match(r)
	}
}

// revisions lists the revisions of a release with their statuses, oldest first.
func revisions(t *testing.T, ns, name string) string {
	t.Helper()
	secrets := &corev1.SecretList{}
	err := world.cluster.Client.List(t.Context(), secrets, client.InNamespace(ns),
		client.MatchingLabels{"owner": "helm", "name": name})
	if err != nil {
		t.Fatal(err)
	}
	number := func(s corev1.Secret) int { n, _ := strconv.Atoi(s.Labels["version"]); return n }
	slices.SortFunc(secrets.Items, func(a, b corev1.Secret) int { return cmp.Compare(number(a), number(b)) })
	var all []string
	for _, s := range secrets.Items {
		all = append(all, s.Labels["version"]+":"+s.Labels["status"])
	}
	return strings.Join(all, " ")
}

// manifest that the newest record of a release holds; empty when there is no record.
func manifest(t *testing.T, ns, name string) string {
	t.Helper()
	all := strings.Fields(revisions(t, ns, name))
	if len(all) == 0 {
		return ""
	}
	revision, _, _ := strings.Cut(all[len(all)-1], ":")
	return mustRun(t, "helm", "get", "manifest", name, "--revision", revision, "-n", ns)
}

// randomValue is the random value that the cluster has.
func randomValue(t *testing.T, ns, name string) string {
	t.Helper()
	secret := get(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name + "-random"}})
	return base64.StdEncoding.EncodeToString(secret.Data["random"])
}

// rollouts says how often the Deployment of a release was changed and how many sets of pods that made.
func rollouts(t *testing.T, ns, name string) string {
	t.Helper()
	deployment := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}})
	sets := &appsv1.ReplicaSetList{}
	if err := world.cluster.Client.List(t.Context(), sets, client.InNamespace(ns),
		client.MatchingLabels{"app": name}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("generation %d, %d ReplicaSets", deployment.Generation, len(sets.Items))
}

// outcome is what is left of a release when its work is done.
type outcome struct{ revisions, rollouts, message string }

// Outcomes of undisturbed runs.
var (
	installed  = outcome{"1:deployed", "generation 1, 1 ReplicaSets", "one"}
	upgraded   = outcome{"1:superseded 2:deployed", "generation 2, 2 ReplicaSets", "two"}
	rolledBack = outcome{"1:superseded 2:failed 3:deployed", "generation 3, 2 ReplicaSets", "one"}
)

// check compares what is left of a release with the outcome of an undisturbed run. The random value in the cluster has
// to be the one of the newest revision.
func check(t *testing.T, ns, name string, want outcome) {
	t.Helper()
	got := outcome{revisions(t, ns, name), rollouts(t, ns, name), configMap(t, ns, name)["message"]}
	if got != want {
		t.Errorf("%s ends with %+v, an undisturbed run with %+v", name, got, want)
	}
	if value := randomValue(t, ns, name); !strings.Contains(manifest(t, ns, name), value) {
		t.Errorf("%s: the random value %s of the cluster is not the one of the newest revision", name, value)
	}
}

// annotate changes an annotation of pods until done says that it is enough; pods may come late.
func annotate(t *testing.T, ns string, labels client.MatchingLabels, patch string, done func() bool) {
	t.Helper()
	told := map[types.UID]bool{}
	until(t, "the pods have done what they were told", func() bool {
		pods := &corev1.PodList{}
		if err := world.cluster.Client.List(t.Context(), pods, client.InNamespace(ns), labels); err != nil {
			t.Fatal(err)
		}
		for i := range pods.Items {
			if told[pods.Items[i].UID] {
				continue
			}
			told[pods.Items[i].UID] = true
			err := world.cluster.Client.Patch(t.Context(), &pods.Items[i], client.RawPatch(types.MergePatchType, []byte(patch)))
			if client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
		}
		return done()
	})
}

// openGate lets the pods of a release become ready, until it is Ready.
func openGate(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	annotate(t, hr.Namespace, client.MatchingLabels{"app": hr.Name},
		`{"metadata":{"annotations":{"`+simReady+`":"true"}}}`, func() bool {
			ready := condition(t, hr, v1beta1.ReadyCondition)
			return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == hr.Generation
		})
}

// endHook lets the hook of a release end, until the release is Ready.
func endHook(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	annotate(t, hr.Namespace, client.MatchingLabels{"hook-of": hr.Name},
		`{"metadata":{"annotations":{"`+simWaiting+`":null}}}`, func() bool {
			ready := condition(t, hr, v1beta1.ReadyCondition)
			return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == hr.Generation
		})
}

// awaitPod waits until a pod with these labels has been started.
func awaitPod(t *testing.T, ns string, labels client.MatchingLabels) {
	t.Helper()
	until(t, "a pod is started", func() bool {
		pods := &corev1.PodList{}
		if err := world.cluster.Client.List(t.Context(), pods, client.InNamespace(ns), labels); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return len(p.Status.ContainerStatuses) > 0 })
	})
}

// isWaiting reports whether a Deployment has come to these rollouts and has started the pods of the newest one.
func isWaiting(t *testing.T, ns, name, want string) bool {
	t.Helper()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	return exists(t, deployment) && rollouts(t, ns, name) == want &&
		deployment.Status.ObservedGeneration == deployment.Generation && deployment.Status.UpdatedReplicas > 0
}
