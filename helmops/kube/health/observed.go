package health

import (
	"cmp"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Observed is an object of an inventory as a watch shows it.
type Observed struct {
	Kind, Group, Namespace, Name string
	// Watched is unset while the kind of the object cannot be watched: nothing is known of the object then.
	Watched bool
	// Exists is set when the object is in the cluster. The fields below are known of it then.
	Exists bool
	// Ignored is set when an annotation of the object excludes it from health.
	Ignored bool
	// Ready is its health when a Job only has to be started, Complete when the Job has to have completed.
	Ready, Complete Report
}

// Verdict is the health of all objects of a release.
type Verdict struct {
	// Unhealthy are the objects that are not Current, those that failed first.
	Unhealthy []v1beta1.ObjectHealth
	// Serving is set when every object does its work, whether or not it is Current.
	Serving bool
	// Failed is set when an object will not become healthy without a change.
	Failed bool
}

// Healthy reports whether the release does its work.
func (v Verdict) Healthy() bool { return v.Serving && !v.Failed }

// Judge returns the health of objects that have been rolled out. No objects are healthy.
func Judge(objects []Observed) Verdict {
	verdict := Verdict{Serving: true}
	for _, o := range objects {
		report := o.report()
		if report.State == Current {
			continue
		}

		verdict.Serving = verdict.Serving && report.Serving
		verdict.Failed = verdict.Failed || report.State == Failed
		verdict.Unhealthy = append(verdict.Unhealthy, v1beta1.ObjectHealth{
			Kind: o.Kind, Group: o.Group, Namespace: o.Namespace, Name: o.Name,
			State: string(report.State), Message: report.Message,
		})
	}

	slices.SortStableFunc(verdict.Unhealthy, func(a, b v1beta1.ObjectHealth) int {
		return cmp.Or(
			cmp.Compare(a.State, b.State), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		)
	})
	return verdict
}

// report judges one object after its rollout. A Job is healthy unless it failed, whether or not it still exists.
func (o Observed) report() Report {
	switch {
	case !o.Watched, o.Exists && o.Ignored:
		return Report{State: Current}
	case o.Group == "batch" && o.Kind == "Job":
		if o.Exists && o.Complete.State == Failed {
			return o.Complete
		}
		return Report{State: Current}
	case !o.Exists:
		return Report{State: InProgress, Message: "does not exist"}
	default:
		return o.Ready
	}
}
