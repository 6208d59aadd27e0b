package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// decideTimeout is when a rollback counts as missed.
	decideTimeout = time.Minute
	// waits is how long an upgrade waits for its pod before that is made to crash.
	waits = 4 * time.Second
)

// rollBack has releases upgraded to pods that do not become ready, then makes these crash, and takes the time from the
// first news of that until the rollback has begun.
func (f *field) rollBack(ctx context.Context, r *result) error {
	begin := time.Now()
	took := make([]float64, r.Releases)
	err := inParallel(r.Releases, r.Releases, func(i int) (err error) {
		took[i], err = f.decision(ctx, fmt.Sprintf("slow%04d", i))
		return err
	})
	r.Ready, r.Wall = spreadOf(took), time.Since(begin).Seconds()
	return err
}

// decision takes the time for one release.
func (f *field) decision(ctx context.Context, release string) (float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, decideTimeout,
		errors.New("no rollback has begun in "+decideTimeout.String()))
	defer cancel()
	records, err := f.cluster.Client.Watch(ctx, &corev1.SecretList{},
		f.selected(labels.Set{"owner": "helm", "name": release}))
	if err != nil {
		return 0, err
	}
	defer records.Stop()
	pods, err := f.cluster.Client.Watch(ctx, &corev1.PodList{},
		f.selected(labels.Set{"app.kubernetes.io/instance": release}))
	if err != nil {
		return 0, err
	}
	defer pods.Stop()
	if _, err := f.patch(ctx, release, `{"spec":{"values":{"unready":true}}}`); err != nil {
		return 0, err
	}
	crash := time.After(waits)
	failure := &failure{}
	for {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %w", release, context.Cause(ctx))
		case <-crash:
			if err := f.crash(ctx, failure.pod); err != nil {
				return 0, fmt.Errorf("%s: %w", release, err)
			}
		case event := <-pods.ResultChan():
			failure.see(event.Object)
		case event := <-records.ResultChan():
			if failure.answered(event.Object) {
				return time.Since(failure.began).Seconds(), nil
			}
		}
	}
}

// failure of a release while it is upgraded.
type failure struct {
	// pod that the upgrade has made last.
	pod *corev1.Pod
	// began is when a pod was first seen to crash.
	began time.Time
}

// see takes note of a pod.
func (f *failure) see(object runtime.Object) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	f.pod = newer(f.pod, pod)
	if f.began.IsZero() && crashes(pod) {
		f.began = time.Now()
	}
}

// answered reports whether a record of the release says that it is rolled back because of the failure.
func (f *failure) answered(object runtime.Object) bool {
	record, ok := object.(*corev1.Secret)
	return ok && record.Labels["status"] == "pending-rollback" && !f.began.IsZero()
}

// crash makes a pod crash from now on.
func (f *field) crash(ctx context.Context, pod *corev1.Pod) error {
	if pod == nil {
		return errors.New("the upgrade has made no pod")
	}
	patch := []byte(`{"metadata":{"annotations":{"sim.fairlead.dev/waiting":"CrashLoopBackOff"}}}`)
	return f.cluster.Client.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, patch))
}

// newer returns the pod that was made later, in its latest state.
func newer(a, b *corev1.Pod) *corev1.Pod {
	if a == nil || a.UID == b.UID || a.CreationTimestamp.Before(&b.CreationTimestamp) {
		return b
	}
	return a
}

func crashes(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff" {
			return true
		}
	}
	return false
}

func (f *field) selected(by labels.Set) *client.ListOptions {
	return &client.ListOptions{Namespace: namespace, LabelSelector: labels.SelectorFromSet(by), Raw: &metav1.ListOptions{}}
}
