package release

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=releaseplans,verbs=create;patch;delete

// planOwner owns the ReleasePlans.
const planOwner = "fairlead-plans"

// planWrite bounds one write of a ReleasePlan.
const planWrite = 10 * time.Second

// plans keeps the whole plan of each release that waits, as a ReleasePlan. Only releases that ask for plans have one.
// A plan that cannot be kept stops nothing: the status has its digest, its risk and the riskiest objects.
type plans struct {
	writer client.Client
}

func newPlans(c client.Client) plans {
	return plans{writer: client.WithFieldValidation(client.WithFieldOwner(c, planOwner), "Strict")}
}

// keep writes the ReleasePlan of a release.
func (p plans) keep(ctx context.Context, w release.Work, f *engine.Foresight, summary *v1beta1.PlanStatus) {
	ctx, cancel := context.WithTimeout(ctx, planWrite)
	defer cancel()

	object, err := planObject(w, f, summary)
	if err == nil {
		err = p.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.ForceOwnership)
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "writing the ReleasePlan failed; status.plan of the HelmRelease has its summary")
	}
}

// drop deletes the ReleasePlan of a release of which nothing waits any more.
func (p plans) drop(ctx context.Context, hr *v1beta1.HelmRelease) {
	ctx, cancel := context.WithTimeout(ctx, planWrite)
	defer cancel()

	gone := &v1beta1.ReleasePlan{ObjectMeta: metav1.ObjectMeta{
		Namespace: hr.Namespace, Name: v1beta1.PlanName(v1beta1.HelmReleaseKind, hr.Name),
	}}
	if err := p.writer.Delete(ctx, gone); err != nil && !apierrors.IsNotFound(err) {
		log.FromContext(ctx).Error(err, "deleting the ReleasePlan failed; Kubernetes deletes it with the HelmRelease")
	}
}

// planObject is the ReleasePlan of a plan.
func planObject(
	w release.Work, f *engine.Foresight, summary *v1beta1.PlanStatus,
) (*unstructured.Unstructured, error) {
	hr := w.Release
	whole, err := view.NewPlan(view.PlanInput{
		Foresight: f, Namespace: w.Plan.Target.Namespace, DisableHooks: w.DisablesHooks(f.First),
		Tests: plan.TestsOf(hr), Mask: release.MaskOf(hr, w.Inputs, f.From.Values).Apply,
	})
	if err != nil {
		return nil, err
	}

	whole.Namespace = hr.Namespace
	whole.Name = hr.Name
	whole.PendingChange = view.PendingChange{Change: w.Inputs.Mask.Apply(w.Plan.Message), To: w.Inputs.Chart}
	if latest := hr.Status.Latest(); latest != nil {
		whole.From = &v1beta1.ChartRevision{
			Name: latest.ChartName, Version: latest.ChartVersion, Digest: latest.ChartDigest,
		}
	}

	content, dropped, err := view.EncodePlan(whole)
	if err != nil {
		return nil, err
	}

	made := &v1beta1.ReleasePlan{
		TypeMeta: metav1.TypeMeta{APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ReleasePlanKind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: hr.Namespace, Name: v1beta1.PlanName(v1beta1.HelmReleaseKind, hr.Name),
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(hr, v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind)),
			},
		},
	}
	made.Spec = v1beta1.ReleasePlanSpec{
		Kind: v1beta1.HelmReleaseKind, Name: hr.Name, Digest: summary.Digest, Risk: summary.Risk,
		Summary: summary.Summary, Content: content, Truncated: v1beta1.Number(dropped),
	}
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(made)
	if err != nil {
		return nil, fmt.Errorf("converting the plan: %w", err)
	}

	return &unstructured.Unstructured{Object: raw}, nil
}
