package view

import (
	"cmp"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/preview"
)

// Review is what a change of a Git repository would do: the plans of all releases and Kustomizations that it touches.
type Review struct {
	// Base and Head are the revisions that are compared.
	Base string `json:"base"`
	Head string `json:"head"`
	// KubeVersion is the version of Kubernetes that charts were rendered for.
	KubeVersion string `json:"kubeVersion"`
	// Risk is the highest class of all plans: None, Restart, Recreate, DataLoss or Escalation.
	Risk string `json:"risk"`
	// Untouched is how many releases and Kustomizations there are that the change does not touch.
	Untouched int `json:"untouched"`
	// Failed is how many plans could not be made.
	Failed int `json:"failed"`
	// Notes say what the plans do not know.
	Notes []string `json:"notes"`
	// Items are the plans: those that could not be made first, then the riskiest.
	Items []ReviewItem `json:"items"`
}

// ReviewItem is what a change does to one release, one Kustomization or one directory.
type ReviewItem struct {
	// Kind is HelmRelease, Kustomization, or Directory for one that was named and that no Kustomization builds.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Change is created, changed or deleted.
	Change string `json:"change"`
	// File declares the object, at the Line, as far as it is known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Risk is the highest class among the risks of all objects.
	Risk string `json:"risk"`
	// From and To are the charts of a release on either side; nil where it is not there.
	From *v1beta1.ChartRevision `json:"from,omitempty"`
	To   *v1beta1.ChartRevision `json:"to,omitempty"`
	// Values that the chart is given differently.
	Values []ValueDifference `json:"values,omitempty"`
	PlanContent
	// Hooks that would run, or that differ.
	Hooks []HookDifference `json:"hooks,omitempty"`
	// Notes say what the plan does not know.
	Notes []string `json:"notes,omitempty"`
	// Error says why the plan could not be made; empty when it was.
	Error string `json:"error,omitempty"`
}

// DirectoryKind is the Kind of an item that is no object.
const DirectoryKind = "Directory"

// Differs reports whether the change does anything to what the item is about.
func (i ReviewItem) Differs() bool {
	hook := func(h HookDifference) bool { return h.Change != SameHook }
	return i.Change != diff.Changed || len(i.Objects) > 0 || len(i.Values) > 0 || slices.ContainsFunc(i.Hooks, hook) ||
		i.To != nil && i.From != nil && (i.From.Version != i.To.Version || i.From.Name != i.To.Name)
}

// ReviewInput is what the plan of a release is made of, in a review. It may hold secrets.
type ReviewInput struct {
	PlanInput
	// Values of either side.
	From, To GivenValues
}

// SetRelease fills the plan of a release in.
func (i *ReviewItem) SetRelease(in ReviewInput) error {
	p, err := NewPlan(in.PlanInput)
	if err != nil {
		return err
	}

	i.PlanContent = p.PlanContent
	i.Risk = p.Risk
	if i.Change != diff.Deleted {
		i.Hooks = p.Hooks
		i.Values = ValueDifferences(in.From, in.To, in.Mask)
	}

	return nil
}

// SetObjects fills the plan of a Kustomization in.
func (i *ReviewItem) SetObjects(in preview.Input) error {
	p, err := preview.Of(in)
	if err != nil {
		return err
	}
	i.PlanContent = contentOf(p)
	i.Risk = p.Risk.String()
	return nil
}

// NewReviewItem is an item without a plan.
func NewReviewItem(kind, namespace, name, change string) ReviewItem {
	return ReviewItem{
		Kind: kind, Namespace: namespace, Name: name, Change: change, Risk: preview.None.String(),
		PlanContent: emptyContent(),
	}
}

// NoValues are the values of a release that is not there.
func NoValues() GivenValues { return WantedValues(nil, nil) }

// Sort orders the items, and counts them.
func (r *Review) Sort() {
	r.Risk = preview.None.String()
	r.Failed = 0
	for _, item := range r.Items {
		if RiskRank(item.Risk) > RiskRank(r.Risk) {
			r.Risk = item.Risk
		}
		if item.Error != "" {
			r.Failed++
		}
	}

	slices.SortStableFunc(r.Items, func(a, b ReviewItem) int {
		return cmp.Or(
			-cmp.Compare(min(len(a.Error), 1), min(len(b.Error), 1)),
			-cmp.Compare(RiskRank(a.Risk), RiskRank(b.Risk)),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// RiskRank orders classes of risk; a higher one is riskier.
func RiskRank(risk string) int { return slices.Index(v1beta1.Risks(), risk) }
