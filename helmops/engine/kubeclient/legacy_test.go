package kubeclient

import (
	"fmt"
	"testing"

	"helm.sh/helm/v3/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"fairlead.dev/fairlead/helmops/kube/health"
)

// verdicts returns what Helm's own waiter and the rules of health say of an object. others are in the cluster, too.
func verdicts(t *testing.T, object runtime.Object, others ...runtime.Object) (helm, ours bool) {
	t.Helper()
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		t.Fatal(err)
	}
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	live := &unstructured.Unstructured{Object: content}
	client := fake.NewClientset(append([]runtime.Object{object}, others...)...)
	checker := kube.NewReadyChecker(client, func(string, ...any) {}, kube.PausedAsReady(true), kube.CheckJobs(true))
	info := &resource.Info{Namespace: live.GetNamespace(), Name: live.GetName(), Object: object}
	helm, err = checker.IsReady(t.Context(), info)
	var none *health.Rules
	report := none.AsHelm().Assess(live, true)
	if failed := report.State == health.Failed; failed != (err != nil) {
		t.Errorf("%s: Helm says %v, the rules say %+v", live.GetKind(), err, report)
	}
	return helm, report.State == health.Current
}

func named() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 2, UID: "u"}
}

// Whatever the status of a workload is, the rules say what Helm's own waiter says.
func TestTheRulesOfHelmAreThoseOfHelm(t *testing.T) {
	t.Parallel()
	same := func(what string, object runtime.Object) {
		t.Helper()
		if helm, ours := verdicts(t, object); helm != ours {
			t.Errorf("%s: Helm says %v, the rules say %v", what, helm, ours)
		}
	}
	each(4, 3, func(n []int32) { // replicas, partition, updated pods, ready pods
		for _, revision := range []string{"a", "b"} {
			set := &appsv1.StatefulSet{ObjectMeta: named(), Spec: appsv1.StatefulSetSpec{Replicas: &n[0]}}
			set.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{
				Type:          appsv1.RollingUpdateStatefulSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n[1]},
			}
			set.Status = appsv1.StatefulSetStatus{
				ObservedGeneration: 2, UpdatedReplicas: n[2], ReadyReplicas: n[3],
				CurrentRevision: "a", UpdateRevision: revision,
			}
			same(fmt.Sprintf("StatefulSet %v revision %s", n, revision), set)
		}
	})
	each(4, 3, func(n []int32) { // wanted, updated, ready and unavailable pods
		for _, lack := range []intstr.IntOrString{intstr.FromInt32(n[3]), intstr.FromString(fmt.Sprint(n[3]*30, "%"))} {
			set := &appsv1.DaemonSet{ObjectMeta: named()}
			set.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{
				Type:          appsv1.RollingUpdateDaemonSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &lack},
			}
			set.Status = appsv1.DaemonSetStatus{
				ObservedGeneration: 2, DesiredNumberScheduled: n[0], UpdatedNumberScheduled: n[1], NumberReady: n[2],
			}
			same(fmt.Sprintf("DaemonSet %v, %s unavailable", n, lack.String()), set)
		}
	})
	each(4, 3, func(n []int32) { // completions, limit, succeeded and failed pods
		job := &batchv1.Job{ObjectMeta: named(), Spec: batchv1.JobSpec{Completions: &n[0], BackoffLimit: &n[1]}}
		job.Status = batchv1.JobStatus{Succeeded: n[2], Failed: n[3]}
		same(fmt.Sprintf("Job %v", n), job)
	})
	for _, phase := range []corev1.PersistentVolumeClaimPhase{"", "Pending", "Bound", "Lost"} {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: named()}
		claim.Status.Phase = phase
		same("claim "+string(phase), claim)
	}
	for _, kind := range []corev1.ServiceType{"", "ClusterIP", "LoadBalancer", "ExternalName"} {
		each(3, 2, func(n []int32) { // cluster IP, external IP, ingress
			service := &corev1.Service{ObjectMeta: named(), Spec: corev1.ServiceSpec{Type: kind}}
			if n[0] > 0 {
				service.Spec.ClusterIP = "10.0.0.1"
			}
			if n[1] > 0 {
				service.Spec.ExternalIPs = []string{"192.0.2.1"}
			}
			if n[2] > 0 {
				service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
			}
			same(fmt.Sprintf("Service %s %v", kind, n), service)
		})
	}
	for _, status := range []corev1.ConditionStatus{"True", "False", "Unknown"} {
		pod := &corev1.Pod{ObjectMeta: named()}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		same("Pod "+string(status), pod)
	}
}

// A Deployment is never ready by the rules before Helm finds it ready, and it is once the old pods are gone, or ready.
func TestADeploymentByTheRulesOfHelm(t *testing.T) {
	t.Parallel()
	each(5, 4, func(n []int32) { // wanted, new, ready new, old and ready old pods
		if n[2] > n[1] || n[4] > n[3] {
			return
		}
		for _, lack := range []string{"0%", "25%", "50%", "100%"} {
			deployment, set := rollout(n, intstr.FromString(lack))
			helm, ours := verdicts(t, deployment, set)
			if ours && !helm || helm && !ours && n[3] == n[4] {
				t.Errorf("%v, %s unavailable: Helm says %v, the rules say %v", n, lack, helm, ours)
			}
		}
	})
}

// rollout is a Deployment between two revisions, and the ReplicaSet of the new one.
func rollout(n []int32, lack intstr.IntOrString) (*appsv1.Deployment, *appsv1.ReplicaSet) {
	yes, surge := true, intstr.FromInt32(1)
	deployment := &appsv1.Deployment{ObjectMeta: named(), Spec: appsv1.DeploymentSpec{
		Replicas: &n[0], Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Strategy: appsv1.DeploymentStrategy{
			Type:          appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &lack},
		},
	}}
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: 2, Replicas: n[1] + n[3], UpdatedReplicas: n[1], ReadyReplicas: n[2] + n[4],
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: "web-1", Labels: map[string]string{"app": "web"},
		OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "u", Controller: &yes},
		},
	}}
	set.Status = appsv1.ReplicaSetStatus{Replicas: n[1], ReadyReplicas: n[2]}
	return deployment, set
}

// each calls f with every combination of digits below base.
func each(digits int, base int32, f func([]int32)) {
	n := make([]int32, digits)
	for {
		f(append([]int32(nil), n...))
		at := 0
		for ; at < digits; at++ {
			if n[at]++; n[at] < base {
				break
			}
			n[at] = 0
		}
		if at == digits {
			return
		}
	}
}
