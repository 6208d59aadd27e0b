package release

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// Live is what the controller wants to know of live objects.
type Live interface {
	// Live returns what is known of the objects of a HelmRelease without a request; false while they have not been
	// seen completely.
	Live(access cluster.Access, owner types.NamespacedName, refs []v1beta1.ResourceRef, rules *health.Rules) ([]engine.Observed, bool)
	// Forget ends what Live keeps for a HelmRelease.
	Forget(owner types.NamespacedName)
	// Explain adds to objects that are not healthy why they are not, in their own words and by a look at their pods.
	// What hide says is masked, and what the Secrets of the release hold.
	Explain(
		ctx context.Context, access cluster.Access, target plan.Target, refs []v1beta1.ResourceRef, hide engine.Hide,
	) []v1beta1.ObjectHealth
}

// watcher follows the live objects of all releases: it finds what drifted and what is not healthy, from memory.
type watcher struct {
	objects  Live
	examined *loop.Tasks[[]v1beta1.ObjectHealth]
	fights   *drift.ConflictTracker
	now      func() time.Time
	jitter   loop.Jitter

	mu       sync.Mutex
	releases map[types.NamespacedName]*watched
	states   map[types.NamespacedName]plan.ReleaseState
}

// watched is what is remembered of one release.
type watched struct {
	health health.Window
	// causes were found out about objects that are not healthy.
	causes   []v1beta1.ObjectHealth
	drift    *drift.Selection
	adoption plan.AdoptionSchedule
}

func newWatcher(objects Live, examined *loop.Tasks[[]v1beta1.ObjectHealth], now func() time.Time, jitter loop.Jitter) *watcher {
	return &watcher{
		objects: objects, examined: examined, fights: &drift.ConflictTracker{}, now: now, jitter: jitter,
		releases: map[types.NamespacedName]*watched{}, states: map[types.NamespacedName]plan.ReleaseState{},
	}
}

// forget drops what is remembered of a HelmRelease that is gone.
func (w *watcher) forget(key types.NamespacedName) {
	w.setState(key, nil)
	w.unwatch(key)
}

// unwatch ends the watch over the objects of a HelmRelease that owns no Helm release any more.
func (w *watcher) unwatch(key types.NamespacedName) {
	w.objects.Forget(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.releases, key)
}

// of returns what is remembered of a HelmRelease. Only the worker that has the object uses it.
func (w *watcher) of(hr *v1beta1.HelmRelease) *watched {
	key := client.ObjectKeyFromObject(hr)
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.releases[key]
	if known == nil {
		known = &watched{drift: drift.NewSelection()}
		w.releases[key] = known
	}
	return known
}

// look compares the live objects of a release with what they should be, reports their health and drift in the status,
// and returns what the plan has to know, and when to look again. The plan decides when to audit: the watcher does not
// wait for an audit that the plan does not start.
func (w *watcher) look(hr *v1beta1.HelmRelease, in release.Inputs) (live release.Live, again time.Duration, events []status.Event) {
	latest := hr.Status.Latest()
	if latest == nil || latest.Status == plan.StatusUninstalled {
		return live, 0, nil
	}

	known := w.of(hr)
	now := w.now()
	if hr.Status.Inventory == nil {
		live.Unlisted, again = known.adoption.Unlisted(latest.Status, now)
		return live, again, nil
	}

	target := plan.Target{Name: latest.Name, Namespace: latest.Namespace, StorageNamespace: hr.Status.StorageNamespace}
	sightings, ready := w.objects.Live(in.Access, client.ObjectKeyFromObject(hr), hr.Status.Inventory.Entries, in.Rules)
	switch {
	case !ready || lost(sightings):
		return live, w.unseen(hr, known), nil
	case len(sightings) > 0 && unwatched(sightings) == len(sightings):
		status.ReleaseHealth(hr, status.Health{}, now) // only the audit sees anything
	default:
		live.Health, again = w.health(hr, known, in, target, sightings)
	}

	probation := w.probation(hr, known)
	live.Probation = probation > 0
	again = loop.Soonest(again, probation)

	selected := w.selectDrifted(hr, known, sightings)
	live.Drifted = selected.Compare
	live.AuditAt = w.auditAt(hr, known, sightings)
	events, left := w.reportDrift(hr, selected)
	known.health.Seen()
	return live, loop.Soonest(again, left), events
}

// unseen reports that nothing is known when the objects could not be watched for a while. It returns when that is, zero
// when it was reported.
func (w *watcher) unseen(hr *v1beta1.HelmRelease, known *watched) time.Duration {
	now := w.now()
	if left := known.health.Unseen(now); left > 0 {
		return left
	}
	status.ReleaseHealth(hr, status.Health{}, now)
	status.DriftUnknown(hr, now)
	return 0
}

