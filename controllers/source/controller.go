package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/process/backoff"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// Retries of a failed poll: 5 s, doubled up to the interval of the source or maxRetry, whichever is less.
const (
	firstRetry = 5 * time.Second
	maxRetry   = 10 * time.Minute
)

var retries = backoff.Policy{First: firstRetry, Last: maxRetry}

// poller asks upstream for news of one source; see Catalog.Poll.
type poller func(ctx context.Context, source v1beta1.Source, choices []catalog.ChartRef) catalog.Polled

// polled is what one poll of a source found, and which generation and which request it was made for.
type polled struct {
	catalog.Polled

	generation int64
	request    string
}

// handler polls the sources of one kind.
type handler[T catalog.Object] struct {
	kind    string
	catalog *catalog.Catalog
	poll    poller
	choices func(context.Context, catalog.ChartRef) ([]catalog.ChartRef, error)
	// pace is the shortest interval at which a release asks the source for its chart, zero when none does; nil for
	// none.
	pace   func(context.Context, catalog.ChartRef) time.Duration
	tasks  *loop.Tasks[polled]
	events events.EventRecorder
	now    func() time.Time
	jitter loop.Jitter

	mu     sync.Mutex
	visits map[types.NamespacedName]visit
}

// visit is what is remembered of the last poll of a source.
type visit struct {
	input string
	next  time.Time
	// polled is when the last poll succeeded; zero when it did not.
	polled   time.Time
	failures int
	// reached is set when the poll failed but upstream answered: another question may have an answer.
	reached bool
}

// Reconcile implements loop.Handler.
func (h *handler[T]) Reconcile(ctx context.Context, object T) (time.Duration, error) {
	key := client.ObjectKeyFromObject(object)
	if found, ok := h.tasks.Take(key); ok {
		h.record(object, found)
	}
	if elapsed, running := h.tasks.Running(key); running {
		return h.progress(object, elapsed), nil
	}
	if object.IsSuspended() {
		return 0, nil
	}

	choices, err := h.choices(ctx, h.choiceOf(object))
	if err != nil {
		return 0, err
	}
	if wait := h.untilDue(ctx, object, choices); wait > 0 {
		return wait, nil
	}

	h.start(ctx, object, choices)
	return loop.Slow, nil
}

// Finalize implements loop.Handler. Sources have no finalizer: the cache collects what no source needs.
func (h *handler[T]) Finalize(context.Context, T) (bool, time.Duration, error) {
	return true, 0, nil
}

// Forget implements loop.Handler.
func (h *handler[T]) Forget(key types.NamespacedName) {
	h.mu.Lock()
	delete(h.visits, key)
	h.mu.Unlock()
	source := catalog.ChartRef{Kind: h.kind, Namespace: key.Namespace, Name: key.Name}
	h.catalog.Forget(source)
	if choices, err := h.choices(context.Background(), source); err == nil {
		h.catalog.Notify(context.Background(), choices...)
	}
}

