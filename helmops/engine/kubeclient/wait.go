package kubeclient

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// maxNamed is how many objects an error names.
const maxNamed = 3

// NotReadyError says which objects did not become ready.
type NotReadyError struct {
	// TimedOut is set when there was no more time, unset when an object has failed permanently.
	TimedOut bool
	// Timeout is how long was waited, with what was added for the progress there was.
	Timeout time.Duration
	// Objects that are not ready, with what they lack: "Deployment apps/web: Available: 0/1".
	Objects []string
	// Unready are the same objects in parts.
	Unready []v1beta1.ObjectHealth
	// Of is how many objects the release has.
	Of int
}

// Error implements error.
func (e *NotReadyError) Error() string {
	named := e.Objects
	more := ""
	if len(named) > maxNamed {
		named = named[:maxNamed]
		more = fmt.Sprintf("; and %d more", len(e.Objects)-maxNamed)
	}

	what := strings.Join(named, "; ") + more
	if e.TimedOut {
		return fmt.Sprintf("%d of %d objects not ready after %s: %s", len(e.Objects), e.Of, e.Timeout, what)
	}

	return what
}

// Wait implements kube.Interface. Jobs count as ready once they were started.
func (c *Client) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, false)
}

// WaitWithJobs implements kube.Interface. Jobs count as ready once they have completed.
func (c *Client) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, true)
}

func (c *Client) wait(resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	p := parking{client: c}
	defer p.end()
	return c.untilReady(ctx, &p, resources, timeout, jobs)
}

// unready is an object that is waited for, and what it lacks.
type unready struct {
	info   *resource.Info
	report health.Report
	// cause is why, when that is known already.
	cause string
}

// podsOf watches the pods of what is not ready. While no controller has observed what was written there are none yet:
// the timer fires again then, and no pods are watched.
func (c *Client) podsOf(ctx context.Context, lacking []unready, since time.Time, again *time.Timer) *podWatch {
	if observedOf(lacking) == 0 {
		again.Reset(podsAfter)
		return nil
	}
	return c.watchPods(ctx, lacking, since)
}

// observedOf is of how many objects a controller has seen what was written.
func observedOf(lacking []unready) int {
	observed := 0
	for _, object := range lacking {
		if !object.report.Unobserved {
			observed++
		}
	}
	return observed
}

// untilReady waits until every object is ready. It ends early when one has failed permanently, and later than at the
// timeout, once, when there is progress.
//
// It keeps the share while the controllers of the cluster have not observed what was written, though for podsAfter at
// the most. Writing on would only lengthen their queues: then many releases wait at a time, all become ready at the
// end, and each keeps its manifests in memory until then.
func (c *Client) untilReady(
	ctx context.Context, p *parking, resources kube.ResourceList, timeout time.Duration, jobs bool,
) error {
	c.trackParsed()
	refs := make([]tracker.Ref, len(resources))
	for i, info := range resources {
		refs[i] = ref(info)
	}

	c.tracker.Judge(c.options.Owner, refs, c.options.Health)
	changed, cancel := c.tracker.Watch(refs)
	defer cancel()
	alone := c.followUntracked(ctx, resources, jobs)
	begun := c.now()
	slow := time.NewTimer(podsAfter)
	end := time.NewTimer(timeout)
	defer slow.Stop()
	defer end.Stop()
	progress := progress{last: begun}
	total := timeout
	var pods *podWatch
	for {
		lacking := c.lacking(resources, alone, jobs)
		switch {
		case len(lacking) == 0:
			return nil
		case lacking[0].report.State == health.Failed:
			return c.notReady(lacking[:1], len(resources), 0) //nolint:contextcheck // it has a time of its own
		}

		progress.record(lacking, c.now())
		p.leaveIf(observedOf(lacking) == len(lacking))
		select {
		case <-changed:
		case <-alone.changed:
		case err := <-alone.refused:
			return err
		case <-slow.C:
			p.leaveIf(true)
			pods = c.podsOf(ctx, lacking, c.writesBegan(begun), slow)
		case broken := <-pods.found():
			broken.report.State = health.Failed
			return c.notReady([]unready{broken}, len(resources), 0) //nolint:contextcheck // it has a time of its own
		case <-c.options.Superseded:
			return c.endSuperseded(lacking, len(resources))
		case <-end.C:
			if total > timeout || !progress.lately(pods, timeout/4, c.now()) {
				return c.notReady(lacking, len(resources), total) //nolint:contextcheck // it has a time of its own
			}

			total += timeout
			end.Reset(timeout)
		case <-ctx.Done():
			c.stopWithProcess()
			return ctx.Err()
		}
	}
}

// progress is when what the objects lack changed last.
type progress struct {
	last  time.Time
	lacks map[tracker.Ref]string
}

func (p *progress) record(lacking []unready, now time.Time) {
	lacks := make(map[tracker.Ref]string, len(lacking))
	for _, object := range lacking {
		lacks[ref(object.info)] = object.report.Full()
	}
	if p.lacks != nil && !maps.Equal(p.lacks, lacks) {
		p.last = now
	}
	p.lacks = lacks
}

// lately reports whether there was any progress in the last span of time, or containers are being made.
func (p *progress) lately(pods *podWatch, span time.Duration, now time.Time) bool {
	return pods.busy() || now.Sub(p.last) < span
}

// notReady says what objects lack, and why. A timeout of zero is that of an object that has failed permanently.
func (c *Client) notReady(lacking []unready, of int, timeout time.Duration) error {
	e := &NotReadyError{TimedOut: timeout > 0, Timeout: timeout, Of: of, Objects: c.explained(lacking)}
	for i, object := range lacking {
		kind := object.info.Mapping.GroupVersionKind
		e.Unready = append(e.Unready, v1beta1.ObjectHealth{
			Kind: kind.Kind, Group: kind.Group, Namespace: object.info.Namespace, Name: object.info.Name,
			State: string(object.report.State), Message: strings.TrimPrefix(e.Objects[i], name(object.info)+": "),
		})
	}
	return e
}

