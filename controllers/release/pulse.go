package release

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// settles is how long a release has to be in a state of health before that is told, so that one that flaps is not written
// again and again. An object that has failed for good is told at once.
const settles = 3 * time.Second

// examineAgain is when the causes of what is not healthy are looked at again.
const examineAgain = 2 * time.Minute

// pulse is the health of a release as it was seen last.
type pulse struct {
	// serves reports whether what there is can do its work; since is as of when.
	serves bool
	since  time.Time
	// which objects are not healthy, and how; changed is as of when.
	which   string
	changed time.Time
	// told is what was told last, examined when causes were looked for.
	told     string
	examined time.Time
	seen     bool
}

// unhealthy returns the objects that are not healthy, those that failed first, and whether the release can do its work
// nevertheless.
func unhealthy(sightings []engine.Sighting) (objects []v1beta1.ObjectHealth, serves, failed bool) {
	serves = true
	for _, s := range sightings {
		report := reportOf(s)
		if report.State == health.Current {
			continue
		}
		serves = serves && report.Serving
		failed = failed || report.State == health.Failed
		objects = append(objects, v1beta1.ObjectHealth{
			Kind: s.Kind, Group: s.Group, Namespace: s.Namespace, Name: s.Name, State: string(report.State), Message: report.Message,
		})
	}
	slices.SortStableFunc(objects, func(a, b v1beta1.ObjectHealth) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return objects, serves, failed
}

// reportOf judges one object once its release has been rolled out. A Job is healthy unless it failed, whether or not it is
// still there.
func reportOf(s engine.Sighting) health.Report {
	switch {
	case !s.Tracked, s.There && s.Entry.IgnoresHealth:
		return health.Report{State: health.Current}
	case s.Group == "batch" && s.Kind == "Job":
		if s.There && s.Entry.Complete.State == health.Failed {
			return s.Entry.Complete
		}
		return health.Report{State: health.Current}
	case !s.There:
		return health.Report{State: health.InProgress, Message: "does not exist"}
	default:
		return s.Entry.Ready
	}
}

// beat takes over how the objects are now.
func (p *pulse) beat(objects []v1beta1.ObjectHealth, serves bool, badSince, now time.Time) {
	which := signature(objects)
	if !p.seen || p.which != which {
		p.which, p.changed = which, now
	}
	if !p.seen || p.serves != serves {
		p.serves, p.since = serves, now
		if !p.seen && !serves && !badSince.IsZero() {
			p.since = badSince // it was so before this process began
		}
	}
	p.seen = true
}

func signature(objects []v1beta1.ObjectHealth) string {
	var text strings.Builder
	for _, o := range objects {
		text.WriteString(o.State + " " + o.Kind + " " + o.Group + " " + o.Namespace + " " + o.Name + "\n")
	}
	return text.String()
}

// due tells when the state may be told; zero is now.
func (p *pulse) due(failed bool, now time.Time) time.Duration {
	if failed || p.told == p.which && p.which == "" {
		return 0
	}
	return max(0, settles-now.Sub(p.changed))
}

// healthOf is what the plan needs to know.
func healthOf(p *pulse, objects []v1beta1.ObjectHealth, failed bool) plan.Health {
	h := plan.Health{Known: true, Healthy: p.serves, Failed: failed, Since: p.since}
	if failed {
		h.Healthy = false
	}
	if !h.Healthy {
		h.Message = status.DescribeHealth(objects)
	}
	return h
}
