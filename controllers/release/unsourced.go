package release

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// chart finds the chart that is wanted. Where its source has no answer at present, because it is not supported or not
// ready, and the release runs as it was declared, it is the chart that runs, and unsourced says why: the release is
// watched and its drift is corrected all the same.
func (g *gatherer) chart(ctx context.Context, hr *v1beta1.HelmRelease) (chart v1beta1.ChartRevision, unsourced,
	err error) {
	choice := catalog.ChoiceOfRelease(hr)
	if chart, err = g.catalog.Chart(ctx, choice); err == nil {
		return chart, nil, nil
	}

	obstacle := chartObstacle(err)
	var known *refs.ObstacleError
	if !errors.As(obstacle, &known) || !isOfSource(known.Reason) || !runsAsDeclared(hr) {
		return v1beta1.ChartRevision{}, nil, obstacle
	}

	runs := hr.Status.Latest()
	if last, is := g.catalog.Last(ctx, choice); is && last.Digest == runs.ChartDigest {
		return last, obstacle, nil
	}

	return v1beta1.ChartRevision{Name: runs.ChartName, Version: runs.ChartVersion, Digest: runs.ChartDigest},
		obstacle, nil
}

// isOfSource reports whether a reason is about a source as a whole, and not about the chart or its signature.
func isOfSource(reason string) bool {
	switch reason {
	case v1beta1.SourceNotReadyReason, v1beta1.URLInvalidReason, v1beta1.AuthenticationFailedReason,
		v1beta1.FetchFailedReason, v1beta1.StorageFailedReason, v1beta1.BudgetExceededReason:
		return true
	default:
		return false
	}
}

// runsAsDeclared reports whether the newest revision was what the present spec asks for when it was last looked at.
func runsAsDeclared(hr *v1beta1.HelmRelease) bool {
	runs := hr.Status.Latest()
	released := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReleasedCondition)
	return runs != nil && runs.Status == plan.StatusDeployed && runs.ChartDigest != "" &&
		runs.Action != string(plan.Rollback) && !status.IsHeld(hr) &&
		meta.FindStatusCondition(hr.Status.Conditions, v1beta1.RemediatedCondition) == nil &&
		released != nil && released.Status == metav1.ConditionTrue && released.ObservedGeneration == hr.Generation
}
