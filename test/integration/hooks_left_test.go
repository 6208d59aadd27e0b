package integration

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// leaving is what the chart of these tests has beyond the sample: hooks that stay when they fail, and one without
// a run that stays when it succeeds.
var leaving = map[string]string{
	"templates/job.yaml": `apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-post
  annotations:
    helm.sh/hook: post-install,post-upgrade
    helm.sh/hook-delete-policy: hook-succeeded
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: post
          image: example.com/post:1
          command: [sh, -c, {{ .Values.run | quote }}]
`,
	"templates/account.yaml": `apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: post-install,post-upgrade
    helm.sh/hook-weight: "-1"
    helm.sh/hook-delete-policy: hook-failed
`,
}

func leavingChart(t *testing.T) (ns string) {
	t.Helper()
	ns = namespace(t)
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "leaving", "1.0.0", leaving)); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	return ns
}

func leavingRelease(ns, values string) *v1beta1.HelmRelease {
	return release(ns, "web", "leaving", "1.0.0", "charts", values)
}

func postJob(ns string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web-post"}}
}

// A hook that a failed attempt left is recreated by the next one, although its policy keeps it. So is one that has
// no run.
func TestAHookThatAFailedAttemptLeftIsReplaced(t *testing.T) {
	t.Parallel()
	ns := leavingChart(t)
	hr := leavingRelease(ns, `{"run":"true"}`)
	apply(t, hr)
	awaitReady(t, hr)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web-hook"}}
	first := get(t, account).UID

	apply(t, withValues(hr, `{"run":"exit 1"}`))
	awaitNotReady(t, hr, v1beta1.RollbackSucceededReason)
	if !exists(t, postJob(ns)) {
		t.Fatal("the hook that failed is gone, so that there is nothing to replace")
	}
	second := get(t, account).UID
	if second == first {
		t.Error("the ServiceAccount of the hook was not recreated")
	}

	apply(t, withValues(hr, `{"run":"true","message":"fixed"}`))
	until(t, "the upgrade is done", func() bool { return configMap(t, ns, "web")["message"] == "fixed" })
	awaitReady(t, hr)
	if exists(t, postJob(ns)) {
		t.Error("the hook that succeeded is still there")
	}
}

// A hook that still runs when its attempt had no more time is left alone until it has ended, and then recreated.
func TestAHookThatStillRunsIsReplacedWhenItHasEnded(t *testing.T) {
	t.Parallel()
	ns := leavingChart(t)
	hr := leavingRelease(ns, `{"run":"true"}`)
	hr.Spec.Timeout = &metav1.Duration{Duration: 2 * time.Second}
	hr.Spec.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{ // so that it is not rolled back
		Name: v1beta1.RetryOnFailure, RetryInterval: &metav1.Duration{Duration: 5 * time.Second},
	}}
	apply(t, hr)
	awaitReady(t, hr)
	apply(t, withValues(hr, `{"run":"sleep infinity"}`))
	awaitNotReady(t, hr, v1beta1.UpgradeFailedReason)
	uid := get(t, postJob(ns)).UID
	apply(t, withValues(hr, `{"run":"true","message":"fixed"}`))
	until(t, "the next attempt waits for the hook and says so", func() bool {
		get(t, hr)
		ready := condition(t, hr, v1beta1.ReadyCondition)
		const text = "of an earlier attempt still runs"
		return ready.ObservedGeneration == hr.Generation && strings.Contains(ready.Message, text)
	})
	if get(t, postJob(ns)).UID != uid {
		t.Error("a hook was recreated while it ran")
	}
	const ends = `{"spec":{"activeDeadlineSeconds":1}}`
	mustRun(t, "kubectl", "patch", "job", "web-post", "-n", ns, "--type", "merge", "-p", ends)
	awaitReady(t, hr)
	if exists(t, postJob(ns)) {
		t.Error("the hook that succeeded is still there")
	}
}

// What another client has under the name of a hook is named, with whose it is, and not touched.
func TestAHookDoesNotReplaceWhatOthersMade(t *testing.T) {
	t.Parallel()
	ns := leavingChart(t)
	pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "main", Image: "example.com/theirs"}},
	}}
	theirs := postJob(ns)
	theirs.Spec = batchv1.JobSpec{Template: pod}
	apply(t, theirs)
	uid := get(t, theirs).UID
	hr := leavingRelease(ns, `{"run":"true"}`)
	apply(t, hr)
	ready := awaitNotReady(t, hr, v1beta1.InstallFailedReason)
	if !strings.Contains(ready.Message, "Job "+ns+"/web-post is there already and belongs to no Helm release") {
		t.Errorf("the message does not say what is in the way: %s", ready.Message)
	}

	mustRun(t, "kubectl", "annotate", "job", "web-post", "-n", ns, v1beta1.HookOfAnnotation+"="+ns+"/other")
	apply(t, withValues(hr, `{"run":"true","message":"again"}`))
	until(t, "the owner is named", func() bool {
		ready := condition(t, get(t, hr), v1beta1.ReadyCondition)
		return strings.Contains(ready.Message, "a hook of the Helm release "+ns+"/other")
	})
	if get(t, theirs).UID != uid {
		t.Error("the Job of another client was replaced")
	}
}