func (h *handler[T]) choiceOf(object T) catalog.ChartRef {
	return catalog.ChartRef{Kind: h.kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// progress says that the first poll is under way once it takes longer than a moment.
func (h *handler[T]) progress(object T, elapsed time.Duration) time.Duration {
	if elapsed < loop.Slow {
		return loop.Slow - elapsed
	}
	if !status.IsReady(object) && object.GetObservedGeneration() != object.GetGeneration() {
		status.Progressing(object, "asking upstream", h.now())
	}
	return 0
}

// untilDue returns how long the next poll can wait. It is due when what decides about it changed, when a user asks
// for a chart that the last poll did not look for, and when the cache has lost the artifact.
func (h *handler[T]) untilDue(ctx context.Context, object T, choices []catalog.ChartRef) time.Duration {
	h.mu.Lock()
	last, visited := h.visits[client.ObjectKeyFromObject(object)]
	h.mu.Unlock()
	if !visited || last.input != h.input(ctx, object) {
		return 0
	}

	artifact := object.GetArtifact()
	switch {
	case last.failures > 0 && !last.reached:
	case last.failures == 0 && (artifact == nil || !h.catalog.View(object).Has(artifact.Digest)):
		return 0
	case !h.catalog.Answered(ctx, object, choices):
		return 0
	}

	return max(0, h.dueAt(ctx, object, last).Sub(h.now()))
}

// input is what decides about a poll besides time: the spec, the request annotation and the Secret.
func (h *handler[T]) input(ctx context.Context, object T) string {
	request := object.GetAnnotations()[v1beta1.ReconcileRequestAnnotation]
	return fmt.Sprintf("%d %s", object.GetGeneration(), request) + h.catalog.SecretVersions(ctx, object)
}

// start polls a source outside of the worker. It does nothing while the result of the last poll waits for the next
// reconcile, which then counts that poll for the input that it was made with.
func (h *handler[T]) start(ctx context.Context, object T, choices []catalog.ChartRef) {
	key := client.ObjectKeyFromObject(object)
	source := object.DeepCopyObject().(T)
	begun := polled{
		generation: source.GetGeneration(),
		request:    source.GetAnnotations()[v1beta1.ReconcileRequestAnnotation],
	}
	input := h.input(ctx, object)
	started := h.tasks.Start(key, func(ctx context.Context) polled {
		since := h.now()
		found := begun
		found.Polled = h.pollSupported(ctx, source, choices)
		observePoll(h.kind, found.Err, h.now().Sub(since))
		return found
	}, func(fault error) polled {
		failed := begun
		failed.Err = sources.Fail(v1beta1.InternalErrorReason, fault, "polling %s %s", h.kind, key)
		return failed
	})
	if !started {
		return
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	h.visits[key] = visit{input: input, failures: h.visits[key].failures, next: h.now()}
}

// pollSupported polls a source, unless its spec asks for what is not supported.
func (h *handler[T]) pollSupported(ctx context.Context, source T, choices []catalog.ChartRef) catalog.Polled {
	if err := catalog.Supported(source); err != nil {
		return catalog.Polled{Err: err}
	}
	return h.poll(ctx, source, choices)
}

// record writes what a poll found into the status, and plans the next one. A poll of an older spec tells nothing: the
// next one is due already.
func (h *handler[T]) record(object T, found polled) {
	h.schedule(client.ObjectKeyFromObject(object), object, found)
	if catalog.IsPending(found.Err) || found.generation != object.GetGeneration() {
		return
	}

	before := status.Message(object)
	found.Observe(object)
	object.Request().LastHandledReconcileAt = found.request
	h.recordSignature(object, found)
	if found.Err != nil {
		failure := catalog.FailureOf(found.Err)
		failure.Unused = h.catalog.Unused(h.choiceOf(object), object)
		status.SourceFailed(object, failure, h.now())
	} else {
		found.Fill(object)
		status.SourceReady(object, found.Artifact, found.Message+intervalNote(object), h.now())
	}

	if message := status.Message(object); message != before {
		h.tellEvent(object, found.Err, message)
	}

	slices.Sort(found.Warnings)
	for _, warning := range slices.Compact(found.Warnings) {
		h.recordEvent(object, status.Event{Warning: true, Reason: v1beta1.RepublishedReason, Message: warning})
	}
}

func (h *handler[T]) recordSignature(object T, found polled) {
	switch {
	case found.Err != nil && sources.Reason(found.Err) == v1beta1.VerificationFailedReason:
		status.SourceNotVerified(object, found.Err.Error(), h.now())
	case found.Err != nil:
	case !found.Verify:
		status.SourceUnsigned(object, h.now())
	case found.Signed != "":
		status.SourceVerified(object, found.Signed, h.now())
	}
}

func (h *handler[T]) tellEvent(object T, failed error, message string) {
	event := status.Event{Reason: v1beta1.SucceededReason, Message: message}
	if failed != nil {
		event.Warning, event.Reason = true, catalog.FailureOf(failed).Reason
	}
	h.recordEvent(object, event)
}

func (h *handler[T]) recordEvent(object T, event status.Event) {
	loop.EventRecorder{Events: h.events, Kind: h.kind, Action: status.ActionFetch}.Emit(object, event)
}

// schedule plans the next poll: after the interval, or sooner after a failure.
func (h *handler[T]) schedule(key types.NamespacedName, object T, found polled) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.visits[key]
	failed := found.Err
	last.reached = found.Artifact.Digest != ""
	switch {
	case catalog.IsPending(failed):
		last.next = h.now().Add(object.GetInterval()) // woken before that
	case failed == nil:
		last.failures = 0
		last.polled = h.now()
		last.next = h.now().Add(h.jitter.Spread(pollInterval(object)))
	default:
		last.failures++
		last.next = h.now().Add(retryDelay(last.failures, object.GetInterval(), failed))
	}

	h.visits[key] = last
}

// retryDelay is the back-off after failures in a row, or what upstream asked for.
func retryDelay(failures int, interval time.Duration, failed error) time.Duration {
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(failed, &asked) && asked.RetryAfter() > 0 {
		return min(asked.RetryAfter(), time.Hour)
	}
	return min(retries.After(int64(failures)), max(interval, firstRetry))
}

// intervalNote says that a shorter interval than MinInterval was asked for.
func intervalNote(object catalog.Object) string {
	var asked *metav1.Duration
	switch source := object.(type) {
	case *v1beta1.Bucket:
		asked = source.Spec.Interval
	case *v1beta1.GitRepository:
		asked = source.Spec.Interval
	case *v1beta1.HelmRepository:
		asked = source.Spec.Interval
	case *v1beta1.OCIRepository:
		asked = source.Spec.Interval
	case *v1beta1.HelmChart:
		asked = source.Spec.Interval
	}

	if !v1beta1.IsRaised(asked) {
		return ""
	}

	return fmt.Sprintf("; spec.interval %s is shorter than %s, which counts instead", asked.Duration,
		v1beta1.MinInterval())
}