// lost reports whether objects of a release cannot be seen that could be seen before.
func lost(sightings []engine.Observed) bool {
	return slices.ContainsFunc(sightings, func(s engine.Observed) bool { return !s.Tracked && !s.Refused })
}

// unwatched is how many objects of a release may not be watched.
func unwatched(sightings []engine.Observed) (count int) {
	for _, s := range sightings {
		if s.Refused {
			count++
		}
	}
	return count
}

// health judges the objects, reports the verdict once it is stable, and starts the search for causes.
func (w *watcher) health(
	hr *v1beta1.HelmRelease, known *watched, in release.Inputs, target plan.Target, sightings []engine.Observed,
) (plan.Health, time.Duration) {
	now := w.now()
	verdict := health.Judge(healthOf(sightings))
	known.health.Observe(verdict, status.BadSince(hr), now)

	if causes, ok := w.examined.Take(client.ObjectKeyFromObject(hr)); ok {
		known.causes = causes
	}

	objects := explained(verdict.Unhealthy, known.causes)
	out := plan.Health{Known: true, Healthy: verdict.Healthy(), Failed: verdict.Failed, Since: known.health.Since()}
	if !out.Healthy {
		out.Message = status.DescribeHealth(objects)
	}
	if wait := known.health.Delay(verdict.Failed, now); wait > 0 {
		return out, wait
	}

	examine, again := known.health.Report(now)
	if examine {
		w.examine(hr, in, target, refsOf(sightings, objects))
	}

	visible := len(sightings) - unwatched(sightings)
	status.ReleaseHealth(hr, status.Health{Known: true, Objects: objects, Of: visible}, now)
	status.BakeHealth(hr, out.Healthy, out.Since)
	return out, again
}

// examine has the causes looked for of what is not healthy. Objects say them in their own words, which may quote
// secrets: without a mask the causes stay unknown, and the status has only what health.Report.Message says.
func (w *watcher) examine(hr *v1beta1.HelmRelease, in release.Inputs, target plan.Target, refs []v1beta1.ResourceRef) {
	if in.Unmasked {
		return
	}
	wanted := hr.DeepCopy()
	hide := func(former map[string]any) redact.Mask { return release.MaskOf(wanted, in, former) }
	w.examined.Start(client.ObjectKeyFromObject(hr), func(ctx context.Context) []v1beta1.ObjectHealth {
		return w.objects.Explain(ctx, in.Access, target, refs, hide)
	}, func(error) []v1beta1.ObjectHealth { return nil }) // the causes stay unknown
}

// explained adds the causes that were found.
func explained(objects, causes []v1beta1.ObjectHealth) []v1beta1.ObjectHealth {
	for i := range objects {
		for _, cause := range causes {
			if cause.Message != "" && cause.Kind == objects[i].Kind && cause.Group == objects[i].Group &&
				cause.Namespace == objects[i].Namespace && cause.Name == objects[i].Name {
				objects[i].Message = cause.Message
			}
		}
	}
	return objects
}

// maxExplained bounds how many objects are looked at for a cause.
const maxExplained = 5

func refsOf(sightings []engine.Observed, objects []v1beta1.ObjectHealth) []v1beta1.ResourceRef {
	var refs []v1beta1.ResourceRef
	for _, o := range objects[:min(len(objects), maxExplained)] {
		for _, s := range sightings {
			if s.Kind == o.Kind && s.Group == o.Group && s.Namespace == o.Namespace && s.Name == o.Name {
				refs = append(refs, s.Ref)
			}
		}
	}
	return refs
}

// statesOf remembers in which states the objects of a step are that begins.
func (w *watcher) statesOf(hr *v1beta1.HelmRelease, p plan.Plan) map[string]string {
	return w.of(hr).drift.States(p.Objects)
}

// recordResult takes over what a look at objects, or their correction, found out.
func (w *watcher) recordResult(hr *v1beta1.HelmRelease, o status.Outcome, states map[string]string) {
	known := w.of(hr)
	now := w.now()
	known.drift.Compared(states)
	switch o.Reason {
	case plan.ReasonUnlisted:
		known.adoption.Listed(hr.Status.Inventory != nil, now)
	case plan.ReasonAudit:
		known.drift.Audited() // the next look plans the next one
	default:
	}

	for _, d := range o.Drift {
		ref := v1beta1.NewResourceRef(d.Namespace, d.Name, d.Group, d.Kind, "")
		switch {
		case o.Step == plan.Correct && d.Note == "" && o.Failure == nil:
			w.fights.Corrected(fightKey(hr, ref), drift.ChangedBy(d), now)
		case o.Reason == plan.ReasonAudit && hr.GetDriftMode() == v1beta1.DriftEnabled && drift.Correctable(d):
			known.drift.CompareAgain(ref.ID)
		}
	}
}
