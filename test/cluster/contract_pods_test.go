package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

type clientset = kubernetes.Interface

// checkPods runs what the controllers make of pods, all at the same time.
func checkPods(t *testing.T, p *process) {
	for name, check := range map[string]func(*testing.T, clientset){
		"a Deployment becomes available":          checkDeployment,
		"an unready Deployment never does":        checkUnready,
		"readiness follows the annotation":        checkFlips,
		"containers wait with a reason":           checkWaiting,
		"Jobs end as they are told":               checkJobs,
		"a StatefulSet gets its volumes":          checkStatefulSet,
		"a DaemonSet runs on the node":            checkDaemonSet,
		"a deleted pod is gone without its grace": checkDeletion,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, p.client)
		})
	}
}

func checkDeployment(t *testing.T, client clientset) {
	create(t, client, deployment("web", 10))
	awaitAvailable(t, client, "web", 10)
	pods, err := client.CoreV1().Pods(metav1.NamespaceDefault).List(t.Context(),
		metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for _, pod := range pods.Items {
		addresses[pod.Status.PodIP] = true
	}
	if len(addresses) != 10 {
		t.Errorf("10 pods have %d addresses: %v", len(addresses), addresses)
	}
}

// checkUnready looks until the pod has settled, and once more later.
func checkUnready(t *testing.T, client clientset) {
	create(t, client, deployment("stuck", 1, arguments("--unready")))
	var name string
	eventually(t, "the unready pod to run", func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: "app=stuck"})
		if err != nil || len(pods.Items) == 0 {
			return fmt.Errorf("no pod yet: %w", err)
		}
		name = pods.Items[0].Name
		return expectLook(&pods.Items[0], "Running ready=False running")
	})
	time.Sleep(2 * time.Second)
	pod, err := client.CoreV1().Pods(metav1.NamespaceDefault).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := expectLook(pod, "Running ready=False running"); err != nil {
		t.Error(err)
	}
}

func checkFlips(t *testing.T, client clientset) {
	create(t, client, barePod("flips"))
	awaitLook(t, client, "flips", "Running ready=True running")
	annotate(t, client, "flips", `{"sim.fairlead.dev/ready":"false"}`)
	awaitLook(t, client, "flips", "Running ready=False running")
	annotate(t, client, "flips", `{"sim.fairlead.dev/ready":"true"}`)
	awaitLook(t, client, "flips", "Running ready=True running")
	annotate(t, client, "flips", `{"sim.fairlead.dev/ready":"false"}`)
	awaitLook(t, client, "flips", "Running ready=False running")
	annotate(t, client, "flips", `{"sim.fairlead.dev/ready":null}`)
	awaitLook(t, client, "flips", "Running ready=True running")
}

func checkWaiting(t *testing.T, client clientset) {
	create(t, client, barePod("no-image", annotation("sim.fairlead.dev/waiting", "ImagePullBackOff")))
	create(t, client, barePod("crashing", annotation("sim.fairlead.dev/waiting", "CrashLoopBackOff")))
	awaitLook(t, client, "no-image", "Pending ready=False ImagePullBackOff")
	status := awaitLook(t, client, "crashing", "Running ready=False CrashLoopBackOff").Status.ContainerStatuses[0]
	if last := status.LastTerminationState.Terminated; status.RestartCount == 0 || last == nil || last.ExitCode != 1 {
		t.Errorf("restartCount %d, last state %+v; want restarts and exit code 1", status.RestartCount, last)
	}
	annotate(t, client, "no-image", `{"sim.fairlead.dev/waiting":null}`)
	awaitLook(t, client, "no-image", "Running ready=True running")
}

func checkJobs(t *testing.T, client clientset) {
	create(t, client, job("succeeds", "true"))
	create(t, client, job("fails", "exit 3"))
	create(t, client, job("stays", "sleep infinity"))
	awaitJob(t, client, "succeeds", batchv1.JobComplete)
	awaitJob(t, client, "fails", batchv1.JobFailed)
	if pod := jobPod(t, client, "fails"); pod.Status.ContainerStatuses[0].State.Terminated.ExitCode != 3 {
		t.Errorf("the failed pod ended with %+v, want exit code 3", pod.Status.ContainerStatuses[0].State)
	}
	eventually(t, "the sleeping job to run", func(ctx context.Context) error {
		j, err := client.BatchV1().Jobs(metav1.NamespaceDefault).Get(ctx, "stays", metav1.GetOptions{})
		if err == nil && (j.Status.Ready == nil || *j.Status.Ready != 1) {
			err = errors.New("its pod is not ready")
		}
		return err
	})
	if err := expectLook(jobPod(t, client, "stays"), "Running ready=True running"); err != nil {
		t.Error(err)
	}
	create(t, client, barePod("helm-test", runsOnce))
	awaitLook(t, client, "helm-test", "Succeeded ready=False Completed")
}

func checkStatefulSet(t *testing.T, client clientset) {
	create(t, client, statefulSet("db", 2))
	eventually(t, "the StatefulSet", func(ctx context.Context) error {
		s, err := client.AppsV1().StatefulSets(metav1.NamespaceDefault).Get(ctx, "db", metav1.GetOptions{})
		if err == nil && s.Status.ReadyReplicas != 2 {
			err = fmt.Errorf("%d of 2 replicas are ready", s.Status.ReadyReplicas)
		}
		return err
	})
	claim, err := client.CoreV1().PersistentVolumeClaims(metav1.NamespaceDefault).Get(t.Context(), "data-db-0",
		metav1.GetOptions{})
	if err != nil || claim.Status.Phase != corev1.ClaimBound {
		t.Fatalf("claim of db-0 is %v (%v), want Bound", claim.Status.Phase, err)
	}
	create(t, client, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "unused"}, Spec: claimSpec()})
	var volume string
	eventually(t, "a claim without a pod to be bound", func(ctx context.Context) error {
		c, err := client.CoreV1().PersistentVolumeClaims(metav1.NamespaceDefault).Get(ctx, "unused", metav1.GetOptions{})
		if err == nil && c.Status.Phase != corev1.ClaimBound {
			err = fmt.Errorf("claim is %s", c.Status.Phase)
		}
		volume = c.Spec.VolumeName
		return err
	})
	if err := client.CoreV1().PersistentVolumeClaims(metav1.NamespaceDefault).Delete(t.Context(), "unused",
		metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the volume of a deleted claim to be gone", func(ctx context.Context) error {
		_, err := client.CoreV1().PersistentVolumes().Get(ctx, volume, metav1.GetOptions{})
		return expectNotFound(err)
	})
}