// lacking returns the objects that are not ready, one that has failed first.
func (c *Client) lacking(resources kube.ResourceList, alone *loners, jobs bool) []unready {
	var lacking []unready
	for _, info := range resources {
		report := c.report(info, alone, jobs)
		switch report.State {
		case health.Current:
		case health.Failed:
			return []unready{{info: info, report: report}}
		case health.InProgress:
			lacking = append(lacking, unready{info: info, report: report})
		}
	}

	return lacking
}

func (c *Client) report(info *resource.Info, alone *loners, jobs bool) health.Report {
	if report, is := alone.report(info); is {
		return report
	}

	entry, there := c.tracker.Get(ref(info))
	entry = entry.For(c.options.Owner)
	switch {
	case !there:
		return missing(info, jobs)
	case jobs:
		return entry.Complete
	default:
		return entry.Ready
	}
}

// missing judges an object that does not exist. A Job may have been removed after it finished, by its time to live.
func missing(info *resource.Info, jobs bool) health.Report {
	if jobs && info.Mapping.GroupVersionKind.Kind == "Job" {
		return health.Report{State: health.Current}
	}
	return health.Report{State: health.InProgress, Message: "does not exist"}
}

// loners are objects that the tracker cannot follow, because it may not watch their kind; each has a watch of its own.
type loners struct {
	changed chan struct{}
	refused chan error

	mu      sync.Mutex
	reports map[tracker.Ref]health.Report
}

func (l *loners) report(info *resource.Info) (health.Report, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	report, is := l.reports[ref(info)]
	return report, is
}

func (c *Client) followUntracked(ctx context.Context, resources kube.ResourceList, jobs bool) *loners {
	l := &loners{
		changed: make(chan struct{}, 1), refused: make(chan error, len(resources)), reports: map[tracker.Ref]health.Report{},
	}
	for _, info := range resources {
		if c.tracker.Tracks(info.Mapping.GroupVersionKind) {
			continue
		}

		l.reports[ref(info)] = health.Report{State: health.InProgress, Message: "was not looked at yet"}
		guard.GoOr("watching an object", func() {
			if err := c.followAlone(ctx, l, info, jobs); err != nil && ctx.Err() == nil {
				l.refused <- fmt.Errorf("waiting for %s: %w", name(info), err)
			}
		}, func(err error) { l.refused <- err })
	}

	return l
}

// followAlone keeps the report of one object up to date until ctx ends or the object cannot be watched.
func (c *Client) followAlone(ctx context.Context, l *loners, info *resource.Info, jobs bool) error {
	//nolint:contextcheck // Rules are bounded by what they may cost.
	return tracker.Follow(ctx, c.dynamic(info), info.Name, func(live *unstructured.Unstructured) (bool, error) {
		report := missing(info, jobs)
		if live != nil {
			report = c.options.Health.Assess(live, jobs)
			report.Message = short(report.Message)
		}

		l.mu.Lock()
		l.reports[ref(info)] = report
		l.mu.Unlock()
		select {
		case l.changed <- struct{}{}:
		default:
		}

		return false, nil
	})
}

// WatchUntilReady implements kube.Interface: it waits for the Jobs and Pods of a hook to succeed. One that is deleted
// counts as done, as with Helm.
func (c *Client) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	return c.waitReleased(func() error {
		ctx, cancel := c.uncancelled(timeout)
		defer cancel()
		for _, info := range resources {
			if err := c.untilDone(ctx, info, timeout); err != nil {
				return err
			}
		}

		return nil
	})
}

func (c *Client) untilDone(ctx context.Context, info *resource.Info, timeout time.Duration) error {
	kind := info.Mapping.GroupVersionKind.Kind
	if kind != "Job" && kind != "Pod" {
		return nil
	}

	last := health.Report{Message: "was not looked at yet"}
	err := tracker.Follow(ctx, c.dynamic(info), info.Name, func(live *unstructured.Unstructured) (bool, error) {
		if live == nil {
			return true, nil
		}

		last = completed(live)
		return last.State != health.InProgress, nil
	})
	if isCancelled(ctx) {
		return c.endCancelled(fmt.Sprintf("%s had not ended: %s", name(info), last.Message))
	}
	if ctx.Err() != nil {
		c.stopWithProcess()
		why := c.explain(unready{info: info, report: last}) //nolint:contextcheck // this one has ended
		return fmt.Errorf("%s was not done after %s: %s", name(info), timeout, why)
	}
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", name(info), err)
	}
	if c.options.Journal != nil {
		c.options.Journal.HookDone(kind, info.Namespace, info.Name, last.State != health.Failed)
	}
	if last.State == health.Failed {
		why := c.explain(unready{info: info, report: last}) //nolint:contextcheck // it has a time of its own
		return fmt.Errorf("%s failed: %s", name(info), why)
	}

	return nil
}

// completed judges the Job or Pod of a hook, which has to come to an end.
func completed(live *unstructured.Unstructured) health.Report {
	if live.GetKind() != "Pod" {
		return health.Assess(live, true)
	}

	phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
	switch phase {
	case "Succeeded":
		return health.Report{State: health.Current}
	case "Failed":
		message, _, _ := unstructured.NestedString(live.Object, "status", "message")
		return health.Report{State: health.Failed, Message: "phase Failed", Quote: message}
	default:
		return health.Report{State: health.InProgress, Message: "phase " + phase}
	}
}
