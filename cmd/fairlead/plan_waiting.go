package main

import (
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// waitingPlan prints the plan that a release waits with, as the controller wrote it.
func (a *app) waitingPlan(cmd *cobra.Command, args []string, out *output) error {
	k, name, err := kindAndName(cmd, args, "release")
	if err != nil {
		return err
	}

	c, err := a.open()
	if err != nil {
		return err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	hr, err := a.release(cmd.Context(), c, k, key)
	if err != nil {
		return err
	}
	if hr.Status.Plan == nil {
		a.note("%s waits with no plan", k.describe(key))
		return nil
	}

	stored := &v1beta1.ReleasePlan{}
	at := types.NamespacedName{Namespace: key.Namespace, Name: v1beta1.PlanName(k.name, name)}
	err = c.client.Get(cmd.Context(), at, stored)
	switch {
	case apierrors.IsNotFound(err), err == nil && stored.Spec.Digest != hr.Status.Plan.Digest:
		return fmt.Errorf("%s waits with plan %s, and the controller has not stored it as a ReleasePlan; its summary: "+
			"fairlead status %s %s -n %s", k.describe(key), v1beta1.ShortDigest(hr.Status.Plan.Digest), k.word, name,
			key.Namespace)
	case err != nil:
		return requestError("get", "releaseplans", at.Namespace, at.Name, err)
	}

	p, err := view.DecodePlan(stored.Spec.Content)
	if err != nil {
		return fmt.Errorf("read ReleasePlan %s/%s: %w", at.Namespace, at.Name, err)
	}
	if stored.Spec.Truncated > 0 {
		a.note("the plan is too large to be stored as a whole; %s with the lowest risks are left out",
			plural(int(stored.Spec.Truncated), "object"))
	}

	p.Note = status.Message(hr)
	return a.printPlan(p, out)
}