func checkDaemonSet(t *testing.T, client clientset) {
	create(t, client, &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec:       appsv1.DaemonSetSpec{Selector: selector("agent"), Template: template("agent")},
	})
	eventually(t, "the DaemonSet", func(ctx context.Context) error {
		d, err := client.AppsV1().DaemonSets(metav1.NamespaceDefault).Get(ctx, "agent", metav1.GetOptions{})
		if err == nil && d.Status.NumberReady != 1 {
			err = fmt.Errorf("%d pods are ready", d.Status.NumberReady)
		}
		return err
	})
}

func checkDeletion(t *testing.T, client clientset) {
	hour := int64(3600)
	create(t, client, barePod("leaves", func(pod *corev1.Pod) { pod.Spec.TerminationGracePeriodSeconds = &hour }))
	awaitLook(t, client, "leaves", "Running ready=True running")
	if err := client.CoreV1().Pods(metav1.NamespaceDefault).Delete(t.Context(), "leaves",
		metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod to be gone", func(ctx context.Context) error {
		_, err := client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, "leaves", metav1.GetOptions{})
		return expectNotFound(err)
	})
}

func expectNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("still there: %w", err)
}

func expectLook(pod *corev1.Pod, want string) error {
	if got := look(pod); got != want {
		return fmt.Errorf("pod %s looks %q, want %q", pod.Name, got, want)
	}
	return nil
}

func awaitLook(t *testing.T, client clientset, name, want string) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "pod "+name, func(ctx context.Context) (err error) {
		if pod, err = client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		return expectLook(pod, want)
	})
	return pod
}

func awaitJob(t *testing.T, client clientset, name string, want batchv1.JobConditionType) {
	t.Helper()
	eventually(t, fmt.Sprintf("job %s to be %s", name, want), func(ctx context.Context) error {
		j, err := client.BatchV1().Jobs(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range j.Status.Conditions {
			if c.Type == want && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions are %v", j.Status.Conditions)
	})
}

func jobPod(t *testing.T, client clientset, name string) *corev1.Pod {
	t.Helper()
	pods, err := client.CoreV1().Pods(metav1.NamespaceDefault).List(t.Context(),
		metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + name})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("job %s has %d pods (%v), want 1", name, len(pods.Items), err)
	}
	return &pods.Items[0]
}

func annotate(t *testing.T, client clientset, name, annotations string) {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":%s}}`, annotations)
	_, err := client.CoreV1().Pods(metav1.NamespaceDefault).Patch(t.Context(), name, types.MergePatchType, []byte(patch),
		metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// create creates an object of one of the kinds used here in namespace default.
func create(t *testing.T, client clientset, object runtime.Object) {
	t.Helper()
	var err error
	ctx, ns, opts := t.Context(), metav1.NamespaceDefault, metav1.CreateOptions{}
	switch o := object.(type) {
	case *appsv1.Deployment:
		_, err = client.AppsV1().Deployments(ns).Create(ctx, o, opts)
	case *appsv1.StatefulSet:
		_, err = client.AppsV1().StatefulSets(ns).Create(ctx, o, opts)
	case *appsv1.DaemonSet:
		_, err = client.AppsV1().DaemonSets(ns).Create(ctx, o, opts)
	case *batchv1.Job:
		_, err = client.BatchV1().Jobs(ns).Create(ctx, o, opts)
	case *corev1.Pod:
		_, err = client.CoreV1().Pods(ns).Create(ctx, o, opts)
	case *corev1.PersistentVolumeClaim:
		_, err = client.CoreV1().PersistentVolumeClaims(ns).Create(ctx, o, opts)
	default:
		err = fmt.Errorf("no client for %T", object)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// barePod is a pod that nothing has touched yet.
func barePod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := scheduledPod(change...)
	pod.Name, pod.UID, pod.Spec.NodeName, pod.Status = name, "", "", corev1.PodStatus{}
	return pod
}

func template(app string, change ...func(*corev1.Pod)) corev1.PodTemplateSpec {
	pod := barePod("", change...)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}, Annotations: pod.Annotations},
		Spec:       pod.Spec,
	}
}

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func deployment(name string, replicas int32, change ...func(*corev1.Pod)) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector(name), Template: template(name, change...)},
	}
}

func statefulSet(name string, replicas int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: name, Selector: selector(name), Template: template(name),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{
				{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: claimSpec()},
			},
		},
	}
}

func claimSpec() corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		},
	}
}

// job runs one pod once, with a shell line.
func job(name, line string) *batchv1.Job {
	none := int32(0)
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       batchv1.JobSpec{BackoffLimit: &none, Template: template(name, runsOnce, arguments("-c", line))},
	}
}

// succeeds runs devcluster with arguments that make it print and end.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), binary(t), args...).Output()
	if err != nil {
		t.Fatalf("devcluster %v: %v", args, err)
	}
	return string(text)
}
