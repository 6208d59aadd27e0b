package view

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// KustomizationPlan is what applying a Kustomization would do.
type KustomizationPlan struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Digest identifies the plan, as status.plan.digest does: it is the same as long as the same objects are built, and
	// the same are deleted, on top of what is applied. It is empty when nothing is pending.
	Digest string `json:"digest,omitempty"`
	// Risk is the highest class among the risks of all objects: None, Restart, Recreate, DataLoss or Escalation.
	Risk string `json:"risk"`
	// FromRevision is the revision of the source that is applied, empty when none is.
	FromRevision string `json:"fromRevision,omitempty"`
	PlanContent
}

// Pending reports whether applying the Kustomization would do anything.
func (p KustomizationPlan) Pending() bool { return p.Digest != "" }

// NewKustomizationPlan projects what applying a Kustomization would do. show.Mask is not nil.
func NewKustomizationPlan(k *v1beta1.Kustomization, f *apply.Foresight, show Disclosure) KustomizationPlan {
	out := KustomizationPlan{
		Namespace: k.Namespace, Name: k.Name, Risk: f.Risk.String(), FromRevision: k.Status.LastAppliedRevision,
		PlanContent: contentOf(f.Preview),
	}
	if !f.Unchanged || len(f.Objects) > 0 {
		out.Digest = f.Digest
	}

	for i := range out.Objects {
		object := &out.Objects[i]
		for n := range object.Fields {
			if field := &object.Fields[n]; field.From != "" && !show.Former {
				field.From = Masked
			}
		}
	}

	return out
}
