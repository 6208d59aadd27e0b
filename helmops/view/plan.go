package view

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
)

// Plan is what the next install or upgrade of a release would do.
type Plan struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Digest identifies the plan: it is the same as long as the same inputs make the same objects from the same
	// revision. It is empty when nothing is pending.
	Digest string `json:"digest,omitempty"`
	// Risk is the highest class among the risks of all objects: None, Restart, Recreate, DataLoss or Escalation.
	Risk string `json:"risk"`
	// FromRevision is the revision that runs, 0 when none does.
	FromRevision int `json:"fromRevision,omitempty"`
	PendingChange
	PlanContent
	// Hooks that would run, or that differ.
	Hooks []HookDifference `json:"hooks"`
}

// PlanContent is what a plan does to objects.
type PlanContent struct {
	Summary PlanSummary `json:"summary"`
	// Objects that differ, the riskiest first.
	Objects  []PlanObject `json:"objects"`
	Images   []PlanImage  `json:"images"`
	Requests PlanRequests `json:"requests"`
	// Unstable are fields that change with each rendering, for example random passwords; the digest leaves them out.
	Unstable []PlanField `json:"unstable"`
}

// PlanSummary counts objects.
type PlanSummary struct {
	Created int `json:"created"`
	Changed int `json:"changed"`
	Deleted int `json:"deleted"`
	// Kept are no longer wanted, and stay.
	Kept int `json:"kept"`
	Same int `json:"same"`
}

// PlanObject is one object that differs.
type PlanObject struct {
	ObjectDifference
	Risks []PlanRisk `json:"risks,omitempty"`
}

// PlanRisk is one reason why the change of an object is risky.
type PlanRisk struct {
	Class string `json:"class"`
	Why   string `json:"why"`
}

// PlanImage is an image that changes; From or To is empty where the container is new or gone.
type PlanImage struct {
	Object    string `json:"object"`
	Container string `json:"container"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
}

// PlanRequests are the sums of what all pods request.
type PlanRequests struct {
	CPU    PlanAmount `json:"cpu"`
	Memory PlanAmount `json:"memory"`
}

// PlanAmount is a quantity before and after.
type PlanAmount struct {
	From resource.Quantity `json:"from"`
	To   resource.Quantity `json:"to"`
}

// Changes reports whether it is another quantity afterwards.
func (a PlanAmount) Changes() bool { return a.From.Cmp(a.To) != 0 }

// PlanField is a field of an object; Path is empty for the object itself.
type PlanField struct {
	Object string `json:"object"`
	Path   string `json:"path,omitempty"`
}

// PlanInput is what a plan is made of. It may hold secrets.
type PlanInput struct {
	Foresight *engine.Foresight
	// Namespace of the release.
	Namespace string
	// DisableHooks is set when the release runs no hooks.
	DisableHooks bool
	// Tests that the release runs.
	Tests plan.Tests
	// Mask hides secrets in values.
	Mask func(string) string
}

// NewPlan compares what runs with what would run. Names and the chart are left to the caller.
func NewPlan(in PlanInput) (Plan, error) {
	f := in.Foresight
	p, err := preview.Of(preview.Input{
		From: f.From.Rendering(), To: f.To.Rendering(), Again: f.Again.Rendering(),
		Namespace: in.Namespace, Kept: f.Kept, Untried: f.Untried, Mask: in.Mask,
	})
	if err != nil {
		return Plan{}, fmt.Errorf("plan the change: %w", err)
	}

	out := EmptyPlan()
	out.Digest = p.Digest(f.Inputs)
	out.FromRevision = f.Inputs.From
	out.Risk = p.Risk.String()
	was, is := settledHooks(f.From.Hooks, f.To.Hooks, f.Again.Hooks)
	out.Hooks = HooksOfNext(hookDifferences(was, is),
		NextHooks{Install: f.First, Disabled: in.DisableHooks, Tests: in.Tests})
	out.PlanContent = contentOf(p)
	return out, nil
}

func contentOf(p preview.Preview) PlanContent {
	out := emptyContent()
	out.Summary.Same = p.Same
	out.Requests = PlanRequests{
		CPU:    PlanAmount{From: p.Requests.CPU.From, To: p.Requests.CPU.To},
		Memory: PlanAmount{From: p.Requests.Memory.From, To: p.Requests.Memory.To},
	}

	for _, o := range p.Objects {
		object := planObjectOf(o)
		out.Objects = append(out.Objects, object)
		out.Summary.count(object.Change)
	}

	for _, i := range p.Images {
		out.Images = append(out.Images, PlanImage(i))
	}

	for _, f := range p.Unstable {
		out.Unstable = append(out.Unstable, PlanField(f))
	}

	return out
}

// EmptyPlan is the plan of a release of which nothing is pending.
func EmptyPlan() Plan {
	return Plan{Risk: preview.None.String(), PlanContent: emptyContent(), Hooks: []HookDifference{}}
}

func emptyContent() PlanContent {
	return PlanContent{Objects: []PlanObject{}, Images: []PlanImage{}, Unstable: []PlanField{}}
}

func planObjectOf(o preview.Object) PlanObject {
	out := PlanObject{ObjectDifference: ObjectDifference{
		Kind: o.Kind, Group: o.Group, Namespace: o.Namespace, Name: o.Name, Change: o.Change, More: o.More,
	}}
	if o.Kept != "" {
		out.Change = KeptChange
		out.Note = o.Kept
	}
	if o.Untried != "" {
		out.Note = preview.ComparedByManifest + o.Untried
	}

	for _, f := range o.Fields {
		out.Fields = append(out.Fields, FieldDifference{Path: f.Path, Change: f.Change, From: f.Was, To: f.Becomes})
	}

	for _, r := range o.Risks {
		out.Risks = append(out.Risks, PlanRisk{Class: r.Class.String(), Why: r.Why})
	}

	return out
}

func (s *PlanSummary) count(change string) {
	switch change {
	case diff.Created:
		s.Created++
	case diff.Changed:
		s.Changed++
	case diff.Deleted:
		s.Deleted++
	case KeptChange:
		s.Kept++
	}
}
