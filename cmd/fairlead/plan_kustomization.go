package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/view"
)

// planKustomization prints the plan of a Kustomization. It returns errNotReady when something is pending.
func (a *app) planKustomization(cmd *cobra.Command, k kind, name string, files *filesFlags, out *output) error {
	ctx := cmd.Context()
	ks, err := a.appliedKustomization(ctx, k, name, files)
	if err != nil {
		return err
	}

	to := "the local files"
	var objects []apply.Object
	var mask func(string) string
	if files.path != "" {
		objects, mask, err = a.render(ctx, ks, files)
	} else {
		objects, mask, to, err = a.sourceObjects(ctx, ks)
	}
	if err != nil {
		return err
	}

	f, err := a.foreseen(ctx, ks, objects, mask)
	if err != nil {
		return fmt.Errorf("plan %s: %s", k.describe(client.ObjectKeyFromObject(ks)), mask(err.Error()))
	}

	p := view.NewKustomizationPlan(ks, f, view.Disclosure{Mask: mask, Former: !kustomization.TakesSecrets(ks)})
	if out.machine() {
		err = out.write(a.out, p)
	} else {
		a.kustomizationPlanLines(p, to)
	}
	if err == nil && p.Pending() {
		err = errNotReady
	}

	return err
}

// foreseen finds out what applying the objects of a Kustomization would do.
func (a *app) foreseen(
	ctx context.Context, ks *v1beta1.Kustomization, objects []apply.Object, mask func(string) string,
) (*apply.Foresight, error) {
	set, err := kustomization.Set(ks, objects)
	if err != nil {
		return nil, err
	}

	set.From = ks.Status.LastAppliedDigest
	f, err := a.cluster.foresee(ctx, set, mask)
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("%w; a plan takes get of the objects, and patch for dry runs", err)
	}

	return f, err
}

// kustomizationPlanLines prints a plan for people. to is what it is about.
func (a *app) kustomizationPlanLines(p view.KustomizationPlan, to string) {
	if !p.Pending() {
		a.note("nothing pending: Kustomization %s/%s has applied %s", p.Namespace, p.Name, oneLine(to))
		return
	}

	fmt.Fprintf(a.err, "from %s to %s\n", oneLine(cmp.Or(p.FromRevision, "nothing")), oneLine(to))
	a.objectsOfPlan(p.PlanContent)
	a.podsOfPlan(p.PlanContent)
	fmt.Fprintf(a.out, "risk: %s\n", a.paint(colourOfRisk[p.Risk], p.Risk))
	fmt.Fprintf(a.out, "plan: %s\n", p.Digest)
}
