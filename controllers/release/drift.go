package release

import (
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/status"
)

// differences are what drift was found, from memory.
type differences struct {
	// drifted have to be looked at; audit is when all objects have to be.
	drifted []v1beta1.ResourceRef
	audit   time.Time
	again   time.Duration
	events  []status.Event
}

// drift finds the objects that have to be looked at, and says when all of them have to.
func (w *watcher) drift(hr *v1beta1.HelmRelease, known *watched, sightings []engine.Sighting) (found differences) {
	now := w.now()
	if hr.GetDriftMode() == v1beta1.DriftDisabled {
		status.DriftOff(hr, now)
		clear(known.judged)
		return found
	}
	var fought fight
	clear(known.seen)
	for _, s := range sightings {
		state := stateOf(hr, s)
		if state == "" && !known.again[s.Ref.ID] {
			delete(known.judged, s.Ref.ID)
			continue
		}
		known.seen[s.Ref.ID] = state
		if rival, until, is := w.fights.Fought(fightKey(hr, s.Ref), now); is && hr.GetDriftMode() == v1beta1.DriftEnabled {
			fought.add(s, rival, until)
			continue
		}
		if had, is := known.judged[s.Ref.ID]; !is || had != state || known.again[s.Ref.ID] {
			found.drifted = append(found.drifted, s.Ref)
		}
	}
	switch {
	case len(fought.objects) > 0:
		if event := status.DriftFight(hr, fought.objects, fought.rivals, fought.until, now); event.Reason != "" {
			found.events = append(found.events, event)
		}
		found.again = fought.until.Sub(now)
	case len(known.seen) == 0 && unwatched(sightings) == 0:
		status.DriftNone(hr, now)
	}
	if known.audit.IsZero() {
		known.audit = now.Add(known.pause(auditEvery(hr, unwatched(sightings) > 0), w.jitter))
	}
	found.audit = known.audit
	return found
}

// pause is how long the next audit is off: somewhere in the second half of the first period of a process, so that a thousand
// releases are not audited at once, and a little more than one period after that.
func (k *watched) pause(every time.Duration, jitter loop.Jitter) time.Duration {
	if !k.audited {
		return jitter(every/2, 1)
	}
	return jitter.Spread(every)
}

// auditEvery is the time between two audits of a release.
func auditEvery(hr *v1beta1.HelmRelease, unwatched bool) time.Duration {
	if unwatched {
		return hr.GetInterval()
	}
	return max(hr.GetInterval(), leastAudit)
}

// fight are the objects that a rival changes again and again.
type fight struct {
	objects, rivals []string
	until           time.Time
}

func (f *fight) add(s engine.Sighting, rival string, until time.Time) {
	name := s.Kind + " " + s.Name
	if s.Namespace != "" {
		name = s.Kind + " " + s.Namespace + "/" + s.Name
	}
	f.objects = append(f.objects, name)
	if rival != "" && !slices.Contains(f.rivals, rival) {
		f.rivals = append(f.rivals, rival)
	}
	if f.until.IsZero() || until.Before(f.until) {
		f.until = until
	}
}

func fightKey(hr *v1beta1.HelmRelease, ref v1beta1.ResourceRef) string {
	return client.ObjectKeyFromObject(hr).String() + " " + ref.ID
}

// stateOf names the state of an object that is not as it should be; empty when it is, or when nobody can tell.
func stateOf(hr *v1beta1.HelmRelease, s engine.Sighting) string {
	switch {
	case !s.Tracked, s.There && (s.Entry.Deleting || s.Entry.IgnoresDrift):
		return ""
	case !s.There && s.Ref.Ownership == drift.Absent:
		return ""
	case !s.There:
		return "missing"
	case s.Entry.Release != hr.GetReleaseName() || s.Entry.ReleaseNamespace != hr.GetReleaseNamespace():
		return "of another release, " + string(s.Entry.UID)
	case s.Ref.Ownership == "":
		return "not compared yet, " + contentOfEntry(s)
	case s.Ref.Ownership != s.Ownership():
		return contentOfEntry(s)
	case !s.Owned():
		return fmt.Sprintf("%s at %d", s.Entry.UID, s.Entry.ResourceVersion)
	default:
		return ""
	}
}

// contentOfEntry changes with the content of an object, and not with its status where the API server tells these apart.
func contentOfEntry(s engine.Sighting) string {
	version := s.Entry.Generation
	if version == 0 {
		version = int64(s.Entry.ResourceVersion) //nolint:gosec // it is only compared
	}
	return fmt.Sprintf("%s %s at %d", s.Entry.UID, s.Ownership(), version)
}
