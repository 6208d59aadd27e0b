package kubeclient

import (
	"context"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/process/guard"
)

const (
	// podsAfter is how long a wait lasts before pods are watched; most waits are over by then.
	podsAfter = 2 * time.Second
	// pullGrace is how long an image may fail to be pulled; registries have bad moments.
	pullGrace = 10 * time.Second
	// crashes is after how many restarts a crash loop counts. The first ones are normal for what waits for its database.
	crashes = 3
	// maxWatched is how many workloads have their pods watched at a time.
	maxWatched = 32
	// maxStarting and maxPulling are how many pods are kept of a wait and of a workload: one tells enough, and the API
	// server can be a tenant's own. The others are kept when they change later. maxUID is what the UID of a pod has at
	// most, maxCause its fault.
	maxStarting, maxPulling = 4096, 256
	maxUID, maxCause        = 64, 1024
)

// short cuts a text of an API server that is kept.
func short(text string) string {
	if len(text) <= maxCause {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:maxCause]), "")
}

// podWatch watches the pods of workloads that are not ready. A nil one watches none.
type podWatch struct {
	client *Client
	// since is when the revision was begun: pods that are older are of the one before.
	since time.Time
	// broken receives the first workload that cannot become ready.
	broken chan unready

	mu sync.Mutex
	// starting are the pods whose containers are being made.
	starting map[types.UID]bool
}

// watchPods watches until ctx ends. Where that is refused, nothing is reported.
func (c *Client) watchPods(ctx context.Context, lacking []unready, since time.Time) *podWatch {
	w := &podWatch{
		client: c, since: since.Truncate(time.Second), broken: make(chan unready, 1), starting: map[types.UID]bool{},
	}
	watched := 0
	for _, object := range lacking {
		options := metav1.ListOptions{LabelSelector: podSelector(object.info)}
		if object.info.Mapping.GroupVersionKind.Kind == "Pod" {
			options.FieldSelector = fields.OneTermEqualSelector("metadata.name", object.info.Name).String()
		}
		if options.LabelSelector == "" && options.FieldSelector == "" || watched == maxWatched {
			continue
		}

		watched++
		f := &podFollower{
			podWatch: w, object: object, options: options, pulling: map[types.UID]string{}, due: map[types.UID]time.Time{},
		}
		guard.Go("watching the pods of an object", func() { f.run(ctx) }) // without it their faults are not named
	}

	return w
}

// found is never ready of a watch that does not exist.
func (w *podWatch) found() <-chan unready {
	if w == nil {
		return nil
	}
	return w.broken
}

// busy reports whether containers are being made.
func (w *podWatch) busy() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.starting) > 0
}

// podFollower follows the pods of one workload.
type podFollower struct {
	*podWatch
	object  unready
	options metav1.ListOptions
	// pulling are the faults of pods whose image cannot be pulled, due is when that is held against them.
	pulling map[types.UID]string
	due     map[types.UID]time.Time
}

// run lists and watches again until it must not, or ctx ends.
func (f *podFollower) run(ctx context.Context) {
	again := wait.Backoff{Duration: firstAgain, Factor: 2, Steps: 8, Cap: lastAgain}
	for {
		err := f.attempt(ctx)
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			return
		}

		select {
		case <-ctx.Done():
			return
		case <-time.After(again.Step()):
		}
	}
}

func (f *podFollower) attempt(ctx context.Context) error {
	pods := f.client.identity.Kube().CoreV1().Pods(f.object.info.Namespace)
	list, err := pods.List(ctx, f.options)
	if err != nil {
		return err
	}

	for i := range list.Items {
		f.observe(ctx, &list.Items[i])
	}

	options := f.options
	options.ResourceVersion = list.ResourceVersion
	events, err := pods.Watch(ctx, options)
	if err != nil {
		return err
	}

	defer events.Stop()
	for {
		select {
		case event, open := <-events.ResultChan():
			pod, is := event.Object.(*corev1.Pod)
			switch {
			case !open || !is:
				return apierrors.FromObject(event.Object)
			case event.Type == watch.Deleted:
				f.forget(pod)
			default:
				f.observe(ctx, pod)
			}
		case <-f.nextDue():
			f.overdue()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// observe judges a pod.
func (f *podFollower) observe(ctx context.Context, pod *corev1.Pod) {
	if len(pod.UID) > maxUID {
		return
	}

	if pod.DeletionTimestamp != nil {
		f.forget(pod)
		return
	}

	f.unstick(ctx, pod)
	if pod.CreationTimestamp.Time.Before(f.since) {
		return
	}

	state := stateOf(pod, f.object.info.Mapping.GroupVersionKind.Kind == "Job")
	f.mu.Lock()
	if state != podStarting {
		delete(f.starting, pod.UID)
	} else if len(f.starting) < maxStarting {
		f.starting[pod.UID] = true
	}

	f.mu.Unlock()
	switch state {
	case podBroken:
		f.report(faultOf(pod))
	case podPulling:
		_, known := f.due[pod.UID]
		if !known && len(f.due) >= maxPulling {
			return
		}
		if !known {
			f.due[pod.UID] = f.client.now().Add(pullGrace)
		}

		f.pulling[pod.UID] = faultOf(pod)
	default:
		delete(f.due, pod.UID)
		delete(f.pulling, pod.UID)
	}
}

func (f *podFollower) forget(pod *corev1.Pod) {
	delete(f.due, pod.UID)
	delete(f.pulling, pod.UID)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.starting, pod.UID)
}

// nextDue is ready when the grace of a pod is over.
func (f *podFollower) nextDue() <-chan time.Time {
	var next time.Time
	for _, at := range f.due {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}

	if next.IsZero() {
		return nil
	}

	return time.After(next.Sub(f.client.now()))
}

func (f *podFollower) overdue() {
	for uid, at := range f.due {
		if !at.After(f.client.now()) {
			f.report(f.pulling[uid])
			return
		}
	}
}

// faultOf says what a pod lacks.
func faultOf(pod *corev1.Pod) string { return short("pod " + pod.Name + " " + health.PodCause(pod)) }

func (f *podFollower) report(fault string) {
	object := f.object
	object.cause = fault
	select {
	case f.broken <- object:
	default: // one is enough
	}
}

// podState is what a pod tells about its workload.
type podState int

const (
	podFine podState = iota
	podStarting
	podPulling
	podBroken
)

// stateOf judges the containers of a pod; the worst counts. A Job starts its containers again as often as it says
// itself.
func stateOf(pod *corev1.Pod, job bool) podState {
	worst := podFine
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			if status.State.Waiting == nil {
				continue
			}

			state := podFine
			switch status.State.Waiting.Reason {
			case "ContainerCreating", "PodInitializing":
				state = podStarting
			case "ImagePullBackOff", "ErrImagePull":
				state = podPulling
			case "CreateContainerConfigError", "InvalidImageName":
				state = podBroken
			case "CrashLoopBackOff":
				if !job && status.RestartCount >= crashes {
					state = podBroken
				}
			}

			worst = max(worst, state)
		}
	}

	return worst
}
